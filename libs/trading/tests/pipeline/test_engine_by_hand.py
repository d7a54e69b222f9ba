"""The whole system over ten bars, worked by hand, and what its events may never depend on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.events import (
    Action,
    BarClosed,
    DecisionsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    OrderAccepted,
    OrderApproved,
    OrderFilled,
    OrderRefused,
    OrdersComplete,
    OrderSubmitted,
    PositionChanged,
    SignalRaised,
    SignalsComplete,
)
from n1v1.execution.stage import Execution
from n1v1.pipeline import HEARS, Engine, bars_complete
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument, Side

HOUR = 3_600_000_000_000
USD = 100_000_000
PERCENT = PPB // 100
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
CROSS = Instance(
    "cross",
    "ema_cross",
    {"fast_ema": 1, "slow_ema": 2, "position_size": 0.5, "stop_loss_pct": 0, "take_profit_pct": 0},
)
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=50 * PERCENT,
    max_drawdown_ppb=90 * PERCENT,
    breaker_drawdown_ppb=None,
    max_positions=1,
    cost_ppb=2_000_000,
    valid_for_ns=HOUR,
)
Step = tuple[int, tuple[BarClosed, ...]]


def step(hour: int, open_: int, close: int) -> Step:
    """One BTC bar in whole dollars."""
    bar = BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        correlation_id=f"BTC-USD@{hour}",
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=open_ * 100,
        high=max(open_, close) * 100,
        low=min(open_, close) * 100,
        close=close * 100,
        volume=1,
    )
    return hour * HOUR, (bar,)


def new_venue() -> SimulatedVenue:
    venue = SimulatedVenue((BTC,), VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=500_000))
    venue.open_account("main", 10_000 * USD)
    return venue


def engine(venue: SimulatedVenue) -> Engine:
    return Engine(
        account="main",
        venue=venue,
        signals=Signals(instances=(CROSS,), instruments=(BTC,), timeframe="1h"),
        risk=Risk(account="main", instruments=(BTC,), policy=POLICY),
        execution=Execution(account="main", venue="sim"),
        portfolio=Portfolio(account="main", instruments=(BTC,), initial_cash=10_000 * USD),
    )


def steps(prices: Sequence[tuple[int, int]]) -> list[Step]:
    return [step(hour, open_, close) for hour, (open_, close) in enumerate(prices, start=1)]


def play(prices: Sequence[tuple[int, int]]) -> list[Event]:
    return list(engine(new_venue()).run(steps(prices)))


# The fast average is the close; the slow one moves two thirds of the way to it.
#   hour   open  close   slow     signal at the close   filled at the next open
#     1    100    100
#     2    100    100    100
#     3    100    130    120      BUY
#     4    131    133    128.67                         BUY at 131, slipped to 131.07
#     5    133    140    136.22
#     6    140    120    125.41   SELL
#     7    119    110    115.14                         SELL at 119, slipped to 118.94
#     8    110    100    105.05
#     9    100    120    115.02   BUY
#    10    121    121    119.01                         BUY at 121, slipped to 121.07
TEN_BARS = [
    (100, 100),
    (100, 100),
    (100, 130),
    (131, 133),
    (133, 140),
    (140, 120),
    (119, 110),
    (110, 100),
    (100, 120),
    (121, 121),
]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return play(TEN_BARS)


def test_the_signals_come_on_the_bars_that_cross(events: list[Event]) -> None:
    raised = [(e.ts_ns // HOUR, e.action) for e in events if isinstance(e, SignalRaised)]
    assert raised == [(3, Action.BUY), (6, Action.SELL), (9, Action.BUY)]


def test_the_fills_are_those_of_the_next_open_to_the_quantum(events: list[Event]) -> None:
    """
    BUY   half of 10,000 at 130.00:    38.46153 BTC (whole steps); 131.00 + 5 bp = 131.0655, up to 131.07
          38.46153 x 131.07 = 5041.1527371; 10 bp of it are 5.0411527371, up to 5.04115274
    SELL  all of it: 119.00 - 5 bp = 118.9405, down to 118.94
          38.46153 x 118.94 = 4574.6143782; 10 bp of it are 4.5746143782, up to 4.57461438
    """
    bought, sold, _ = [event for event in events if isinstance(event, OrderFilled)]
    assert (bought.side, bought.lots, bought.ticks) == (Side.BUY, 3_846_153_000, 13_107)
    assert (bought.value, bought.fee, bought.ts_ns) == (504_115_273_710, 504_115_274, 3 * HOUR)
    assert (sold.side, sold.lots, sold.ticks) == (Side.SELL, 3_846_153_000, 11_894)
    assert (sold.value, sold.fee, sold.ts_ns) == (457_461_437_820, 457_461_438, 6 * HOUR)


def test_the_equity_of_every_bar_is_exact(events: list[Event]) -> None:
    marks = {e.ts_ns // HOUR: e for e in events if isinstance(e, EquityMarked)}
    assert [marks[hour].equity for hour in (1, 2, 3)] == [10_000 * USD] * 3
    cash = 10_000 * USD - 504_115_273_710 - 504_115_274
    assert marks[4].cash == cash
    assert [marks[hour].equity for hour in (4, 5, 6)] == [cash + 3_846_153_000 * close for close in (133, 140, 120)]
    cash += 457_461_437_820 - 457_461_438
    assert [marks[hour].equity for hour in (7, 8, 9)] == [cash] * 3


def test_the_cash_at_the_end_is_exact(events: list[Event]) -> None:
    """
    After the round trip: 10,000 - 5041.1527371 - 5.04115274 + 4574.6143782 - 4.57461438 = 9523.84587398
    BUY half of it at 120.00: 4761.92293699 / 120 = 39.68269 BTC; 121.00 + 5 bp = 121.0605, up to 121.07
        39.68269 x 121.07 = 4804.3832783; 10 bp of it are 4.8043832783, up to 4.80438328
    """
    last = [event for event in events if isinstance(event, EquityMarked)][-1]
    assert last.cash == 952_384_587_398 - 480_438_327_830 - 480_438_328
    assert last.positions == (("BTC-USD", 3_968_269_000, 12_100),)
    assert last.equity == last.cash + 3_968_269_000 * 121
    assert last.fees == 504_115_274 + 457_461_438 + 480_438_328
    assert last.peak == 10_000 * USD - 504_115_273_710 - 504_115_274 + 3_846_153_000 * 140


def test_an_order_lives_in_the_order_of_the_flow(events: list[Event]) -> None:
    at_three = [type(event) for event in events if event.ts_ns == 3 * HOUR]
    start = at_three.index(SignalRaised)
    assert at_three[start:-1] == [
        SignalRaised,
        SignalsComplete,
        FillsComplete,
        EquityMarked,
        OrderApproved,
        DecisionsComplete,
        OrderSubmitted,
        OrderAccepted,
        OrdersComplete,
        OrderFilled,  # at the next bar's open, which is this bar's close
    ]
    assert at_three[-1] is PositionChanged


def test_every_event_that_follows_from_a_signal_leads_back_to_its_bar(events: list[Event]) -> None:
    by_id = {event.id: event for event in events}
    for filled in (event for event in events if isinstance(event, OrderFilled)):
        chain: list[Event] = [filled]
        while chain[-1].cause_id:
            chain.append(by_id[chain[-1].cause_id])
        assert [type(event) for event in chain[1:]] == [OrderSubmitted, OrderApproved, SignalRaised, BarClosed]
        assert {event.correlation_id for event in chain} == {chain[-1].correlation_id}


def test_ids_are_unique(events: list[Event]) -> None:
    assert len({event.id for event in events}) == len(events)


def test_a_sell_without_a_position_is_refused() -> None:
    said = play([(100, 100), (100, 100), (100, 90)])
    (refusal,) = [event for event in said if isinstance(event, OrderRefused)]
    assert refusal.reason is RefusalReason.SHORT_DISABLED


def test_a_bar_time_ends_with_its_orders_complete(events: list[Event]) -> None:
    for hour in range(1, 11):
        marks = [type(e) for e in events if e.ts_ns == hour * HOUR and not isinstance(e, OrderFilled | PositionChanged)]
        assert marks[-1] is OrdersComplete


prices = st.lists(st.tuples(st.integers(50, 150), st.integers(50, 150)), min_size=1, max_size=25)


@settings(max_examples=25)
@given(prices)
def test_two_runs_say_the_same(bars: list[tuple[int, int]]) -> None:
    assert play(bars) == play(bars)


@settings(max_examples=25)
@given(prices, st.data())
def test_the_past_does_not_depend_on_the_future(bars: list[tuple[int, int]], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(bars)))
    assert play(bars)[: len(play(bars[:kept]))] == play(bars[:kept])


@settings(max_examples=25)
@given(prices)
def test_the_books_agree_with_the_venue(bars: list[tuple[int, int]]) -> None:
    venue = new_venue()
    last = [event for event in engine(venue).run(steps(bars)) if isinstance(event, EquityMarked)][-1]
    dollars, bitcoins = venue.balances("main")["USD"], venue.balances("main")["BTC"]
    assert last.cash == dollars.free + dollars.locked
    assert {symbol: lots for symbol, lots, _ in last.positions} == {"BTC-USD": bitcoins.free + bitcoins.locked}
    assert last.fees == venue.fees_collected.get("USD", 0)


def test_every_stage_that_hears_is_one_of_the_engine() -> None:
    assert set(HEARS) == {"signals", "risk", "execution", "portfolio"}


def test_the_watermark_of_a_bar_time_names_its_symbols() -> None:
    close_ns, bars = step(7, 1, 1)
    mark = bars_complete(close_ns, bars, 3)
    assert (mark.id, mark.symbols, mark.sequence, mark.correlation_id) == (
        f"bars:{7 * HOUR}",
        ("BTC-USD",),
        3,
        "@25200",
    )
