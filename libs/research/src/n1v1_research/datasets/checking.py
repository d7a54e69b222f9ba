"""From tables to bars. Every row that cannot be one is named, with what was found and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.calendar_grid import grid_start_ns
from n1v1_research.datasets.columns import Bars, Column
from n1v1_research.datasets.exact import Units, units_of
from n1v1_research.datasets.sources import RawTable, Reading
from n1v1_research.datasets.time_columns import moments_of

ROWS_NAMED_AT_MOST = 20

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class BadRow:
    place: str
    complaint: str

    def __str__(self) -> str:
        return f"{self.place}: {self.complaint}"


@dataclass(frozen=True)
class Checked:
    """bars: of the rows that are right. bad_rows: the others, in the order of the files. rounded: values."""

    bars: Bars
    bad_rows: tuple[BadRow, ...]
    rounded: int


def check(
    tables: Sequence[RawTable], instrument: Instrument, timeframe: str, reading: Reading, *, now_ns: int | None = None
) -> Checked:
    """The bars of one symbol from one file or several that follow one another.

    now_ns: bars that close later are refused; None: whoever recorded them is trusted.
    """
    tables = [*tables[:-1], without_last_row(tables[-1])] if reading.drops_last else tables
    times = _joined(moments_of(table.columns["time"], reading.time_unit, reading.zone) for table in tables)
    prices = [_units(tables, name, instrument.tick_size, reading) for name in PRICES]
    volume = _units(tables, "volume", instrument.lot_size, reading)
    step_ns = timeframe_ns(timeframe)
    opens = times.values - (step_ns if reading.stamps == "close" else 0)

    complaints = _Complaints(tables)
    complaints.add(times.complaints)
    _check_times(complaints, opens, timeframe, now_ns)
    for units in (*prices, volume):
        complaints.add(units.complaints)
    _check_prices(complaints, [units.values for units in prices], instrument)

    right = complaints.are_absent()
    bars = Bars(opens[right], opens[right] + step_ns, *(units.values[right] for units in (*prices, volume)))
    return Checked(bars, complaints.bad_rows(), sum(units.rounded for units in (*prices, volume)))


def refusal(source: str, bad_rows: Sequence[BadRow]) -> str:
    """The message that names them; not all, when they are very many."""
    shown = [str(bad_row) for bad_row in bad_rows[:ROWS_NAMED_AT_MOST]]
    if hidden := len(bad_rows) - len(shown):
        shown.append(f"... and {hidden:,} more")
    count = "1 bad row" if len(bad_rows) == 1 else f"{len(bad_rows):,} bad rows"
    return "\n".join([f"{source} has {count}:", *shown])


def without_last_row(table: RawTable) -> RawTable:
    """Of a file without rows, the same."""
    keep = max(0, len(table.numbers) - 1)
    columns = {name: column.slice(0, keep) for name, column in table.columns.items()}
    return replace(table, columns=columns, numbers=table.numbers[:keep])


class _Complaints:
    """The first complaint about each row; rows are counted through all files, from 0."""

    def __init__(self, tables: Sequence[RawTable]) -> None:
        self.tables = tables
        self._starts = np.cumsum([0, *(len(table.numbers) for table in tables)])
        self._by_row: dict[int, str] = {}

    def add(self, complaints: Mapping[int, str]) -> None:
        for row, complaint in complaints.items():
            self._by_row.setdefault(row, complaint)

    def about(self, rows: NDArray[np.bool_], words: str) -> None:
        """The same words about many rows; {time} in them is the time that the file has there."""
        for row in np.flatnonzero(rows).tolist():
            self._by_row.setdefault(row, words.format(time=self._time_text(row)))

    def are_absent(self) -> NDArray[np.bool_]:
        """Which rows nobody has complained of."""
        right = np.ones(int(self._starts[-1]), dtype=np.bool_)
        right[list(self._by_row)] = False
        return right

    def last_rows(self) -> Iterator[tuple[int, RawTable]]:
        """The last row of every file that has one."""
        for start, table in zip(self._starts.tolist(), self.tables, strict=False):
            if len(table.numbers):
                yield start + len(table.numbers) - 1, table

    def bad_rows(self) -> tuple[BadRow, ...]:
        found = [(*self._located(row), complaint) for row, complaint in self._by_row.items()]
        bad = [(file, int(self.tables[file].numbers[row]), complaint) for file, row, complaint in found]
        for file, table in enumerate(self.tables):
            bad += [(file, number, complaint) for number, complaint in table.unreadable.items()]
        return tuple(BadRow(self.tables[file].place(number), complaint) for file, number, complaint in sorted(bad))

    def _located(self, row: int) -> tuple[int, int]:
        """Number of the file, and of the row in it."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        return file, row - int(self._starts[file])

    def _time_text(self, row: int) -> str:
        file, row = self._located(row)
        return str(self.tables[file].columns["time"][row].as_py())


