"""The marks of an account as columns: what a run of a million bars can keep without a million rows."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple, overload

EquityRow = tuple[int, int, int, tuple[tuple[str, int, int], ...]]
"""ts_ns, cash, equity, positions as (symbol, lots, mark in ticks)"""


class Held(NamedTuple):
    """What an account holds from `row` on. marks_from: where the marks of that row begin.

    places: symbol, lots and the place of its mark among those of a row, by symbol.
    """

    row: int
    marks_from: int
    cash: int
    places: tuple[tuple[str, int, int], ...]


class EquityRows(Sequence[EquityRow]):
    """Rows that are made when somebody reads them.

    Cash and lots change with fills only, so they are written down when they change. The marks of a row are as many as
    there were symbols then, and stand one row behind the other.
    """

    def __init__(self) -> None:
        self._times = array("q")
        self._equity = array("q")
        self._marks = array("q")
        self._held: list[Held] = []

    def hold(self, *, cash: int, lots: Mapping[str, int]) -> None:
        """What is held from the next row on. lots: by symbol, of every symbol that is marked."""
        places = tuple(sorted((symbol, held, place) for place, (symbol, held) in enumerate(lots.items())))
        self._held.append(Held(len(self), len(self._marks), cash, places))

    def add(self, ts_ns: int, equity: int, marks: Iterable[int]) -> None:
        """A row. marks: in ticks, of the symbols of the last `hold` in their order."""
        self._times.append(ts_ns)
        self._equity.append(equity)
        self._marks.extend(marks)

    def appenders(self) -> tuple[Callable[[int], None], Callable[[int], None], Callable[[int], None]]:
        """What adds time, equity and the mark of the only symbol: `add` in three calls, for those in a hurry."""
        return self._times.append, self._equity.append, self._marks.append

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[EquityRow]:
        for held, after in zip_longest(self._held, self._held[1:]):
            for row in range(held.row, after.row if after else len(self)):
                yield self._row(held, row)

    @overload
    def __getitem__(self, index: int) -> EquityRow: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[EquityRow, ...]: ...

    def __getitem__(self, index: int | slice) -> EquityRow | tuple[EquityRow, ...]:
        chosen = range(len(self))[index]
        return self._at(chosen) if isinstance(chosen, int) else tuple(self._at(row) for row in chosen)

    def _at(self, row: int) -> EquityRow:
        return self._row(self._held[bisect_right(self._held, row, key=_first_row) - 1], row)

    def _row(self, held: Held, row: int) -> EquityRow:
        marks, at = self._marks, held.marks_from + (row - held.row) * len(held.places)
        positions = tuple([(symbol, lots, marks[at + place]) for symbol, lots, place in held.places])
        return (self._times[row], held.cash, self._equity[row], positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<{len(self):,} EquityRows>"


def _first_row(held: Held) -> int:
    return held.row
