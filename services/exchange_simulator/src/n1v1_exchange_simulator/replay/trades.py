"""Recorded trades: Parquet files with the columns timestamp (ms), id, side (of the taker), price, amount."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from heapq import merge
from operator import attrgetter
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types

from n1v1.errors import InvalidData
from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import PublicTrade
from n1v1_exchange_simulator.replay.recordings import SymbolFiles, content_hash
from n1v1_exchange_simulator.replay.source import Quality, Step, steps_of
from n1v1_research.datasets.arrow import ArrowColumn
from n1v1_research.datasets.exact import finite_values, places_needed, units_of
from n1v1_research.datasets.grids import FINEST_LOT_PLACES, FINEST_TICK_PLACES, Grid, instrument_on

COLUMNS = ("timestamp", "id", "side", "price", "amount")
NANOSECONDS_PER_MS = 1_000_000
_BUYER_TOOK, _SELLER_TOOK = "buy", "sell"


class TradeRecording:
    """A `Source` of trades; those of one taker at one price are one step. Several symbols are merged by time, at equal
    times by symbol.

    Raises InvalidData for a file that is none of trades, naming the column or the row.
    """

    quality = Quality.TRADES
    total_steps = None  # only reading all of it tells

    def __init__(self, recording: Sequence[SymbolFiles], *, timeframe: str) -> None:
        self.timeframe = timeframe
        self.identity = content_hash(recording)
        self._trades = {each.symbol: _SymbolTrades(each) for each in recording}
        if not any(len(trades) for trades in self._trades.values()):
            raise InvalidData(f"{', '.join(self._trades)}: no trade was recorded")

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(trades.instrument for trades in self._trades.values())

    @cached_property
    def first_ns(self) -> int:
        return next(self.steps())[0].ts_ns

    def steps(self) -> Iterator[Step]:
        by_symbol = [iter(trades) for _, trades in sorted(self._trades.items())]
        yield from steps_of(merge(*by_symbol, key=attrgetter("ts_ns")))


class _SymbolTrades:
    """Columns of units, from which trades are made as they are wanted."""

    def __init__(self, files: SymbolFiles) -> None:
        tables = [_table(path) for path in files.paths]
        self.instrument = _instrument(files, tables)
        self._times: list[int] = []
        self._ids: list[str] = []
        self._sides: list[str] = []
        self._ticks: list[int] = []
        self._lots: list[int] = []
        for path, table in zip(files.paths, tables, strict=True):
            self._add(path, table)

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[PublicTrade]:
        last_ticks, number = 0, 0
        rows = zip(self._times, self._ids, self._sides, self._ticks, self._lots, strict=True)
        for time_ms, trade_id, side, ticks, lots in rows:
            number = int(trade_id) if trade_id.isascii() and trade_id.isdigit() else number + 1
            yield PublicTrade(
                ts_ns=time_ms * NANOSECONDS_PER_MS,
                symbol=self.instrument.symbol,
                number=number,
                ticks=ticks,
                lots=lots,
                # Where the side was not recorded: who trades lower than the last one has sold.
                is_buyer_maker=side == _SELLER_TOOK if side else ticks < last_ticks,
            )
            last_ticks = ticks

    def _add(self, path: Path, table: ArrowColumn) -> None:
        times = table.column("timestamp").to_pylist()
        earlier = self._times[-1] if self._times else 0
        for row, later in enumerate(times, start=1):
            if later < earlier:
                raise InvalidData(f"{path.name} row {row}: a trade at {later} ms comes after one at {earlier} ms")
            earlier = later
        self._times += times
        self._ids += [text or "" for text in table.column("id").cast(pa.string()).to_pylist()]
        self._sides += _sides(path, table)
        self._ticks += _units(path, table, "price", self.instrument.tick_size)
        self._lots += _units(path, table, "amount", self.instrument.lot_size)


def _table(path: Path) -> ArrowColumn:
    from pyarrow import parquet  # here, because it takes as long to import as all the rest, and bars do not need it

    try:
        table = parquet.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as problem:
        raise InvalidData(f"{path.name}: the file cannot be read as Parquet: {problem}") from problem
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InvalidData(
            f"{path.name}: expected the columns {', '.join(COLUMNS)}; "
            f"{', '.join(missing)} not among {', '.join(table.column_names)}"
        )
    return table


def _instrument(files: SymbolFiles, tables: Sequence[ArrowColumn]) -> Instrument:
    prices, amounts = ([table.column(name) for table in tables] for name in ("price", "amount"))
    highest = max((float(finite_values(column).max(initial=0.0)) for column in prices), default=0.0)
    if highest <= 0:
        raise InvalidData(f"{', '.join(path.name for path in files.paths)}: no trade has a positive price")
    grid = files.grid
    tick_places = places_needed(prices, at_most=FINEST_TICK_PLACES)
    lot_places = places_needed(amounts, at_most=FINEST_LOT_PLACES)
    return instrument_on(
        files.symbol,
        Grid(
            tick_size=grid.tick_size or Decimal(1).scaleb(-tick_places),
            lot_size=grid.lot_size or Decimal(1).scaleb(-lot_places),
            min_notional=grid.min_notional,
        ),
        highest=Decimal(repr(highest)),
    )


def _sides(path: Path, table: ArrowColumn) -> list[str]:
    sides = [text or "" for text in table.column("side").cast(pa.string()).to_pylist()]
    for row, side in enumerate(sides, start=1):
        if side not in ("", _BUYER_TOOK, _SELLER_TOOK):
            raise InvalidData(f"{path.name} row {row}: expected the side buy, sell or nothing; got {side!r}")
    return sides


def _units(path: Path, table: ArrowColumn, name: str, unit: Decimal) -> list[int]:
    units = units_of(table.column(name), unit, what=name)
    if units.complaints:
        row, complaint = next(iter(units.complaints.items()))
        raise InvalidData(f"{path.name} row {row + 1}: {complaint}")
    values: list[int] = units.values.tolist()
    for row, value in enumerate(values, start=1):
        if value <= 0:
            raise InvalidData(f"{path.name} row {row}: {name} must be positive")
    return values
