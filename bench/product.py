"""The product: the whole stack on recorded bars, and what its messages say of when everything happened."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

from bench import processes
from n1v1.events import (
    BarClosed,
    DecisionsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    OrderAccepted,
    OrderApproved,
    OrderFilled,
    OrdersComplete,
    OrderSubmitted,
    PositionChanged,
    ReplayEnded,
    SignalRaised,
    SignalsComplete,
)
from n1v1.pipeline import HEARS, bars_complete
from n1v1_cli.stack.plan import SERVICES, SIMULATOR
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import ConsumerSpec, Outgoing, StreamSpec
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.settings.load import load
from n1v1_common.stage.opening import codec_of
from n1v1_common.streams import MARKET_DATA, TRADING
from n1v1_research.datasets import DEFAULT_DATASET
from n1v1_research.datasets import load as load_dataset

T = TypeVar("T")

STRATEGY = Path(__file__).with_name("every_bar.py")
STATE = Path(__file__).parents[1] / "build" / "bench"
FIRST_BAR = datetime(2020, 1, 1, tzinfo=UTC)
BAR = timedelta(hours=4)

STREAMS = (MARKET_DATA, TRADING)
POLL_S = 0.1
QUIET_S = 0.5
SETTLED_WITHIN_S = 120.0

TRADES_EVERY_BAR = (
    "market.symbols=BTC-USD",
    "strategies.active_strategies=[]",
    f"strategies.files={STRATEGY}",
    # Nothing that would stop the trading before the measurement ends.
    "exchange.fee_rate_bps=0",
    "exchange.slippage_bps=0",
    "risk_management.position_fraction=0.01",
    "risk_management.max_drawdown=1",
    "risk_management.max_daily_drawdown=1",
    "risk_management.circuit_breaker_enabled=false",
)
"""One order and one fill for every bar, one symbol: the floor, too, has one message under way."""

# Who handles what. market_data overhears OrdersComplete, reporting reads all of TRADING.
HEARERS: Mapping[type[Event], int] = {
    kind: sum(kind in kinds for kinds in HEARS.values())
    for kind in {kind for kinds in HEARS.values() for kind in kinds}
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the run. created_ns: when its maker began to say it; stored_ns: when the stream had it."""

    event: Event
    created_ns: int
    stored_ns: int


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and resident memory by service at one moment."""

    cpu_s: Mapping[str, float]
    resident_mib: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the stack. Before and after: from ready to settled."""

    ready_s: float
    before: Usage
    after: Usage
    messages: Sequence[Heard] = field(repr=False)

    @property
    def deliveries(self) -> int:
        return sum(deliveries_of(heard.event) for heard in self.messages)

    @property
    def seconds(self) -> float:
        """From the first bar to the last word about it."""
        return (self.messages[-1].stored_ns - self.messages[0].created_ns) / 1e9

    @property
    def deliveries_per_s(self) -> float:
        return self.deliveries / self.seconds

    @property
    def bars_per_s(self) -> float:
        return sum(isinstance(heard.event, BarClosed) for heard in self.messages) / self.seconds

    def cpu_of(self, service: str) -> float:
        return self.after.cpu_s[service] - self.before.cpu_s[service]

    @property
    def cpu_per_delivery_us(self) -> float:
        """Of the six stages; the simulator is the venue and hears no messages."""
        stages = [service for service in self.before.cpu_s if service != SIMULATOR]
        return sum(self.cpu_of(service) for service in stages) / self.deliveries * 1e6


def deliveries_of(event: Event) -> int:
    """How many services handle this message."""
    is_trading = not isinstance(event, BarClosed) and type(event).__name__ not in ("BarsComplete", "GapFound")
    return HEARERS.get(type(event), 0) + is_trading + isinstance(event, OrdersComplete)


def overrides_for(bar_times: int, *more: str) -> list[str]:
    """Settings for a run over so many bar times from 2020 on, undisturbed by its own logs."""
    end = FIRST_BAR + bar_times * BAR
    return [
        f"market.start={FIRST_BAR:%Y-%m-%d}",
        f"market.end={end.isoformat()}",
        "environment.log_level=warning",
        *more,
    ]


@asynccontextmanager
async def running(
    overrides: Sequence[str], *, fresh: bool = True, services: Sequence[str] = SERVICES
) -> AsyncIterator[tuple[Stack, float]]:
    """A stack that is ready, and how long that took."""
    if fresh:
        shutil.rmtree(STATE, ignore_errors=True)
    began = time.perf_counter()
    async with Stack(load([], {}, overrides), STATE, services=services) as stack:
        await stack.ready()
        yield stack, time.perf_counter() - began


async def replayed(stack: Stack, ready_s: float) -> Run:
    """Let the replay of a ready stack end, and collect what it did. Raises StackFailed when the stack cannot go on."""
    bus = await NatsBus.connect(stack.urls.nats, name="bench")
    try:
        before, positions = usage_of(stack), await _positions(bus)

        async def has_ended() -> bool:
            return await bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded)) is not None

        after = await _unless_failed(stack, _settled(stack, bus, has_ended))
        return Run(ready_s, before, after, await _messages(bus, codec_of(stack.plan.settings), positions))
    finally:
        await bus.drain()


