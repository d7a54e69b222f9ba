"""Bars of every length from trades and from finer bars: by hand, against a direct count, and against recorded bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1_exchange_simulator.bar_series import BARS_KEPT, BarSeries
from n1v1_exchange_simulator.intervals import INTERVALS, span_of
from n1v1_exchange_simulator.market_events import PublicTrade, TradedBar
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality
from n1v1_exchange_simulator.replay.trades import TradeRecording

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def numbers(bar: BarClosed | None) -> tuple[int, ...]:
    assert bar is not None
    return bar.open_ns // SECOND, bar.open, bar.high, bar.low, bar.close, bar.volume


def traded(ts_ns: int, ticks: int, lots: int, *, number: int = 1, is_buyer_maker: bool = False) -> PublicTrade:
    return PublicTrade(ts_ns=ts_ns, symbol="A-B", number=number, ticks=ticks, lots=lots, is_buyer_maker=is_buyer_maker)


def test_a_bar_knows_its_trades_and_what_takers_bought() -> None:
    series = BarSeries("A-B", None)
    series.trade(traded(10 * SECOND, 100, 5, number=7))
    series.trade(traded(30 * SECOND, 90, 2, number=8, is_buyer_maker=True))
    series.trade(traded(3_000 * SECOND, 110, 1, number=9))
    for bar in (series.closed("1m")[0], series.open_bar("1h", 3_001 * SECOND)):
        assert isinstance(bar, TradedBar)
        hour = bar.timeframe == "1h"
        assert (bar.first_trade, bar.last_trade, bar.trades) == ((7, 9, 3) if hour else (7, 8, 2))
        assert (bar.value, bar.taker_lots, bar.taker_value) == ((790, 6, 610) if hour else (680, 5, 500))
    quiet = series.closed("1m")[1]
    assert isinstance(quiet, TradedBar)
    assert (quiet.first_trade, quiet.trades, quiet.value) == (None, 0, 0)


def test_a_bar_closes_when_time_reaches_its_end_and_not_before() -> None:
    series = BarSeries("A-B", None)
    assert series.trade(traded(10 * SECOND, 100, 5)) == []
    assert series.trade(traded(59 * SECOND, 90, 5)) != []  # the second of the first trade
    assert list(series.closed("1m")) == []
    closed = series.advance(60 * SECOND)
    assert [bar.timeframe for bar in closed] == ["1s", "1m"]
    assert numbers(closed[-1]) == (0, 100, 100, 90, 90, 10)


def test_a_trade_at_the_end_of_a_bar_belongs_to_the_next_one() -> None:
    series = BarSeries("A-B", None)
    series.trade(traded(59 * SECOND, 100, 5))
    series.trade(traded(60 * SECOND, 200, 7))
    assert [numbers(bar) for bar in series.closed("1m")] == [(0, 100, 100, 100, 100, 5)]
    assert numbers(series.open_bar("1m", 60 * SECOND)) == (60, 200, 200, 200, 200, 7)


def test_a_minute_without_a_trade_is_flat_at_the_last_close() -> None:
    series = BarSeries("A-B", None)
    series.trade(traded(0, 100, 5))
    series.trade(traded(3 * MINUTE, 120, 5))
    assert [numbers(bar)[1:] for bar in series.closed("1m")] == [
        (100,) * 4 + (5,),
        (100,) * 4 + (0,),
        (100,) * 4 + (0,),
    ]


def test_after_a_long_silence_only_as_many_flat_bars_are_made_as_are_kept() -> None:
    series = BarSeries("A-B", None)
    series.trade(traded(0, 100, 5))
    series.advance(10 * BARS_KEPT * MINUTE)
    minutes = series.closed("1m")
    assert len(minutes) == BARS_KEPT
    assert minutes[-1].ts_ns == 10 * BARS_KEPT * MINUTE


def test_weeks_begin_on_monday_and_months_on_their_first() -> None:
    wednesday = ns("2024-02-28T13:00:00")
    assert span_of("1w", wednesday) == (ns("2024-02-26T00:00:00"), ns("2024-03-04T00:00:00"))
    assert span_of("1M", wednesday) == (ns("2024-02-01T00:00:00"), ns("2024-03-01T00:00:00"))
    assert span_of("1M", ns("2023-12-31T23:59:59")) == (ns("2023-12-01T00:00:00"), ns("2024-01-01T00:00:00"))


def test_hours_are_made_of_recorded_minutes_but_not_the_other_way_round() -> None:
    from_minutes = BarSeries("A-B", "15m")
    assert from_minutes.intervals == ("15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
    with pytest.raises(InvalidValue, match="expected one of the bar lengths 15m, 30m"):
        from_minutes.closed("1m")


def test_a_recorded_bar_completes_the_longer_one_that_ends_with_it() -> None:
    series, template = BarSeries("A-B", "30m"), BarSeries("A-B", None)
    template.trade(traded(0, 100, 5))
    first = next(bar for bar in template.advance(30 * MINUTE) if bar.timeframe == "30m")
    template.trade(traded(30 * MINUTE, 130, 2))
    second = next(bar for bar in template.advance(60 * MINUTE) if bar.timeframe == "30m")
    assert series.record(first) == [first]
    assert [bar.timeframe for bar in series.record(second)] == ["30m", "1h"]
    assert [numbers(bar) for bar in series.closed("1h")] == [(0, 100, 130, 100, 130, 7)]


trades_of_a_day = some.lists(
    some.tuples(some.integers(0, 86_400 - 1), some.integers(1, 1_000), some.integers(1, 50)), min_size=1, max_size=60
)
"""(second, ticks, lots)."""


@settings(deadline=None)
@given(
    trades=trades_of_a_day,
    interval=some.sampled_from(INTERVALS),
    until_s=some.integers(0, 3 * 86_400),
    pause_s=some.integers(0, 7_200),
)
def test_a_closed_or_open_bar_is_what_its_trades_say(
    trades: list[tuple[int, int, int]], interval: str, until_s: int, pause_s: int
) -> None:
    trades = sorted(trades, key=lambda trade: trade[0])
    now_ns = max(trades[-1][0], until_s) * SECOND
    series = BarSeries("A-B", None)
    for (second, ticks, lots), (following, _, _) in pairwise([*trades, (now_ns // SECOND, 0, 0)]):
        series.trade(traded(second * SECOND, ticks, lots))
        series.advance(min(second + pause_s, following) * SECOND)
    series.advance(now_ns)
    assert all(later.open_ns == earlier.ts_ns for earlier, later in pairwise(series.closed(interval)))
    found = {bar.open_ns: bar for bar in series.closed(interval) if bar.volume}
    still_open = series.open_bar(interval, now_ns)
    if still_open is not None and still_open.volume:
        found[still_open.open_ns] = still_open
    expected = counted(trades, interval)
    if len(series.closed(interval)) < BARS_KEPT:  # otherwise the oldest have been forgotten
        assert set(found) == set(expected)
    for open_ns, bar in found.items():
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == expected[open_ns]


def counted(trades: Sequence[tuple[int, int, int]], interval: str) -> dict[int, tuple[int, int, int, int, int]]:
    """Open, high, low, close and volume by opening time, the direct way."""
    groups: dict[int, list[tuple[int, int]]] = {}
    for second, ticks, lots in trades:
        groups.setdefault(span_of(interval, second * SECOND)[0], []).append((ticks, lots))
    return {
        open_ns: (
            rows[0][0],
            max(ticks for ticks, _ in rows),
            min(ticks for ticks, _ in rows),
            rows[-1][0],
            sum(lots for _, lots in rows),
        )
        for open_ns, rows in groups.items()
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no recorded data beside the repository (../shared/data)")
@pytest.mark.parametrize("interval", ["1m", "5m"])
def test_recorded_trades_make_the_bars_that_the_venue_published(interval: str) -> None:
    files = find_recording(SHARED / "trades" / "binance", Quality.TRADES, ["XRP-ETH"])
    recording = TradeRecording(files, timeframe=interval)
    (instrument,) = recording.instruments
    series = BarSeries("XRP-ETH", None)
    made: dict[int, BarClosed] = {}
    for step in recording.steps():
        for trade in step:
            assert isinstance(trade, PublicTrade)
            made |= {bar.open_ns: bar for bar in series.trade(trade) if bar.timeframe == interval}
    published = pq.read_table(SHARED / "candles" / "binance" / f"XRP-ETH-{interval}-201910.parquet").to_pylist()
    whole = [row for row in published if row["timestamp"] * 1_000_000 in made]
    assert len(whole) >= len(published) - 1
    for row in whole:
        bar = made[row["timestamp"] * 1_000_000]
        prices = [instrument.ticks(Decimal(repr(row[name]))) for name in ("open", "high", "low", "close")]
        assert [bar.open, bar.high, bar.low, bar.close] == prices
        assert bar.volume == instrument.lots(Decimal(repr(row["volume"])))
