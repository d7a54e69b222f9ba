"""A replay in process and through a running stack, and what each of them did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from chaos import venue
from chaos.links import Links
from n1v1.events import Event, OrdersComplete, ReplayEnded
from n1v1.run_hash import RunRecords, from_events
from n1v1.timeframes import timeframe_ns
from n1v1_cli.in_process import events
from n1v1_cli.stack import http
from n1v1_cli.stack.events import Announce
from n1v1_cli.stack.stack import Stack
from n1v1_cli.stack.supervisor import RestartLimit
from n1v1_common.bus.api import ConsumerSpec
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec.codec import subject_filter
from n1v1_common.crash_points import FOLDER_VARIABLE
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.streams import MARKET_DATA, TRADING
from n1v1_research import datasets

BAR_TIMES = 150
LOOK_AGAIN_S = 0.02
SETTLED_WITHIN_S = 2.0
"""After that what is not settled was never said."""

# Quick averages, so that there is something to trade on in 25 days; stops and targets so near that most are hit, and
# so far that some positions are left by a signal while both still wait.
REPLAY = (
    "market.start=2021-01-01",
    "market.end=2021-01-26",  # 150 bar times
    "servers.durability=process",
    "telemetry.sample_ratio=0",
    "strategies.active_strategies=ema_cross,my_breakout",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 3, "slow_ema": 8, "position_size": 0.4,'
    ' "stop_loss_pct": 0.04, "take_profit_pct": 0.05}}',
    "risk_management.max_position_size=0.4",
    "risk_management.max_drawdown=0.5",
    "risk_management.circuit_breaker_enabled=false",
    "exchange.recv_window_ms=1000",
    "exchange.absence_margin_ms=500",
)


# For the matrix: long enough for many drills on one stack, and something to disturb in every bar time. A position is
# entered or left whenever the direction changes, its stop and target are near, and no order fills at once.
DENSE = (
    "market.end=2022-01-01",
    "strategies.active_strategies=ema_cross",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 1, "slow_ema": 2, "position_size": 0.4,'
    ' "stop_loss_pct": 0.02, "take_profit_pct": 0.03}}',
    "exchange.max_participation=0.00002",
)

CLUSTERED = (*DENSE, "servers.nats_nodes=3")

PACED = (*DENSE, "replay.mode=scaled", "replay.speed=14400")
"""The same, a bar each second, whether the system is ready or not."""

SO_MANY_CRASHES = RestartLimit(crashes=1_000, backoff_s_max=0.1)
"""A stack that is killed on purpose does not give up, and does not wait longer each time."""


def replay_settings(*more: str) -> Loaded:
    return load([], {}, [*REPLAY, *more])


@dataclass(frozen=True)
class RunningReplay:
    """A stack that replays. settings: as one sees them who stands outside of every link. points: where its services
    look for the points that are armed. first_ns: the first bar time."""

    stack: Stack
    settings: Settings
    bus: NatsBus
    links: Links
    points: Path
    first_ns: int

    async def bar_times(self) -> int:
        """How many bar times are settled."""
        return self.bar_times_at(await self.settled_ns())

    def bar_times_at(self, ts_ns: int) -> int:
        return (ts_ns - self.first_ns) // timeframe_ns(self.settings.market.timeframe) + 1

    async def settled_ns(self) -> int:
        """The last bar time that is settled; before the first one what is one bar earlier."""
        last = await self.bus.last_message(TRADING.name, subject_filter(OrdersComplete))
        if last is None:
            return self.first_ns - timeframe_ns(self.settings.market.timeframe)
        return codec_of(self.settings).decode(last.subject, last.data)[0].ts_ns

    @asynccontextmanager
    async def standstill(self, *, within_s: float) -> AsyncIterator[int]:
        """The market is held, and everything it has said so far is settled: at the bar time that is given.

        Who moves the market is stopped. Where that was between a move and its word, he is let go and stopped again.
        """
        deadline = time.monotonic() + within_s
        while True:
            pid = pid_of(self.stack, "market_data")
            os.kill(pid, signal.SIGSTOP)
            try:
                if await self._is_settled(within_s=SETTLED_WITHIN_S):
                    yield await self.settled_ns()
                    return
            finally:
                os.kill(pid, signal.SIGCONT)
            assert time.monotonic() < deadline, f"no standstill within {within_s} s"
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _is_settled(self, *, within_s: float) -> bool:
        """Whether what the venue stands at becomes settled."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if await self.settled_ns() == await venue.clock_ns(self.settings):
                return True
            await asyncio.sleep(LOOK_AGAIN_S)
        return False

    async def until_ended(self, *, within_s: float = 60.0) -> None:
        async def ended() -> bool:
            return await self.bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded)) is not None

        await self.until(ended, within_s)

    async def until_settled(self, bar_times: int, *, within_s: float = 60.0) -> None:
        async def settled() -> bool:
            return await self.bar_times() >= bar_times

        await self.until(settled, within_s)

    async def until(self, look: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Poll until it is so; a stack that fails meanwhile fails the test with the reason."""
        failed = asyncio.ensure_future(self.stack.failed())
        deadline = time.monotonic() + within_s
        try:
            while not await _answered(look):
                assert not failed.done(), str(failed.result())
                assert time.monotonic() < deadline, f"only {await self.bar_times()} bar times in {within_s} s"
                await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            failed.cancel()

    async def events(self, *, after: int = 0) -> list[Event]:
        """Every event on the trading stream behind so many messages, repeated ones included."""
        codec = codec_of(self.settings)
        position = await self.bus.stream_position(TRADING.name)
        spec = ConsumerSpec(TRADING.name, "test", tuple(TRADING.subjects))
        heard: list[Event] = []
        if position.last_seq <= after:
            return heard
        subscription = await self.bus.consume(spec, start_seq=after + 1)
        async for batch in subscription:
            heard += [codec.decode(delivery.subject, delivery.data)[0] for delivery in batch]
            await subscription.ack(batch)
            if batch[-1].seq >= position.last_seq:
                break
        await subscription.close()
        return heard

    async def reported(self, wanted_hash: str, *, within_s: float = 10.0) -> dict[str, Any]:
        """What reporting says of the run, once it is there and has caught up; the last answer when it never does."""
        deadline = time.monotonic() + within_s
        while True:
            run = await self._run_as_reported()
            if run["hash"] == wanted_hash or time.monotonic() > deadline:
                return run
            await asyncio.sleep(0.1)

    async def _run_as_reported(self) -> dict[str, Any]:
        try:
            answer = await http.get(f"{self.stack.url('reporting')}/api/v1/run")
            run: dict[str, Any] = json.loads(answer.body)
        except (LookupError, OSError, ValueError) as error:  # it is being started again, or ends while it answers
            return {"hash": f"not known: {error}"}
        return run if answer.status == HTTPStatus.OK else {"hash": f"not known: {answer.body}"}


def pid_of(stack: Stack, name: str) -> int:
    pid = stack.process(name).pid
    assert pid is not None, f"{name} runs"
    return pid


async def _answered(look: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await look()
    except BusUnavailable:  # the server was killed by the test
        return False


def dataset_of(settings: Settings) -> dict[str, Any]:
    market = settings.market
    return {
        "name_or_path": market.dataset or datasets.DEFAULT_DATASET,
        "symbols": market.symbols,
        "start": market.start,
        "end": market.end,
        "store": settings.datasets_dir,
    }


def in_process(settings: Settings) -> RunRecords:
    """The records of the same replay through the engine in this process."""
    return from_events(events(settings, datasets.load(**dataset_of(settings))))


@asynccontextmanager
async def running(
    state_dir: Path, *more: str, announce: Announce = print, limit: RestartLimit = SO_MANY_CRASHES
) -> AsyncIterator[RunningReplay]:
    """A stack of its own that replays; more settings as KEY=VALUE. Raises ServerMissing where servers cannot run."""
    links, points = Links(), state_dir / "points"
    points.mkdir(parents=True)
    loaded = replay_settings(*more)
    first_ns = next(iter(datasets.load(**dataset_of(loaded.settings)).steps()))[0]
    with _points_in(points):
        async with (
            _closed_at_last(links),
            Stack(loaded, state_dir, announce=announce, limit=limit, route=links.route) as stack,
        ):
            await links.serve()
            await stack.ready()
            settings = stack.plan.settings
            bus = await NatsBus.connect(bus_url(settings), name="drill")
            try:
                yield RunningReplay(stack, settings, bus, links, points, first_ns)
            finally:
                await bus.drain()


@contextmanager
def _points_in(folder: Path) -> Iterator[None]:
    """Services that are started meanwhile look for armed points in `folder`."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]


@asynccontextmanager
async def _closed_at_last(links: Links) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await links.close()