async def flooded(stack: Stack, ready_s: float, *, bar_times: int) -> Run:
    """Publish all bars at once to a stack without market_data, and let it work them off.

    The venue's clock stands still meanwhile, so it refuses the few orders.
    """
    codec = codec_of(stack.plan.settings)
    dataset = load_dataset(DEFAULT_DATASET, symbols=stack.plan.settings.market.symbols, start=f"{FIRST_BAR:%Y-%m-%d}")
    said: list[Event] = []
    for sequence, (close_ns, bars) in enumerate(islice(dataset.steps(), bar_times), start=1):
        said += [*bars, bars_complete(close_ns, bars, sequence)]
    outgoing = [Outgoing(*codec.encode(event), event.id) for event in said]
    bus = await NatsBus.connect(stack.urls.nats, name="bench")
    try:
        before, positions = usage_of(stack), await _positions(bus)
        await bus.publish(outgoing)

        async def is_worked_off() -> bool:
            last = await bus.last_message(TRADING.name, subject_filter(OrdersComplete))
            return last is not None and codec.decode(last.subject, last.data)[0].ts_ns == said[-1].ts_ns

        after = await _unless_failed(stack, _settled(stack, bus, is_worked_off))
        return Run(ready_s, before, after, await _messages(bus, codec, positions))
    finally:
        await bus.drain()


async def _settled(stack: Stack, bus: NatsBus, is_over: Callable[[], Awaitable[bool]]) -> Usage:
    """Return once all is over and nothing is said any more, with what had been used when the last message came."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        seen, since, usage = await _positions(bus), time.monotonic(), usage_of(stack)
        while time.monotonic() - since < QUIET_S or not await is_over():
            await asyncio.sleep(POLL_S)
            now = await _positions(bus)
            if now != seen:
                seen, since, usage = now, time.monotonic(), usage_of(stack)
        return usage


async def _positions(bus: NatsBus) -> list[int]:
    return [(await bus.stream_position(stream.name)).last_seq for stream in STREAMS]


async def _unless_failed(stack: Stack, work: Coroutine[None, None, T]) -> T:
    """The result of `work`, or the failure that ends the stack before it."""
    working, failing = asyncio.ensure_future(work), asyncio.ensure_future(stack.failed())
    try:
        await asyncio.wait([working, failing], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise failing.result()
        return working.result()
    finally:
        working.cancel()
        failing.cancel()


async def _messages(bus: NatsBus, codec: Codec, positions: Sequence[int]) -> list[Heard]:
    """Everything stored after `positions`, by time."""
    messages = [
        heard
        for stream, after_seq in zip(STREAMS, positions, strict=True)
        for heard in await _messages_of(bus, codec, stream, after_seq=after_seq)
    ]
    return sorted(messages, key=lambda heard: heard.stored_ns)


async def _messages_of(bus: NatsBus, codec: Codec, stream: StreamSpec, *, after_seq: int) -> list[Heard]:
    last_seq = (await bus.stream_position(stream.name)).last_seq
    spec = ConsumerSpec(stream=stream.name, durable="bench", filter_subjects=stream.subjects)
    subscription = await bus.consume(spec, start_seq=after_seq + 1)
    found: list[Heard] = []
    seq = after_seq
    while seq < last_seq:
        batch = await anext(subscription)
        for delivery in batch:
            event, envelope = codec.decode(delivery.subject, delivery.data)
            found.append(Heard(event, envelope.ts_created_ns, delivery.published_ns))
        await subscription.ack(batch)
        seq = batch[-1].seq
    await subscription.close()
    return found


def usage_of(stack: Stack) -> Usage:
    pids = {p.name: p.pid for p in stack.record().processes if p.kind == "service" and p.pid is not None}
    return Usage(
        {name: processes.cpu_s(pid) for name, pid in pids.items()},
        {name: processes.resident_mib(pid) for name, pid in pids.items()},
    )


# --- when what happened ----------------------------------------------------------------------------------------

HOPS: tuple[tuple[str, type[Event]], ...] = (
    ("signals: signal stored", SignalRaised),
    ("signals: bar time complete", SignalsComplete),
    ("execution: fills complete", FillsComplete),
    ("portfolio: equity marked", EquityMarked),
    ("risk: order approved", OrderApproved),
    ("risk: decisions complete", DecisionsComplete),
    ("execution: order in the journal", OrderSubmitted),
    ("execution: accepted by the venue", OrderAccepted),
    ("execution: orders complete", OrdersComplete),
    ("execution: fill taken (of the order before)", OrderFilled),
    ("portfolio: fill booked (of the order before)", PositionChanged),
)
"""What follows a bar time, and the event that shows it."""


def fill_latencies_s(messages: Sequence[Heard]) -> list[float]:
    """For each order: from its bar to the venue's acceptance, plus from the next bar, at whose open it fills, to the
    fill in the ledger. What lies between the two belongs to the market.
    """
    stored = {
        (type(heard.event), heard.event.correlation_id): heard.stored_ns
        for heard in messages
        if isinstance(heard.event, OrderAccepted | PositionChanged)
    }
    bars = [heard for heard in messages if isinstance(heard.event, BarClosed)]
    latencies = []
    for bar, following in pairwise(bars):
        accepted_ns = stored.get((OrderAccepted, bar.event.correlation_id))
        booked_ns = stored.get((PositionChanged, bar.event.correlation_id))
        if accepted_ns is not None and booked_ns is not None:
            latencies.append((accepted_ns - bar.created_ns + booked_ns - following.created_ns) / 1e9)
    return latencies


def hop_latencies_s(messages: Sequence[Heard]) -> dict[str, list[float]]:
    """For each hop: from the bar that was the newest then until its message was stored."""
    found: dict[str, list[float]] = defaultdict(list)
    names = {kind: name for name, kind in HOPS}
    newest_ns = 0
    for heard in messages:
        if isinstance(heard.event, BarClosed):
            newest_ns = heard.created_ns
        elif newest_ns and type(heard.event) in names:
            found[names[type(heard.event)]].append((heard.stored_ns - newest_ns) / 1e9)
    return {name: found[name] for name, _ in HOPS if name in found}
