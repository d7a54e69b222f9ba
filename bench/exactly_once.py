"""What exactly once costs: a stage with its journal, and the same stage with one that keeps nothing.

`python -m bench.exactly_once` measures it alone. The portfolio stage hears the bars and fills of a recorded run and
marks the account once a bar time. With its journal each step stores inbox, cursors, state, ledger, sealed log and
outbox before it speaks; without, the same stage decides, speaks and acknowledges. Both take turns on fresh servers of
the kind that `n1v1 up` starts.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console

from bench import product
from bench.report import Ratio, Report
from n1v1.events import EquityMarked, Event
from n1v1.pipeline import HEARS
from n1v1.portfolio.stage import Portfolio
from n1v1_cli.in_process import events as events_in_process
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.instruments import instruments_of
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.stage.opening import codec_of
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.storage.database import connect
from n1v1_common.storage.journal import Journal, Saved, Step
from n1v1_common.streams import TRADING, stream_of
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import configure_tracing
from n1v1_portfolio.handlers import PortfolioHandler
from n1v1_research.datasets import DEFAULT_DATASET
from n1v1_research.datasets import load as load_dataset

RESULTS = Path("results/bench-exactly-once.json")
ROUNDS = 3
BACKLOG, ONE_BY_ONE = 2_000, 400
"""Bar times."""
STAGE = "portfolio"
WIDTH = 120
MARKED_WITHIN_S = 120.0
LOOK_AGAIN_S = 0.005

BarTime = Sequence[Event]
"""What the stage hears of one bar time; it answers with one mark."""


class NothingKept(Journal):
    """A journal that stores nothing, so that a stage behind it acts at least once."""

    async def load(self) -> Saved:
        return Saved(None, {})

    async def commit(self, step: Step) -> list[int]:
        return list(range(len(step.outbox)))

    async def unhandled(self, msg_ids: Sequence[str]) -> set[str]:
        return set(msg_ids)

    async def publish_pending(self) -> int:
        return 0

    async def restore_stream(self, stream: str) -> int:
        del stream
        return 0

    async def mark_sent(self) -> None:
        self._sent.clear()

    async def prove(self) -> None:
        """Nobody else is there."""

    async def prune(self) -> None:
        """Nothing is there."""


@dataclass(slots=True)
class Speeds:
    """Messages heard a second, one value a round."""

    journal: list[float] = field(default_factory=list)
    nothing_kept: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Arena:
    """Servers with nothing on them yet."""

    bus: NatsBus
    pool: asyncpg.Pool
    settings: Settings
    codec: Codec

    async def publish(self, events: Sequence[Event]) -> None:
        await self.bus.publish([Outgoing(*self.codec.encode(event), event.id) for event in events])


Work = Callable[[Arena, Callable[[], None]], Coroutine[Any, Any, None]]
"""Hears and speaks until it is cancelled; says when it has begun."""


async def measure(*, rounds: int = ROUNDS, backlog: int = BACKLOG, one_by_one: int = ONE_BY_ONE) -> Report:
    overrides = product.overrides_for(backlog, "telemetry.sample_ratio=0")
    heard = list(heard_in(load([], {}, overrides).settings, backlog))
    queued, alone = Speeds(), Speeds()
    for _ in range(rounds):
        for name, work in (("journal", with_journal), ("nothing_kept", without_journal)):
            async with arena(overrides) as servers:
                getattr(queued, name).append(await backlog_per_s(servers, work, heard))
            async with arena(overrides) as servers:
                getattr(alone, name).append(await one_by_one_per_s(servers, work, heard[:one_by_one]))
    report = Report({"python": platform.python_version(), "system": platform.platform()})
    for name, speeds in ((f"{backlog:,} bar times waiting", queued), ("one bar time after the other", alone)):
        report.ratios.append(Ratio(f"exactly once, {name}", "msg/s", speeds.journal, speeds.nothing_kept))
    return report


def heard_in(settings: Settings, bar_times: int) -> Iterator[BarTime]:
    """What the stage hears in a run in process, by bar time."""
    dataset = load_dataset(DEFAULT_DATASET, symbols=settings.market.symbols, start=f"{product.FIRST_BAR:%Y-%m-%d}")
    heard = (event for event in events_in_process(settings, dataset) if isinstance(event, tuple(HEARS[STAGE])))
    for _, events in islice(groupby(heard, key=lambda event: event.ts_ns), bar_times):
        yield list(events)


@asynccontextmanager
async def arena(overrides: Sequence[str]) -> AsyncIterator[Arena]:
    async with product.running(overrides, services=()) as (stack, _):
        settings = stack.plan.settings
        bus = await NatsBus.connect(stack.urls.nats, name=STAGE)
        pool = await connect(stack.urls.postgres, STAGE)
        try:
            yield Arena(bus, pool, settings, codec_of(settings))
        finally:
            await pool.close()
            await bus.close()


async def backlog_per_s(servers: Arena, work: Work, heard: Sequence[BarTime]) -> float:
    """Everything lies ready when the stage begins."""
    messages = [event for bar_time in heard for event in bar_time]
    await servers.publish(messages)
    began, last = time.perf_counter(), _said(messages, len(heard))
    async with working(servers, work), asyncio.timeout(MARKED_WITHIN_S):
        while (await servers.bus.stream_position(TRADING.name)).last_seq < last:  # noqa: ASYNC110  # the server knows
            await asyncio.sleep(LOOK_AGAIN_S)
    return len(messages) / (time.perf_counter() - began)


async def one_by_one_per_s(servers: Arena, work: Work, heard: Sequence[BarTime]) -> float:
    """Each bar time is published when the one before is marked."""
    tap = await servers.bus.tap(subject_filter(EquityMarked))
    async with working(servers, work), asyncio.timeout(MARKED_WITHIN_S):
        began = time.perf_counter()
        for bar_time in heard:
            await servers.publish(bar_time)
            await anext(tap)
        seconds = time.perf_counter() - began
    await tap.close()
    return sum(len(bar_time) for bar_time in heard) / seconds


def _said(messages: Sequence[Event], marks: int) -> int:
    """How many messages TRADING holds at the end, at least: what was heard on it, and the marks."""
    return marks + sum(stream_of(subject_filter(type(event))) is TRADING for event in messages)


@asynccontextmanager
async def working(servers: Arena, work: Work) -> AsyncIterator[None]:
    has_begun = asyncio.Event()
    task = asyncio.create_task(work(servers, has_begun.set))
    waiting = asyncio.create_task(has_begun.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def with_journal(servers: Arena, begun: Callable[[], None]) -> None:
    await _stage(servers, await Journal.take_over(servers.pool, servers.bus, writer="bench"), begun)


async def without_journal(servers: Arena, begun: Callable[[], None]) -> None:
    await _stage(servers, await NothingKept.take_over(servers.pool, servers.bus, writer="bench"), begun)


async def _stage(servers: Arena, journal: Journal, begun: Callable[[], None]) -> None:
    settings, instruments, metrics = servers.settings, instruments_of(servers.settings), Metrics()
    cash = instruments[0].quanta(settings.account.initial_balance)
    stage = Portfolio(account=settings.account.id, instruments=instruments, initial_cash=cash)
    handler = PortfolioHandler(
        account=settings.account.id, stage=stage, instruments=instruments, state=MemoryHotState(), metrics=metrics
    )
    with tempfile.TemporaryDirectory() as spans:
        loop = StageLoop(
            name=STAGE,
            bus=servers.bus,
            journal=journal,
            codec=servers.codec,
            handler=handler,
            hears=HEARS[STAGE],
            contexts=TraceContexts(configure_tracing(service="bench", spans_dir=Path(spans), sample_ratio=0)),
            metrics=metrics,
            initial=stage.snapshot(),
        )
        await loop.run(ready=begun, draining=asyncio.Event())


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_known_args()[0].quick  # the rest of the line is for other sections
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    report = asyncio.run(measure(rounds=1, backlog=200, one_by_one=50) if quick else measure())
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}; the floor is the same stage with a journal that keeps nothing")


if __name__ == "__main__":
    main()
