"""Drills on a running stack: one cell after the other, and after each the invariants."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg

from chaos import books, venue
from chaos.cells import Cell, Market
from chaos.disturb import NotReached, disturb
from chaos.invariants import differences, halts, out_of_bounds, twice, unprotected
from chaos.replay import CLUSTERED, DENSE, LOOK_AGAIN_S, PACED, RunningReplay, dataset_of, replay_settings, running
from n1v1.events import Event, OrdersComplete
from n1v1.run_hash import first_difference, from_events, run_hash
from n1v1_cli.in_process import events as events_in_process
from n1v1_cli.stack.events import Announce
from n1v1_common.bus.errors import BusError
from n1v1_common.instruments import instruments_of
from n1v1_common.servers.ports import free_port
from n1v1_research import datasets

ENOUGH_BAR_TIMES = 120
"""A drill begins only where so many are left."""
STANDSTILL_WITHIN_S = 60.0
CONSISTENT_WITHIN_S = 20.0
FROM_BAR_WITHIN_S = 600.0
BROKEN = (AssertionError, OSError, ValueError, BusError, aiohttp.ClientError, asyncpg.PostgresError)
"""A stack that cannot be asked any more is a difference as well."""
KEPT = Path("results/chaos")
"""The logs of a stack on which something differed stay here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """differences: in words; none when the run goes on like an undisturbed one. recovered_s: from the disturbance's
    end until everybody trades again. bar_time: where it began."""

    cell: Cell
    seed: int
    differences: Sequence[str]
    recovered_s: float | None
    seconds: float
    bar_time: int = 0
    is_reached: bool = True


class Undisturbed:
    """The same replay in process, as far as it is asked for. Its events up to a bar time are what a disturbed one must
    have said. bar_times: how many the market has."""

    def __init__(self, events: Iterator[Event], bar_times: int) -> None:
        self.bar_times = bar_times
        self._events = events
        self._said: list[Event] = []
        self._ends: dict[int, int] = {}

    @classmethod
    def of(cls, *more: str) -> Undisturbed:
        settings = replay_settings(*DENSE, *more).settings
        dataset = datasets.load(**dataset_of(settings))
        return cls(events_in_process(settings, dataset), sum(1 for _ in dataset.steps()))

    def until(self, ts_ns: int) -> Sequence[Event]:
        """Raises ValueError for a moment that is no bar time of the market."""
        while ts_ns not in self._ends:
            event = next(self._events, None)
            if event is None:
                raise ValueError(f"the market has no bar time {ts_ns}")
            self._said.append(event)
            if isinstance(event, OrdersComplete):
                self._ends[event.ts_ns] = len(self._said)
        return self._said[: self._ends[ts_ns]]


