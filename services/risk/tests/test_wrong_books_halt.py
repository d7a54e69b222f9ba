"""Books that do not agree halt what they concern, with the numbers; books that do, never, however slow anybody is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.events import (
    NO_WISH,
    Action,
    BarClosed,
    BarsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRefused,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.ids import FillId, OrderId, SignalId, TradeId, leg_order_id
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.account import ACCOUNT, SYMBOL
from n1v1.risk.halts import Operation, Scope
from n1v1.risk.invariants import Invariants
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.saved import restored_record, saved_record
from n1v1.risk.stage import Risk
from n1v1.values import PPB, Instrument, Liquidity, Purpose, Side
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.telemetry.metrics import Metrics
from n1v1_risk.handlers import RiskHandler

HOUR = 3_600_000_000_000
USD = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
TICKS = {"BTC-USD": 1_000_000, "ETH-USD": 100_000}
POLICY = RiskPolicy(
    position_fraction_ppb=PPB // 10,
    max_position_ppb=PPB // 2,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=PPB // 2,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=HOUR,
)


class Desk:
    """Risk and portfolio, joined by what they say to one another; the portfolio hears when we let it."""

    def __init__(self) -> None:
        self.portfolio = Portfolio(account="main", instruments=(BTC, ETH), initial_cash=100_000 * USD)
        self.handler = self._made()
        self.hour = 0
        self.fills = 0
        self.unheard: list[OrderFilled] = []

    def _made(self) -> RiskHandler:
        stage = Risk(account="main", instruments=(BTC, ETH), policy=POLICY)
        return RiskHandler(
            account="main",
            stage=stage,
            invariants=Invariants(stage.book),
            flags=BreakerFlags(MemoryHotState()),
            metrics=Metrics(),
        )

    def restart(self, **changes: Any) -> None:
        """changes: of what was saved, as somebody may have made them."""
        saved = json.loads(json.dumps(self.handler.snapshot())) | changes
        self.handler = self._made()
        self.handler.restore(saved)

    async def mark(self, *wanted: tuple[str, Action], wish: Wish = NO_WISH) -> list[Event]:
        """The next hour, with signals."""
        self.hour += 1
        ts_ns = self.hour * HOUR
        for symbol, ticks in TICKS.items():
            self.portfolio.handle(_bar(symbol, ticks, ts_ns))
        bars = BarsComplete(id=f"b{ts_ns}", ts_ns=ts_ns, symbols=tuple(TICKS), sequence=self.hour)
        self.portfolio.handle(bars)
        [marked] = self.portfolio.handle(FillsComplete(id=f"f{ts_ns}", ts_ns=ts_ns, account="main"))
        signals = [_signal(symbol, action, ts_ns, wish) for symbol, action in wanted]
        complete = SignalsComplete(id=f"s{ts_ns}", ts_ns=ts_ns, partition=0, signals=len(signals))
        return await self.hear(*signals, bars, complete, marked)

    async def hear(self, *events: Event) -> list[Event]:
        return [said for event in events for said in await self.handler.handle(event)]

    async def fill(self, order: OrderApproved, *, lots: int | None = None, is_heard: bool = True) -> list[Event]:
        self.fills += 1
        filled = _filled(order, self.fills, order.lots if lots is None else lots)
        self.unheard.append(filled)
        if is_heard:
            self.portfolio_hears()
        return await self.hear(filled)

    def portfolio_hears(self, count: int | None = None) -> None:
        heard, self.unheard = self.unheard[:count], self.unheard[len(self.unheard[:count]) :]
        for filled in heard:
            self.portfolio.handle(filled)

    async def enter(self, symbol: str = "BTC-USD", *, is_heard: bool = True) -> OrderApproved:
        [order] = _approved(await self.mark((symbol, Action.BUY)))
        await self.fill(order, is_heard=is_heard)
        return order

    async def resume(self, symbol: str = "") -> list[Event]:
        resume = OperatorCommand(
            id=f"command:{self.hour}:{symbol}",
            ts_ns=1,
            account="main",
            operation=Operation.RESUME,
            scope=Scope(symbol=symbol),
            reason="looked at it",
            actor="ann",
        )
        return await self.hear(resume)

    @property
    def halts(self) -> dict[str, str]:
        """Reasons by scope."""
        return {str(halt.scope): halt.reason for halt in self.handler._stage.halts}


def _bar(symbol: str, ticks: int, ts_ns: int) -> BarClosed:
    return BarClosed(
        id=f"{symbol}{ts_ns}",
        ts_ns=ts_ns,
        symbol=symbol,
        timeframe="1h",
        open_ns=ts_ns - HOUR,
        open=ticks,
        high=ticks,
        low=ticks,
        close=ticks,
        volume=1,
    )


def _signal(symbol: str, action: Action, ts_ns: int, wish: Wish) -> SignalRaised:
    return SignalRaised(
        id=SignalId(f"cross:{symbol}:{ts_ns}"),
        ts_ns=ts_ns,
        instance="cross",
        symbol=symbol,
        action=action,
        strength=1.0,
        reason="",
        wish=wish,
    )


def _filled(order: OrderApproved, number: int, lots: int) -> OrderFilled:
    value = lots * TICKS[order.symbol] // BTC.notional_divisor
    return OrderFilled(
        id=f"filled:{number}",
        ts_ns=order.ts_ns,
        order_id=order.order_id,
        account="main",
        symbol=order.symbol,
        fill_id=FillId(f"sim:{order.symbol}:{number}"),
        trade_id=TradeId(str(number)),
        instance="cross",
        side=order.side,
        lots=lots,
        ticks=TICKS[order.symbol],
        value=value,
        fee=value // 1_000,
        liquidity=Liquidity.TAKER,
        is_final=lots >= order.lots,
        purpose=order.purpose,
    )


def _approved(said: Sequence[Event]) -> list[OrderApproved]:
    return [event for event in said if isinstance(event, OrderApproved)]


async def test_a_mark_that_disagrees_on_a_position_halts_its_symbol_alone_with_the_numbers() -> None:
    """The portfolio's saved state was altered: 2 bitcoins more than the fills have bought."""
    desk = Desk()
    await desk.enter()
    saved = desk.portfolio.snapshot()
    saved["positions"]["BTC-USD"]["lots"] += 2 * BTC.lots("1")
    desk.portfolio.restore(saved)

    said = await desk.mark(("ETH-USD", Action.BUY))
    assert desk.halts == {
        "BTC-USD": "the books are wrong: the fills of BTC-USD sum to 1.00000000, the portfolio holds 3.00000000"
    }
    assert [order.symbol for order in _approved(said)] == ["ETH-USD"], "the other symbol trades on"
    [exit_] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
    assert exit_.purpose is Purpose.EXIT, "and the position can be left"


