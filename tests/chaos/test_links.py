"""A link in front of a server that echoes, whole and cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from chaos.links import Cut, Link, Links


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = Link("execution-venue", "127.0.0.1", server.sockets[0].getsockname()[1])
    await link.serve()
    yield link
    await link.close()
    server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, link: Link) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", link.port))

    def say(self, text: bytes) -> None:
        self._writer.write(text)

    async def hears(self) -> bytes:
        return await asyncio.wait_for(self._reader.read(1000), 5)

    async def hears_nothing(self) -> bool:
        try:
            await asyncio.wait_for(self._reader.read(1000), 0.1)
        except TimeoutError:
            return True
        return False


async def test_a_whole_link_passes_everything_on(link: Link) -> None:
    client = await Client.of(link)
    client.say(b"one")
    assert await client.hears() == b"one"


async def test_a_dropped_link_closes_connections_old_and_new_until_it_is_restored(link: Link) -> None:
    old = await Client.of(link)
    old.say(b"one")
    await old.hears()
    link.cut(Cut.DROPPED)
    assert await old.hears() == b""
    assert await (await Client.of(link)).hears() == b""
    link.restore()
    later = await Client.of(link)
    later.say(b"two")
    assert await later.hears() == b"two"


async def test_what_was_sent_into_a_hanging_link_arrives_when_it_is_restored(link: Link) -> None:
    client = await Client.of(link)
    link.cut(Cut.HANGING)
    client.say(b"one")
    assert await client.hears_nothing()
    link.restore()
    assert await client.hears() == b"one"


async def test_a_reset_link_ends_connections_with_an_error_and_takes_new_ones(link: Link) -> None:
    client = await Client.of(link)
    client.say(b"one")
    await client.hears()
    link.cut(Cut.RESET)
    with pytest.raises(ConnectionResetError):
        await client.hears()
    later = await Client.of(link)
    later.say(b"two")
    assert await later.hears() == b"two"


async def test_a_delayed_link_is_late(link: Link) -> None:
    client = await Client.of(link)
    link.cut(Cut.DELAYED, delay_s=0.3)
    client.say(b"one")
    assert await client.hears_nothing()
    assert await client.hears() == b"one"


async def test_the_answer_to_the_second_order_is_kept_back_until_it_is_released(link: Link) -> None:
    client = await Client.of(link)
    with link.watched(b"POST", passages=2) as watch:
        client.say(b"POST first")
        assert await client.hears() == b"POST first"
        client.say(b"GET something")
        assert await client.hears() == b"GET something"
        client.say(b"POST second")
        await watch.sent.wait()
        assert await client.hears_nothing()
        watch.release()
        assert await client.hears() == b"POST second"


async def test_an_answer_that_is_lost_ends_its_connection(link: Link) -> None:
    client = await Client.of(link)
    with link.watched(b"POST", passages=1) as watch:
        client.say(b"POST")
        await watch.answered.wait()
        watch.release(loses_answer=True)
        assert await client.hears() == b""


async def test_a_service_is_told_the_link_instead_of_the_server() -> None:
    links = Links()
    told = links.route("risk", "postgres.dsn", "postgresql://user:word@127.0.0.1:5432/n1v1?x=1")
    assert told == f"postgresql://user:word@127.0.0.1:{links['risk', 'postgres'].port}/n1v1?x=1"
    await links.close()
