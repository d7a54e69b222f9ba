"""The breaker is shown to others and comes back when it got lost; a batch is not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from n1v1.events import (
    Action,
    BarClosed,
    BarsComplete,
    BreakerChanged,
    BreakerCommand,
    DecisionsComplete,
    EquityMarked,
    Event,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    SignalRaised,
    SignalsComplete,
)
from n1v1.ids import SignalId
from n1v1.risk.halts import Operation, Scope
from n1v1.risk.invariants import Invariants
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.stage import Risk
from n1v1.values import Instrument
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.state.hot_state import Value, Versioned
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.telemetry.metrics import Metrics
from n1v1_risk import handlers
from n1v1_risk.handlers import RiskHandler, decide_late_batches, keep_showing, pause_silent_symbols
from n1v1_risk.staleness import LEAST_PATIENCE_S, MarketWatch

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
USD = 100_000_000
POLICY = RiskPolicy(
    position_fraction_ppb=100_000_000,
    max_position_ppb=300_000_000,
    max_drawdown_ppb=500_000_000,
    breaker_drawdown_ppb=200_000_000,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=60,
)


class LosableState:
    """Hot state that can be away, or lose everything."""

    def __init__(self) -> None:
        self.held = MemoryHotState()
        self.is_away = False

    async def put(self, key: str, value: Value, *, version: int) -> bool:
        self._check(key)
        return await self.held.put(key, value, version=version)

    async def get(self, key: str, *, max_age_ms: int | None = None) -> Versioned:
        self._check(key)
        return await self.held.get(key, max_age_ms=max_age_ms)

    async def check(self) -> str | None:
        return "away" if self.is_away else None

    def lose_everything(self) -> None:
        self.held = MemoryHotState()

    def _check(self, key: str) -> None:
        if self.is_away:
            raise StateUnavailable(key, "connection refused")


class Loop:
    """As much of the stage loop as the handler's timers use."""

    def __init__(self, handler: RiskHandler) -> None:
        self._handler = handler
        self.said: list[Event] = []

    async def step(self, *events: Event) -> None:
        for event in events:
            self.said += await self._handler.handle(event)
        await self._handler.after_step()

    async def act(self, decide: Callable[[], Sequence[Event]]) -> None:
        self.said += decide()
        await self._handler.after_step()


@pytest.fixture
def state() -> LosableState:
    return LosableState()


def made(state: LosableState, *, partitions: int = 1, watch: MarketWatch | None = None) -> RiskHandler:
    stage = Risk(account="main", instruments=[BTC], policy=POLICY, signal_partitions=partitions)
    return RiskHandler(
        account="main",
        stage=stage,
        invariants=Invariants(stage.book),
        flags=BreakerFlags(state),
        metrics=Metrics(),
        watch=watch,
    )


def equity(ts_ns: int, *, now: int = 10_000, peak: int = 10_000) -> EquityMarked:
    return EquityMarked(
        id=f"equity:{ts_ns}",
        ts_ns=ts_ns,
        account="main",
        cash=now * USD,
        equity=now * USD,
        peak=peak * USD,
        fees=0,
        positions=(("BTC-USD", 0, 10_000_00),),
    )


def complete(ts_ns: int, partition: int = 0) -> SignalsComplete:
    return SignalsComplete(id=f"signals:{partition}:{ts_ns}", ts_ns=ts_ns, partition=partition, signals=0)


def bars(ts_ns: int) -> BarsComplete:
    return BarsComplete(id=f"bars:{ts_ns}", ts_ns=ts_ns, symbols=("BTC-USD",), sequence=ts_ns)


def buy(ts_ns: int) -> SignalRaised:
    return SignalRaised(
        id=SignalId(f"toy:BTC-USD:{ts_ns}"),
        ts_ns=ts_ns,
        instance="toy",
        symbol="BTC-USD",
        action=Action.BUY,
        strength=1.0,
        reason="",
    )


async def is_halted(state: LosableState) -> bool:
    return (await BreakerFlags(state).is_open("main")).is_open


