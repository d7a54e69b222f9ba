"""A day of the archive as one file, from which it replays.

    python -m n1v1_market_data.archived_day bars-1m FOLDER BTC-USDT 2026-11-24     n1v1 data import reads it
    python -m n1v1_market_data.archived_day trades FOLDER BTC-USDT 2026-11-24      n1v1 venue --quality trades
    python -m n1v1_market_data.archived_day book FOLDER BTC-USDT 2026-11-24        n1v1 venue --quality depth

FOLDER is that of a venue in the archive. The file is written into the current folder, or to --to.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
from pyarrow import parquet

from n1v1.errors import InvalidData, N1v1Error
from n1v1_market_data.archive import MS_NS, SCHEMAS, Row


def rows_of_day(folder: Path, symbol: str, day: str) -> list[Row]:
    """Each row of a table once, in the order in which it was kept. Raises InvalidData when nothing was."""
    parts = sorted((folder / symbol / day).glob("*.parquet"))
    if not parts:
        raise InvalidData(f"nothing of {symbol} was kept on {day} in {folder}")
    rows = (row for part in parts for row in parquet.ParquetFile(part).read().to_pylist())
    return list({json.dumps(row, sort_keys=True): row for row in rows}.values())


def merge_day(folder: Path, symbol: str, day: str, destination: Path) -> int:
    """The bars or trades of a day as one Parquet file, by time; how many.

    folder: of the table, as in <archive>/<venue>/trades. Raises InvalidData when nothing of the day was kept.
    """
    rows = sorted(rows_of_day(folder, symbol, day), key=lambda row: (row["timestamp"], _number(row.get("id"))))
    destination.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[folder.name.partition("-")[0]]), destination)
    return len(rows)


def capture_day(venue: Path, symbol: str, day: str, destination: Path) -> int:
    """The book and the trades of a day as a capture of Binance's streams; how many messages.

    A book that was begun anew during the day is two captures in one, which the simulator refuses: it says where.
    """
    book = (_of_book(row, symbol) for row in rows_of_day(venue / "book", symbol, day))
    trades = (venue / "trades" / symbol / day).is_dir()
    dealt = (_of_trade(row, symbol) for row in (rows_of_day(venue / "trades", symbol, day) if trades else ()))
    destination.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with gzip.open(destination, "wt") as file:
        for ts_ms, message in _by_time(book, dealt):
            file.write(f"{ts_ms * MS_NS} {json.dumps(message, separators=(',', ':'))}\n")
            count += 1
    return count


Message = tuple[int, Row]


def _by_time(*streams: Iterable[Message]) -> Iterator[Message]:
    """Merged by time; what one stream has stays in its order."""
    return heapq.merge(*streams, key=lambda message: message[0])


def _of_book(row: Row, symbol: str) -> Message:
    wire, ts_ms = symbol.replace("-", ""), row["timestamp"]
    if row["kind"] == "snapshot":
        return ts_ms, {"lastUpdateId": row["last_id"], "bids": row["bids"], "asks": row["asks"]}
    change = {"e": "depthUpdate", "E": ts_ms, "s": wire, "U": row["first_id"], "u": row["last_id"]}
    return ts_ms, _streamed(wire, "depth@100ms", change | {"b": row["bids"], "a": row["asks"]})


def _of_trade(row: Row, symbol: str) -> Message:
    wire, ts_ms = symbol.replace("-", ""), row["timestamp"]
    trade = {"e": "trade", "E": ts_ms, "s": wire, "t": int(row["id"]), "p": row["price"], "q": row["amount"]}
    return ts_ms, _streamed(wire, "trade", trade | {"T": ts_ms, "m": row["side"] == "sell", "M": True})


def _streamed(wire: str, stream: str, data: Row) -> Row:
    return {"stream": f"{wire.lower()}@{stream}", "data": data}


def _number(trade_id: str | None) -> int:
    return int(trade_id) if trade_id is not None and trade_id.isdecimal() else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m n1v1_market_data.archived_day", description="A day as one file.")
    parser.add_argument("table", help="bars-<timeframe>, trades or book")
    parser.add_argument("folder", type=Path, help="of a venue in the archive")
    parser.add_argument("symbol", help="as in BTC-USDT")
    parser.add_argument("day", help="UTC, as in 2026-11-24")
    parser.add_argument("--to", type=Path, help="the file (SYMBOL-DAY.parquet, or .ws.gz for a book)")
    given = parser.parse_args(arguments)
    is_book = given.table == "book"
    destination = given.to or Path(f"{given.symbol}-{given.day}{'.ws.gz' if is_book else '.parquet'}")
    try:
        if is_book:
            count = capture_day(given.folder, given.symbol, given.day, destination)
        else:
            count = merge_day(given.folder / given.table, given.symbol, given.day, destination)
    except N1v1Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{destination}: {count:,} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
