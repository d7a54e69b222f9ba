"""Parquet files of trades become steps in order of time, or are refused by file and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest

from n1v1.errors import InvalidData
from n1v1_exchange_simulator.market_events import PublicTrade
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality
from n1v1_exchange_simulator.replay.trades import TradeRecording

Row = tuple[int, str, str, float, float]


def written(path: Path, *rows: Row, **instead: Any) -> Path:
    names = ("timestamp", "id", "side", "price", "amount")
    columns: dict[str, Any] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) | instead
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)
    return path


def trades_in(folder: Path, *symbols: str) -> list[PublicTrade]:
    recording = TradeRecording(find_recording(folder, Quality.TRADES, symbols), timeframe="1m")
    found = [event for step in recording.steps() for event in step]
    return [event for event in found if isinstance(event, PublicTrade)]


def test_symbols_are_merged_by_time(tmp_path: Path) -> None:
    written(tmp_path / "A-X-202401.parquet", (1, "7", "buy", 10.5, 2.0), (5, "8", "sell", 10.0, 1.0))
    written(tmp_path / "B-X-202401.parquet", (1, "3", "sell", 0.25, 100.0), (4, "4", "buy", 0.5, 50.0))
    found = trades_in(tmp_path, "B-X", "A-X")
    assert [(trade.ts_ns // 1_000_000, trade.symbol, trade.number) for trade in found] == [
        (1, "A-X", 7),
        (1, "B-X", 3),
        (4, "B-X", 4),
        (5, "A-X", 8),
    ]
    assert [trade.is_buyer_maker for trade in found] == [False, True, False, True]
    assert [(trade.ticks, trade.lots) for trade in found] == [(105, 2), (25, 100), (50, 50), (100, 1)]


def test_trades_of_one_moment_price_and_side_are_one_takers_and_happen_at_once(tmp_path: Path) -> None:
    written(
        tmp_path / "A-X.parquet",
        (1, "1", "buy", 10.0, 1.0),
        (1, "2", "buy", 10.0, 2.0),
        (1, "3", "buy", 11.0, 3.0),
        (1, "4", "sell", 11.0, 4.0),
        (2, "5", "sell", 11.0, 5.0),
    )
    recording = TradeRecording(find_recording(tmp_path, Quality.TRADES, ["A-X"]), timeframe="1m")
    assert [len(step) for step in recording.steps()] == [2, 1, 1, 1]


def test_without_a_side_whoever_traded_lower_has_sold_and_without_an_id_trades_are_counted(tmp_path: Path) -> None:
    written(tmp_path / "A-X.parquet", (1, "", "", 10.0, 1.0), (2, "", "", 9.0, 1.0), (3, "", "", 9.0, 1.0))
    found = trades_in(tmp_path, "A-X")
    assert [(trade.number, trade.is_buyer_maker) for trade in found] == [(1, False), (2, True), (3, False)]


@pytest.mark.parametrize(
    ("rows", "instead", "complaint"),
    [
        ([(2, "1", "buy", 1.0, 1.0), (1, "2", "buy", 1.0, 1.0)], {}, "row 2: a trade at 1 ms comes after one at 2 ms"),
        ([(1, "1", "bid", 1.0, 1.0)], {}, "row 1: expected the side buy, sell or nothing; got 'bid'"),
        ([(1, "1", "buy", 1.0, 0.0)], {}, "row 1: amount must be positive"),
        ([(1, "1", "buy", -1.0, 1.0)], {}, "no trade has a positive price"),
        (
            [(1, "1", "buy", 1.0, 1.0)],
            {"price": None},
            "expected the columns timestamp, id, side, price, amount; price not",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, rows: list[Row], instead: dict[str, Any], complaint: str) -> None:
    written(tmp_path / "A-X.parquet", *rows, **instead)
    with pytest.raises(InvalidData, match=complaint):
        trades_in(tmp_path, "A-X")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A-X.parquet").write_text("timestamp,price")
    with pytest.raises(InvalidData, match=r"A-X\.parquet: the file cannot be read as Parquet"):
        trades_in(tmp_path, "A-X")
