"""What market_data has published, kept in Parquet files by day, from which the day replays.

    <folder>/<venue>/bars-<timeframe>/<symbol>/<day>/<part>.parquet     timestamp, open, high, low, close, volume
    <folder>/<venue>/trades/<symbol>/<day>/<part>.parquet               timestamp, id, side, price, amount
    <folder>/<venue>/book/<symbol>/<day>/<part>.parquet                 timestamp, kind, first_id, last_id, bids, asks
    <folder>/<venue>/prices/<symbol>/<day>/<part>.parquet               timestamp, kind, values
    <folder>/<venue>/lost/<symbol>/<day>/<part>.parquet                 what is missing in the others

Days are UTC and of market time. Times are milliseconds, as venues have them; prices and quantities exact texts. A part
appears whole or not at all, and is never changed; the same may stand in two of them after a kill: archived_day.py reads
it once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import structlog
from pyarrow import parquet

from n1v1.events import (
    BarClosed,
    BookChanged,
    BookSnapshot,
    Event,
    FundingRate,
    Level,
    MarketDataLost,
    MarkPrice,
    TickerSeen,
    TradeSeen,
)
from n1v1.values import Instrument, from_units

log = structlog.get_logger()

FLUSH_S = 30.0
ROWS_KEPT_MAX = 200_000
"""In memory: what comes beyond them, because the disk is slower than the market, is counted and said in the log."""
MS_NS = 1_000_000

_TEXT, _TIME = pa.string(), pa.int64()
SCHEMAS = {
    "bars": pa.schema([("timestamp", _TIME), *((name, _TEXT) for name in ("open", "high", "low", "close", "volume"))]),
    "trades": pa.schema([("timestamp", _TIME), *((name, _TEXT) for name in ("id", "side", "price", "amount"))]),
    "book": pa.schema(
        [
            ("timestamp", _TIME),
            ("kind", _TEXT),
            ("first_id", _TIME),
            ("last_id", _TIME),
            ("bids", pa.list_(pa.list_(_TEXT))),
            ("asks", pa.list_(pa.list_(_TEXT))),
        ]
    ),
    "prices": pa.schema([("timestamp", _TIME), ("kind", _TEXT), ("values", _TEXT)]),
    "lost": pa.schema(
        [
            ("timestamp", _TIME),
            ("channel", _TEXT),
            ("lost", _TIME),
            ("reason", _TEXT),
            ("first_id", _TEXT),
            ("last_id", _TEXT),
        ]
    ),
}

Row = dict[str, Any]
"""By the columns of a schema."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go: table is a name of SCHEMAS; folder names it among those of other timeframes."""

    table: str
    folder: str
    symbol: str
    day: str


class Archive:
    """Keeps rows in memory and writes them as parts from time to time, in a thread: nobody waits for the disk."""

    def __init__(self, folder: Path, instruments: Sequence[Instrument], *, now_ns: Callable[[], int]) -> None:
        """folder: of one venue. now_ns: what parts are named by."""
        self._folder = folder
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._now_ns = now_ns
        self._rows: dict[Place, list[Row]] = {}
        self._count = 0
        self._left_out = 0
        self._parts = itertools.count()

    def keep(self, events: Sequence[Event]) -> None:
        for event in events:
            symbol = getattr(event, "symbol", "")
            found = _row(event, self._instruments[symbol]) if symbol in self._instruments else None
            if found is None:
                continue
            if self._count >= ROWS_KEPT_MAX:
                self._left_out += 1
                continue
            table, folder, row = found
            place = Place(table, folder, symbol, day_of(row["timestamp"] * MS_NS))
            self._rows.setdefault(place, []).append(row)
            self._count += 1

    async def run(self) -> None:
        """Write from time to time until cancelled, and then what is left."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self.flush()
        finally:
            self._write(self._taken())

    async def flush(self) -> None:
        await asyncio.to_thread(self._write, self._taken())

    def _taken(self) -> Mapping[Place, list[Row]]:
        if self._left_out:
            log.error("the archive lacks rows: the disk is slower than the market", rows=self._left_out)
        taken, self._rows, self._count, self._left_out = self._rows, {}, 0, 0
        return taken

    def _write(self, rows: Mapping[Place, list[Row]]) -> None:
        for place, kept in rows.items():
            folder = self._folder / place.folder / place.symbol / place.day
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{self._now_ns():020d}-{next(self._parts):06d}.parquet"
            incoming = folder / f".{name}.{os.getpid()}"
            parquet.write_table(pa.Table.from_pylist(kept, schema=SCHEMAS[place.table]), incoming)
            incoming.rename(folder / name)


def day_of(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def _row(event: Event, instrument: Instrument) -> tuple[str, str, Row] | None:
    """Table, folder and row of an event; None for one that is not kept."""
    row: Row = {"timestamp": event.ts_ns // MS_NS}
    match event:
        case BarClosed():
            row["timestamp"] = event.open_ns // MS_NS
            prices = {name: _price(getattr(event, name), instrument) for name in ("open", "high", "low", "close")}
            row |= prices | {"volume": _quantity(event.volume, instrument)}
            return "bars", f"bars-{event.timeframe}", row
        case TradeSeen():
            row |= {"id": event.trade_id, "side": "sell" if event.is_buyer_maker else "buy"}
            row |= {"price": _price(event.ticks, instrument), "amount": _quantity(event.lots, instrument)}
            return "trades", "trades", row
        case BookSnapshot():
            row |= {"kind": "snapshot", "first_id": event.update_id, "last_id": event.update_id}
            return "book", "book", row | _levels(event.bids, event.asks, instrument)
        case BookChanged():
            row |= {"kind": "change", "first_id": event.first_update_id, "last_id": event.last_update_id}
            return "book", "book", row | _levels(event.bids, event.asks, instrument)
        case TickerSeen() | FundingRate() | MarkPrice():
            return "prices", "prices", row | {"kind": type(event).__name__, "values": _values(event, instrument)}
        case MarketDataLost():
            names = ("channel", "lost", "reason", "first_id", "last_id")
            return "lost", "lost", row | {name: getattr(event, name) for name in names}
        case _:
            return None


def _values(event: TickerSeen | FundingRate | MarkPrice, instrument: Instrument) -> str:
    match event:
        case TickerSeen():
            ticks = {"bid": event.bid_ticks, "ask": event.ask_ticks, "last": event.last_ticks}
            lots = {"bid_quantity": event.bid_lots, "ask_quantity": event.ask_lots}
            values: dict[str, str | int | None] = {
                **{name: None if value is None else _price(value, instrument) for name, value in ticks.items()},
                **{name: None if value is None else _quantity(value, instrument) for name, value in lots.items()},
            }
        case FundingRate():
            values = {"rate": format(Decimal(event.rate_ppb).scaleb(-9), "f"), "next_ms": event.next_ns // MS_NS}
        case MarkPrice():
            values = {"price": str(from_units(event.price, instrument.quantum))}
    return json.dumps(values)


def _levels(bids: Sequence[Level], asks: Sequence[Level], instrument: Instrument) -> Row:
    def texts(levels: Sequence[Level]) -> list[list[str]]:
        return [[_price(ticks, instrument), _quantity(lots, instrument)] for ticks, lots in levels]

    return {"bids": texts(bids), "asks": texts(asks)}


def _price(ticks: int, instrument: Instrument) -> str:
    return format(from_units(ticks, instrument.tick_size), "f")


def _quantity(lots: int, instrument: Instrument) -> str:
    return format(from_units(lots, instrument.lot_size), "f")
