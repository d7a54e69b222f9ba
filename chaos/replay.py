"""One replay of 150 bar times, in process and through a running stack, and what each of them did."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n1v1.events import Event, OrdersComplete, ReplayEnded
from n1v1.run_hash import RunRecords, from_events
from n1v1_cli.in_process import events
from n1v1_cli.stack import http
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import ConsumerSpec
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec.codec import subject_filter
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.streams import MARKET_DATA, TRADING
from n1v1_research import datasets

BAR_TIMES = 150

# Quick averages, so that there is something to trade on in 25 days; stops and targets so near that most are hit, and
# so far that some positions are left by a signal while both still wait.
REPLAY = (
    "market.start=2021-01-01",
    "market.end=2021-01-26",
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


def replay_settings(*more: str) -> Loaded:
    return load([], {}, [*REPLAY, *more])


@dataclass(frozen=True)
class RunningReplay:
    """A stack that replays. `events`: everything on the trading stream so far."""

    stack: Stack
    settings: Settings
    bus: NatsBus

    async def bar_times(self) -> int:
        """How many bar times are settled."""
        last = await self.bus.last_message(TRADING.name, subject_filter(OrdersComplete))
        if last is None:
            return 0
        settled_ns = codec_of(self.settings).decode(last.subject, last.data)[0].ts_ns
        first = next(iter(datasets.load(**dataset_of(self.settings)).steps()))[0]
        return int((settled_ns - first) // (4 * 3_600_000_000_000)) + 1

    async def until_ended(self, *, within_s: float = 60.0) -> None:
        async def ended() -> bool:
            return await self.bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded)) is not None

        await self._until(ended, within_s)

    async def until_settled(self, bar_times: int, *, within_s: float = 60.0) -> None:
        async def settled() -> bool:
            return await self.bar_times() >= bar_times

        await self._until(settled, within_s)

    async def _until(self, look: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Poll until it is so; a stack that fails meanwhile fails the test with the reason."""
        failed = asyncio.ensure_future(self.stack.failed())
        deadline = time.monotonic() + within_s
        try:
            while not await _answered(look):
                assert not failed.done(), str(failed.result())
                assert time.monotonic() < deadline, f"only {await self.bar_times()} bar times in {within_s} s"
                await asyncio.sleep(0.05)
        finally:
            failed.cancel()

    async def events(self) -> list[Event]:
        """Every event on the trading stream, repeated ones included."""
        codec = codec_of(self.settings)
        position = await self.bus.stream_position(TRADING.name)
        spec = ConsumerSpec(TRADING.name, "test", tuple(TRADING.subjects))
        subscription = await self.bus.consume(spec, start_seq=1)
        heard: list[Event] = []
        async for batch in subscription:
            heard += [codec.decode(delivery.subject, delivery.data)[0] for delivery in batch]
            await subscription.ack(batch)
            if batch[-1].seq >= position.last_seq:
                break
        await subscription.close()
        return heard

    async def reported(self, wanted_hash: str, *, within_s: float = 10.0) -> dict[str, Any]:
        """What reporting says of the run, once it has caught up; the last answer when it never does."""
        deadline = time.monotonic() + within_s
        while True:
            answer = await http.get(f"{self.stack.url('reporting')}/api/v1/run")
            run: dict[str, Any] = json.loads(answer.body)
            if run["hash"] == wanted_hash or time.monotonic() > deadline:
                return run
            await asyncio.sleep(0.1)


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
    }


def in_process(settings: Settings) -> RunRecords:
    """The records of the same replay through the engine in this process."""
    return from_events(events(settings, datasets.load(**dataset_of(settings))))


@asynccontextmanager
async def running(state_dir: Path, *more: str) -> AsyncIterator[RunningReplay]:
    """A stack of its own that replays; more settings as KEY=VALUE. Raises ServerMissing where servers cannot run."""
    async with Stack(replay_settings(*more), state_dir, announce=print) as stack:
        await stack.ready()
        settings = stack.plan.settings
        bus = await NatsBus.connect(bus_url(settings), name="test")
        try:
            yield RunningReplay(stack, settings, bus)
        finally:
            await bus.drain()
