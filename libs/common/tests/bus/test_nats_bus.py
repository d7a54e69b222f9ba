"""What only a real server can do: die, come back, hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from n1v1_common.bus.api import (
    BusClosed,
    BusUnavailable,
    ConsumerSpec,
    Delivery,
    Outgoing,
    PublishRefused,
    PublishUnknown,
    StreamSpec,
    Subscription,
    SubscriptionLost,
)
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.nats_subscription import origin_of
from n1v1_common.bus.partition import partition_of
from n1v1_common.bus.testing import NatsServer, connect, eventually

pytestmark = pytest.mark.servers

BARS = StreamSpec("BARS", ("bars.>",), "for tests", max_age_s=3600, max_bytes=64 * 1024 * 1024)
READER = ConsumerSpec("BARS", "reader", ("bars.>",))


UNSYNCED = StreamSpec("FLOW", ("flow.>",), "for tests", max_age_s=3600, max_bytes=64 * 1024 * 1024, is_synced=False)


@asynccontextmanager
async def opened(server: NatsServer, **options: object) -> AsyncIterator[NatsBus]:
    bus = await connect(server, **options)
    try:
        await bus.declare([BARS])
        yield bus
    finally:
        await bus.close()


def bars(count: int, *, start: int = 1) -> list[Outgoing]:
    return [Outgoing("bars.0.BTC", b"bar %d" % i, f"bar:{i}") for i in range(start, start + count)]


async def read(subscription: Subscription, count: int, within_s: float = 10, *, ack: bool = False) -> list[Delivery]:
    """So many messages, in however many batches they come."""
    seen: list[Delivery] = []
    async with asyncio.timeout(within_s):
        async for batch in subscription:
            if ack:
                await subscription.ack(batch)
            seen += batch
            if len(seen) >= count:
                break
    return seen


async def read_and_ack(subscription: Subscription, count: int, within_s: float = 10) -> list[Delivery]:
    return await read(subscription, count, within_s, ack=True)


async def answered(bus: NatsBus, durable: str = "reader") -> bool:
    """Whether the server has an answer for everything it delivered."""
    info = await bus._connection.api(f"CONSUMER.INFO.BARS.{durable}")
    return bool(info["num_ack_pending"] == 0 and info["num_pending"] == 0)


async def test_publishing_while_the_server_is_down_is_unknown_at_once(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        own_server.kill()
        await eventually(lambda: disconnected(bus))
        began = time.monotonic()
        with pytest.raises(PublishUnknown, match="bar:1") as caught:
            await bus.publish(bars(2))
        assert time.monotonic() - began < 0.5
        assert caught.value.unknown == tuple(bars(2))
        assert caught.value.retryable


async def test_publishing_over_a_restart_stores_every_message_once_and_in_order(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        publishing = asyncio.create_task(bus.publish(bars(5000), retry_for_s=10))
        await eventually(lambda: stored(bus, 500))
        await asyncio.to_thread(own_server.kill)
        await asyncio.to_thread(own_server.start)
        published = await publishing
        assert [p.seq for p in published] == list(range(1, 5001))
        assert (await bus.stream_position("BARS")).last_seq == 5000


async def test_nothing_acknowledged_is_lost_by_kill_9_under_load(own_server: NatsServer) -> None:
    acknowledged: dict[str, int] = {}
    handled: dict[int, str] = {}

    async def produce(bus: NatsBus, writer: int) -> None:
        for number in range(0, 1500, 10):
            batch = [Outgoing(f"bars.{writer}", b"x" * 100, f"{writer}:{number + i}") for i in range(10)]
            for message, published in zip(batch, await bus.publish(batch, retry_for_s=15), strict=True):
                acknowledged[message.msg_id] = published.seq

    async def handle(subscription: Subscription) -> None:
        async for batch in subscription:
            handled.update((delivery.seq, delivery.msg_id) for delivery in batch)
            await subscription.ack(batch)

    async with opened(own_server) as bus, asyncio.TaskGroup() as tasks:
        handler = tasks.create_task(handle(await bus.consume(replace(READER, ack_wait_s=1.0))))
        writers = [tasks.create_task(produce(bus, writer)) for writer in range(4)]
        for kill in range(1, 4):
            await eventually(lambda least=kill * 1000: at_least(acknowledged, least))  # type: ignore[misc]  # a default in a lambda
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        await asyncio.wait(writers)
        await eventually(lambda: at_least(handled, 6000), within_s=10)
        assert len(acknowledged) == len(set(acknowledged.values())) == 6000
        assert {seq: msg_id for msg_id, seq in acknowledged.items()} == handled
        assert bus.counters.reconnects == 3
        handler.cancel()


async def test_messages_flow_within_a_second_of_the_port_being_open_again(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        await bus.publish(bars(1))
        await read_and_ack(subscription, 1)
        await asyncio.to_thread(own_server.kill)
        await eventually(lambda: disconnected(bus))
        await asyncio.to_thread(own_server.start)
        began = time.monotonic()
        publishing = asyncio.create_task(bus.publish(bars(1, start=2), retry_for_s=5))
        assert [d.msg_id for d in await read_and_ack(subscription, 1)] == ["bar:2"]
        assert time.monotonic() - began < 1.0
        await publishing


async def test_work_finished_while_disconnected_is_acknowledged_after_the_reconnect(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        await bus.publish(bars(3))
        batch = await read(subscription, 3)
        await asyncio.to_thread(own_server.stop)
        await eventually(lambda: disconnected(bus))
        await subscription.ack(batch)
        await asyncio.to_thread(own_server.start)
        await eventually(lambda: connected(bus))
        await eventually(lambda: answered(bus))
        assert bus.counters.late_acks == len(batch)


async def test_what_a_killed_server_forgot_to_have_delivered_comes_again(own_server: NatsServer) -> None:
    """A server notes deliveries on disk a moment later; the late acknowledgement of one that it forgot is ignored."""
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        await bus.publish(bars(3))
        batch = await read(subscription, 3)
        await asyncio.to_thread(own_server.kill)
        await eventually(lambda: disconnected(bus))
        await subscription.ack(batch)
        await asyncio.to_thread(own_server.start)
        await eventually(lambda: connected(bus))
        await bus.publish(bars(1, start=4))
        again: list[str] = []
        while "bar:4" not in again:
            again += [delivery.msg_id for delivery in await read_and_ack(subscription, 1)]
        await eventually(lambda: answered(bus))
        assert set(again) <= {"bar:1", "bar:2", "bar:3", "bar:4"}
        assert len(again) == len(set(again))


async def test_draining_while_disconnected_ends_quietly(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        reading = asyncio.create_task(read_and_ack(subscription, 1))
        own_server.kill()
        await eventually(lambda: disconnected(bus))
        async with asyncio.timeout(2):
            await bus.drain()
            assert await reading == []


async def test_closing_ends_a_publish_that_waits_for_the_server(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        own_server.kill()
        await eventually(lambda: disconnected(bus))
        publishing = asyncio.create_task(bus.publish(bars(1), retry_for_s=60))
        await asyncio.sleep(0.1)
        await bus.close()
        async with asyncio.timeout(1):
            with pytest.raises(BusClosed):
                await publishing


async def test_a_hanging_server_is_reported_dead(own_server: NatsServer) -> None:
    reasons: list[str] = []
    async with opened(own_server, on_dead=reasons.append, watch_interval_s=0.1, watch_failures_max=3):
        await asyncio.sleep(0.4)  # four rounds without a complaint
        assert reasons == []
        own_server.pause()
        await eventually(lambda: truth(reasons))
        own_server.resume()
    assert "no sign of life in 3 checks" in reasons[0]


async def test_a_server_that_stays_away_is_waited_for(own_server: NatsServer) -> None:
    reasons: list[str] = []
    async with opened(own_server, on_dead=reasons.append, watch_interval_s=0.2, watch_failures_max=2) as bus:
        own_server.kill()
        await eventually(lambda: disconnected(bus))
        await asyncio.sleep(0.6)  # three rounds of the watchdog
        assert reasons == []
        await asyncio.to_thread(own_server.start)
        await eventually(lambda: connected(bus))


async def test_no_server_at_the_address_is_an_error_without_the_password(own_server: NatsServer) -> None:
    own_server.kill()
    with pytest.raises(BusUnavailable, match=f"127.0.0.1:{own_server.port}") as caught:
        await NatsBus.connect(f"nats://u:secret@127.0.0.1:{own_server.port}", name="test", connect_timeout_s=0.3)
    assert "secret" not in str(caught.value)


async def test_what_waits_behind_slow_work_is_not_delivered_again(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        await bus.publish(bars(4))
        subscription = await bus.consume(replace(READER, max_batch=1, ack_wait_s=0.3))
        seen: list[tuple[int, int]] = []
        async for [delivery] in subscription:
            await asyncio.sleep(0.25)
            await subscription.ack([delivery])
            seen.append((delivery.seq, delivery.deliveries))
            if delivery.seq == 4:
                break
        assert seen == [(1, 1), (2, 1), (3, 1), (4, 1)]
        await eventually(lambda: answered(bus))


async def test_a_lost_pull_request_is_noticed_by_the_missing_heartbeat(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        # A message for nobody makes the server drop the request without a word, as a network that was away does.
        await bus._client._send_unsubscribe(subscription._subscription._id)  # type: ignore[attr-defined]
        await bus.publish(bars(1))
        await bus._client._send_subscribe(subscription._subscription)  # type: ignore[attr-defined]
        began = time.monotonic()
        assert [d.seq for d in await read_and_ack(subscription, 1)] == [1]
        assert 1.0 < time.monotonic() - began < 5.0
        assert bus.counters.repulls >= 1


async def test_a_deleted_durable_ends_the_subscription(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        subscription = await bus.consume(READER)
        await bus.publish(bars(1))
        await read_and_ack(subscription, 1)
        await bus._connection.api("CONSUMER.DELETE.BARS.reader")
        with pytest.raises(SubscriptionLost, match="reader"):
            await read_and_ack(subscription, 1)


async def test_a_message_larger_than_the_server_takes_is_refused(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        with pytest.raises(PublishRefused, match=r"big .* refused: 2000000 bytes") as caught:
            await bus.publish([*bars(1), Outgoing("bars.0", b"x" * 2_000_000, "big"), *bars(1, start=2)])
        assert [answer.seq if answer else None for answer in caught.value.answers] == [1, None, 2]


async def test_the_partition_of_a_key_is_the_servers_own(own_server: NatsServer) -> None:
    own_server.kill()
    own_server.configure('mappings { "raw.*": "bars.{{partition(8,1)}}.{{wildcard(1)}}" }')
    own_server.start()
    keys = [*(f"SYMBOL{i}" for i in range(40)), "BTC-USD", "ETH-USD", "account_1", "ß"]
    async with opened(own_server) as bus:
        await bus.publish([Outgoing(f"raw.{key}", b"", f"raw:{key}") for key in keys])
        placed = {d.subject.split(".")[2]: int(d.subject.split(".")[1]) for d in await bus.read("BARS")}
    assert placed == {key: partition_of(key, 8) for key in keys}


def test_the_acknowledgement_subject_is_read_with_and_without_a_domain() -> None:
    short = origin_of("$JS.ACK.BARS.reader.2.17.5.1600000000000000001.3")
    long = origin_of("$JS.ACK.hub.Xy1.BARS.reader.2.17.5.1600000000000000001.3.rnd")
    assert short == long
    assert (short.stream, short.seq, short.deliveries, short.published_ns) == ("BARS", 17, 2, 1600000000000000001)


async def connected(bus: NatsBus) -> bool:
    return bus.is_connected


async def disconnected(bus: NatsBus) -> bool:
    return not bus.is_connected


async def stored(bus: NatsBus, least: int) -> bool:
    return (await bus.stream_position("BARS")).last_seq >= least


async def at_least(found: dict[str, int] | dict[int, str], least: int) -> bool:
    return len(found) >= least


async def truth(found: list[str]) -> bool:
    return bool(found)


async def test_whether_a_stream_is_synced_is_decided_when_it_is_made(own_server: NatsServer) -> None:
    async with opened(own_server) as bus:
        await bus.declare([UNSYNCED])
        await bus.declare([replace(UNSYNCED, max_age_s=1800), replace(BARS, is_synced=False)])
        kept = {name: (await bus._stream_info(name))["config"] for name in ("FLOW", "BARS")}
    assert kept["FLOW"]["persist_mode"] == "async"
    assert "persist_mode" not in kept["BARS"], "it was made before, and stays as it is"
    assert kept["FLOW"]["max_age"] == 1800 * 10**9, "what can be changed is changed"
