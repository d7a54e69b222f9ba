"""What the risk stage closes by itself, what plug-ins may say, and that a restart changes none of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.errors import UnknownName
from n1v1.events import (
    Action,
    BarClosed,
    BarsComplete,
    Bracket,
    BreakerChanged,
    BreakerCommand,
    CommandCarriedOut,
    EquityMarked,
    Event,
    OperatorCommand,
    OrderApproved,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    RiskModeChanged,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.ids import FillId, OrderId, SignalId, TradeId
from n1v1.risk.breaker import BreakerState
from n1v1.risk.halts import Operation, Scope
from n1v1.risk.plugins import (
    NO_OBJECTION,
    AnomalyResult,
    BaseAnomalyDetector,
    Opinion,
    Proposal,
    RiskManagerInterface,
    anomaly_detectors,
    refuse,
    risk_managers,
)
from n1v1.risk.policy import (
    AdaptiveRules,
    AnomalyRules,
    BreakerRules,
    Cooldown,
    DrawdownGuard,
    Exits,
    LowProfitGuard,
    RiskPolicy,
    Sizing,
    SizingMethod,
    StoplossGuard,
    StopMethod,
    TargetMethod,
    TrailMethod,
)
from n1v1.risk.reasons import MEANINGS, REASONS, RefusalReason, code_of, page
from n1v1.risk.stage import Risk
from n1v1.strategies.bar import Bar
from n1v1.testing.risk import AnomalyDetectorConformance, RiskManagerConformance
from n1v1.values import PPB, Instrument, Liquidity, OrderType, Purpose, Side, TimeInForce

HOUR = 3_600_000_000_000
START = 19_000 * 24 * HOUR
USD = 100_000_000
PERCENT = PPB // 100
BITCOIN = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=50 * PERCENT,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=HOUR,
)


class Desk:
    """A risk stage, and portfolio, execution and venue as far as it hears them: everything fills at its reference."""

    def __init__(self, policy: RiskPolicy = POLICY, **plugins: Any) -> None:
        self.made = (policy, plugins)
        self.risk = Risk(account="main", instruments=(ETH, BTC), policy=policy, **plugins)
        self.hour = 0
        self.cash = 10_000 * USD
        self.lots = {"BTC-USD": 0, "ETH-USD": 0}
        self.prices = {"BTC-USD": 1_000_000, "ETH-USD": 100_000}

    def restart(self) -> None:
        policy, plugins = self.made
        saved = json.loads(json.dumps(self.risk.snapshot()))
        self.risk = Risk(account="main", instruments=(ETH, BTC), policy=policy, **plugins)
        self.risk.restore(saved)

    def signal(self, action: Action = Action.BUY, *, symbol: str = "BTC-USD", wish: Wish | None = None) -> SignalRaised:
        """For the next hour."""
        hour = self.hour + 1
        return SignalRaised(
            id=SignalId(f"cross:{symbol}:{hour}:{action}"),
            ts_ns=START + hour * HOUR,
            instance="cross",
            symbol=symbol,
            action=action,
            strength=1.0,
            reason="",
            wish=wish or Wish(),
        )

    def next_hour(self, *signals: SignalRaised, gap: float = 1.0, **prices: int) -> list[Event]:
        """gap: how far the bars open from where they closed."""
        self.hour += 1
        ts_ns = START + self.hour * HOUR
        opened = {symbol: int(price * gap) for symbol, price in self.prices.items()}
        self.prices |= {f"{symbol}-USD": price for symbol, price in prices.items()}
        bars = [self._bar(symbol, opened[symbol], ts_ns) for symbol in self.prices]
        events: list[Event] = [
            *signals,
            *bars,
            BarsComplete(id=f"b{ts_ns}", ts_ns=ts_ns, symbols=(), sequence=self.hour),
        ]
        events += [SignalsComplete(id=f"s{ts_ns}", ts_ns=ts_ns, partition=0, signals=0), self._marked(ts_ns)]
        return [said for event in events for said in self.risk.handle(event)]

    def _bar(self, symbol: str, opened: int, ts_ns: int) -> BarClosed:
        close = self.prices[symbol]
        return BarClosed(
            id=f"{symbol}:{ts_ns}",
            ts_ns=ts_ns,
            symbol=symbol,
            timeframe="1h",
            open_ns=ts_ns - HOUR,
            open=opened,
            high=max(opened, close) + 50,
            low=min(opened, close) - 50,
            close=close,
            volume=1_000,
        )

    def _marked(self, ts_ns: int) -> EquityMarked:
        value = sum(lots * self.prices[symbol] // 100 for symbol, lots in self.lots.items())
        return EquityMarked(
            id=f"e{ts_ns}",
            ts_ns=ts_ns,
            account="main",
            cash=self.cash,
            equity=self.cash + value,
            peak=self.cash + value,
            fees=0,
            positions=tuple((symbol, self.lots[symbol], ticks) for symbol, ticks in self.prices.items()),
        )

    def fill(self, order: OrderApproved, *, purpose: Purpose | None = None) -> None:
        """purpose: of a leg of the order's bracket, which closes what the order opened."""
        side = order.side if purpose is None else (Side.SELL if order.side is Side.BUY else Side.BUY)
        value = order.lots * self.prices[order.symbol] // 100
        self.cash -= side.sign * value
        self.lots[order.symbol] += side.sign * order.lots
        leg = "" if purpose is None else f"-{purpose}"
        self.risk.handle(
            OrderFilled(
                id=f"f:{order.order_id}{leg}",
                ts_ns=START + self.hour * HOUR,
                order_id=OrderId(f"{order.order_id}{leg}"),
                account="main",
                symbol=order.symbol,
                fill_id=FillId("f"),
                trade_id=TradeId("t"),
                instance=order.instance,
                side=side,
                lots=order.lots,
                ticks=self.prices[order.symbol],
                value=value,
                fee=0,
                liquidity=Liquidity.TAKER,
                is_final=True,
                purpose=purpose or order.purpose,
            )
        )

    def expire(self, order: OrderApproved) -> None:
        self.risk.handle(
            OrderExpired(
                id=f"x:{order.order_id}",
                ts_ns=order.ts_ns,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                remaining_lots=order.lots,
                reason="",
            )
        )

    def resume(self, scope: Scope) -> CommandCarriedOut:
        command = OperatorCommand(
            id=f"resume:{scope}",
            ts_ns=START + self.hour * HOUR,
            account="main",
            operation=Operation.RESUME,
            scope=scope,
            reason="looked at it",
            actor="ada",
        )
        (answer,) = [said for said in self.risk.handle(command) if isinstance(said, CommandCarriedOut)]
        return answer

    def enter(self, **prices: int) -> OrderApproved:
        (order,) = approvals(self.next_hour(self.signal(), **prices))
        self.fill(order)
        return order


