"""Higher timeframes: a bar of one is seen only after its close, and gaps in the base bars are what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue
from n1v1.events import Action, BarClosed
from n1v1.kernels import Record, kernel, new_record
from n1v1.strategies.aggregate import AGGREGATE, aggregate, higher_ns, period_end_ns
from n1v1.strategies.bar import Bar
from n1v1.strategies.base import ACTIONS, EXIT, LONG, NO_SIGNAL, Bound, CompiledRunner, Strategy
from n1v1.strategies.plain import PythonRunner, PythonStrategy, Signal, buy
from n1v1.strategies.registry import runner_of
from n1v1.testing import check_strategy
from n1v1.values import Instrument
from n1v1_research.datasets import load
from n1v1_research.scan.market import Market
from n1v1_research.scan.signals import signals_of

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
HOUR = 3_600_000_000_000
FOUR_HOURS_NS = 4 * HOUR


def bar(hour: int, price: float) -> Bar:
    """The bar that closes at that hour: opens at the price, goes up and down by one, closes half above."""
    return Bar(price, price + 1.0, price - 1.0, price + 0.5, 10.0, hour * HOUR, "BTC-USD")


def closed(hours: Sequence[int], length_ns: int = FOUR_HOURS_NS) -> list[tuple[int, list[Bar]]]:
    """By the hour at which it was learned: the higher bars that closed. The price of a bar is its hour."""
    state = new_record(AGGREGATE)
    found = []
    for hour in hours:
        closings = aggregate(state, bar(hour, float(hour)), length_ns)
        found.append((hour, [as_bar(record) for record in (state.before, state.closed)[2 - closings :]]))
    return [(hour, bars) for hour, bars in found if bars]


def as_bar(record: Record) -> Bar:
    return Bar(record.open, record.high, record.low, record.close, record.volume, record.close_ns // HOUR, "BTC-USD")


def test_four_bars_of_an_hour_make_one_that_is_known_at_its_close_and_not_before() -> None:
    assert closed([1, 2, 3]) == []
    assert closed([1, 2, 3, 4]) == [(4, [Bar(1.0, 5.0, 0.0, 4.5, 40.0, 4, "BTC-USD")])]


def test_a_bar_whose_last_part_is_missing_closes_on_the_first_bar_after_its_end() -> None:
    assert closed([1, 2, 3, 5]) == [(5, [Bar(1.0, 4.0, 0.0, 3.5, 30.0, 4, "BTC-USD")])]


def test_two_bars_close_at_once_where_a_gap_ends_with_a_period() -> None:
    assert closed([1, 8]) == [
        (8, [Bar(1.0, 2.0, 0.0, 1.5, 10.0, 4, "BTC-USD"), Bar(8.0, 9.0, 7.0, 8.5, 10.0, 8, "BTC-USD")])
    ]


def test_periods_without_a_bar_have_no_higher_bar() -> None:
    assert [(hour, [b.close_ns for b in bars]) for hour, bars in closed([1, 2, 17, 20])] == [(17, [4]), (20, [20])]


def test_a_series_that_starts_within_a_period_has_a_shorter_first_bar() -> None:
    assert closed([3, 4]) == [(4, [Bar(3.0, 5.0, 2.0, 4.5, 20.0, 4, "BTC-USD")])]


def test_a_week_starts_on_monday() -> None:
    week = 7 * 24 * HOUR
    monday = 4 * 24 * HOUR  # 1970-01-05
    assert period_end_ns(monday, week) == monday
    assert period_end_ns(monday + 1, week) == monday + week
    assert period_end_ns(monday + week, week) == monday + week
    assert period_end_ns(25 * HOUR, 24 * HOUR) == 48 * HOUR


@given(st.sets(st.integers(1, 200), min_size=1).map(sorted), st.sampled_from([2, 4, 24]))
def test_whatever_is_missing_a_higher_bar_is_made_of_exactly_the_bars_of_its_period(
    hours: list[int], factor: int
) -> None:
    ends = {hour: -(-hour // factor) * factor for hour in hours}
    for learned, bars in closed(hours, factor * HOUR):
        for higher in bars:
            own = [hour for hour in hours if ends[hour] == higher.close_ns]
            assert higher.close_ns <= learned
            assert (higher.open, higher.close, higher.volume) == (own[0], own[-1] + 0.5, 10.0 * len(own))
            assert (higher.high, higher.low) == (own[-1] + 1.0, own[0] - 1.0)
            assert all(hour == learned for hour in hours if higher.close_ns <= hour <= learned)


def test_what_was_learned_is_all_but_the_bar_that_still_grows() -> None:
    assert [b.close_ns for _, bars in closed(range(1, 30)) for b in bars] == [4, 8, 12, 16, 20, 24, 28]


def test_compiled_it_answers_the_same(compiled: Callable[..., Any]) -> None:
    fast, plain, native = compiled(aggregate), new_record(AGGREGATE), np.zeros(1, AGGREGATE)[0]
    record = np.zeros(1, np.dtype([(name, "f8") for name in Bar._fields[:5]] + [("close_ns", "i8")]))
    for hour in (1, 2, 3, 5, 8, 9, 17, 24, 48):
        one = bar(hour, 100.0 - hour)
        record[0] = one[:6]
        assert fast(native, record[0], FOUR_HOURS_NS) == aggregate(plain, one, FOUR_HOURS_NS)
        for part in ("closed", "before", "growing"):
            assert list(native[part].tolist()) == [
                getattr(getattr(plain, part), name) for name in native[part].dtype.names
            ]


@pytest.mark.parametrize(("higher", "base"), [("4h", "4h"), ("4h", "3h"), ("1h", "4h")])
def test_bars_that_cannot_make_up_the_higher_timeframe_are_refused(higher: str, base: str) -> None:
    with pytest.raises(InvalidValue, match=f"bars of {higher} cannot be made of bars of {base}"):
        higher_ns(higher, base)


class AboveParams(NamedTuple):
    fraction: float = 1.0


@kernel
def above_on_bar(params: Any, state: Record, bar: Record) -> int:
    """Long on every bar that closes above the close of the last four hours."""
    aggregate(state.four_hours, bar, FOUR_HOURS_NS)
    if state.four_hours.count > 0 and bar.close > params.fraction * state.four_hours.closed.close:
        return LONG
    return NO_SIGNAL


class AboveStrategy(Strategy):
    key = "above"
    Params = AboveParams
    State = np.dtype([("four_hours", AGGREGATE)])
    bounds: ClassVar = {"fraction": Bound(0.1, 10.0)}
    timeframes = ("4h",)
    on_bar = staticmethod(above_on_bar)


class Above(PythonStrategy):
    timeframes = ("4h",)

    def __init__(self) -> None:
        self.heard: list[float] = []

    def on_higher_bar(self, timeframe: str, bar: Bar) -> None:
        assert timeframe == "4h"
        self.heard.append(bar.close)

    def on_bar(self, bar: Bar) -> Signal | None:
        higher = self.higher["4h"]
        return buy("above the last four hours") if higher is not None and bar.close > higher.close else None


def recorded_bar(hour: int, dollars: int) -> BarClosed:
    ticks = dollars * 100
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=ticks,
        high=ticks,
        low=ticks,
        close=ticks,
        volume=1,
    )


# the four hours end with 13, known from the fourth bar on: 14 and 15 are above it, 13 and 12 are not
PRICES = (10, 20, 20, 13, 14, 12, 13, 15, 16)
BUYS = [None, None, None, None, Action.BUY, None, None, None, Action.BUY]


@pytest.mark.parametrize("strategy", [AboveStrategy, Above])
def test_both_forms_see_a_higher_bar_from_its_close_on(strategy: type[Any]) -> None:
    runner = runner_of(strategy, {}, BTC, "1h")
    assert [runner.on_bar(recorded_bar(hour, p)).action for hour, p in enumerate(PRICES, 1)] == BUYS


@pytest.mark.parametrize("strategy", [AboveStrategy, Above])
@pytest.mark.parametrize("cut", range(len(PRICES)))
def test_higher_bars_survive_a_restart(strategy: type[Any], cut: int) -> None:
    before, after = runner_of(strategy, {}, BTC, "1h"), runner_of(strategy, {}, BTC, "1h")
    for hour in range(1, cut + 1):
        before.on_bar(recorded_bar(hour, PRICES[hour - 1]))
    after.load(before.save())
    found = [after.on_bar(recorded_bar(hour, PRICES[hour - 1])).action for hour in range(cut + 1, len(PRICES) + 1)]
    assert found == BUYS[cut:]


def test_a_plain_strategy_is_told_of_each_higher_bar_once() -> None:
    strategy = Above()
    runner = PythonRunner(strategy, BTC, "1h")
    for hour in (1, 2, 8, 9):
        runner.on_bar(recorded_bar(hour, hour))
    assert strategy.heard == [2.0, 8.0]


@pytest.mark.parametrize("strategy", [AboveStrategy, Above])
def test_a_timeframe_that_the_bars_cannot_make_up_is_refused_at_the_start(strategy: type[Any]) -> None:
    with pytest.raises(InvalidValue, match="bars of 4h cannot be made of bars of 1d"):
        runner_of(strategy, {}, BTC, "1d")


def test_a_compiled_runner_takes_the_strategy_as_any_other() -> None:
    assert isinstance(runner_of(AboveStrategy, {}, BTC), CompiledRunner)


DAY_NS = 24 * HOUR


@kernel
def above_the_day_on_bar(params: Any, state: Record, bar: Record) -> int:
    """Long on the bar that first closes above the last day's high, out below its low."""
    aggregate(state.day, bar, DAY_NS)
    previous = state.side
    if state.day.count == 0:
        return NO_SIGNAL
    if bar.close > state.day.closed.high:
        state.side = LONG
    elif bar.close < state.day.closed.low:
        state.side = EXIT
    return int(state.side) if state.side != previous else NO_SIGNAL