async def eventually(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110 (fakes have no events)
            await asyncio.sleep(0.002)


async def test_the_flag_is_shown_with_the_first_step_and_halts_before_it(state: LosableState) -> None:
    loop = Loop(made(state))
    assert await is_halted(state), "a missing flag halts"
    await loop.step()
    assert not await is_halted(state)


async def test_a_breaker_that_trips_is_shown_with_its_reason_at_once(state: LosableState) -> None:
    loop = Loop(made(state))
    await loop.step(bars(1), equity(1, now=7_000), complete(1))
    assert any(isinstance(event, BreakerChanged) for event in loop.said)
    halt = await BreakerFlags(state).is_open("main")
    assert halt.is_open
    assert "equity drawdown 30.00 %" in halt.reason


async def test_an_operators_command_opens_and_closes_it(state: LosableState) -> None:
    loop = Loop(made(state))
    for number, is_open in enumerate((True, False, True)):
        await loop.step(
            BreakerCommand(id=f"c{number}", ts_ns=number, account="main", open=is_open, reason="drill", actor="ann")
        )
        assert await is_halted(state) is is_open


async def test_an_open_breaker_stays_open_over_a_restart(state: LosableState) -> None:
    before = made(state)
    await Loop(before).step(bars(1), equity(1, now=7_000), complete(1))
    state.lose_everything()
    after = made(state)
    after.restore(before.snapshot())
    await after.after_step()
    halt = await BreakerFlags(state).is_open("main")
    assert "equity drawdown" in halt.reason


async def test_a_flag_that_got_lost_comes_back_by_itself(state: LosableState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "SHOW_EVERY_S", 0.005)
    handler = made(state)
    await Loop(handler).step()
    showing = asyncio.ensure_future(keep_showing(handler))
    state.lose_everything()
    assert await is_halted(state)
    async with asyncio.timeout(5):
        while await is_halted(state):  # noqa: ASYNC110 (a fake has no event)
            await asyncio.sleep(0.002)
    showing.cancel()


async def test_without_the_hot_state_risk_goes_on_and_shows_the_breaker_when_it_is_back(
    state: LosableState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "SHOW_EVERY_S", 0.005)
    state.is_away = True
    handler = made(state)
    loop = Loop(handler)
    await loop.step(bars(1), equity(1, now=7_000), complete(1))
    assert any(isinstance(event, DecisionsComplete) for event in loop.said)

    showing = asyncio.ensure_future(keep_showing(handler))
    await asyncio.sleep(0.02)
    assert not showing.done()
    state.is_away = False
    async with asyncio.timeout(5):
        while "drawdown" not in (await BreakerFlags(state).is_open("main")).reason:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.002)
    showing.cancel()


async def test_a_batch_that_lacks_a_worker_is_decided_when_its_wait_is_over(state: LosableState) -> None:
    handler = made(state, partitions=2)
    loop = Loop(handler)
    waiting = asyncio.ensure_future(decide_late_batches(handler, loop, wait_s=0.05))  # type: ignore[arg-type]  # all it uses
    await loop.step(bars(1), equity(1), buy(1), complete(1, partition=0))
    assert loop.said == []
    began = asyncio.get_running_loop().time()
    await eventually(lambda: bool(loop.said))
    assert asyncio.get_running_loop().time() - began >= 0.04
    assert [type(event) for event in loop.said] == [OrderApproved, DecisionsComplete]
    await eventually(lambda: not handler.undecided)
    waiting.cancel()


async def test_a_batch_that_is_complete_is_decided_at_once_and_once(state: LosableState) -> None:
    handler = made(state, partitions=2)
    loop = Loop(handler)
    waiting = asyncio.ensure_future(decide_late_batches(handler, loop, wait_s=0.02))  # type: ignore[arg-type]  # all it uses
    await loop.step(bars(1), equity(1), buy(1), complete(1, partition=0), complete(1, partition=1))
    assert [type(event) for event in loop.said] == [OrderApproved, DecisionsComplete]
    await asyncio.sleep(0.06)
    assert len(loop.said) == 2
    waiting.cancel()


async def test_when_no_worker_says_a_word_the_breaker_still_looks_at_the_account(
    state: LosableState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "NOBODY_SPOKE", 3)
    handler = made(state, partitions=2)
    loop = Loop(handler)
    waiting = asyncio.ensure_future(decide_late_batches(handler, loop, wait_s=0.02))  # type: ignore[arg-type]  # all it uses
    await loop.step(bars(1), equity(1, now=7_000))
    began = asyncio.get_running_loop().time()
    await eventually(lambda: bool(loop.said))
    assert asyncio.get_running_loop().time() - began >= 0.05, "they may all be slow"
    assert [type(event) for event in loop.said] == [BreakerChanged, DecisionsComplete]
    assert await is_halted(state)
    assert handler.overdue(0.0) == []
    waiting.cancel()