def approvals(said: Sequence[Event]) -> list[OrderApproved]:
    return [event for event in said if isinstance(event, OrderApproved)]


def changes_of_mode(said: Sequence[Event]) -> list[RiskModeChanged]:
    return [event for event in said if isinstance(event, RiskModeChanged)]


def reasons(said: Sequence[Event]) -> list[tuple[RefusalReason, str]]:
    return [(event.reason, event.detail) for event in said if isinstance(event, OrderRefused)]


class TestAnApproval:
    def test_it_carries_the_bracket_of_its_wish_and_says_so(self) -> None:
        desk = Desk()
        wish = Wish(stop_ppb=3 * PERCENT, target_ppb=6 * PERCENT, trail_ppb=2 * PERCENT)
        (order,) = approvals(desk.next_hour(desk.signal(wish=wish)))
        assert order.purpose is Purpose.ENTRY
        assert order.bracket == Bracket(
            stop_ticks=970_000, target_ticks=1_060_000, trail_ppb=2 * PERCENT, trail_step_ppb=5_000_000
        )
        assert "stop 9700.00, target 10600.00, trailing 2.00 %" in {check.detail for check in order.checks}

    def test_an_entry_at_a_limit_is_a_limit_order_and_valid_for_its_own_time(self) -> None:
        desk = Desk(replace(POLICY, limit_valid_for_ns=3 * HOUR))
        (order,) = approvals(desk.next_hour(desk.signal(wish=Wish(limit_ticks=900_000))))
        assert (order.type, order.limit_ticks, order.reference_ticks) == (OrderType.LIMIT, 900_000, 1_000_000)
        assert (order.time_in_force, order.valid_until_ns) == (TimeInForce.GTD, order.ts_ns + 3 * HOUR)

    def test_an_exit_has_no_bracket(self) -> None:
        desk = Desk(replace(POLICY, exits=Exits(stop_method=StopMethod.PERCENTAGE)))
        assert desk.enter().bracket is not None
        (order,) = approvals(desk.next_hour(desk.signal(Action.SELL, wish=Wish(stop_ppb=PERCENT))))
        assert (order.purpose, order.bracket, order.reduce_only) == (Purpose.EXIT, None, True)