def _check_times(complaints: _Complaints, opens: Column, timeframe: str, now_ns: int | None) -> None:
    """On the grid, over by now, and each after the one before it among those that are."""
    step_ns = timeframe_ns(timeframe)
    complaints.about(
        complaints.are_absent() & ((opens - grid_start_ns(timeframe)) % step_ns != 0),
        f"time {{time}} is not on the {timeframe} grid",
    )
    if now_ns is not None:
        _check_ended(complaints, opens, step_ns, now_ns)
    placed = np.where(complaints.are_absent(), opens, -1)
    before = np.maximum.accumulate(np.concatenate(([-1], placed)))[:-1]
    complaints.about((placed >= 0) & (placed == before), "time {time} is a duplicate of an earlier row")
    complaints.about((placed >= 0) & (placed < before), "time {time} is before the row before it")


def _check_ended(complaints: _Complaints, opens: Column, step_ns: int, now_ns: int) -> None:
    """A bar is whole when its time is over: now, and when its file was written as far as the file can tell."""
    last = "(--drop-last leaves out the last row)"
    complaints.about(
        complaints.are_absent() & (opens + step_ns > now_ns), f"the bar at {{time}} is not over yet {last}"
    )
    for row, table in complaints.last_rows():
        opened = int(opens[row])
        if table.written_ns is not None and opened < table.written_ns < opened + step_ns:
            written = datetime.fromtimestamp(table.written_ns // 10**9, UTC)
            complaints.add(
                {row: f"the bar was not over when the file was written, {written:%Y-%m-%d %H:%M:%S}Z {last}"}
            )


def _check_prices(complaints: _Complaints, prices: Sequence[Column], instrument: Instrument) -> None:
    """prices: open, high, low and close in ticks."""
    open_, high, low, close = prices
    highest = instrument.ticks(instrument.max_price)
    wrong = (low <= 0) | (open_ < low) | (open_ > high) | (close < low) | (close > high) | (high > highest)
    for row in np.flatnonzero(complaints.are_absent() & wrong).tolist():
        complaints.add({row: _price_complaint(instrument, *(int(column[row]) for column in prices))})


def _price_complaint(instrument: Instrument, open_: int, high: int, low: int, close: int) -> str:
    price = instrument.price
    if low <= 0:
        return f"low {price(low)} is not positive"
    if high < low:
        return f"high {price(high)} is below low {price(low)}"
    if high > instrument.ticks(instrument.max_price):
        return f"high {price(high)} is above the instrument's max_price {instrument.max_price}"
    name, outside = ("open", open_) if not low <= open_ <= high else ("close", close)
    return f"{name} {price(outside)} is outside low {price(low)} to high {price(high)}"


def _units(tables: Sequence[RawTable], name: str, unit: Decimal, reading: Reading) -> Units:
    return _joined(units_of(table.columns[name], unit, what=name, rounds=reading.rounds) for table in tables)


def _joined(parts: Iterable[Units]) -> Units:
    values, complaints, rounded, start = [np.empty(0, dtype=np.int64)], {}, 0, 0
    for part in parts:
        complaints.update({start + row: complaint for row, complaint in part.complaints.items()})
        values.append(part.values)
        rounded += part.rounded
        start += len(part.values)
    return Units(np.concatenate(values), complaints, rounded)
