"""A dataset in memory: instruments, bars in time order, and what is missing between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, reduce

import numpy as np

from n1v1.events import BarClosed, GapFound
from n1v1.values import Instrument
from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.gaps import all_gaps


class Dataset:
    """Bars of one timeframe for some symbols, each on its instrument's grid. Nothing of it may be changed.

    bars: by symbol, oldest first, as columns or one by one. gaps: in time order, all those between the bars when they
    are not given; the bars around a gap are as they were recorded.
    """

    def __init__(
        self,
        name: str,
        timeframe: str,
        instruments: tuple[Instrument, ...],
        bars: Mapping[str, Bars | Sequence[BarClosed]],
        gaps: Sequence[GapFound] | None = None,
    ) -> None:
        self.name = name
        self.timeframe = timeframe
        self.instruments = instruments
        self._series = {
            symbol: given if isinstance(given, Bars) else Bars.of_events(given) for symbol, given in bars.items()
        }
        self._given_gaps = gaps

    def __repr__(self) -> str:
        counts = ", ".join(f"{symbol}: {len(self.columns(symbol)):,} bars" for symbol in self.symbols)
        return f"<Dataset {self.name!r} of {self.timeframe}; {counts}>"

    def columns(self, symbol: str) -> Bars:
        """The bars of one symbol as columns. Raises KeyError for a symbol that the dataset does not have."""
        return self._series[symbol]

    @cached_property
    def id(self) -> str:
        """SHA-256 of the instruments' grids and every bar: equal ids are equal data in any file."""
        content = hashlib.sha256()
        for instrument in self.instruments:
            content.update(f"{instrument!r} {self.timeframe}\n".encode())
            for rows in self.columns(instrument.symbol).canonical_text():
                content.update(rows)
        return content.hexdigest()

    @cached_property
    def bars(self) -> Mapping[str, tuple[BarClosed, ...]]:
        """The bars one by one, by symbol. They are made on the first use; `columns` costs nothing."""
        return {symbol: bars.events(symbol, self.timeframe) for symbol, bars in self._series.items()}

    @cached_property
    def gaps(self) -> tuple[GapFound, ...]:
        return all_gaps(self._series, self.timeframe) if self._given_gaps is None else tuple(self._given_gaps)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(instrument.symbol for instrument in self.instruments)

    def instrument(self, symbol: str) -> Instrument:
        return next(instrument for instrument in self.instruments if instrument.symbol == symbol)

    def steps(self) -> Iterator[tuple[int, tuple[BarClosed, ...]]]:
        """Every close time that has a bar, oldest first, with its bars sorted by symbol."""
        yield from self._by_close.items()

    @cached_property
    def total_steps(self) -> int:
        return len(self.close_times)

    @cached_property
    def close_times(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Every close time that has a bar, oldest first, in nanoseconds UTC."""
        closes = [bars.close_ns for bars in self._series.values()]
        return reduce(np.union1d, closes, np.empty(0, dtype=np.int64))

    @cached_property
    def _by_close(self) -> dict[int, tuple[BarClosed, ...]]:
        together: dict[int, list[BarClosed]] = {}
        for symbol in sorted(self.bars):
            for bar in self.bars[symbol]:
                together.setdefault(bar.ts_ns, []).append(bar)
        return {close_ns: tuple(together[close_ns]) for close_ns in sorted(together)}