class TestATimeExit:
    POLICY = replace(POLICY, exits=Exits(max_bars_held=3))

    def test_a_position_is_closed_after_its_bars(self) -> None:
        desk = Desk(self.POLICY)
        desk.enter()
        assert [approvals(desk.next_hour()) for _ in range(2)] == [[], []]
        (order,) = approvals(desk.next_hour())
        assert (order.purpose, order.side, order.lots, order.reduce_only) == (
            Purpose.TIME_EXIT,
            Side.SELL,
            BITCOIN // 10,
            True,
        )
        assert order.signal_id == f"time_exit:BTC-USD:{order.ts_ns // 1_000_000_000}"
        assert (order.instance, order.cause_id) == ("cross", f"e{order.ts_ns}")

    def test_it_is_asked_for_once_while_the_order_is_open_and_again_after_it_expired(self) -> None:
        desk = Desk(self.POLICY)
        desk.enter()
        (order,) = [order for _ in range(3) for order in approvals(desk.next_hour())]
        assert approvals(desk.next_hour()) == []
        desk.expire(order)
        (again,) = approvals(desk.next_hour())
        assert again.order_id != order.order_id
        desk.fill(again)
        assert approvals(desk.next_hour()) == []

    def test_a_new_position_is_counted_anew(self) -> None:
        desk = Desk(self.POLICY)
        order = desk.enter()
        desk.next_hour()
        desk.fill(order, purpose=Purpose.STOP_LOSS)
        desk.enter()
        assert [approvals(desk.next_hour()) for _ in range(2)] == [[], []]
        assert len(approvals(desk.next_hour())) == 1


class TestARegimeExit:
    POLICY = replace(POLICY, exits=Exits(exits_on_regime_change=True))

    def rise(self, desk: Desk, hours: int, *, by: int = 2_000) -> list[OrderApproved]:
        """So many hours in which the price moves one way: after 28 of them the ADX is known, and 100."""
        return [order for _ in range(hours) for order in approvals(desk.next_hour(BTC=desk.prices["BTC-USD"] + by))]

    def test_a_position_is_closed_when_its_trend_has_turned(self) -> None:
        desk = Desk(self.POLICY)
        assert self.rise(desk, 40) == []
        desk.enter()
        assert self.rise(desk, 20) == []
        (order,) = self.rise(desk, 20, by=-6_000)
        assert (order.purpose, order.side, order.reduce_only) == (Purpose.REGIME_EXIT, Side.SELL, True)
        assert order.signal_id == f"regime_exit:BTC-USD:{order.ts_ns // 1_000_000_000}"

    def test_the_next_position_belongs_to_the_regime_it_was_opened_in(self) -> None:
        desk = Desk(self.POLICY)
        self.rise(desk, 40)
        desk.enter()
        (order,) = self.rise(desk, 20, by=-6_000)
        desk.fill(order)
        self.rise(desk, 30, by=-2_000)
        desk.enter()
        assert self.rise(desk, 20, by=-2_000) == []

    def test_one_that_was_opened_before_the_regime_was_known_is_left_alone(self) -> None:
        desk = Desk(self.POLICY)
        desk.enter()
        assert self.rise(desk, 60) == []

    def test_without_the_policy_nobody_looks_at_it(self) -> None:
        desk = Desk()
        self.rise(desk, 40)
        desk.enter()
        assert self.rise(desk, 40, by=-4_000) == []


