"""Bars of a higher timeframe, worked by hand and compared with the way that strategies make them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue
from n1v1.strategies.aggregate import AGGREGATE, aggregate
from n1v1.values import Instrument
from n1v1_research.datasets import Bars, Dataset, load
from n1v1_research.datasets.resampling import IncompleteBar, resample
from n1v1_research.datasets.synthetic import bootstrapped

MINUTE_NS = 60_000_000_000
FIVE = 5 * MINUTE_NS


def bars(minutes: list[int]) -> Bars:
    """Bar n opens at 100 + n, goes 3 up and 2 down, closes 1 higher and trades n lots."""
    numbers = np.array(minutes, dtype=np.int64)
    opens = numbers * MINUTE_NS
    prices = 100 + numbers
    return Bars(opens, opens + MINUTE_NS, prices, prices + 3, prices - 2, prices + 1, numbers)


def rows(made: Bars) -> list[tuple[int, ...]]:
    """(minute of the open, open, high, low, close, volume)."""
    columns = (made.open_ns // MINUTE_NS, made.open, made.high, made.low, made.close, made.volume)
    return [tuple(row) for row in np.column_stack(columns).tolist()]


def test_five_minutes_make_one_bar_once_they_are_over() -> None:
    assert rows(resample(bars(list(range(10))), "X", "1m", "5m").bars) == [
        (0, 100, 107, 98, 105, 0 + 1 + 2 + 3 + 4),
        (5, 105, 112, 103, 110, 5 + 6 + 7 + 8 + 9),
    ]


def test_a_period_that_is_not_over_is_no_bar() -> None:
    assert rows(resample(bars(list(range(9))), "X", "1m", "5m").bars) == [(0, 100, 107, 98, 105, 10)]
    assert rows(resample(bars([0, 1, 2, 3]), "X", "1m", "5m").bars) == []


def test_what_is_missing_is_reported_and_an_empty_period_is_a_gap() -> None:
    series = bars([3, 4, 5, 7, 9, 15, 16, 17, 18, 19])
    made = resample(series, "X", "1m", "5m")
    assert [row[0] for row in rows(made.bars)] == [0, 5, 15]
    assert made.incomplete == (IncompleteBar("X", 0, 3), IncompleteBar("X", FIVE, 2))
    instrument = Instrument(symbol="X-USD", base="X", quote="USD")
    dataset = Dataset("x", "1m", (instrument,), {"X-USD": series})
    (gap,) = dataset.resampled("5m").gaps
    assert (gap.first_open_ns, gap.missing_bars, gap.timeframe) == (2 * FIVE, 1, "5m")
    assert [bar.missing for bar in dataset.incomplete_bars("5m")] == [3, 2]


def test_weeks_begin_on_monday() -> None:
    weekly = load("coinbase-4h", symbols=["BTC-USD"]).resampled("1w").columns("BTC-USD")
    assert {int(day) for day in (weekly.open_ns // (86_400 * 10**9) + 3) % 7} == {0}  # 1970-01-01 is a Thursday, 3


def test_resampling_in_two_steps_is_the_same_as_in_one() -> None:
    hourly = bootstrapped(load("binance-1m"), 10_000, seed=1)
    assert rows(hourly.resampled("15m").resampled("4h").columns("BTC-BUSD")) == rows(
        hourly.resampled("4h").columns("BTC-BUSD")
    )


@pytest.mark.parametrize("to", ["1m", "90s", "30s"])
def test_bars_that_do_not_fit_are_refused(to: str) -> None:
    with pytest.raises(InvalidValue, match=f"bars of {to} cannot be made of bars of 1m"):
        resample(bars([0]), "X", "1m", to)


def one_by_one(series: Bars, length_ns: int) -> list[tuple[int, ...]]:
    """What a strategy that hears these bars is shown of the higher timeframe."""
    heard = np.zeros(len(series), dtype=AGGREGATE["growing"])
    for name in ("open", "high", "low", "close", "volume", "close_ns"):
        heard[name] = getattr(series, name)
    state = np.zeros(1, dtype=AGGREGATE).view(np.recarray)[0]
    found = []
    for bar in heard.view(np.recarray):
        closings = aggregate(state, bar, length_ns)
        for closed in [state.before, state.closed][2 - closings :]:
            ohlcv = (closed.open, closed.high, closed.low, closed.close, closed.volume)
            found.append((int(closed.close_ns - length_ns) // MINUTE_NS, *map(int, ohlcv)))
    return found


@given(st.sets(st.integers(0, 60), max_size=40), st.sampled_from([2, 5, 15]))
def test_the_whole_series_at_once_is_the_same_as_bar_by_bar(minutes: set[int], length: int) -> None:
    series = bars(sorted(minutes))
    assert rows(resample(series, "X", "1m", f"{length}m").bars) == one_by_one(series, length * MINUTE_NS)


def test_bootstrapped_bars_are_bars_and_depend_on_the_seed_alone() -> None:
    source = load("binance-1m")
    one, same, other = (bootstrapped(source, 5_000, seed) for seed in (3, 3, 4))
    assert one.id == same.id != other.id
    made = one.columns("BTC-BUSD")
    assert len(made) == 5_000
    assert one.gaps == ()
    assert bool((made.low <= np.minimum(made.open, made.close)).all())
    assert bool((made.high >= np.maximum(made.open, made.close)).all())
    assert int(made.low.min()) > 0


def test_bootstrapped_bars_come_in_blocks_and_end_where_they_began() -> None:
    source = load("binance-1m")
    recorded, made = source.columns("BTC-BUSD"), bootstrapped(source, 2_400, seed=5, block=240).columns("BTC-BUSD")
    volumes = recorded.volume.tolist()
    for block in made.volume.reshape(10, 240).tolist():
        start = next(row for row in range(1, len(volumes)) if volumes[row : row + 240] == block)
        assert start + 240 <= len(volumes)
    assert abs(int(made.close[-1]) - int(recorded.close[0])) <= 1


def test_too_few_bars_for_a_block_are_refused() -> None:
    with pytest.raises(InvalidValue, match="blocks of 1440 bars cannot be drawn from 1440 bars"):
        bootstrapped(load("binance-1m"), 10, seed=0, block=1_440)