async def test_a_batch_without_equity_is_not_decided_however_long_it_takes(state: LosableState) -> None:
    handler = made(state)
    loop = Loop(handler)
    waiting = asyncio.ensure_future(decide_late_batches(handler, loop, wait_s=0.01))  # type: ignore[arg-type]  # all it uses
    await loop.step(buy(1), complete(1))
    await asyncio.sleep(0.05)
    assert loop.said == []
    await loop.step(bars(1), equity(1))
    assert [type(event) for event in loop.said] == [OrderApproved, DecisionsComplete]
    waiting.cancel()


async def test_a_batch_that_waited_when_risk_was_killed_is_decided_after_the_restart(state: LosableState) -> None:
    before = made(state, partitions=2)
    await Loop(before).step(bars(1), equity(1), buy(1), complete(1, partition=0))

    after = made(state, partitions=2)
    after.restore(before.snapshot())
    loop = Loop(after)
    waiting = asyncio.ensure_future(decide_late_batches(after, loop, wait_s=0.02))  # type: ignore[arg-type]  # all it uses
    await eventually(lambda: bool(loop.said))
    assert [type(event) for event in loop.said] == [OrderApproved, DecisionsComplete]
    waiting.cancel()


async def test_a_halted_symbol_is_shown_and_the_rest_of_the_account_trades(state: LosableState) -> None:
    loop = Loop(made(state))
    await loop.step(
        OperatorCommand(
            id="c",
            ts_ns=1,
            account="main",
            operation=Operation.HALT,
            scope=Scope(symbol="BTC-USD"),
            reason="drill",
            actor="ann",
        )
    )
    flags = BreakerFlags(state)
    assert "drill" in (await flags.is_open("main", instance="toy", symbol="BTC-USD")).reason
    assert not (await flags.is_open("main", instance="toy", symbol="ETH-USD")).is_open


class Clock:
    """Seconds since it was made; the wall clock began at 1970."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def watch(self, *, is_real_time: bool = True) -> MarketWatch:
        return MarketWatch(
            ["BTC-USD"],
            patience_s=20.0,
            is_real_time=is_real_time,
            monotonic=lambda: self.now_s,
            now_ns=lambda: int(self.now_s * 1e9),
        )


def bar(close_s: float) -> BarClosed:
    ts_ns = int(close_s * 1e9)
    return BarClosed(
        id=f"bar:{ts_ns}",
        ts_ns=ts_ns,
        symbol="BTC-USD",
        timeframe="10s",
        open_ns=ts_ns - 10**10,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
    )


def test_a_symbol_is_silent_when_its_bars_stop_coming() -> None:
    clock = Clock()
    watch = clock.watch()
    clock.now_s = 20.0
    assert watch.silent() == []
    clock.now_s = 20.1
    assert watch.silent() == [("BTC-USD", -1)]
    assert watch.hear(bar(20))
    assert watch.silent() == []
    clock.now_s = 41.0
    assert watch.silent() == [("BTC-USD", 20 * 10**9)]


def test_a_bar_that_comes_long_after_its_close_is_as_bad_as_none_unless_it_was_recorded() -> None:
    clock = Clock()
    clock.now_s = 100.0
    assert clock.watch().hear(bar(80))
    assert not clock.watch().hear(bar(79))
    assert clock.watch(is_real_time=False).hear(bar(1))


def test_a_fast_replay_is_not_taken_for_a_market_that_is_gone() -> None:
    watch = MarketWatch(
        ["BTC-USD"], patience_s=0.001, is_real_time=False, monotonic=iter((0.0, LEAST_PATIENCE_S)).__next__
    )
    assert watch.silent() == []


async def test_a_silent_symbol_pauses_once_and_goes_on_with_its_next_bar_in_time(
    state: LosableState, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    watch = clock.watch()
    monkeypatch.setattr(MarketWatch, "look_every_s", 0.001)
    handler = made(state, watch=watch)
    loop = Loop(handler)
    await loop.step()
    pausing = asyncio.ensure_future(pause_silent_symbols(handler, loop, watch))  # type: ignore[arg-type]  # all it uses
    clock.now_s = 60.0
    await eventually(lambda: bool(loop.said))
    assert (await BreakerFlags(state).is_open("main", symbol="BTC-USD")).is_open
    await loop.step(bar(30))  # market_data catches up: still too old
    assert handler.is_paused("BTC-USD")
    await loop.step(bar(50))
    assert not handler.is_paused("BTC-USD")
    assert [len(event.halts) for event in loop.said if isinstance(event, HaltsChanged)] == [1, 0]
    assert not (await BreakerFlags(state).is_open("main", symbol="BTC-USD")).is_open
    pausing.cancel()
