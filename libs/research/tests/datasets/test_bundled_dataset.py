"""The bars that come with the package."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from n1v1.errors import InvalidData, UnknownName
from n1v1_research.datasets import Dataset, bundled, instruments, load

HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def whole() -> Dataset:
    return load("coinbase-4h")


def test_the_whole_history_of_both_symbols_is_there(whole: Dataset) -> None:
    assert bundled() == ("binance-1m", "coinbase-4h")
    assert whole.symbols == ("BTC-USD", "ETH-USD")
    assert {symbol: len(bars) for symbol, bars in whole.bars.items()} == {"BTC-USD": 14509, "ETH-USD": 14489}
    assert (len(whole.gaps), sum(gap.missing_bars for gap in whole.gaps)) == (10, 29)


def test_a_bar_carries_exact_values_and_derived_ids(whole: Dataset) -> None:
    bar = whole.bars["BTC-USD"][0]
    assert (bar.open, bar.high, bar.low, bar.close) == (45616, 45681, 45530, 45602)
    assert whole.instrument("BTC-USD").quantity(bar.volume) == Decimal("561.88098307")
    assert bar.ts_ns - bar.open_ns == 4 * HOUR_NS
    assert bar.correlation_id == f"BTC-USD@{bar.ts_ns // 1_000_000_000}"


def test_steps_go_forward_with_the_bars_of_one_close_sorted_by_symbol(whole: Dataset) -> None:
    steps = list(whole.steps())
    assert len(steps) == whole.total_steps == 14513
    assert all(before < after for (before, _), (after, _) in pairwise(steps))
    assert all(bar.ts_ns == close_ns for close_ns, bars in steps for bar in bars)
    assert all([bar.symbol for bar in bars] == sorted(bar.symbol for bar in bars) for _, bars in steps)


def test_start_is_inclusive_and_end_is_exclusive() -> None:
    day = load("coinbase-4h", symbols=["ETH-USD"], start="2020-01-01", end="2020-01-02")
    assert day.symbols == ("ETH-USD",)
    assert day.total_steps == 6
    assert day.bars["ETH-USD"][0].open_ns == 1_577_836_800_000_000_000


def test_the_id_depends_on_the_bars_and_not_on_the_order_of_the_symbols(whole: Dataset) -> None:
    orders = (["BTC-USD", "ETH-USD"], ["ETH-USD", "BTC-USD"])
    one, other = (load("coinbase-4h", symbols=order, start="2021-01-01", end="2021-02-01") for order in orders)
    assert one.id == other.id != whole.id


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'coinbase-4h'"):
        load("coinbase-4")
    with pytest.raises(UnknownName, match="did you mean 'BTC-USD'"):
        load("coinbase-4h", symbols=["BTC-USDT"])


def test_a_period_without_bars_is_an_error() -> None:
    with pytest.raises(InvalidData, match="no bars between"):
        load("coinbase-4h", start="2023-01-01")
    with pytest.raises(InvalidData, match="'soon' is not a time"):
        load("coinbase-4h", start="soon")


def test_instruments_can_be_had_without_reading_bars(whole: Dataset) -> None:
    assert instruments("coinbase-4h") == whole.instruments
    assert [instrument.symbol for instrument in instruments("coinbase-4h", symbols=["ETH-USD"])] == ["ETH-USD"]
