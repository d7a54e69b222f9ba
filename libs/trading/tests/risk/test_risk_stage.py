"""Risk worked by hand: 10,000 dollars, BTC at 10,000.00, an entry takes a tenth and costs at most 0.2 % more."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, N1v1Error
from n1v1.events import (
    Action,
    BarsComplete,
    BreakerChanged,
    BreakerCommand,
    CommandCarriedOut,
    DecisionsComplete,
    EquityMarked,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.ids import FillId, SignalId, TradeId
from n1v1.kernels import new_record
from n1v1.risk.account import ACCOUNT
from n1v1.risk.limits import DECISION, exceeds_position_limit
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import Check, RefusalReason, code_of
from n1v1.risk.stage import Risk
from n1v1.values import PPB, Instrument, Liquidity, OrderType, Side, TimeInForce

HOUR = 3_600_000_000_000
USD = 100_000_000
PERCENT = PPB // 100
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
XRP = Instrument(symbol="XRP-USD", base="XRP", quote="USD", can_short=True)
PRICE = {"BTC-USD": 1_000_000, "ETH-USD": 100_000, "XRP-USD": 1_000}  # 10,000, 1,000 and 10 dollars
TENTH_OF_A_BITCOIN = 10_000_000
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=30 * PERCENT,
    max_drawdown_ppb=20 * PERCENT,
    breaker_drawdown_ppb=40 * PERCENT,
    max_positions=2,
    cost_ppb=2_000_000,
    valid_for_ns=HOUR,
)


def risk_with(policy: RiskPolicy = POLICY, *, partitions: int = 1) -> Risk:
    return Risk(account="main", instruments=(BTC, ETH, XRP), policy=policy, signal_partitions=partitions)


def signal(
    hour: int,
    action: Action = Action.BUY,
    *,
    symbol: str = "BTC-USD",
    instance: str = "cross",
    fraction: int | None = None,
) -> SignalRaised:
    return SignalRaised(
        id=SignalId(f"{instance}:{symbol}:{hour}"),
        ts_ns=hour * HOUR,
        correlation_id=f"{symbol}@{hour}",
        instance=instance,
        symbol=symbol,
        action=action,
        strength=1.0,
        reason="crossed",
        wish=Wish(fraction_ppb=fraction),
    )


def marked(
    hour: int,
    *,
    cash: int = 10_000,
    equity: int = 10_000,
    peak: int = 10_000,
    held: dict[str, int] | None = None,
    prices: dict[str, int] | None = None,
    account: str = "main",
) -> EquityMarked:
    """cash, equity and peak in dollars, held in lots."""
    lots = held or {}
    return EquityMarked(
        id=f"equity:{account}:{hour}",
        ts_ns=hour * HOUR,
        account=account,
        cash=cash * USD,
        equity=equity * USD,
        peak=peak * USD,
        fees=0,
        positions=tuple((s, lots.get(s, 0), ticks) for s, ticks in (PRICE if prices is None else prices).items()),
    )


def signals_complete(hour: int, partition: int = 0) -> SignalsComplete:
    return SignalsComplete(id=f"signals:{partition}:{hour}", ts_ns=hour * HOUR, partition=partition, signals=0)


def bars_complete(hour: int) -> BarsComplete:
    return BarsComplete(id=f"bars:{hour}", ts_ns=hour * HOUR, symbols=tuple(PRICE), sequence=hour)


def decide(risk: Risk, hour: int, *signals: SignalRaised, equity: EquityMarked | None = None) -> list[Event]:
    events: list[Event] = [bars_complete(hour), *signals, signals_complete(hour), equity or marked(hour)]
    return [said for event in events for said in risk.handle(event)]


def approvals(events: Sequence[Event]) -> list[OrderApproved]:
    return [event for event in events if isinstance(event, OrderApproved)]


def refusals(events: Sequence[Event]) -> list[OrderRefused]:
    return [event for event in events if isinstance(event, OrderRefused)]


def approved(events: Sequence[Event]) -> OrderApproved:
    (order,) = approvals(events)
    return order


def refused(events: Sequence[Event]) -> OrderRefused:
    (refusal,) = refusals(events)
    return refusal


def fill(
    order: OrderApproved, *, lots: int | None = None, price: int | None = None, is_final: bool = True
) -> OrderFilled:
    lots = order.lots if lots is None else lots
    ticks = order.reference_ticks if price is None else price
    return OrderFilled(
        id=f"filled:{order.order_id}:{lots}:{is_final}",
        ts_ns=order.ts_ns,
        order_id=order.order_id,
        account=order.account,
        symbol=order.symbol,
        fill_id=FillId("f"),
        trade_id=TradeId("t"),
        instance=order.instance,
        side=order.side,
        lots=lots,
        ticks=ticks,
        value=lots * ticks // 100,
        fee=0,
        liquidity=Liquidity.TAKER,
        is_final=is_final,
    )


def rejected(order: OrderApproved) -> OrderRejected:
    return OrderRejected(
        id="r", ts_ns=order.ts_ns, order_id=order.order_id, account=order.account, symbol=order.symbol, reason="no"
    )


def cancelled(order: OrderApproved) -> OrderCancelled:
    return OrderCancelled(
        id="c",
        ts_ns=order.ts_ns,
        order_id=order.order_id,
        account=order.account,
        symbol=order.symbol,
        remaining_lots=1,
        reason="by hand",
    )


def expired(order: OrderApproved) -> OrderExpired:
    return OrderExpired(
        id="e",
        ts_ns=order.ts_ns,
        order_id=order.order_id,
        account=order.account,
        symbol=order.symbol,
        remaining_lots=1,
        reason="of old age",
    )


def command(*, open_: bool, account: str = "main", number: int = 1) -> BreakerCommand:
    return BreakerCommand(
        id=f"command:{number}", ts_ns=HOUR, account=account, open=open_, reason="maintenance", actor="anna"
    )


def changes(said: Sequence[Event]) -> list[BreakerChanged]:
    return [event for event in said if isinstance(event, BreakerChanged)]


def free_cash(risk: Risk) -> int:
    return risk.free_cash


class TestAnEntry:
    def test_it_is_approved_with_every_check_in_order(self) -> None:
        order = approved(decide(risk_with(), 5, signal(5)))
        assert order.checks == (
            Check("direction", True, "opens a position"),
            Check("price", True, "10000.00"),
            Check("order in flight", True, "none"),
            Check("breaker", True, "closed"),
            Check("drawdown", True, "0.00 % of at most 20.00 %"),
            Check("positions", True, "0 of at most 2"),
            Check("size", True, "10.00 % of equity: 0.10000000"),
            Check("position limit", True, "1000.00000000 of at most 3000.00000000"),
            Check("cash", True, "needs 1002.00000000, free 10000.00000000"),
        )

    def test_the_order_is_a_tenth_of_equity_at_the_last_mark(self) -> None:
        order = approved(decide(risk_with(), 5, signal(5)))
        assert (order.side, order.type, order.time_in_force) == (Side.BUY, OrderType.MARKET, TimeInForce.GTC)
        assert (order.lots, order.reference_ticks, order.limit_ticks) == (TENTH_OF_A_BITCOIN, 1_000_000, None)
        assert (order.reduce_only, order.valid_until_ns) == (False, 6 * HOUR)
        assert (order.cause_id, order.signal_id, order.correlation_id) == (signal(5).id, signal(5).id, "BTC-USD@5")

    def test_the_wish_of_the_signal_comes_first_and_the_limit_cuts_it(self) -> None:
        wished = approved(decide(risk_with(), 5, signal(5, fraction=20 * PERCENT)))
        assert wished.lots == 2 * TENTH_OF_A_BITCOIN
        capped = approved(decide(risk_with(), 5, signal(5, fraction=50 * PERCENT)))
        assert capped.lots == 3 * TENTH_OF_A_BITCOIN
        assert capped.checks[6].detail == "30.00 % of equity, capped from 50.00 %: 0.30000000"

    def test_a_wish_for_nothing_is_not_a_wish_for_the_default(self) -> None:
        refusal = refused(decide(risk_with(), 5, signal(5, fraction=0)))
        assert refusal.reason is RefusalReason.BELOW_MIN_NOTIONAL

    def test_its_cost_is_reserved(self) -> None:
        risk = risk_with()
        decide(risk, 5, signal(5))
        assert free_cash(risk) == (10_000 - 1_002) * USD

    def test_a_short_reserves_no_cash(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5, Action.SELL, symbol="XRP-USD")))
        assert (order.side, order.reduce_only) == (Side.SELL, False)
        assert free_cash(risk) == 10_000 * USD


HELD = {"BTC-USD": TENTH_OF_A_BITCOIN}


def refuse_unknown_symbol() -> list[Event]:
    return decide(risk_with(), 5, signal(5, symbol="DOGE-USD"))


def refuse_without_price() -> list[Event]:
    return decide(risk_with(), 5, signal(5), equity=marked(5, prices={"BTC-USD": 0, "ETH-USD": 100_000}))


def refuse_short() -> list[Event]:
    return decide(risk_with(), 5, signal(5, Action.SELL))


def refuse_closing_nothing() -> list[Event]:
    return decide(risk_with(), 5, signal(5, Action.CLOSE))


def refuse_second_position() -> list[Event]:
    return decide(risk_with(), 5, signal(5), equity=marked(5, cash=9_000, held=HELD))


def refuse_in_flight() -> list[Event]:
    risk = risk_with()
    decide(risk, 5, signal(5))
    return decide(risk, 6, signal(6))


def refuse_breaker() -> list[Event]:
    risk = risk_with()
    decide(risk, 4, equity=marked(4, equity=6_000))
    return decide(risk, 5, signal(5))


def refuse_halted() -> list[Event]:
    risk = risk_with()
    risk.handle(command(open_=True))
    return decide(risk, 5, signal(5))


def refuse_stale() -> list[Event]:
    risk = risk_with()
    risk.mark_stale("BTC-USD", 3 * HOUR)
    return decide(risk, 5, signal(5))


def refuse_drawdown() -> list[Event]:
    return decide(risk_with(), 5, signal(5), equity=marked(5, cash=8_000, equity=8_000))


def refuse_third_symbol() -> list[Event]:
    held = {"ETH-USD": 100_000_000, "XRP-USD": 100_000_000}
    return decide(risk_with(), 5, signal(5), equity=marked(5, cash=8_990, held=held))


def refuse_dust() -> list[Event]:
    return decide(risk_with(), 5, signal(5), equity=marked(5, cash=99, equity=99, peak=99))


def refuse_without_cash() -> list[Event]:
    held = {"ETH-USD": 900_000_000}
    return decide(risk_with(), 5, signal(5), equity=marked(5, cash=1_001, held=held))


def refuse_late() -> list[Event]:
    risk = risk_with()
    decide(risk, 5)
    return risk.handle(signal(5))


REFUSALS: dict[RefusalReason, tuple[Callable[[], list[Event]], str, str]] = {
    RefusalReason.UNKNOWN_SYMBOL: (refuse_unknown_symbol, "no such instrument", ""),
    RefusalReason.NO_PRICE: (refuse_without_price, "the symbol has no mark yet", "price"),
    RefusalReason.SHORT_DISABLED: (
        refuse_short,
        "nothing is held and the instrument cannot be shorted",
        "direction",
    ),
    RefusalReason.NOTHING_TO_CLOSE: (refuse_closing_nothing, "no position", "direction"),
    RefusalReason.ALREADY_IN_POSITION: (refuse_second_position, "10000000 lots are held", "direction"),
    RefusalReason.ORDER_IN_FLIGHT: (
        refuse_in_flight,
        "an earlier order on the symbol is not done",
        "order in flight",
    ),
    RefusalReason.BREAKER_OPEN: (refuse_breaker, "equity drawdown 40.00 % reached 40.00 %", "breaker"),
    RefusalReason.HALTED: (refuse_halted, "the account by anna: maintenance (until resumed)", "halts"),
    RefusalReason.STALE_MARKET_DATA: (
        refuse_stale,
        "BTC-USD by market data: no bar in time since @10800 (until resumed)",
        "halts",
    ),
    RefusalReason.DRAWDOWN_LIMIT: (refuse_drawdown, "20.00 % of at most 20.00 %", "drawdown"),
    RefusalReason.TOO_MANY_POSITIONS: (refuse_third_symbol, "2 of at most 2", "positions"),
    RefusalReason.BELOW_MIN_NOTIONAL: (refuse_dust, "10.00 % of equity: 0.00099000", "size"),
    RefusalReason.INSUFFICIENT_CASH: (refuse_without_cash, "needs 1002.00000000, free 1001.00000000", "cash"),
    RefusalReason.SIGNAL_EXPIRED: (refuse_late, "its bar time, or a later one, was decided before", ""),
}


OPTIONAL = {
    RefusalReason.DAILY_LOSS_LIMIT,
    RefusalReason.EXPOSURE_LIMIT,
    RefusalReason.OPEN_RISK_LIMIT,
    RefusalReason.ORDER_RATE_LIMIT,
    RefusalReason.DUPLICATE_ORDER,
    RefusalReason.STOP_REQUIRED,
    RefusalReason.WARMING_UP,
    RefusalReason.NO_EDGE,
    RefusalReason.SYMBOL_LOCKED,
    RefusalReason.ACCOUNT_LOCKED,
    RefusalReason.MARKET_ANOMALY,
    RefusalReason.KILL_SWITCH,
    RefusalReason.VETOED,
    RefusalReason.ORDER_IMPOSSIBLE,
}
"""Reasons of what this policy has switched off; each is reached in the tests of its own rule."""


class TestRefusals:
    @pytest.mark.parametrize("reason", REFUSALS)
    def test_each_reason_is_reached_by_its_own_check(self, reason: RefusalReason) -> None:
        scenario, detail, failed_check = REFUSALS[reason]
        refusal = refused(scenario())
        assert (refusal.reason, refusal.detail) == (reason, detail)
        if failed_check:
            assert refusal.checks[-1] == Check(failed_check, False, detail)
            assert all(check.passed for check in refusal.checks[:-1])
        else:
            assert refusal.checks == ()

    def test_only_the_position_limit_cannot_be_reached_because_sizing_respects_it(self) -> None:
        assert set(RefusalReason) - set(REFUSALS) - OPTIONAL == {RefusalReason.POSITION_LIMIT}

    def test_the_position_limit_holds_whatever_sized_the_order(self) -> None:
        account, decision = new_record(ACCOUNT), new_record(DECISION)
        account.equity, decision.value = 10_000 * USD, 3_000 * USD
        assert exceeds_position_limit(POLICY.record(), account, decision) == 0
        decision.value += 1
        found = exceeds_position_limit(POLICY.record(), account, decision)
        assert found == code_of(RefusalReason.POSITION_LIMIT)

    def test_a_refusal_names_its_signal(self) -> None:
        refusal = refused(refuse_short())
        assert (refusal.signal_id, refusal.cause_id, refusal.action) == (
            "cross:BTC-USD:5",
            "cross:BTC-USD:5",
            Action.SELL,
        )
        assert (refusal.id, refusal.correlation_id) == ("refused:main:cross:BTC-USD:5", "BTC-USD@5")

    def test_a_batch_that_is_overtaken_is_refused_and_not_forgotten(self) -> None:
        risk = risk_with()
        risk.handle(signal(5))
        said = decide(risk, 6)
        assert [(event.signal_id, event.reason) for event in refusals(said)] == [
            ("cross:BTC-USD:5", RefusalReason.SIGNAL_EXPIRED)
        ]
        assert risk.waits_for(5 * HOUR) == []


class TestExits:
    def exit_with(self, action: Action, *, policy: RiskPolicy = POLICY, breaker: bool = False) -> OrderApproved:
        risk = risk_with(policy)
        if breaker:
            risk.handle(command(open_=True))
        return approved(decide(risk, 5, signal(5, action), equity=marked(5, cash=0, equity=1_000, held=HELD)))

    @pytest.mark.parametrize("action", [Action.SELL, Action.CLOSE])
    def test_no_limit_holds_an_exit_back(self, action: Action) -> None:
        """90 % down, breaker open, no cash, one position of at most one: the exit goes out all the same."""
        policy = replace(POLICY, max_positions=1)
        order = self.exit_with(action, policy=policy, breaker=True)
        assert (order.side, order.lots, order.reduce_only) == (Side.SELL, TENTH_OF_A_BITCOIN, True)
        assert [check.name for check in order.checks] == ["direction", "price", "order in flight", "size"]
        assert order.checks[0].detail == "closes 10000000 lots"
        assert order.checks[3].detail == "all of it: 0.10000000"

    @pytest.mark.parametrize("action", [Action.BUY, Action.CLOSE])
    def test_a_short_is_closed_by_buying(self, action: Action) -> None:
        equity = marked(5, cash=11_000, held={"XRP-USD": -10_000_000_000})
        order = approved(decide(risk_with(), 5, signal(5, action, symbol="XRP-USD"), equity=equity))
        assert (order.side, order.lots, order.reduce_only) == (Side.BUY, 10_000_000_000, True)

    def test_exits_are_decided_before_entries(self) -> None:
        signals = [
            signal(5, instance="a", symbol="ETH-USD"),
            signal(5, Action.SELL, instance="b"),
            signal(5, Action.BUY, instance="c", symbol="XRP-USD"),
        ]
        held = {**HELD, "XRP-USD": -10_000_000_000}
        said = decide(risk_with(), 5, *signals, equity=marked(5, held=held))
        assert [event.instance for event in said if isinstance(event, OrderApproved | OrderRefused)] == ["b", "c", "a"]

    def test_an_exit_waits_for_the_order_before_it(self) -> None:
        risk = risk_with()
        equity = marked(5, cash=9_000, held=HELD)
        decide(risk, 5, signal(5, Action.CLOSE), equity=equity)
        assert refused(decide(risk, 6, signal(6, Action.CLOSE))).reason is RefusalReason.ORDER_IN_FLIGHT

    def test_what_is_smaller_than_the_venue_accepts_cannot_be_closed(self) -> None:
        equity = marked(5, held={"BTC-USD": 99_000})
        refusal = refused(decide(risk_with(), 5, signal(5, Action.CLOSE), equity=equity))
        assert (refusal.reason, refusal.detail) == (RefusalReason.BELOW_MIN_NOTIONAL, "all of it: 0.00099000")

    def test_a_remainder_below_a_step_stays(self) -> None:
        equity = marked(5, held={"BTC-USD": TENTH_OF_A_BITCOIN + 999})
        assert approved(decide(risk_with(), 5, signal(5, Action.CLOSE), equity=equity)).lots == TENTH_OF_A_BITCOIN


class TestReservations:
    def test_two_instances_on_one_symbol_get_one_order(self) -> None:
        said = decide(risk_with(), 5, signal(5, instance="b"), signal(5, instance="a"))
        assert approved(said).instance == "a"
        assert refused(said).reason is RefusalReason.ORDER_IN_FLIGHT

    def test_cash_that_one_order_reserved_is_not_promised_to_the_next(self) -> None:
        equity = marked(5, cash=1_500)
        said = decide(risk_with(), 5, signal(5), signal(5, symbol="ETH-USD"), equity=equity)
        assert approved(said).symbol == "BTC-USD"
        assert refused(said).detail == "needs 1002.00000000, free 498.00000000"

    def test_a_fill_turns_a_reservation_into_a_position(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(fill(order))
        assert free_cash(risk) == 9_000 * USD
        assert refused(decide(risk, 6, signal(6))).reason is RefusalReason.ALREADY_IN_POSITION

    def test_a_part_that_was_filled_frees_its_part_of_the_reservation(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(fill(order, lots=order.lots // 4, is_final=False))
        # 250 spent, three quarters of 1,002 still reserved
        assert free_cash(risk) == (10_000 - 250) * USD - 75_150_000_000
        risk.handle(fill(order, lots=order.lots - order.lots // 4))
        assert free_cash(risk) == 9_000 * USD

    @pytest.mark.parametrize("end", [rejected, cancelled, expired])
    def test_an_order_that_ends_gives_its_reservation_back(self, end: Callable[[OrderApproved], Event]) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(end(order))
        risk.handle(end(order))
        assert free_cash(risk) == 10_000 * USD
        assert approved(decide(risk, 6, signal(6)))

    def test_a_fill_after_a_cancel_still_moves_the_position(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(cancelled(order))
        risk.handle(fill(order))
        assert free_cash(risk) == 9_000 * USD
        assert refused(decide(risk, 6, signal(6))).reason is RefusalReason.ALREADY_IN_POSITION

    def test_fills_before_the_first_mark_are_already_in_it(self) -> None:
        risk = risk_with()
        order = approved(decide(risk_with(), 4, signal(4)))
        risk.handle(fill(order))
        decide(risk, 5, equity=marked(5, cash=9_000, held=HELD))
        assert free_cash(risk) == 9_000 * USD

    def test_a_mark_that_was_made_without_a_fill_does_not_undo_it(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(fill(order))
        decide(risk, 6, equity=marked(6, cash=10_000))
        assert free_cash(risk) == 9_000 * USD

    @settings(max_examples=40)
    @given(st.data())
    def test_cash_is_never_promised_twice(self, data: st.DataObject) -> None:
        """Whatever is signalled, filled at its reserved price or given up: reservations never exceed the cash.

        On spot instruments; what a short brings would have to be kept for buying it back.
        """
        policy = replace(POLICY, max_positions=3, max_position_ppb=PPB, max_drawdown_ppb=PPB, breaker_drawdown_ppb=None)
        spot = (BTC, ETH, replace(XRP, can_short=False))
        risk = Risk(account="main", instruments=spot, policy=policy)
        open_: dict[str, OrderApproved] = {}
        first = marked(1, cash=data.draw(st.integers(20, 10_000)))
        for hour in range(1, 8):
            signals = [
                signal(hour, data.draw(st.sampled_from(list(Action))), symbol=symbol, fraction=fraction * PERCENT)
                for symbol in PRICE
                if (fraction := data.draw(st.integers(0, 100)))
            ]
            said = decide(risk, hour, *signals, equity=first if hour == 1 else marked(hour))
            open_ |= {order.order_id: order for order in approvals(said)}
            assert risk.free_cash >= 0
            assert set(risk.open_orders) == set(open_)
            for order_id in list(open_):
                happens = data.draw(st.sampled_from([None, fill, rejected, cancelled, expired]))
                if happens is not None:
                    risk.handle(happens(open_.pop(order_id)))
            assert set(risk.open_orders) == set(open_)
            assert risk.free_cash >= 0


class TestTheBreaker:
    def test_a_command_opens_and_closes_it_and_counts(self) -> None:
        risk = risk_with()
        assert (risk.breaker_reason, risk.breaker_version) == (None, 0)
        (opened,) = changes(risk.handle(command(open_=True)))
        assert opened == BreakerChanged(
            id="breaker:main:command:1",
            ts_ns=HOUR,
            cause_id="command:1",
            account="main",
            is_open=True,
            reason="maintenance",
            actor="anna",
        )
        assert (risk.breaker_reason, risk.breaker_version) == ("maintenance", 2)
        (closed,) = changes(risk.handle(command(open_=False, number=2)))
        assert not closed.is_open
        assert (risk.breaker_reason, risk.breaker_version) == (None, 4)

    @pytest.mark.parametrize("open_", [True, False])
    def test_a_command_that_changes_nothing_says_only_that(self, open_: bool) -> None:
        risk = risk_with()
        risk.handle(command(open_=True))
        if not open_:
            risk.handle(command(open_=False, number=2))
        version = risk.breaker_version
        (answer,) = risk.handle(command(open_=open_, number=3))
        assert isinstance(answer, CommandCarriedOut)
        assert not answer.has_changed
        assert risk.breaker_version == version

    def test_it_opens_by_itself_before_the_batch_is_decided(self) -> None:
        risk = risk_with(replace(POLICY, max_drawdown_ppb=PPB))
        said = decide(risk, 5, signal(5), equity=marked(5, cash=6_000, equity=6_000))
        assert isinstance(said[0], BreakerChanged)
        assert (said[0].reason, said[0].actor) == ("equity drawdown 40.00 % reached 40.00 %", "risk")
        assert refused(said).reason is RefusalReason.BREAKER_OPEN

    def test_it_stays_open_when_equity_recovers(self) -> None:
        risk = risk_with()
        decide(risk, 5, equity=marked(5, equity=6_000))
        said = decide(risk, 6, signal(6), equity=marked(6, equity=9_900))
        assert refused(said).reason is RefusalReason.BREAKER_OPEN
        assert risk.breaker_version == 1

    def test_just_above_its_limit_it_stays_closed(self) -> None:
        risk = risk_with()
        decide(risk, 5, equity=replace(marked(5), equity=6_000 * USD + 10))
        assert risk.breaker_reason is None

    def test_without_a_limit_it_never_opens_by_itself(self) -> None:
        risk = risk_with(replace(POLICY, breaker_drawdown_ppb=None))
        decide(risk, 5, equity=marked(5, equity=1))
        assert risk.breaker_reason is None


class TestOtherAccounts:
    """Several accounts share one stream."""

    def test_their_equity_does_not_decide_our_batch(self) -> None:
        risk = risk_with()
        said = decide(risk, 5, signal(5), equity=marked(5, cash=1, equity=1, account="other"))
        assert said == []
        assert risk.waits_for(5 * HOUR) == ["equity"]

    def test_their_fills_and_ends_do_not_move_our_account(self) -> None:
        risk = risk_with()
        order = approved(decide(risk, 5, signal(5)))
        before = risk.snapshot()
        for event in (fill(order), rejected(order), cancelled(order), expired(order)):
            risk.handle(replace(event, account="other"))
        assert risk.snapshot() == before

    def test_their_breaker_is_theirs(self) -> None:
        assert risk_with().handle(command(open_=True, account="other")) == []


def three_partitions(hour: int) -> list[Event]:
    return [
        signal(hour, instance="b"),
        signal(hour, instance="a", symbol="ETH-USD"),
        signal(hour, Action.CLOSE, instance="c", symbol="XRP-USD"),
        *(signals_complete(hour, partition) for partition in range(3)),
        bars_complete(hour),
        marked(hour, held={"XRP-USD": 10_000_000_000}),
    ]


class TestABatch:
    def test_it_ends_with_the_count_of_its_verdicts(self) -> None:
        said = decide(risk_with(), 5, signal(5), signal(5, Action.CLOSE, symbol="ETH-USD"))
        assert said[-1] == DecisionsComplete(
            id=f"decisions:main:{5 * HOUR}",
            ts_ns=5 * HOUR,
            cause_id="equity:main:5",
            account="main",
            approved=1,
            refused=1,
        )

    @given(st.permutations(three_partitions(5)))
    def test_its_verdicts_do_not_depend_on_the_order_of_arrival(self, events: list[Event]) -> None:
        """Signals come before the watermark that counts them; everything else in any order."""
        arriving = sorted(events, key=lambda event: not isinstance(event, SignalRaised))
        risk = risk_with(partitions=3)
        for event in arriving[:-1]:
            assert risk.handle(event) == []
            assert risk.waits_for(5 * HOUR)
        said = risk.handle(arriving[-1])
        reference = risk_with(partitions=3)
        assert said == [answer for event in three_partitions(5) for answer in reference.handle(event)]
        verdicts = [event for event in said if isinstance(event, OrderApproved | OrderRefused)]
        assert [event.instance for event in verdicts] == ["c", "a", "b"]
        assert refused(said).reason is RefusalReason.TOO_MANY_POSITIONS

    def test_it_says_what_it_waits_for(self) -> None:
        risk = risk_with(partitions=3)
        risk.handle(signals_complete(5, 1))
        assert risk.waits_for(5 * HOUR) == ["signals partition 0", "signals partition 2", "bars", "equity"]
        risk.handle(marked(5))
        assert risk.waits_for(5 * HOUR) == ["signals partition 0", "signals partition 2", "bars"]
        assert risk.waits_for(6 * HOUR) == []

    @pytest.mark.parametrize("partitions", list(itertools.permutations([0, 7])))
    def test_a_partition_that_should_not_exist_completes_nothing(self, partitions: tuple[int, ...]) -> None:
        risk = risk_with(partitions=3)
        risk.handle(marked(5))
        assert [said for partition in partitions for said in risk.handle(signals_complete(5, partition))] == []
        assert risk.waits_for(5 * HOUR) == ["signals partition 1", "signals partition 2", "bars"]

    def test_a_signal_heard_twice_is_decided_once(self) -> None:
        said = decide(risk_with(), 5, signal(5), signal(5))
        assert len(approvals(said)) == 1
        assert refusals(said) == []

    def test_a_watermark_heard_again_decides_nothing(self) -> None:
        risk = risk_with()
        decide(risk, 5, signal(5))
        assert risk.handle(signals_complete(5)) == []
        assert risk.handle(marked(5)) == []

    def test_it_can_be_decided_without_those_who_do_not_come(self) -> None:
        risk = risk_with(partitions=2)
        risk.handle(signal(5))
        assert risk.decide_without_waiting(5 * HOUR) == []  # without equity nothing can be decided
        risk.handle(marked(5))
        assert risk.undecided_signal_ids() == {"cross:BTC-USD:5"}
        said = risk.decide_without_waiting(5 * HOUR)
        assert approved(said)
        assert isinstance(said[-1], DecisionsComplete)
        assert risk.undecided_signal_ids() == set()
        assert refused(risk.handle(signal(5, symbol="ETH-USD"))).reason is RefusalReason.SIGNAL_EXPIRED

    @settings(max_examples=30)
    @given(st.integers(0, 8), st.integers(0, 8))
    def test_a_restart_in_the_middle_changes_nothing(self, first: int, second: int) -> None:
        events = [*three_partitions(5), *three_partitions(6)]
        reference, restarted = risk_with(partitions=3), risk_with(partitions=3)
        said: list[Event] = []
        for position, event in enumerate(events):
            if position in (first, 8 + second):
                saved = json.loads(json.dumps(restarted.snapshot()))
                restarted = risk_with(partitions=3)
                restarted.restore(saved)
            said += restarted.handle(event)
        assert said == [answer for event in events for answer in reference.handle(event)]
        assert restarted.snapshot() == reference.snapshot()

    def test_what_a_later_release_saved_of_the_messages_that_wait_is_left_out(self) -> None:
        later, taken_back = risk_with(partitions=2), risk_with(partitions=2)
        later.handle(signal(5))
        later.handle(marked(5))
        saved = later.snapshot()
        [[_, batch]] = saved["batches"]
        for message in (*batch["signals"], batch["equity"]):
            message["release"] = "next"
        taken_back.restore(saved)
        said = taken_back.decide_without_waiting(5 * HOUR)
        assert approved(said).signal_id == "cross:BTC-USD:5"
        assert said == later.decide_without_waiting(5 * HOUR)

    def test_a_snapshot_is_not_changed_by_what_comes_after(self) -> None:
        risk, again = risk_with(), risk_with()
        order = approved(decide(risk, 5, signal(5)))
        risk.handle(command(open_=True))
        taken = risk.snapshot()
        kept = json.dumps(taken)
        again.restore(taken)
        for one in (risk, again):
            one.handle(fill(order))
            decide(one, 6, signal(6), equity=marked(6, prices={"BTC-USD": 5}))
        assert json.dumps(taken) == kept
        assert (again.breaker_reason, again.breaker_version) == ("maintenance", 2)

    def test_a_saved_state_that_is_not_readable_says_so(self) -> None:
        saved = risk_with().snapshot()
        del saved["orders"]
        with pytest.raises(N1v1Error, match="the saved state of risk is not readable"):
            risk_with().restore(saved)


class TestThePolicy:
    @pytest.mark.parametrize(
        "name", ["position_fraction_ppb", "max_position_ppb", "max_drawdown_ppb", "breaker_drawdown_ppb"]
    )
    @pytest.mark.parametrize("value", [0, -1, PPB + 1])
    def test_a_fraction_is_more_than_nothing_and_at_most_all(self, name: str, value: int) -> None:
        with pytest.raises(InvalidValue, match=f"{name}: expected more than 0 and at most 1"):
            replace(POLICY, **{name: value})  # type: ignore[arg-type]  # the name is a parameter of the test

    @pytest.mark.parametrize("wrong", [{"max_positions": 0}, {"valid_for_ns": 0}, {"cost_ppb": -1}])
    def test_counts_and_times_are_positive(self, wrong: dict[str, int]) -> None:
        with pytest.raises(InvalidValue, match="must be positive"):
            replace(POLICY, **wrong)  # type: ignore[arg-type]  # as above