class TestOpenRisk:
    """Equity 10,000; an entry is a tenth of it, and its stop 3 % away: it risks 30."""

    POLICY = replace(POLICY, max_open_risk_ppb=PERCENT // 2)
    STOPPED = Wish(stop_ppb=3 * PERCENT)

    def test_what_the_stops_leave_open_together_is_limited(self) -> None:
        desk = Desk(self.POLICY)
        (first,) = approvals(desk.next_hour(desk.signal(wish=self.STOPPED)))
        assert "30.00000000 of at most 50.00000000, 30.00000000 of it this entry's" in {
            check.detail for check in first.checks
        }
        desk.fill(first)
        refused = desk.next_hour(desk.signal(symbol="ETH-USD", wish=self.STOPPED))
        assert reasons(refused) == [
            (RefusalReason.OPEN_RISK_LIMIT, "60.00000000 of at most 50.00000000, 30.00000000 of it this entry's")
        ]
        nearer = Wish(stop_ppb=2 * PERCENT)
        assert len(approvals(desk.next_hour(desk.signal(symbol="ETH-USD", wish=nearer)))) == 1

    def test_an_order_in_flight_counts_until_it_is_done(self) -> None:
        desk = Desk(self.POLICY)
        (first,) = approvals(desk.next_hour(desk.signal(wish=self.STOPPED)))
        (refused,) = reasons(desk.next_hour(desk.signal(symbol="ETH-USD", wish=self.STOPPED)))
        assert refused[0] is RefusalReason.OPEN_RISK_LIMIT
        desk.expire(first)
        assert len(approvals(desk.next_hour(desk.signal(symbol="ETH-USD", wish=self.STOPPED)))) == 1

    def test_a_closed_position_risks_nothing_any_more(self) -> None:
        desk = Desk(self.POLICY)
        (first,) = approvals(desk.next_hour(desk.signal(wish=self.STOPPED)))
        desk.fill(first)
        desk.fill(first, purpose=Purpose.STOP_LOSS)
        assert len(approvals(desk.next_hour(desk.signal(symbol="ETH-USD", wish=self.STOPPED)))) == 1

    def test_an_entry_without_a_stop_risks_all_of_it(self) -> None:
        desk = Desk(replace(self.POLICY, max_open_risk_ppb=9 * PERCENT))
        (refused,) = reasons(desk.next_hour(desk.signal()))
        assert refused == (
            RefusalReason.OPEN_RISK_LIMIT,
            "1000.00000000 of at most 900.00000000, 1000.00000000 of it this entry's",
        )


class TestAnEmergency:
    POLICY = replace(POLICY, max_daily_loss_ppb=2 * PERCENT, emergency_loss_ppb=3 * PERCENT)

    def test_everything_is_closed_and_a_person_is_needed(self) -> None:
        desk = Desk(self.POLICY)
        desk.enter()
        said = desk.next_hour(BTC=600_000)  # a tenth of 10,000 lost 40 %: 4 %
        (changed,) = [event for event in said if isinstance(event, BreakerChanged)]
        assert (changed.is_open, changed.reason) == (True, "EMERGENCY: daily loss 4.00 % reached 3.00 %")
        (order,) = approvals(said)
        assert (order.purpose, order.side) == (Purpose.FLATTEN, Side.SELL)
        desk.fill(order)
        (reason,) = reasons(desk.next_hour(desk.signal()))
        assert reason == (RefusalReason.BREAKER_OPEN, changed.reason)
        assert desk.risk.breaker_state is BreakerState.EMERGENCY
        desk.risk.handle(BreakerCommand(id="c", ts_ns=1, account="main", open=False, reason="seen", actor="ada"))
        assert len(approvals(desk.next_hour(desk.signal()))) == 1

    def test_a_smaller_loss_only_ends_the_entries_of_the_day(self) -> None:
        desk = Desk(self.POLICY)
        order = desk.enter()
        said = desk.next_hour(desk.signal(symbol="ETH-USD"), BTC=780_000)
        assert reasons(said) == [(RefusalReason.DAILY_LOSS_LIMIT, "2.20 % of at most 2.00 %")]
        desk.fill(order, purpose=Purpose.STOP_LOSS)
        while desk.hour < 23:
            desk.next_hour()
        assert reasons(desk.next_hour(desk.signal(symbol="ETH-USD"))) == []  # midnight


class TestTheBreakerOfTheStage:
    def test_it_closes_by_itself_and_says_so(self) -> None:
        rules = BreakerRules(resumes_by_itself=True)
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=3 * PERCENT, breaker=rules))
        desk.enter()
        states = []
        for said in (desk.next_hour(BTC=600_000), desk.next_hour()):
            states += [(event.is_open, event.reason) for event in said if isinstance(event, BreakerChanged)]
        assert states == [(True, "equity drawdown 4.00 % reached 3.00 %"), (False, "the account has recovered")]
        assert desk.risk.breaker_reason is None

    def test_an_operator_who_halts_a_halted_account_holds_it(self) -> None:
        rules = BreakerRules(resumes_by_itself=True)
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=3 * PERCENT, breaker=rules))
        desk.enter()
        desk.next_hour(BTC=600_000)
        halt = BreakerCommand(id="c", ts_ns=1, account="main", open=True, reason="no", actor="ada")
        (changed,) = [event for event in desk.risk.handle(halt) if isinstance(event, BreakerChanged)]
        assert changed.reason == "no"
        assert [event for event in desk.next_hour() if isinstance(event, BreakerChanged)] == []
        assert desk.risk.breaker_reason == "no"


