"""Bars as columns of integers: what every batch computation reads, and what a dataset is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1.ids import bar_id, correlation_id

Column = NDArray[np.int64]

_ROWS_AT_A_TIME = 16_384


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars of one symbol, oldest first; row i of every column is one bar.

    Times in nanoseconds UTC, prices in ticks, volume in lots. Every column is contiguous, of int64 and read-only; one
    that could still be written to is copied. Raises InvalidValue when the columns are not of one length.
    """

    open_ns: Column
    close_ns: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column

    def __post_init__(self) -> None:
        for name in COLUMN_NAMES:
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        lengths = {name: len(getattr(self, name)) for name in COLUMN_NAMES}
        if len(set(lengths.values())) != 1:
            raise InvalidValue(f"columns of bars must be of one length, got {lengths}")

    def __len__(self) -> int:
        return len(self.open_ns)

    @classmethod
    def of_events(cls, bars: Sequence[BarClosed]) -> Bars:
        rows = [(b.open_ns, b.ts_ns, b.open, b.high, b.low, b.close, b.volume) for b in bars]
        return cls(*np.array(rows, dtype=np.int64).reshape(len(rows), len(COLUMN_NAMES)).T)

    def events(self, symbol: str, timeframe: str) -> tuple[BarClosed, ...]:
        """The same bars one by one, as they are announced."""
        return tuple(
            BarClosed(
                id=bar_id(symbol, timeframe, close_ns),
                ts_ns=close_ns,
                correlation_id=correlation_id(symbol, close_ns),
                symbol=symbol,
                timeframe=timeframe,
                open_ns=open_ns,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
            )
            for open_ns, close_ns, open_, high, low, close, volume in zip(
                *(getattr(self, name).tolist() for name in COLUMN_NAMES), strict=True
            )
        )

    def rows(self, chosen: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Bars:
        """The chosen rows, which must stay in their order."""
        return Bars(*(getattr(self, name)[chosen] for name in COLUMN_NAMES))

    def between(self, first_ns: int, end_ns: int | None) -> Bars:
        """The bars that open at or after `first_ns` and before `end_ns` (None: to the last)."""
        first = np.searchsorted(self.open_ns, first_ns)
        end = len(self) if end_ns is None else np.searchsorted(self.open_ns, end_ns)
        return self.rows(slice(int(first), int(end)))

    def canonical_text(self) -> Iterator[bytes]:
        """What the id of a dataset is made from: one line a bar, open_ns,open,high,low,close,volume in decimals."""
        columns = (self.open_ns, self.open, self.high, self.low, self.close, self.volume)
        for start in range(0, len(self), _ROWS_AT_A_TIME):
            part = np.column_stack([column[start : start + _ROWS_AT_A_TIME] for column in columns])
            # One formatting of many rows takes half the time of a formatting for each.
            yield ("%d,%d,%d,%d,%d,%d\n" * len(part) % tuple(part.ravel().tolist())).encode()


COLUMN_NAMES = tuple(column.name for column in fields(Bars))


def _read_only(values: Column) -> Column:
    column = np.ascontiguousarray(values, dtype=np.int64)
    if column.flags.writeable:
        column = column.copy()
        column.flags.writeable = False
    return column
