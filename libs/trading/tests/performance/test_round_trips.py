"""Executions become round trips first in, first out, and no unit of money is lost on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import UndefinedStatistic
from n1v1.performance import (
    expectancy,
    kelly_criterion,
    longest_streak,
    profit_factor,
    round_trips,
    summary,
    summary_of_records,
    turnover,
    win_rate,
)
from n1v1.run_hash import RunRecords
from n1v1.values import Side


@dataclass(frozen=True)
class Fill:
    ts_ns: int
    order_id: str
    side: Side
    lots: int
    value: int
    fee: int
    symbol: str = "BTC-USD"


def test_a_buy_and_a_sell_are_one_round_trip_with_both_fees() -> None:
    (trip,) = round_trips([Fill(1, "a", Side.BUY, 10, 1000, 3), Fill(2, "b", Side.SELL, 10, 1100, 4)])
    assert (trip.side, trip.lots, trip.entry_ns, trip.exit_ns) == (Side.BUY, 10, 1, 2)
    assert (trip.pnl, trip.fees, trip.exit_order_id) == (93, 7, "b")
    assert trip.return_fraction == pytest.approx(0.093)


def test_the_oldest_lots_are_closed_first() -> None:
    trips = round_trips(
        [
            Fill(1, "a", Side.BUY, 10, 1000, 0),
            Fill(2, "b", Side.BUY, 10, 2000, 0),
            Fill(3, "c", Side.SELL, 10, 1500, 0),
            Fill(4, "d", Side.SELL, 10, 1500, 0),
        ]
    )
    assert [(trip.entry_ns, trip.pnl) for trip in trips] == [(1, 500), (2, -500)]


def test_one_closing_order_that_fills_in_parts_is_one_round_trip() -> None:
    (trip,) = round_trips(
        [
            Fill(1, "a", Side.BUY, 10, 1000, 5),
            Fill(2, "b", Side.SELL, 4, 480, 2),
            Fill(3, "b", Side.SELL, 6, 720, 3),
        ]
    )
    assert (trip.lots, trip.exit_ns, trip.fees, trip.pnl) == (10, 3, 10, 190)


def test_a_short_position_gains_when_the_price_falls() -> None:
    (trip,) = round_trips([Fill(1, "a", Side.SELL, 10, 1000, 1), Fill(2, "b", Side.BUY, 10, 900, 1)])
    assert (trip.side, trip.pnl) == (Side.SELL, 98)


def test_an_order_that_turns_the_position_closes_one_trip_and_opens_the_next() -> None:
    trips = round_trips(
        [
            Fill(1, "a", Side.BUY, 10, 1000, 0),
            Fill(2, "b", Side.SELL, 30, 3300, 0),
            Fill(3, "c", Side.BUY, 20, 2000, 0),
        ]
    )
    assert [(trip.side, trip.lots, trip.pnl) for trip in trips] == [(Side.BUY, 10, 100), (Side.SELL, 20, 200)]


def test_symbols_do_not_mix_and_open_lots_are_no_trade() -> None:
    fills = [Fill(1, "a", Side.BUY, 10, 1000, 0), Fill(2, "b", Side.SELL, 10, 900, 0, symbol="ETH-USD")]
    assert round_trips(fills) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(1, 10_000), st.integers(0, 99)),
        max_size=30,
    )
)
def test_when_flat_the_round_trips_explain_every_unit_of_cash(steps: list[tuple[Side, int, int, int]]) -> None:
    fills = [Fill(ts, f"o{ts}", *step) for ts, step in enumerate(steps)]
    net = sum(fill.lots * fill.side.sign for fill in fills)
    if net:
        fills.append(Fill(99, "last", Side.SELL if net > 0 else Side.BUY, abs(net), 777, 7))
    cash = sum(-fill.side.sign * fill.value - fill.fee for fill in fills)
    assert sum(trip.pnl for trip in round_trips(fills)) == cash


def test_win_rate_and_profit_factor_by_hand() -> None:
    assert win_rate([5, -5, 10, 0]) == 0.5
    assert profit_factor([5, -5, 10, 0]) == 3.0
    assert profit_factor([5]) == math.inf
    assert profit_factor([-5]) == 0.0
    for undefined in (win_rate, profit_factor):
        with pytest.raises(UndefinedStatistic):
            undefined([])


def test_the_summary_of_a_run_by_hand() -> None:
    numbers = summary(
        equity=[10_000, 9_900, 10_197],
        exposed=[False, True, False],
        executions=[Fill(1, "a", Side.BUY, 10, 1000, 3), Fill(2, "b", Side.SELL, 10, 1204, 4)],
        timeframe="4h",
    )
    assert (numbers.start_equity, numbers.end_equity, numbers.total_fees) == (10_000, 10_197, 7)
    assert numbers.total_return == pytest.approx(0.0197)
    assert numbers.max_drawdown == pytest.approx(0.01)
    assert (numbers.total_trades, numbers.wins, numbers.losses, numbers.total_pnl) == (1, 1, 0, 197)
    assert numbers.exposure == pytest.approx(1 / 3)
    assert (numbers.win_rate, numbers.profit_factor, numbers.average_loss) == (1.0, math.inf, None)


def test_the_summary_of_records_finds_the_symbols_of_fills_in_their_orders() -> None:
    records = RunRecords(
        orders=(
            ("a", "BTC-USD", "BUY", "MARKET", 10, "FILLED", 10),
            ("b", "BTC-USD", "SELL", "MARKET", 10, "FILLED", 10),
        ),
        fills=((5, "b", "2", "SELL", 10, 120, 1204, 4), (1, "a", "1", "BUY", 10, 100, 1000, 3)),
        equity=(
            (6, 10_197, 10_197, (("BTC-USD", 0, 120),)),
            (2, 8_997, 9_900, (("BTC-USD", 10, 90),)),
            (0, 10_000, 10_000, ()),
        ),
    )
    numbers = summary_of_records(records, "4h")
    assert (numbers.end_equity, numbers.total_trades, numbers.total_pnl) == (10_197, 1, 197)
    assert numbers.exposure == pytest.approx(1 / 3)
    with pytest.raises(UndefinedStatistic, match="no mark"):
        summary_of_records(RunRecords(), "4h")


def test_the_summary_of_a_run_that_never_traded_leaves_out_what_is_undefined() -> None:
    numbers = summary(equity=[10_000] * 5, exposed=[False] * 5, executions=[], timeframe="4h")
    assert (numbers.total_return, numbers.max_drawdown, numbers.exposure) == (0.0, 0.0, 0.0)
    undefined = (numbers.sharpe_ratio, numbers.sortino, numbers.calmar, numbers.win_rate, numbers.profit_factor)
    assert undefined == (None,) * 5


def test_expectancy_kelly_criterion_and_streaks_by_hand() -> None:
    pnls = [30, -10, -10, 50, -10, -10, -10, 0, 40]
    # a third won, 40 on average; six lost 10 each; one was even: W = 3/9, R = 4
    assert expectancy(pnls) == pytest.approx(70 / 9)
    assert kelly_criterion(pnls) == pytest.approx(3 / 9 - (6 / 9) / 4)
    assert longest_streak(pnls, losing=True) == 3
    assert longest_streak(pnls, losing=False) == 1
    with pytest.raises(UndefinedStatistic):
        kelly_criterion([5, 5])
    with pytest.raises(UndefinedStatistic):
        expectancy([])


def test_turnover_is_what_was_traded_by_what_there_was_to_trade_with() -> None:
    fills = [Fill(1, "a", Side.BUY, 10, 1000, 0), Fill(2, "b", Side.SELL, 10, 1200, 0)]
    assert turnover(fills, mean_equity=1100.0, years=2.0) == pytest.approx(1.0)
    with pytest.raises(UndefinedStatistic):
        turnover(fills, mean_equity=1100.0, years=0.0)


def test_a_benchmark_that_moves_half_as_much_gives_a_beta_of_two() -> None:
    numbers = summary(
        equity=[10_000, 10_200, 10_098],
        exposed=[True] * 3,
        executions=[],
        timeframe="1d",
        benchmark=[50.0, 50.5, 50.2475],
    )
    assert numbers.beta == pytest.approx(2.0)
    assert numbers.benchmark_return == pytest.approx(0.00495)