class TestRefusalsOfWhatIsSwitchedOn:
    def test_a_cooldown_locks_the_symbol_and_says_until_when(self) -> None:
        desk = Desk(replace(POLICY, cooldown=Cooldown(lock_ns=2 * HOUR)))
        order = desk.enter()
        desk.fill(order, purpose=Purpose.TAKE_PROFIT)
        assert reasons(desk.next_hour(desk.signal())) == [
            (RefusalReason.SYMBOL_LOCKED, "until 2022-01-08 03:00:00 UTC")
        ]
        assert reasons(desk.next_hour(desk.signal())) == []

    def test_a_guard_locks_the_account(self) -> None:
        guard = StoplossGuard(trade_limit=1, required_profit_ppb=PPB, lock_ns=2 * HOUR)
        desk = Desk(replace(POLICY, stoploss_guard=guard))
        order = desk.enter()
        desk.fill(order, purpose=Purpose.STOP_LOSS)
        ((reason, _),) = reasons(desk.next_hour(desk.signal(symbol="ETH-USD")))
        assert reason is RefusalReason.ACCOUNT_LOCKED

    def test_whoever_resumes_the_symbol_or_the_account_lifts_what_protections_have_locked_of_it(self) -> None:
        guard = StoplossGuard(trade_limit=1, required_profit_ppb=PPB, lock_ns=9 * HOUR)
        desk = Desk(replace(POLICY, cooldown=Cooldown(lock_ns=9 * HOUR), stoploss_guard=guard))
        desk.fill(desk.enter(), purpose=Purpose.STOP_LOSS)
        strategy = desk.resume(Scope(instance="cross"))
        account = desk.resume(Scope())
        assert (strategy.has_changed, strategy.detail) == (False, "nothing halts cross by hand")
        assert (account.has_changed, account.detail) == (True, "what a protection had locked of the account is free")
        assert reasons(desk.next_hour(desk.signal())) == [
            (RefusalReason.SYMBOL_LOCKED, "until 2022-01-08 10:00:00 UTC")
        ]
        assert desk.resume(Scope(symbol="BTC-USD")).has_changed
        assert not desk.resume(Scope(symbol="BTC-USD")).has_changed
        assert reasons(desk.next_hour(desk.signal())) == []

    def test_a_critical_gap_refuses_and_a_medium_one_halves(self) -> None:
        desk = Desk(replace(POLICY, anomalies=AnomalyRules(gap_threshold_pct=5.0)))
        desk.next_hour()
        assert reasons(desk.next_hour(desk.signal(), gap=1.2)) == [(RefusalReason.MARKET_ANOMALY, "critical")]
        (order,) = approvals(desk.next_hour(desk.signal(), gap=1.06))
        assert order.lots == BITCOIN // 20
        assert "5.00 % of equity, capped from 10.00 %: 0.05000000" in {check.detail for check in order.checks}

    def test_the_kill_switch_refuses(self) -> None:
        desk = Desk(replace(POLICY, adaptive=AdaptiveRules(is_adaptive=True, kill_losses=1)))
        order = desk.enter()
        desk.next_hour(BTC=990_000)
        desk.fill(order, purpose=Purpose.STOP_LOSS)
        assert reasons(desk.next_hour(desk.signal())) == [(RefusalReason.KILL_SWITCH, "KILL_SWITCH")]

    def test_no_exit_is_held_back_by_any_of_them(self) -> None:
        policy = replace(
            POLICY,
            cooldown=Cooldown(lock_ns=9 * HOUR),
            anomalies=AnomalyRules(gap_threshold_pct=5.0),
            adaptive=AdaptiveRules(is_adaptive=True, kill_losses=1),
            max_daily_loss_ppb=1,
            max_orders=1,
        )
        desk = Desk(policy, managers={"never": Never()})
        desk.lots["BTC-USD"] = BITCOIN
        desk.next_hour()
        (order,) = approvals(desk.next_hour(desk.signal(Action.CLOSE), gap=1.5, BTC=900_000))
        assert order.purpose is Purpose.EXIT


