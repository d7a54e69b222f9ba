"""What a stage cannot use is put aside with the reason and counted; everything else goes on."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.events import BarClosed
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.dead_letters import DeadLetter, list_dead_letters, requeue
from n1v1_common.bus.errors import NoStreamHears
from n1v1_common.storage.errors import StorageUnavailable
from n1v1_messages.market_data.v1 import market_data_pb2

pytestmark = pytest.mark.servers

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.
SUBJECT = "market_data.v1.bar.0.BTC-USD.1m"


class Poison(Exception):
    pass


async def dead_letters(bench: Any) -> list[DeadLetter]:
    bus = await bench.backend.connect()
    letters = await list_dead_letters(bus)
    await bus.drain()
    return letters


def counted(bench: Any, reason: str) -> float:
    """How many messages this stage has put aside."""
    line = f'n1v1_dead_letters_total{{reason="{reason}",stage="toy"}} '
    found = [text for text in bench.metrics.exposition().decode().splitlines() if text.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


async def test_a_handler_that_raises_once_is_given_the_message_again(bench: Any) -> None:
    raised: list[str] = []

    def once(bar: BarClosed) -> None:
        if bar.id == "bar:2" and not raised:
            raised.append(bar.id)
            raise Poison(bar.id)

    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    await bench.live(bench.Toy(once), bench.has_handled(5))
    assert raised == ["bar:2"]
    assert await bench.handled() == [f"bar:{n}" for n in range(5)]
    assert await dead_letters(bench) == []
    numbers = [row["number"] for row in await bench.pool.fetch("SELECT number FROM effects ORDER BY ctid")]
    assert numbers[-1] == 5, "what the failed attempt had counted was taken back"


async def test_a_handler_that_always_raises_on_a_message_puts_it_aside_and_goes_on(bench: Any) -> None:
    attempts: list[str] = []

    def always(bar: BarClosed) -> None:
        if bar.id == "bar:2":
            attempts.append(bar.id)
            raise Poison("cannot stand bar 2")

    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    toy = bench.Toy(always)
    await bench.live(toy, bench.has_handled(4))

    assert await bench.handled() == ["bar:0", "bar:1", "bar:3", "bar:4"]
    assert toy.count == 4
    [letter] = await dead_letters(bench)
    assert letter.reason == "failed 3 times, last with Poison: cannot stand bar 2"
    assert (letter.stage, letter.subject, letter.msg_id) == ("toy", SUBJECT, "bar:2")
    assert 3 <= len(attempts) <= 4, "once with its batch, if it had one, and three times alone"
    assert counted(bench, "handler") == 1


async def test_a_message_put_aside_is_handled_when_it_is_sent_again(bench: Any) -> None:
    def not_yet(bar: BarClosed) -> None:
        raise Poison("not yet")

    async def is_put_aside() -> bool:
        return bool(await dead_letters(bench))

    await bench.publish(bench.message(bench.bar(0)))
    await bench.live(bench.Toy(not_yet), is_put_aside)
    [letter] = await dead_letters(bench)
    bus = await bench.backend.connect()
    await requeue(bus, letter.seq)
    await bus.drain()

    await bench.live(bench.Toy(), bench.has_handled(1))
    assert await bench.handled() == ["bar:0"]


async def test_bytes_that_are_no_message_are_put_aside_with_the_reason(bench: Any) -> None:
    good = [bench.message(bench.bar(n)) for n in range(2)]
    await bench.publish(good[0], Outgoing(SUBJECT, b"\xff\xff", "garbage"), good[1])
    await bench.live(bench.Toy(), bench.has_handled(2))
    [letter] = await dead_letters(bench)
    assert letter.reason.startswith("not a BarClosed: ")
    assert letter.data == b"\xff\xff"
    assert counted(bench, "undecodable") == 1


async def test_a_message_of_a_later_revision_is_put_aside_with_the_reason(bench: Any) -> None:
    wire = market_data_pb2.BarClosed.FromString(bench.message(bench.bar(0)).data)
    wire.envelope.schema_version = 99
    await bench.publish(Outgoing(SUBJECT, wire.SerializeToString(), "later"), bench.message(bench.bar(1)))
    await bench.live(bench.Toy(), bench.has_handled(1))
    [letter] = await dead_letters(bench)
    assert letter.reason == "BarClosed of revision 99; this code knows up to 1"
    assert counted(bench, "undecodable") == 1


async def test_a_message_of_a_later_version_is_refused_where_it_is_sent(bench: Any) -> None:
    """No stream of this system stores it, so its sender hears of it and nothing is lost without a word."""
    with pytest.raises(NoStreamHears):
        await bench.publish(Outgoing("market_data.v2.bar.0.BTC-USD.1m", b"", "v2"))


async def test_trouble_of_the_world_ends_the_stage_and_puts_nothing_aside(bench: Any) -> None:
    def database_is_away(bar: BarClosed) -> None:
        raise StorageUnavailable("away")

    await bench.publish(bench.message(bench.bar(0)))
    with pytest.raises(StorageUnavailable):
        await bench.live(bench.Toy(database_is_away), bench.has_handled(1))
    assert await dead_letters(bench) == []
    await bench.live(bench.Toy(), bench.has_handled(1))
    assert await bench.handled() == ["bar:0"]


async def test_a_step_that_fails_after_it_was_stored_is_not_repeated(bench: Any) -> None:
    class FailsAfterwards(bench.Toy):  # type: ignore[misc]  # a fixture's class
        failures = 1

        async def after_step(self) -> None:
            if self.count and self.failures:
                self.failures -= 1
                raise Poison("after the step")

    await bench.publish(*(bench.message(bench.bar(n)) for n in range(3)))
    await bench.live(FailsAfterwards(), bench.has_handled(3))
    assert await bench.handled() == ["bar:0", "bar:1", "bar:2"]
    assert await dead_letters(bench) == []
