"""When a candle of a venue is a finished bar: with a newer one, or by the venue's clock; never before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from n1v1_market_data.closed_candles import ClosedCandles, closed_rows

MINUTE_MS = 60_000


def row(minute: int, close: float) -> list[float]:
    return [minute * MINUTE_MS, 1.0, 9.0, 1.0, close, 5.0]


def test_a_candle_is_said_once_a_newer_one_comes_as_it_was_at_last() -> None:
    candles = ClosedCandles()
    assert candles.take("BTC-USD", [row(1, 1.0)]) == []
    assert candles.take("BTC-USD", [row(1, 2.0)]) == []
    assert candles.take("BTC-USD", [row(1, 3.0), row(2, 4.0)]) == [tuple(row(1, 3.0))]
    assert candles.take("BTC-USD", [row(2, 5.0)]) == []


def test_the_end_of_a_candle_that_comes_too_late_is_not_said_again() -> None:
    candles = ClosedCandles()
    candles.take("BTC-USD", [row(1, 1.0), row(2, 2.0)])
    assert candles.take("BTC-USD", [row(1, 9.0)]) == []


def test_symbols_have_candles_of_their_own() -> None:
    candles = ClosedCandles()
    candles.take("BTC-USD", [row(1, 1.0)])
    assert candles.take("ETH-USD", [row(2, 2.0)]) == []


def test_after_a_lost_connection_nothing_is_said_of_what_was_open_before() -> None:
    candles = ClosedCandles()
    candles.take("BTC-USD", [row(1, 1.0)])
    candles.forget()
    assert candles.take("BTC-USD", [row(2, 2.0)]) == []


@given(st.lists(st.integers(0, 20), min_size=1).map(sorted))
def test_whatever_is_pushed_each_candle_is_said_at_most_once_and_in_order(minutes: list[int]) -> None:
    candles = ClosedCandles()
    said = [each[0] for minute in minutes for each in candles.take("BTC-USD", [row(minute, 1.0)])]
    assert said == [minute * MINUTE_MS for minute in sorted(set(minutes))[:-1]]


def test_by_the_clock_a_row_is_over_at_the_end_of_its_time_and_not_a_moment_before() -> None:
    rows = [row(1, 1.0), row(2, 2.0)]
    assert closed_rows(rows, length_ms=MINUTE_MS, now_ms=3 * MINUTE_MS - 1) == rows[:1]
    assert closed_rows(rows, length_ms=MINUTE_MS, now_ms=3 * MINUTE_MS) == rows
