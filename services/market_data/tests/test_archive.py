"""A day that was kept is the day that was: as a dataset, as trades, and with what was missing."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it ships no types

from n1v1.errors import InvalidData
from n1v1.events import (
    BarClosed,
    BookChanged,
    BookSnapshot,
    Event,
    FundingRate,
    MarketDataLost,
    MarkPrice,
    TickerSeen,
    TradeSeen,
)
from n1v1.values import Instrument
from n1v1_market_data import archive
from n1v1_market_data.archive import Archive
from n1v1_market_data.archived_day import main, merge_day
from n1v1_research.datasets.importing import import_files
from n1v1_research.datasets.sources import Reading

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
MINUTE_NS = 60_000_000_000
DAY_NS = 1_704_067_200_000_000_000  # 2024-01-01
DAY = "2024-01-01"


def bar(minute: int) -> BarClosed:
    open_ns = DAY_NS + minute * MINUTE_NS
    return BarClosed(
        id=f"bar:{minute}",
        ts_ns=open_ns + MINUTE_NS,
        symbol="BTC-USD",
        timeframe="1m",
        open_ns=open_ns,
        open=4_200_001 + minute,
        high=4_200_105 + minute,
        low=4_199_900,
        close=4_200_050 + minute,
        volume=123_456_789,
    )


def trade(number: int, ms: int) -> TradeSeen:
    return TradeSeen(
        id=f"trade:{number}",
        ts_ns=DAY_NS + ms * 1_000_000,
        symbol="BTC-USD",
        trade_id=str(number),
        ticks=4_200_000 + number,
        lots=number,
        is_buyer_maker=number % 2 == 0,
    )


async def kept(folder: Path, *batches: list[Event]) -> None:
    """Each batch is a part, and the next is written by another life of the service."""
    times = count()
    for batch in batches:
        kept_by = Archive(folder, [BTC], now_ns=lambda: next(times))
        kept_by.keep(batch)
        await kept_by.flush()


async def test_the_bars_of_a_day_become_the_dataset_that_they_were(tmp_path: Path) -> None:
    bars = [bar(minute) for minute in range(5)]
    await kept(tmp_path, [bars[0], bars[1]], [bars[1], bars[2]], [bars[4], bars[3]])
    file = tmp_path / "day.parquet"
    assert merge_day(tmp_path / "bars-1m", "BTC-USD", DAY, file) == 5

    files = {"BTC-USD": [file]}
    imported = import_files(files, name="day", timeframe="1m", reading=Reading(), grids={}, now_ns=DAY_NS * 2)
    instrument = imported.dataset.instruments[0]
    found = imported.dataset.bars["BTC-USD"]
    assert [(each.open_ns, each.ts_ns) for each in found] == [(each.open_ns, each.ts_ns) for each in bars]
    for name in ("open", "high", "low", "close"):
        exact = [getattr(each, name) * instrument.tick_size for each in found]
        assert exact == [getattr(each, name) * BTC.tick_size for each in bars]
    assert [each.volume * instrument.lot_size for each in found] == [each.volume * BTC.lot_size for each in bars]


async def test_trades_are_merged_by_time_and_number_each_once(tmp_path: Path) -> None:
    await kept(tmp_path, [trade(9, 5), trade(10, 5), trade(11, 7)], [trade(10, 5), trade(8, 5)])
    assert merge_day(tmp_path / "trades", "BTC-USD", DAY, tmp_path / "day.parquet") == 4
    rows = parquet.ParquetFile(tmp_path / "day.parquet").read().to_pylist()
    assert [row["id"] for row in rows] == ["8", "9", "10", "11"]
    assert rows[1] == {
        "timestamp": DAY_NS // 1_000_000 + 5,
        "id": "9",
        "side": "buy",
        "price": "42000.09",
        "amount": "0.00000009",
    }


async def test_every_kind_is_kept_and_a_day_ends_at_midnight(tmp_path: Path) -> None:
    at: dict[str, Any] = {"ts_ns": DAY_NS + 1_000_000, "symbol": "BTC-USD"}
    events: list[Event] = [
        BookSnapshot(id="1", update_id=5, bids=((4_200_000, 100),), asks=(), **at),
        BookChanged(id="2", first_update_id=6, last_update_id=7, bids=(), asks=((4_200_100, 0),), **at),
        TickerSeen(id="3", bid_ticks=1, bid_lots=2, ask_ticks=None, ask_lots=None, **at),
        FundingRate(id="4", rate_ppb=-100_000, next_ns=0, **at),
        MarkPrice(id="5", price=4_200_012_345_678, **at),
        MarketDataLost(id="6", channel="trades", lost=3, reason="full", first_id="1", last_id="3", **at),
        trade(1, 86_400_000),
    ]
    await kept(tmp_path, events)
    tables = {table: sorted((tmp_path / table).rglob("*.parquet")) for table in ("book", "prices", "lost", "trades")}
    assert {table: len(files) for table, files in tables.items()} == dict.fromkeys(tables, 1)
    assert tables["trades"][0].parent.name == "2024-01-02"
    book = parquet.ParquetFile(tables["book"][0]).read().to_pylist()
    assert [row["bids"] for row in book] == [[["42000.00", "0.00000100"]], []]
    assert book[1]["asks"] == [["42001.00", "0.00000000"]]
    prices = parquet.ParquetFile(tables["prices"][0]).read().to_pylist()
    assert [row["kind"] for row in prices] == ["TickerSeen", "FundingRate", "MarkPrice"]
    assert '"rate": "-0.000100000"' in prices[1]["values"]
    assert '"price": "42000.12345678"' in prices[2]["values"]


async def test_what_is_left_is_written_when_the_service_ends(tmp_path: Path) -> None:
    keeper = Archive(tmp_path, [BTC], now_ns=lambda: 0)
    running = asyncio.ensure_future(keeper.run())
    await asyncio.sleep(0)
    keeper.keep([trade(1, 0)])
    running.cancel()
    await asyncio.wait([running])
    assert merge_day(tmp_path / "trades", "BTC-USD", DAY, tmp_path / "day.parquet") == 1


async def test_memory_is_bounded_when_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ROWS_KEPT_MAX", 2)
    await kept(tmp_path, [trade(number, number) for number in range(1, 6)])
    assert merge_day(tmp_path / "trades", "BTC-USD", DAY, tmp_path / "day.parquet") == 2


def test_the_command_says_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trades", str(tmp_path), "BTC-USD", DAY]) == 1
    assert "nothing of BTC-USD was kept" in capsys.readouterr().err


def test_a_day_that_was_not_kept_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nothing of BTC-USD was kept on 2024-01-01"):
        merge_day(tmp_path / "trades", "BTC-USD", DAY, tmp_path / "day.parquet")