class TestTheModeOfTheAdaptivePolicy:
    """Three losing trades in a row are CAUTION, five DEFENSIVE; two within the window are the kill switch here."""

    def lose(self, desk: Desk) -> list[Event]:
        """A trade that loses a hundredth; what is said at the bar time after it."""
        order = desk.enter(BTC=1_000_000)
        desk.next_hour(BTC=990_000)
        desk.fill(order, purpose=Purpose.STOP_LOSS)
        return desk.next_hour(BTC=1_000_000)

    def test_every_change_is_an_event_with_what_it_was_what_it_is_and_why(self) -> None:
        desk = Desk(replace(POLICY, adaptive=AdaptiveRules(is_adaptive=True)))
        said = [changes_of_mode(self.lose(desk)) for _ in range(5)]
        assert [[(change.before, change.after) for change in changes] for changes in said] == [
            [],
            [],
            [("NORMAL", "CAUTION")],
            [],
            [("CAUTION", "DEFENSIVE")],
        ]
        (caution,) = said[2]
        assert caution.reason == (
            "3 losing trades in a row (3 are CAUTION, 5 DEFENSIVE), "
            "3 losing trades in 24 hours (10 are the KILL_SWITCH)"
        )
        assert caution.cause_id == f"e{caution.ts_ns}"
        order = desk.enter()
        desk.next_hour(BTC=1_100_000)
        desk.fill(order, purpose=Purpose.TAKE_PROFIT)
        (change,) = changes_of_mode(desk.next_hour())
        assert (change.before, change.after) == ("DEFENSIVE", "NORMAL")
        assert change.reason.startswith("0 losing trades in a row")

    def test_the_kill_switch_comes_with_the_trades_and_goes_with_the_hours(self) -> None:
        rules = AdaptiveRules(is_adaptive=True, kill_losses=2, kill_window_ns=4 * HOUR)
        desk = Desk(replace(POLICY, adaptive=rules))
        self.lose(desk)
        (on,) = changes_of_mode(self.lose(desk))
        assert (on.before, on.after) == ("NORMAL", "KILL_SWITCH")
        desk.restart()
        later = [changes_of_mode(desk.next_hour()) for _ in range(6)]
        (off,) = [change for changes in later for change in changes]
        assert (off.before, off.after) == ("KILL_SWITCH", "NORMAL")
        assert "1 losing trade in 4 hours (2 are the KILL_SWITCH)" in off.reason

    def test_a_policy_that_does_not_adapt_says_nothing(self) -> None:
        desk = Desk()
        assert [changes_of_mode(self.lose(desk)) for _ in range(3)] == [[], [], []]


