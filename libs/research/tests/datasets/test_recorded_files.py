"""Files that venues' users recorded, imported as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1.errors import InvalidData
from n1v1_research.datasets.importing import Imported, import_files
from n1v1_research.datasets.moments import moment_ns
from n1v1_research.datasets.sources import Reading

CANDLES = Path(__file__).parents[5] / "shared" / "data" / "candles"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not CANDLES.is_dir(), reason=f"recorded market data is not there: {CANDLES}"),
]


def imported(file: str, symbol: str, timeframe: str, reading: Reading | None = None) -> Imported:
    return import_files(
        {symbol: [CANDLES / file]},
        name="recorded",
        timeframe=timeframe,
        reading=reading or Reading(),
        grids={},
        now_ns=moment_ns("2026-01-01"),
    )


@pytest.mark.parametrize(
    ("file", "symbol", "timeframe", "bars", "gaps", "missing"),
    [
        ("binance/BTC-BUSD-1m-20221213.parquet", "BTC-BUSD", "1m", 1_440, 0, 0),
        ("bittrex/ETC-BTC-1m-201807.parquet", "ETC-BTC", "1m", 8_306, 3_005, 6_091),
        ("bittrex/XRP-BTC-1m-201807.parquet", "XRP-BTC", "1m", 11_248, 2_168, 3_150),
        ("bittrex/XVG-BTC-1m-201807.parquet", "XVG-BTC", "1m", 10_889, 2_386, 3_508),
        ("binance/BTC-USDT-4h-201804.parquet", "BTC-USDT", "4h", 500, 1, 7),
        ("binance/BTC-USDT-1w-201804.parquet", "BTC-USDT", "1w", 37, 0, 0),
    ],
)
def test_gaps_are_those_that_the_description_of_the_data_counts(
    file: str, symbol: str, timeframe: str, bars: int, gaps: int, missing: int
) -> None:
    dataset = imported(file, symbol, timeframe).dataset
    assert len(dataset.columns(symbol)) == bars
    assert (len(dataset.gaps), sum(gap.missing_bars for gap in dataset.gaps)) == (gaps, missing)


def test_minutes_with_holes_make_the_half_hours_that_the_venue_has() -> None:
    """Bittrex has no bar for a minute without a trade; its half hours are whole and say the same of price."""
    made = imported("bittrex/XRP-BTC-1m-201807.parquet", "XRP-BTC", "1m").dataset.resampled("30m").columns("XRP-BTC")
    venue = imported("bittrex/XRP-BTC-30m-201807.parquet", "XRP-BTC", "30m").dataset.columns("XRP-BTC")
    known = {ns: row for row, ns in enumerate(venue.open_ns.tolist())}
    pairs = [(row, known[ns]) for row, ns in enumerate(made.open_ns.tolist()) if ns in known][
        1:
    ]  # the first is partial
    assert len(pairs) > 400
    equal = [
        (made.open[a], made.high[a], made.low[a], made.close[a])
        == (venue.open[b], venue.high[b], venue.low[b], venue.close[b])
        for a, b in pairs
    ]
    assert sum(equal) / len(equal) > 0.95


def test_float_noise_is_named_by_row_and_gone_when_rounded() -> None:
    file = ("binance-usdm/XRP-USDT-PERP-5m-202111.parquet", "XRP-USDT", "5m")
    with pytest.raises(InvalidData, match=r"row 13: high 1\.2147000000000001 is not a multiple of 0\.0001"):
        imported(*file)
    rounded = imported(*file, reading=Reading(rounds=True))
    assert (rounded.rounded, len(rounded.dataset.columns("XRP-USDT"))) == (260, 1_999)
