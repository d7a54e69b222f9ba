"""How risk turns a wish, or the settings, into a plan; and which orders it says cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import (
    Action,
    BarClosed,
    BarsComplete,
    EquityMarked,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRefused,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.ids import FillId, SignalId, TradeId
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.strategies.wishes import wish_of
from n1v1.styles import (
    MINUTE_NS,
    NO_RULES,
    PARTS_MAX,
    SECOND_NS,
    USUAL,
    Method,
    Plan,
    Style,
    StyleRules,
    plan_of,
    style_of,
)
from n1v1.values import PPB, Instrument, Liquidity, OrderType, TimeInForce

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
USD = 10**8
PRICE = 1_000_000  # 10,000.00
HALF = Wish(lots=50_000_000)  # half a bitcoin, 5,000 USD
TWAP = Style(Method.TWAP)
POLICY = RiskPolicy(
    position_fraction_ppb=PPB // 2,
    max_position_ppb=PPB,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=MINUTE_NS,
)


class Desk:
    """A risk stage that hears one minute after the other; the price stays where it is."""

    def __init__(self, styles: StyleRules = NO_RULES) -> None:
        self.risk = Risk(account="main", instruments=(BTC,), policy=POLICY, styles=styles)
        self.minute = 0
        self.trades = 0

    def decide(self, action: Action, wish: Wish) -> Event:
        self.minute += 1
        ts_ns = self.minute * MINUTE_NS
        signal = SignalRaised(
            id=SignalId(f"cross:BTC-USD:{self.minute}"),
            ts_ns=ts_ns,
            instance="cross",
            symbol="BTC-USD",
            action=action,
            strength=1.0,
            reason="",
            wish=wish,
        )
        marked = EquityMarked(
            id=f"e{ts_ns}",
            ts_ns=ts_ns,
            account="main",
            cash=10_000 * USD,
            equity=10_000 * USD,
            peak=10_000 * USD,
            fees=0,
            positions=(("BTC-USD", 0, PRICE),),
        )
        bar = BarClosed(
            id=f"b{ts_ns}",
            ts_ns=ts_ns,
            symbol="BTC-USD",
            timeframe="1m",
            open_ns=ts_ns - MINUTE_NS,
            open=PRICE,
            high=PRICE,
            low=PRICE,
            close=PRICE,
            volume=1,
        )
        bars = BarsComplete(id=f"c{ts_ns}", ts_ns=ts_ns, symbols=("BTC-USD",), sequence=self.minute)
        done = SignalsComplete(id=f"s{ts_ns}", ts_ns=ts_ns, partition=0, signals=1)
        said = [event for heard in (signal, bar, bars, done, marked) for event in self.risk.handle(heard)]
        (verdict,) = [event for event in said if isinstance(event, OrderApproved | OrderRefused)]
        return verdict

    def approved(self, action: Action = Action.BUY, wish: Wish = HALF) -> OrderApproved:
        verdict = self.decide(action, wish)
        assert isinstance(verdict, OrderApproved), verdict
        return verdict

    def refusal(self, wish: Wish, action: Action = Action.BUY) -> tuple[RefusalReason, str]:
        verdict = self.decide(action, wish)
        assert isinstance(verdict, OrderRefused), verdict
        return verdict.reason, verdict.detail

    def fill(self, order: OrderApproved, lots: int, *, is_final: bool = False) -> None:
        self.trades += 1
        self.risk.handle(
            OrderFilled(
                id=f"f:{self.trades}",
                ts_ns=self.minute * MINUTE_NS,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                fill_id=FillId(str(self.trades)),
                trade_id=TradeId(str(self.trades)),
                instance=order.instance,
                side=order.side,
                lots=lots,
                ticks=PRICE,
                value=lots * PRICE // 100,
                fee=0,
                liquidity=Liquidity.TAKER,
                is_final=is_final,
                purpose=order.purpose,
            )
        )


class TestPlans:
    def test_a_wish_gets_the_usual_parts_and_a_validity_that_lasts_for_all_of_them(self) -> None:
        order = Desk().approved(wish=replace(HALF, style=TWAP))
        assert order.plan == Plan(
            method=Method.TWAP,
            parts=10,
            interval_ns=3 * MINUTE_NS,
            step_lots=BTC.step_lots,
            least_lots=125_000,  # 12.50 of 5,000 USD: the least that the venue takes, and a quarter
        )
        assert order.valid_until_ns - order.ts_ns == 27 * MINUTE_NS + MINUTE_NS

    def test_without_a_wish_or_settings_an_order_is_whole(self) -> None:
        assert Desk().approved().plan is None

    def test_settings_divide_entries_that_are_large(self) -> None:
        rules = StyleRules(default=TWAP, large_value=Decimal(5_000))
        assert Desk(rules).approved().plan is not None
        assert Desk(rules).approved(wish=Wish(lots=49_000_000)).plan is None

    def test_a_strategy_may_have_a_style_of_its_own(self) -> None:
        rules = StyleRules(by_instance={"cross": Style(Method.DCA, 3)}, large_value=Decimal(0))
        plan = Desk(rules).approved().plan
        assert plan is not None
        assert (plan.method, plan.parts, plan.interval_ns) == (Method.DCA, 3, 60 * MINUTE_NS)

    def test_split_takes_as_few_parts_as_its_threshold_allows(self) -> None:
        rules = StyleRules(split_value=Decimal(2_000))
        plan = Desk(rules).approved(wish=replace(HALF, style=Style(Method.SPLIT))).plan
        assert plan is not None
        assert (plan.parts, plan.interval_ns) == (3, 2 * SECOND_NS)  # 5,000 USD in parts of 1,667

    def test_what_is_too_small_for_two_parts_is_sent_whole(self) -> None:
        assert Desk().approved(wish=Wish(lots=249_000, style=TWAP)).plan is None
        plan = Desk().approved(wish=Wish(lots=250_000, style=TWAP)).plan
        assert plan is not None
        assert plan.parts == 2

    @given(
        lots=st.integers(1, 10_000).map(lambda steps: steps * BTC.step_lots * 100),
        method=st.sampled_from(list(Method)),
        parts=st.none() | st.integers(2, PARTS_MAX),
    )
    def test_no_plan_has_parts_that_the_venue_would_refuse(self, lots: int, method: Method, parts: int | None) -> None:
        value = lots * PRICE // 100
        plan = plan_of(Style(method, parts), NO_RULES, BTC, lots=lots, value=value)
        if plan is None:
            return
        assert 2 <= plan.parts <= (parts or USUAL[method].parts)
        assert plan.least_lots % BTC.step_lots == 0
        assert plan.least_lots * PRICE // 100 >= BTC.min_notional
        assert method is Method.ADAPTIVE or plan.parts * plan.least_lots <= lots


class TestExits:
    def test_an_exit_stops_an_entry_in_parts_and_what_that_had_reserved_is_free(self) -> None:
        desk = Desk()
        entry = desk.approved(wish=replace(HALF, style=TWAP))
        desk.fill(entry, 10_000_000)
        assert desk.risk.free_cash == 5_000 * USD
        exit_ = desk.approved(Action.CLOSE, Wish())
        assert (exit_.reduce_only, exit_.lots, exit_.plan) == (True, 10_000_000, None)
        assert desk.risk.free_cash == 9_000 * USD
        cancelled = OrderCancelled(
            id="x",
            ts_ns=exit_.ts_ns,
            order_id=entry.order_id,
            account="main",
            symbol="BTC-USD",
            remaining_lots=40_000_000,
            reason="",
        )
        desk.risk.handle(cancelled)
        assert desk.risk.open_orders == (exit_.order_id,)
        desk.fill(exit_, 10_000_000, is_final=True)
        assert desk.risk.free_cash == 10_000 * USD
        assert not desk.risk.open_orders

    def test_a_whole_entry_in_flight_holds_an_exit_back_as_ever(self) -> None:
        desk = Desk()
        desk.fill(desk.approved(), 10_000_000)
        assert desk.refusal(Wish(), Action.CLOSE)[0] is RefusalReason.ORDER_IN_FLIGHT

    def test_an_exit_in_parts_is_not_begun_anew(self) -> None:
        desk = Desk()
        desk.fill(desk.approved(), 50_000_000, is_final=True)
        exit_ = desk.approved(Action.CLOSE, Wish(style=TWAP))
        assert exit_.plan is not None
        assert desk.refusal(Wish(), Action.CLOSE)[0] is RefusalReason.ORDER_IN_FLIGHT

    def test_exits_are_divided_by_the_settings_only_when_they_say_so(self) -> None:
        for for_exits in (False, True):
            desk = Desk(StyleRules(default=TWAP, large_value=Decimal(0), for_exits=for_exits))
            desk.fill(desk.approved(), 50_000_000, is_final=True)
            assert (desk.approved(Action.CLOSE, Wish()).plan is not None) is for_exits


class TestOrderTypes:
    @pytest.mark.parametrize(
        ("wish", "type_", "time_in_force"),
        [
            (Wish(limit_ticks=PRICE), OrderType.LIMIT, TimeInForce.GTD),
            (Wish(trigger_ticks=PRICE + 1), OrderType.STOP, TimeInForce.GTD),
            (Wish(trigger_ticks=PRICE + 1, limit_ticks=PRICE + 9), OrderType.STOP_LIMIT, TimeInForce.GTD),
            (Wish(limit_ticks=PRICE, time_in_force=TimeInForce.IOC), OrderType.LIMIT, TimeInForce.IOC),
            (Wish(limit_ticks=PRICE, time_in_force=TimeInForce.FOK), OrderType.LIMIT, TimeInForce.FOK),
            (Wish(trigger_ticks=PRICE + 1, time_in_force=TimeInForce.GTC), OrderType.STOP, TimeInForce.GTC),
            (Wish(limit_ticks=PRICE - 9, is_post_only=True), OrderType.LIMIT, TimeInForce.GTD),
        ],
    )
    def test_a_wish_becomes_the_order_it_says(self, wish: Wish, type_: OrderType, time_in_force: TimeInForce) -> None:
        order = Desk().approved(wish=wish)
        assert (order.type, order.time_in_force) == (type_, time_in_force)
        assert (order.limit_ticks, order.trigger_ticks) == (wish.limit_ticks, wish.trigger_ticks)
        assert order.is_post_only is wish.is_post_only

    def test_a_stop_entry_is_sized_and_protected_from_where_it_enters(self) -> None:
        order = Desk().approved(wish=Wish(fraction_ppb=PPB // 2, trigger_ticks=2 * PRICE, stop_ppb=PPB // 10))
        assert order.lots == 25_000_000  # 5,000 USD at 20,000
        assert order.bracket is not None
        assert order.bracket.stop_ticks == 2 * PRICE * 9 // 10

    @pytest.mark.parametrize(
        ("wish", "why"),
        [
            (Wish(trigger_ticks=PRICE), "the price has passed the trigger"),
            (Wish(trigger_ticks=PRICE + 1, style=TWAP), "sent whole"),
            (Wish(is_post_only=True), "needs a limit"),
            (Wish(trigger_ticks=PRICE + 1, time_in_force=TimeInForce.IOC), "take at once"),
            (Wish(style=Style(Method.VWAP)), "set execution.watch_market=true"),
            (Wish(style=Style(Method.ADAPTIVE)), "set execution.watch_market=true"),
        ],
    )
    def test_what_cannot_be_is_refused_with_the_reason(self, wish: Wish, why: str) -> None:
        reason, detail = Desk().refusal(wish)
        assert reason is RefusalReason.ORDER_IMPOSSIBLE
        assert why in detail

    def test_a_style_that_looks_at_the_market_is_taken_where_execution_may(self) -> None:
        desk = Desk(StyleRules(watches_market=True))
        assert desk.approved(wish=replace(HALF, style=Style(Method.VWAP))).plan is not None

    def test_a_batch_that_waits_keeps_its_wishes_over_a_restart(self) -> None:
        desk = Desk()
        wish = Wish(limit_ticks=PRICE, time_in_force=TimeInForce.IOC, style=Style(Method.SPLIT, 3, 5))
        signal = SignalRaised(
            id=SignalId("cross:BTC-USD:9"),
            ts_ns=9 * MINUTE_NS,
            instance="cross",
            symbol="BTC-USD",
            action=Action.BUY,
            strength=1.0,
            reason="",
            wish=wish,
        )
        desk.risk.handle(signal)
        again = Risk(account="main", instruments=(BTC,), policy=POLICY)
        again.restore(json.loads(json.dumps(desk.risk.snapshot())))
        assert again.snapshot() == desk.risk.snapshot()


class TestWhatAnAuthorWrites:
    def test_a_style_is_named(self) -> None:
        assert style_of("TWAP", parts=4, minutes=1.5) == Style(Method.TWAP, 4, 90 * SECOND_NS)

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"execution": "twep"}, "expected one of twap, vwap, dca, split, adaptive; got 'twep'"),
            ({"time_in_force": "IOC"}, "needs a limit or a trigger"),
            ({"limit": 9_990, "time_in_force": "GTX"}, "expected GTC, IOC, FOK or GTD; got 'GTX'"),
            ({"post_only": True}, "needs a limit"),
            ({"trigger": 9_990}, "trigger 9990 is on the wrong side of the close 10000.0"),
        ],
    )
    def test_a_wrong_signal_says_what_is_wrong(self, given: dict[str, object], why: str) -> None:
        with pytest.raises(StrategyError, match=why):
            wish_of(side=1, close=10_000.0, instrument=BTC, **given)  # type: ignore[arg-type]  # by name

    def test_a_trigger_is_rounded_away_from_the_price(self) -> None:
        assert wish_of(side=1, close=10.0, instrument=BTC, trigger=10.001).trigger_ticks == 1_001
        assert wish_of(side=-1, close=10.0, instrument=BTC, trigger=9.999).trigger_ticks == 999

    @pytest.mark.parametrize("parts", [1, 100])
    def test_a_number_of_parts_has_bounds(self, parts: int) -> None:
        with pytest.raises(InvalidValue, match="expected 2 to 99 parts"):
            Style(Method.TWAP, parts)