async def test_nothing_is_decided_on_a_mark_that_is_wrong() -> None:
    desk = Desk()
    await desk.mark()
    saved = desk.portfolio.snapshot()
    desk.portfolio.restore(saved | {"cash": saved["cash"] - 500 * USD})
    said = await desk.mark(("BTC-USD", Action.BUY))
    assert desk.halts == {
        "the account": "the books are wrong: the fills leave 100000.00000000 in cash, the portfolio has 99500.00000000"
    }
    [refused] = [event for event in said if isinstance(event, OrderRefused)]
    assert "99500" in refused.detail


async def test_what_was_found_is_said_once_and_after_a_resume_the_portfolio_is_right() -> None:
    desk = Desk()
    await desk.enter()
    saved = desk.portfolio.snapshot()
    saved["positions"]["BTC-USD"]["lots"] = BTC.lots("0.4")
    desk.portfolio.restore(saved)
    await desk.mark()
    desk.restart()
    said = [event for _ in range(3) for event in await desk.mark()]
    assert not any(isinstance(event, HaltsChanged) for event in said)
    assert list(desk.halts) == ["BTC-USD"], "a restart ends nothing"

    await desk.resume("BTC-USD")
    await desk.mark()
    assert desk.halts == {}
    [exit_] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
    assert exit_.lots == BTC.lots("0.4")
    await desk.fill(exit_)
    await desk.mark()
    assert desk.halts == {}


async def test_equity_that_is_not_cash_and_positions_halts_the_account() -> None:
    desk = Desk()
    await desk.enter()
    marked = EquityMarked(
        id="e",
        ts_ns=5 * HOUR,
        account="main",
        cash=desk.portfolio.cash,
        equity=100_001 * USD,
        peak=100_001 * USD,
        fees=0,
        positions=(("BTC-USD", BTC.lots("1"), TICKS["BTC-USD"]),),
    )
    await desk.hear(marked)
    worth = "cash and positions are worth 99990.00000000, the portfolio says 100001.00000000"
    assert desk.halts == {"the account": f"the books are wrong: {worth}"}


async def test_a_fill_of_an_order_that_nobody_approved_halts_its_symbol() -> None:
    desk = Desk()
    order = await desk.enter()
    await desk.fill(replace(order, order_id=OrderId("o-stranger")))
    assert list(desk.halts) == ["BTC-USD"]
    assert desk.halts["BTC-USD"].endswith(
        "sim:BTC-USD:2: BUY 1.00000000 BTC-USD for o-stranger, which nobody has approved"
    )
    await desk.mark()
    assert list(desk.halts) == ["BTC-USD"], "both have booked it: it has happened"