class Never(RiskManagerInterface):
    def evaluate_signal(self, proposal: Proposal) -> Opinion:
        return refuse("never")


class Every(RiskManagerInterface):
    """Lets every n-th entry pass whole and the others in part."""

    def __init__(self) -> None:
        self.asked = 0

    def evaluate_signal(self, proposal: Proposal) -> Opinion:
        self.asked += 1
        return NO_OBJECTION if self.asked % 3 == 0 else Opinion(0.5, f"{self.asked} of 3")

    def save(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.asked = int(saved["asked"])


class Broken(RiskManagerInterface):
    def evaluate_signal(self, proposal: Proposal) -> Opinion:
        raise ZeroDivisionError("by nothing")


class Falling(BaseAnomalyDetector):
    """Critical after two lower closes."""

    lookback: ClassVar[int] = 3

    def detect(self, data: Sequence[Bar], symbol: str) -> AnomalyResult:
        closes = [bar.close for bar in data]
        falls = len(closes) == 3 and closes[0] > closes[1] > closes[2]
        return AnomalyResult("critical", 1.0, f"{symbol} falls") if falls else AnomalyResult()


class Blind(BaseAnomalyDetector):
    def detect(self, data: Sequence[Bar], symbol: str) -> AnomalyResult:
        raise ValueError("no eyes")


class TestEvery(RiskManagerConformance):
    def make(self) -> RiskManagerInterface:
        return Every()


class TestFalling(AnomalyDetectorConformance):
    def make(self) -> BaseAnomalyDetector:
        return Falling()


class Forgetful(Every):
    def load(self, saved: Mapping[str, Any]) -> None:
        """Forgets."""


class Remembering(Falling):
    seen = 0

    def detect(self, data: Sequence[Bar], symbol: str) -> AnomalyResult:
        self.seen += 1
        return AnomalyResult("low") if self.seen % 2 else AnomalyResult()


def test_the_conformance_tests_find_a_manager_that_forgets() -> None:
    conformance = RiskManagerConformance()
    conformance.make = Forgetful  # type: ignore[method-assign]  # as a subclass would
    with pytest.raises(AssertionError, match="after a restart"):
        conformance.test_its_state_survives_saving_and_loading_at_every_entry()


def test_the_conformance_tests_find_a_detector_that_remembers() -> None:
    conformance = AnomalyDetectorConformance()
    conformance.make = Remembering  # type: ignore[method-assign]  # as a subclass would
    with pytest.raises(AssertionError):
        conformance.test_the_same_bars_get_the_same_result_whatever_came_before()


class TestPlugins:
    def test_a_manager_refuses(self) -> None:
        desk = Desk(managers={"never": Never()})
        assert reasons(desk.next_hour(desk.signal())) == [(RefusalReason.VETOED, "never: never")]

    def test_a_manager_that_raises_refuses(self) -> None:
        desk = Desk(managers={"broken": Broken()})
        desk.next_hour()
        assert reasons(desk.next_hour(desk.signal())) == [
            (RefusalReason.VETOED, "broken failed: ZeroDivisionError: by nothing")
        ]

    def test_scales_multiply(self) -> None:
        desk = Desk(managers={"one": Every(), "other": Every()})
        desk.next_hour()
        (order,) = approvals(desk.next_hour(desk.signal()))
        assert order.lots == BITCOIN // 40

    def test_a_manager_cannot_approve_what_the_limits_refuse(self) -> None:
        desk = Desk(replace(POLICY, max_daily_loss_ppb=PERCENT), managers={"every": Every()})
        desk.enter()
        ((reason, _),) = reasons(desk.next_hour(desk.signal(symbol="ETH-USD"), BTC=800_000))
        assert reason is RefusalReason.DAILY_LOSS_LIMIT

    def test_a_detector_refuses_in_its_own_words(self) -> None:
        desk = Desk(detectors={"falling": Falling()})
        for price in (1_000_000, 990_000):
            desk.next_hour(BTC=price)
        said = desk.next_hour(desk.signal(), BTC=980_000)
        assert reasons(said) == [(RefusalReason.MARKET_ANOMALY, "critical (falling: BTC-USD falls)")]
        assert len(approvals(desk.next_hour(desk.signal(), BTC=985_000))) == 1

    def test_a_detector_that_raises_refuses(self) -> None:
        desk = Desk(detectors={"blind": Blind()})
        ((reason, detail),) = reasons(desk.next_hour(desk.signal()))
        assert (reason, detail) == (
            RefusalReason.MARKET_ANOMALY,
            "critical (blind: failed: ValueError: no eyes)",
        )

    @pytest.mark.parametrize("find", [risk_managers, anomaly_detectors])
    def test_a_name_that_nobody_installed_is_refused(self, find: Any) -> None:
        with pytest.raises(UnknownName, match="is called 'nothing_like_it'"):
            find(["nothing_like_it"])


EVERYTHING = replace(
    POLICY,
    breaker_drawdown_ppb=8 * PERCENT,
    max_daily_loss_ppb=6 * PERCENT,
    emergency_loss_ppb=20 * PERCENT,
    max_exposure_ppb=90 * PERCENT,
    max_open_risk_ppb=40 * PERCENT,
    max_orders=3,
    order_window_ns=2 * HOUR,
    sizing=Sizing(sizing_method=SizingMethod.KELLY),
    exits=Exits(
        stop_method=StopMethod.ATR,
        target_method=TargetMethod.TREND,
        trail_method=TrailMethod.ATR,
        max_bars_held=4,
        exits_on_regime_change=True,
    ),
    breaker=BreakerRules(losses_to_trip=3, resumes_by_itself=True, trips_on_volatility=0.2, trips_on_anomaly=True),
    cooldown=Cooldown(),
    stoploss_guard=StoplossGuard(trade_limit=2),
    low_profit_guard=LowProfitGuard(trade_limit=2),
    drawdown_guard=DrawdownGuard(trade_limit=2, max_allowed_ppb=10 * PERCENT),
    anomalies=AnomalyRules(price_window=10, volume_window=10, gap_threshold_pct=5.0, filter_window=10),
    adaptive=AdaptiveRules(is_adaptive=True),
)

hours = st.lists(
    st.tuples(
        st.integers(700_000, 1_300_000),
        st.lists(st.sampled_from([Action.BUY, Action.SELL, Action.CLOSE]), max_size=1),
        st.sampled_from(["fill", "expire", "leave"]),
        st.booleans(),
    ),
    min_size=18,
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(hours)
def test_with_everything_switched_on_a_restart_at_any_hour_changes_nothing(
    moves: list[tuple[int, list[Action], str, bool]],
) -> None:
    reference, restarted = (
        Desk(EVERYTHING, managers={"every": Every()}, detectors={"falling": Falling()}) for _ in range(2)
    )
    for price, actions, then, restarts in moves:
        if restarts:
            restarted.made = (EVERYTHING, {"managers": {"every": Every()}, "detectors": {"falling": Falling()}})
            restarted.restart()
        answers = []
        for desk in (reference, restarted):
            signals = [desk.signal(action, wish=Wish(stop_ppb=5 * PERCENT)) for action in actions]
            answers.append(desk.next_hour(*signals, BTC=price))
            for order in approvals(answers[-1]):
                if then == "fill":
                    desk.fill(order)
                elif then == "expire":
                    desk.expire(order)
        assert answers[0] == answers[1]
    assert reference.risk.snapshot() == restarted.risk.snapshot()


class TestThePageOfReasons:
    def test_every_reason_has_a_meaning_and_a_place(self) -> None:
        assert set(MEANINGS) == set(RefusalReason)
        assert [REASONS[code_of(reason)] for reason in RefusalReason] == list(RefusalReason)

    def test_it_is_current(self, request: pytest.FixtureRequest) -> None:
        written = (request.config.rootpath / "docs" / "refusals.md").read_text(encoding="utf-8")
        assert written == page(), "python -m n1v1.risk.reasons > docs/refusals.md"