class AboveTheDayStrategy(Strategy):
    key = "above_the_day"
    Params = AboveParams
    State = np.dtype([("day", AGGREGATE), ("side", "i8")])
    bounds: ClassVar = {"fraction": Bound(0.1, 10.0)}
    timeframes = ("1d",)
    on_bar = staticmethod(above_the_day_on_bar)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return 1


def test_a_compiled_pass_over_recorded_bars_with_gaps_sees_the_same_days() -> None:
    dataset = load("coinbase-4h", symbols=("BTC-USD",), start="2017-01-01", end="2018-06-01")
    assert dataset.gaps
    market = Market.of(dataset)
    signals = signals_of(AboveTheDayStrategy, AboveTheDayStrategy.parameters({}), market, 0)
    runner = runner_of(AboveTheDayStrategy, {}, dataset.instrument("BTC-USD"), "4h")
    said = [verdict.action for verdict in map(runner.on_bar, dataset.bars["BTC-USD"])]
    expected: list[Action | None] = [None] * len(said)
    for row, code in zip(signals.at.tolist(), signals.codes.tolist(), strict=True):
        expected[row] = ACTIONS[code]
    assert said == expected
    assert len(signals.at) > 100


def test_a_strategy_with_higher_timeframes_keeps_what_every_strategy_keeps() -> None:
    assert check_strategy(AboveTheDayStrategy, seed=4).signals > 10