async def test_stops_and_late_fills_of_orders_that_were_given_up_are_intended() -> None:
    desk = Desk()
    entry = await desk.enter()
    for _ in range(20):  # exits that the venue takes back, one after the other
        [exit_] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
        cancelled = OrderCancelled(
            id=f"c{desk.hour}",
            ts_ns=exit_.ts_ns,
            order_id=exit_.order_id,
            account="main",
            symbol="BTC-USD",
            remaining_lots=exit_.lots,
            reason="",
        )
        await desk.hear(cancelled)
    await desk.fill(exit_, lots=exit_.lots // 4)
    stop = replace(entry, order_id=leg_order_id(entry.order_id, "stop"), side=Side.SELL, purpose=Purpose.STOP_LOSS)
    desk.restart()
    await desk.fill(stop, lots=entry.lots - exit_.lots // 4)
    await desk.mark()
    assert desk.halts == {}


@pytest.mark.parametrize("leg", ["", "target"])
async def test_a_stop_that_was_moved_and_its_target_are_intended(leg: Literal["", "target"]) -> None:
    desk = Desk()
    entry = await desk.enter()
    for nearer in range(10):
        wish = Wish(trigger_ticks=900_000 + nearer)
        [moved] = _approved(await desk.mark(("BTC-USD", Action.MOVE_STOP), wish=wish))
    order_id = leg_order_id(moved.order_id, leg) if leg else moved.order_id
    await desk.fill(replace(moved, order_id=order_id), lots=entry.lots)
    await desk.mark()
    assert desk.halts == {}


async def test_an_entry_that_fills_more_than_was_approved_halts_its_symbol() -> None:
    desk = Desk()
    [order] = _approved(await desk.mark(("BTC-USD", Action.BUY)))
    await desk.fill(order, lots=order.lots - 10)
    await desk.fill(order, lots=11)
    assert desk.halts == {
        "BTC-USD": f"the books are wrong: {order.order_id} has filled 0.00000011 BTC-USD, of which 0.00000010 was "
        "still approved"
    }


async def test_a_reservation_that_is_not_the_sum_of_its_orders_halts_the_account_and_is_mended_by_a_resume() -> None:
    desk = Desk()
    [order] = _approved(await desk.mark(("BTC-USD", Action.BUY)))
    account = restored_record(desk.handler.snapshot()["account"], ACCOUNT)
    account.reserved_cash -= 7_000 * USD
    desk.restart(account=saved_record(account, ACCOUNT))
    await desk.fill(order)
    assert desk.halts == {
        "the account": "the books are wrong: -7000.00000000 is reserved for orders, by symbol nothing"
    }
    await desk.resume()
    await desk.enter("ETH-USD")
    assert desk.halts == {}


async def test_a_second_order_on_one_position_halts_its_symbol() -> None:
    """Risk has forgotten, by an altered state, that an exit is on its way."""
    desk = Desk()
    await desk.enter()
    [first] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
    symbols = dict(desk.handler.snapshot()["symbols"])
    record = restored_record(symbols["BTC-USD"], SYMBOL)
    record.has_order = record.reserved_lots = 0
    desk.restart(symbols=symbols | {"BTC-USD": saved_record(record, SYMBOL)})
    [second] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
    assert desk.halts == {
        "BTC-USD": f"the books are wrong: {first.order_id} and {second.order_id} are open on the position in BTC-USD"
    }


async def test_a_state_from_before_there_were_invariants_is_not_held_against_anybody() -> None:
    desk = Desk()
    entry = await desk.enter()
    desk.restart(invariants=None)
    stop = replace(entry, order_id=leg_order_id(entry.order_id, "stop"), side=Side.SELL, purpose=Purpose.STOP_LOSS)
    await desk.fill(stop)
    await desk.enter()
    assert desk.halts == {}
    await desk.fill(replace(entry, order_id=OrderId("o-stranger")))
    assert list(desk.halts) == ["BTC-USD"], "from the next entry on it is"


moves = st.lists(
    st.tuples(
        st.sampled_from(["BTC-USD", "ETH-USD"]),
        st.sampled_from([Action.BUY, Action.SELL]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(moves)
def test_books_that_agree_halt_nothing_however_late_the_portfolio_hears(
    moves: list[tuple[str, Action, int, int, bool]],
) -> None:
    """Fills in parts, of which the portfolio has heard any number when it marks; restarts in between."""

    async def trade() -> None:
        desk = Desk()
        for symbol, action, parts, heard, restarts in moves:
            for order in _approved(await desk.mark((symbol, action))):
                left = order.lots
                for part in range(parts, 0, -1):
                    await desk.fill(replace(order, lots=left), lots=left // part, is_heard=False)
                    left -= left // part
            desk.portfolio_hears(heard)
            if restarts:
                desk.restart()
        desk.portfolio_hears()
        await desk.mark()
        assert desk.halts == {}

    asyncio.run(trade())


@pytest.mark.parametrize("lost", range(4))
async def test_a_fill_that_the_portfolio_never_hears_is_found_with_the_next_one(lost: int) -> None:
    desk = Desk()
    for _ in range(2):
        await desk.enter(is_heard=False)
        [exit_] = _approved(await desk.mark(("BTC-USD", Action.SELL)))
        await desk.fill(exit_, is_heard=False)
    del desk.unheard[lost]
    desk.portfolio_hears()
    await desk.enter("ETH-USD")
    await desk.mark()
    assert list(desk.halts) == ["BTC-USD"]
