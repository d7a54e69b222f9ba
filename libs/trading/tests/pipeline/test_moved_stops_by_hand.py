"""A strategy moves the stop of the position it holds: one protection follows the other, and never two at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from n1v1.events import BarClosed, Event, OrderApproved, OrderCancelled, OrderFilled, OrderRefused, OrderSubmitted
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument, OrderType, Purpose

HOUR = 3_600_000_000_000
USD = 100_000_000
PERCENT = PPB // 100
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", can_short=True)
MOVES = """
from n1v1.strategies.plain import PythonStrategy, buy, close, move_stop, sell

PLAN = {plan}


class Moves(PythonStrategy):
    def __init__(self):
        self.hour = 0

    def on_bar(self, bar):
        self.hour += 1
        return PLAN.get(self.hour)
"""
LONG = "buy('in', stop_price=90, target_price=120)"
Prices = tuple[int, int, int, int]
"""Open, high, low and close of an hour, in dollars."""
FLAT: Prices = (100, 100, 100, 100)


def bar(hour: int, prices: Prices) -> BarClosed:
    open_, high, low, close = (100 * price for price in prices)
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=USD,
    )


class Market:
    """A strategy that says what was planned for each hour, and the whole system around it."""

    def __init__(self, folder: Path, plan: dict[int, str]) -> None:
        file = folder / "moves.py"
        file.write_text(MOVES.format(plan="{" + ", ".join(f"{hour}: {said}" for hour, said in plan.items()) + "}"))
        policy = RiskPolicy(
            position_fraction_ppb=10 * PERCENT,
            max_position_ppb=50 * PERCENT,
            max_drawdown_ppb=90 * PERCENT,
            breaker_drawdown_ppb=None,
            max_positions=1,
            cost_ppb=0,
            valid_for_ns=HOUR,
        )
        self.venue = SimulatedVenue((BTC,), VenueRules(fee_rate_ppb=0, slippage_ppb=0))
        self.venue.open_account("main", 10_000 * USD)
        self.risk = Risk(account="main", instruments=(BTC,), policy=policy)
        self.execution = Execution(account="main", venue="sim")
        self.engine = Engine(
            account="main",
            venue=self.venue,
            signals=Signals(instances=(Instance("moves", str(file), {}),), instruments=(BTC,), timeframe="1h"),
            risk=self.risk,
            execution=self.execution,
            portfolio=Portfolio(account="main", instruments=(BTC,), initial_cash=10_000 * USD),
        )

    def play(self, *hours: Prices) -> list[Event]:
        return list(self.engine.run([(hour * HOUR, (bar(hour, prices),)) for hour, prices in enumerate(hours, 1)]))

    def at_venue(self) -> list[tuple[OrderType, int | None]]:
        """What rests, as type and price."""
        return [(order.type, order.stop_ticks or order.limit_ticks) for order in self.venue.open_orders("main")]


def fills(events: Sequence[Event]) -> list[tuple[int, Purpose, int]]:
    """O'clock, purpose and price: an open is one hour before its bar is numbered, the rest of a bar is its close."""
    found = [event for event in events if isinstance(event, OrderFilled)]
    return [(event.ts_ns // HOUR, event.purpose, event.ticks) for event in found]


def refusals(events: Sequence[Event]) -> list[tuple[RefusalReason, str]]:
    return [(event.reason, event.detail) for event in events if isinstance(event, OrderRefused)]


def test_the_stop_stands_where_it_was_moved_to_and_the_target_stays(tmp_path: Path) -> None:
    market = Market(tmp_path, {1: LONG, 3: "move_stop(97, 'nearer')"})
    events = market.play(FLAT, FLAT, FLAT)
    assert market.at_venue() == [(OrderType.STOP, 9_700), (OrderType.LIMIT, 12_000)]
    cancelled = [event.order_id for event in events if isinstance(event, OrderCancelled)]
    assert len(cancelled) == 2, "the stop and the target of the entry"
    announced = [event.purpose for event in events if isinstance(event, OrderSubmitted)]
    assert announced == [Purpose.ENTRY, *[Purpose.STOP_LOSS, Purpose.TAKE_PROFIT] * 2]
    assert refusals(events) == []


def test_it_closes_the_position_where_it_stands_now_and_its_target_goes_with_it(tmp_path: Path) -> None:
    """The entry fills at the open of bar 2. Moved at the close of bar 3; bar 4 falls to 96."""
    market = Market(tmp_path, {1: LONG, 3: "move_stop(97, 'nearer')"})
    events = market.play(FLAT, FLAT, FLAT, (100, 100, 96, 98), FLAT)
    assert fills(events) == [(1, Purpose.ENTRY, 10_000), (4, Purpose.STOP_LOSS, 9_700)]
    assert market.at_venue() == []


def test_the_target_that_went_with_it_closes_the_position_as_well(tmp_path: Path) -> None:
    market = Market(tmp_path, {1: LONG, 3: "move_stop(97, 'nearer')"})
    events = market.play(FLAT, FLAT, FLAT, (100, 125, 99, 118), FLAT)
    assert fills(events) == [(1, Purpose.ENTRY, 10_000), (4, Purpose.TAKE_PROFIT, 12_000)]
    assert market.at_venue() == []


def test_a_gap_beyond_the_target_fills_it_at_the_open(tmp_path: Path) -> None:
    market = Market(tmp_path, {1: LONG, 3: "move_stop(97, 'nearer')"})
    events = market.play(FLAT, FLAT, FLAT, (125, 125, 121, 122), FLAT)
    assert fills(events)[1:] == [(3, Purpose.TAKE_PROFIT, 12_500)]
    assert market.at_venue() == []


def test_a_stop_may_be_moved_again_and_an_exit_takes_its_place(tmp_path: Path) -> None:
    plan = {1: LONG, 3: "move_stop(95, 'nearer')", 4: "move_stop(97.5, 'nearer')", 5: "close('enough')"}
    market = Market(tmp_path, plan)
    events = market.play(FLAT, FLAT, FLAT, FLAT, FLAT, (99, 100, 80, 90), FLAT)
    assert fills(events) == [(1, Purpose.ENTRY, 10_000), (5, Purpose.EXIT, 9_900)]
    assert market.at_venue() == []


def test_the_stop_of_a_short_position_moves_down(tmp_path: Path) -> None:
    plan = {1: "sell('in', stop_price=110, target_price=80)", 3: "move_stop(103, 'nearer')", 4: "move_stop(104, 'no')"}
    market = Market(tmp_path, plan)
    events = market.play(FLAT, FLAT, FLAT, FLAT, (100, 105, 100, 101), FLAT)
    assert fills(events) == [(1, Purpose.ENTRY, 10_000), (5, Purpose.STOP_LOSS, 10_300)]
    ((reason, detail),) = refusals(events)
    assert (reason, detail) == (
        RefusalReason.ORDER_IMPOSSIBLE,
        "a stop is only moved nearer to the price, and stands at 103.00",
    )


def test_a_position_without_a_stop_can_be_given_one(tmp_path: Path) -> None:
    market = Market(tmp_path, {1: "buy('in')", 3: "move_stop(97, 'protect it')"})
    events = market.play(FLAT, FLAT, FLAT, (100, 100, 90, 91), FLAT)
    assert fills(events)[1:] == [(4, Purpose.STOP_LOSS, 9_700)]


@pytest.mark.parametrize(
    ("plan", "reason", "words"),
    [
        ({1: "move_stop(97, 'of what?')"}, RefusalReason.NOTHING_TO_CLOSE, ""),
        ({1: LONG, 2: "move_stop(90, 'the same')"}, RefusalReason.ORDER_IMPOSSIBLE, "only moved nearer"),
        ({1: LONG, 2: "move_stop(80, 'away')"}, RefusalReason.ORDER_IMPOSSIBLE, "only moved nearer"),
        ({1: LONG, 2: "move_stop(100, 'at the price')"}, RefusalReason.ORDER_IMPOSSIBLE, "has passed it"),
        ({1: LONG, 2: "move_stop(130, 'beyond')"}, RefusalReason.ORDER_IMPOSSIBLE, "has passed it"),
        ({1: "buy('in', trail=0.05)", 2: "move_stop(97, 'x')"}, RefusalReason.ORDER_IMPOSSIBLE, "follows the price"),
        (
            {1: "buy('in', limit=90, time_in_force='GTC')", 3: "move_stop(97, 'not in yet')"},
            RefusalReason.NOTHING_TO_CLOSE,
            "",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, plan: dict[int, str], reason: RefusalReason, words: str
) -> None:
    market, without = Market(tmp_path, plan), Market(tmp_path, {1: plan[1]} if len(plan) > 1 else {})
    events = market.play(FLAT, FLAT, FLAT)
    without.play(FLAT, FLAT, FLAT)
    ((found, detail),) = refusals(events)
    assert found is reason
    assert words in detail
    assert market.at_venue() == without.at_venue()


def test_risk_knows_after_a_restart_where_the_stop_stands(tmp_path: Path) -> None:
    market = Market(tmp_path, {1: LONG, 2: "move_stop(97, 'nearer')", 3: "move_stop(96, 'away')"})
    market.play(FLAT, FLAT)
    saved = json.loads(json.dumps(market.risk.snapshot()))
    market.risk.restore(saved)
    assert json.loads(json.dumps(market.risk.snapshot())) == saved
    (refused,) = refusals(list(market.engine.run([(3 * HOUR, (bar(3, FLAT),))])))
    assert "stands at 97.00" in refused[1]


def test_what_a_moved_stop_is_permitted_to_do_is_an_order_that_only_reduces(tmp_path: Path) -> None:
    events = Market(tmp_path, {1: LONG, 2: "move_stop(97, 'nearer')"}).play(FLAT, FLAT)
    _, moved = [event for event in events if isinstance(event, OrderApproved)]
    assert (moved.type, moved.purpose, moved.trigger_ticks) == (OrderType.STOP, Purpose.STOP_LOSS, 9_700)
    assert moved.reduce_only
    assert moved.bracket is not None
    assert (moved.bracket.stop_ticks, moved.bracket.target_ticks) == (None, 12_000)
