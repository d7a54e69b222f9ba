"""A dataset as the compiled passes want it: every symbol's bars behind one another, and the steps of time over all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidData
from n1v1.simulation.records import BAR
from n1v1.values import Instrument, decimal_places
from n1v1_research.datasets import Bars, Dataset

Column = NDArray[np.int64]

INSTRUMENT = np.dtype(
    [
        ("notional_divisor", "i8"),
        ("step_lots", "i8"),
        ("min_notional", "i8"),
        ("can_short", "?"),
        ("price_scale", "f8"),
        ("quantity_scale", "f8"),
        ("max_ticks", "i8"),
        ("max_lots", "i8"),
    ]
)
"""What kernels read of an `Instrument`, and by what ticks and lots are divided to become floats."""

CACHE_LINE = 64
ROW = np.dtype(
    {
        "names": list(BAR.names or ()),
        "formats": ["i8"] * len(BAR.names or ()),
        "offsets": [8 * place for place in range(len(BAR.names or ()))],
        "itemsize": CACHE_LINE,
    }
)
"""BAR as long as a line of the processor's cache: whatever is asked of a bar costs one access to memory."""

EXACT_IN_A_FLOAT = 2**53
"""Above it not every integer is a float, and compiled code would round where Python does not."""


@dataclass(frozen=True, eq=False)
class Market:
    """bars: of all symbols, in the order of their names. rows: symbol s has the bars rows[s] up to rows[s + 1].

    step_of: for every bar the index of its close among `close_ns`, the moments at which some bar closes.
    """

    instruments: tuple[Instrument, ...]
    timeframe: str
    bars: Bars
    rows: NDArray[np.int64]
    step_of: Column
    close_ns: Column

    @classmethod
    def of(cls, dataset: Dataset) -> Market:
        """Raises InvalidData when prices or volumes are too large to be exact as floats."""
        instruments = tuple(sorted(dataset.instruments, key=lambda instrument: instrument.symbol))
        columns = [dataset.columns(instrument.symbol) for instrument in instruments]
        for instrument, bars in zip(instruments, columns, strict=True):
            _refuse_inexact(instrument, bars)
        bars = columns[0] if len(columns) == 1 else _joined(columns)
        close_ns, step_of = np.unique(bars.close_ns, return_inverse=True) if len(columns) > 1 else _one_by_one(bars)
        rows = np.cumsum([0, *(len(part) for part in columns)])
        return cls(instruments, dataset.timeframe, bars, rows, step_of.astype(np.int64), close_ns)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(instrument.symbol for instrument in self.instruments)

    def of_symbol(self, index: int) -> slice:
        """The rows of one symbol."""
        return slice(int(self.rows[index]), int(self.rows[index + 1]))

    @cached_property
    def grid(self) -> NDArray[np.void]:
        """An INSTRUMENT for each symbol."""
        return np.array([_grid(instrument) for instrument in self.instruments], INSTRUMENT)

    @cached_property
    def table(self) -> NDArray[np.void]:
        """A ROW for each bar."""
        table = _aligned(len(self.bars))
        for name in ROW.names or ():
            table[name] = getattr(self.bars, name)
        return table


def _aligned(count: int) -> NDArray[np.void]:
    """`count` empty ROWs, each in a line of its own."""
    memory = np.empty((count + 1) * CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + count * CACHE_LINE].view(ROW)


def _grid(instrument: Instrument) -> tuple[Any, ...]:
    return (
        instrument.notional_divisor,
        instrument.step_lots,
        instrument.min_notional,
        instrument.can_short,
        float(10 ** decimal_places(instrument.tick_size)),
        float(10 ** decimal_places(instrument.lot_size)),
        int(instrument.max_price / instrument.tick_size),
        int(instrument.max_quantity / instrument.lot_size),
    )


def _joined(columns: list[Bars]) -> Bars:
    names = ("open_ns", "close_ns", "open", "high", "low", "close", "volume")
    return Bars(**{name: np.concatenate([getattr(bars, name) for bars in columns]) for name in names})


def _one_by_one(bars: Bars) -> tuple[Column, Column]:
    return bars.close_ns, np.arange(len(bars), dtype=np.int64)


def _refuse_inexact(instrument: Instrument, bars: Bars) -> None:
    for name in ("high", "volume"):
        column = getattr(bars, name)
        if len(column) and int(column.max()) >= EXACT_IN_A_FLOAT:
            raise InvalidData(
                f"{instrument.symbol}: {name} reaches {column.max()} units, more than a float holds exactly; "
                "a coarser tick_size or lot_size helps"
            )