class Drill:
    """Cells on one stack. expected: None for those that may refuse orders, and where the market does not wait."""

    def __init__(self, replay: RunningReplay, expected: Undisturbed | None) -> None:
        self._replay = replay
        self._expected = expected
        self._said: list[Event] = []

    async def run(self, cell: Cell, seed: int) -> Outcome:
        began, first = time.monotonic(), await self._replay.bar_times()
        recovered: float | None = None
        found: list[str] = []
        is_reached = True
        try:
            recovered = await disturb(self._replay, cell, random.Random(f"{seed} {cell}"))
            found = await self.check()
        except NotReached:
            is_reached = False
        except BROKEN as failure:
            found = [f"{type(failure).__name__}: {failure}"]
        if cell.market is Market.BY_THE_CLOCK:
            recovered = None  # the next bars were waited for
        return Outcome(cell, seed, found, recovered, time.monotonic() - began, first, is_reached)

    async def check(self) -> list[str]:
        """Everything that must hold."""
        if not self._replay.settings.is_lockstep:
            return await self._in_time(self._broken_invariants, within_s=CONSISTENT_WITHIN_S)
        async with self._replay.standstill(within_s=STANDSTILL_WITHIN_S) as now_ns:
            found = await self._broken_invariants()
            if self._expected is not None:
                found += self._differences_from(self._expected.until(now_ns))
                found += await self._differences_of_reporting(now_ns)
        return found

    async def _in_time(self, look: Callable[[], Awaitable[list[str]]], *, within_s: float) -> list[str]:
        """What is still wrong after that time. The venue goes on while it is asked, and we are a moment behind it."""
        deadline = time.monotonic() + within_s
        while (found := await look()) and time.monotonic() < deadline:  # noqa: ASYNC110  # several things change
            await asyncio.sleep(LOOK_AGAIN_S)
        return found

    def _differences_from(self, undisturbed: Sequence[Event]) -> Iterator[str]:
        expected, records = from_events(undisturbed), from_events(self._said)
        if (difference := first_difference(expected, records)) is not None:
            yield f"{difference} (first: undisturbed)"
        if run_hash(expected) != run_hash(records):
            yield f"the hash is {run_hash(records)}, undisturbed {run_hash(expected)}"

    async def _broken_invariants(self) -> list[str]:
        settings = self._replay.settings
        instruments = instruments_of(settings)
        opening = {settings.account.quote_currency: settings.account.initial_balance}
        self._said += await self._replay.events(after=len(self._said))
        ours = await books.statement(self._replay.stack.urls.postgres, opening=opening)
        theirs = await venue.statement(settings)
        return [
            *differences(ours, theirs),
            *twice(ours),
            *twice(theirs),
            *unprotected(theirs, [instrument.base for instrument in instruments]),
            *out_of_bounds(self._said, instruments, settings.risk_management.max_position_size),
            *halts(self._said),
        ]

    async def _differences_of_reporting(self, now_ns: int) -> list[str]:
        assert self._expected is not None
        wanted = run_hash(from_events(self._expected.until(now_ns)))
        told = await self._replay.reported(wanted)
        return [] if told["hash"] == wanted else [f"reporting's hash is {told['hash']}, undisturbed {wanted}"]


async def run_all(
    drills: Sequence[tuple[Cell, int]], expected: Undisturbed, *, from_bar: int = 0, announce: Announce = print
) -> AsyncIterator[Outcome]:
    """Each drill, on as few stacks as they take: a stack serves until its market ends or something differs.

    from_bar: where the first drill of a stack begins.
    """
    for settings, is_compared, cells in _arenas([cell for cell, _ in drills]):
        left = [(cell, seed) for cell, seed in drills if cell in cells]
        while left:
            with tempfile.TemporaryDirectory(prefix="n1v1-chaos-") as name:
                state = Path(name) / "state"
                async with running(
                    state, *settings, f"simulator.admin_port={free_port()}", announce=announce
                ) as replay:
                    drill = Drill(replay, expected if is_compared else None)
                    await replay.until_settled(from_bar, within_s=FROM_BAR_WITHIN_S)
                    while left and expected.bar_times - await replay.bar_times() > ENOUGH_BAR_TIMES:
                        outcome = await drill.run(*left.pop(0))
                        yield outcome
                        if outcome.differences:
                            _keep_logs(state, outcome)
                            break


def _arenas(cells: Sequence[Cell]) -> Iterator[tuple[Sequence[str], bool, set[Cell]]]:
    """Which cells can share a stack: its settings, and whether it is held against an undisturbed run."""
    by_the_clock = {cell for cell in cells if cell.market is Market.BY_THE_CLOCK}
    refusing = {cell for cell in cells if cell.may_refuse} - by_the_clock
    clustered = {cell for cell in cells if cell.needs_cluster}
    yield DENSE, True, set(cells) - by_the_clock - refusing - clustered
    yield CLUSTERED, True, clustered
    yield DENSE, False, refusing
    yield PACED, False, by_the_clock


def _keep_logs(state: Path, outcome: Outcome) -> None:
    name = f"{outcome.cell}, seed {outcome.seed}".replace(", ", "-").replace(" ", "_")
    shutil.copytree(state / "logs", KEPT / name, dirs_exist_ok=True)
