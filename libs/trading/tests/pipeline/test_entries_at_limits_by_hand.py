"""An entry at a limit waits for as long as it is valid, and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from n1v1.events import BarClosed, Event, OrderAccepted, OrderExpired, OrderFilled, OrderRefused
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.stage import Risk
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument

HOUR = 3_600_000_000_000
USD = 100_000_000
PERCENT = PPB // 100
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
BIDS_AT_98 = """
from n1v1.strategies.plain import PythonStrategy, buy


class BidsAt98(PythonStrategy):
    def on_bar(self, bar):
        return buy("at 98 or not at all", limit=98)
"""


def bar(hour: int, low: int) -> BarClosed:
    """Opens and closes at 100 dollars."""
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=10_000,
        high=10_000,
        low=low * 100,
        close=10_000,
        volume=USD,
    )


def play(folder: Path, lows: Sequence[int], *, hours_valid: int) -> list[Event]:
    file = folder / "bids.py"
    file.write_text(BIDS_AT_98)
    policy = RiskPolicy(
        position_fraction_ppb=10 * PERCENT,
        max_position_ppb=50 * PERCENT,
        max_drawdown_ppb=90 * PERCENT,
        breaker_drawdown_ppb=None,
        max_positions=1,
        cost_ppb=0,
        valid_for_ns=HOUR,
        limit_valid_for_ns=hours_valid * HOUR,
    )
    venue = SimulatedVenue((BTC,), VenueRules(fee_rate_ppb=0, slippage_ppb=0))
    venue.open_account("main", 10_000 * USD)
    engine = Engine(
        account="main",
        venue=venue,
        signals=Signals(instances=(Instance("bids", str(file), {}),), instruments=(BTC,), timeframe="1h"),
        risk=Risk(account="main", instruments=(BTC,), policy=policy),
        execution=Execution(account="main", venue="sim"),
        portfolio=Portfolio(account="main", instruments=(BTC,), initial_cash=10_000 * USD),
    )
    return list(engine.run([(hour * HOUR, (bar(hour, low),)) for hour, low in enumerate(lows, start=1)]))


def hours_of(events: Sequence[Event], kind: type[Event]) -> list[int]:
    return [event.ts_ns // HOUR for event in events if isinstance(event, kind)]


def test_a_bid_that_nobody_meets_ends_and_makes_room_for_the_next(tmp_path: Path) -> None:
    """Bid at the close of 1, over at the close of 3; nothing is asked for twice meanwhile."""
    events = play(tmp_path, [100, 100, 100, 100, 100], hours_valid=2)
    assert hours_of(events, OrderAccepted) == [1, 3, 5]
    assert hours_of(events, OrderExpired) == [3, 5]
    assert hours_of(events, OrderRefused) == [2, 4]
    assert hours_of(events, OrderFilled) == []


def test_the_last_bar_of_its_time_still_fills_it(tmp_path: Path) -> None:
    events = play(tmp_path, [100, 100, 97, 100], hours_valid=2)
    (fill,) = [event for event in events if isinstance(event, OrderFilled)]
    assert fill.ticks == 9_800
    assert 2 * HOUR < fill.ts_ns <= 3 * HOUR
    assert hours_of(events, OrderExpired) == []


def test_a_market_that_comes_too_late_finds_no_order(tmp_path: Path) -> None:
    """The bid of hour 1 is over when hour 3 falls to 97; the one of hour 2 is what fills then."""
    events = play(tmp_path, [100, 100, 97], hours_valid=1)
    assert hours_of(events, OrderExpired) == [2]
    (fill,) = [event for event in events if isinstance(event, OrderFilled)]
    accepted = [event.order_id for event in events if isinstance(event, OrderAccepted)]
    assert fill.order_id == accepted[1]
