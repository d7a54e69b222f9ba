"""Steps that say nothing wait in memory to be stored with the next one; that may cost nothing, ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from n1v1.events import BarClosed, BreakerCommand, Event

pytestmark = pytest.mark.servers

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.


def quiet_toy(bench: Any, *, poison: str = "") -> Any:
    """Counts every bar and speaks only of every third: bar:2, bar:5, ... A bar called `poison` makes it raise."""

    class QuietToy(bench.Toy):  # type: ignore[misc]  # the base comes from a fixture
        async def handle(self, event: Event) -> Sequence[Event]:
            said: Sequence[Event] = await super().handle(event)
            if event.id == poison:
                raise RuntimeError("poison")
            return said if int(event.id.removeprefix("bar:")) % 3 == 2 else []

    return QuietToy()


def has_counted(toy: Any, count: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return bool(toy.count >= count)

    return look


async def effects(bench: Any) -> list[tuple[str, int]]:
    rows = await bench.pool.fetch("SELECT cause, number FROM effects ORDER BY ctid")
    return [(row["cause"], row["number"]) for row in rows]


async def test_what_was_not_stored_when_the_stage_was_killed_is_handled_again(bench: Any) -> None:
    for number in range(9):
        await bench.publish(bench.message(bench.bar(number)))
        toy = quiet_toy(bench)

        async def counted_then_killed(toy: Any = toy, count: int = number + 1) -> bool:
            if toy.count >= count:
                raise bench.Killed
            return False

        with pytest.raises(bench.Killed):
            await bench.live(toy, counted_then_killed)
    survivor = quiet_toy(bench)
    await bench.live(survivor, bench.has_handled(3))
    assert await bench.handled() == ["bar:2", "bar:5", "bar:8"]
    assert survivor.count == 9, "each bar is counted once, however many lives it took"


async def test_a_drain_stores_what_is_still_in_memory(bench: Any) -> None:
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(2)))
    toy = quiet_toy(bench)
    await bench.live(toy, has_counted(toy, 2))
    stored = await bench.pool.fetchval("SELECT count(*) FROM inbox")
    assert stored == 2
    seq = await bench.pool.fetchval("SELECT seq FROM cursors")
    assert seq >= 2


async def test_quiet_steps_before_a_message_that_cannot_be_handled_are_not_lost(bench: Any) -> None:
    for number in range(6):
        await bench.publish(bench.message(bench.bar(number)))
    await bench.live(quiet_toy(bench, poison="bar:1"), bench.has_handled(2))
    assert await effects(bench) == [("bar:2", 2), ("bar:5", 5)], "every bar but the poison is counted, once"


@pytest.mark.parametrize(("has_work", "carried_out"), [(False, 1), (True, 2)])
async def test_a_quiet_step_that_leaves_work_is_carried_out_at_once(
    bench: Any, has_work: bool, carried_out: int
) -> None:
    """Every start carries out what an earlier life may have left."""

    class Worker(bench.Toy):  # type: ignore[misc]  # the base comes from a fixture
        async def handle(self, event: Event) -> Sequence[Event]:
            await super().handle(event)
            return []

        def has_work(self) -> bool:
            return has_work

    async def worked() -> bool:
        return bool(toy.count == 1 and toy.carried_out >= carried_out)

    toy = Worker()
    await bench.publish(bench.message(bench.bar(0)))
    await bench.live(toy, worked)
    assert toy.carried_out == carried_out


HALT = BreakerCommand(id="command:1", ts_ns=1, account="main", open=True, reason="drill", actor="tester")


async def publish_again(bench: Any, *events: Event) -> None:
    """So late that the stream has forgotten the ids, and stores them once more."""
    await bench.backend.pass_time(601)
    await bench.publish(*(bench.message(event) for event in events))


async def test_a_quiet_message_that_was_stored_before_is_not_counted_again(in_memory: Any) -> None:
    bench = in_memory
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(2)))
    toy = quiet_toy(bench)
    await bench.live(toy, has_counted(toy, 2))
    await publish_again(bench, bench.bar(0))
    again = quiet_toy(bench)
    await bench.live(again, has_counted(again, 3))
    assert again.count == 2


def listening_toy(bench: Any) -> Any:
    """Counts bars and commands, and never speaks."""

    class ListeningToy(bench.Toy):  # type: ignore[misc]  # the base comes from a fixture
        hears = (BarClosed, BreakerCommand)

        async def handle(self, event: Event) -> Sequence[Event]:
            self.count += 1
            return []

    return ListeningToy()


async def test_quiet_steps_of_two_streams_that_are_handled_again_move_each_cursor_by_its_own_stream(
    in_memory: Any,
) -> None:
    bench = in_memory
    toy = listening_toy(bench)
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    await bench.live(toy, has_counted(toy, 5))
    await publish_again(bench, HALT, bench.bar(5), bench.bar(0))
    again = listening_toy(bench)
    await bench.live(again, has_counted(again, 8))
    rows = await bench.pool.fetch("SELECT stream, seq FROM cursors")
    assert {row["stream"]: row["seq"] for row in rows} == {"MARKET_DATA": 6, "TRADING": 1}
    assert again.count == 7
