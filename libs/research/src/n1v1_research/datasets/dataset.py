"""A dataset in memory: instruments, bars in time order, and what is missing between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from n1v1.events import BarClosed, GapFound
from n1v1.values import Instrument
from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.gaps import all_gaps
from n1v1_research.datasets.resampling import IncompleteBar, Resampled, resample


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Bars of one timeframe for some symbols, each on its instrument's grid.

    series: by symbol, oldest first; as columns, or one by one as tests write them. recorded_gaps: None: those between
    the bars.
    """

    name: str
    timeframe: str
    instruments: tuple[Instrument, ...]
    series: Mapping[str, Bars | Sequence[BarClosed]]
    recorded_gaps: Sequence[GapFound] | None = None

    def __repr__(self) -> str:
        counts = ", ".join(f"{symbol}: {len(self.columns(symbol)):,} bars" for symbol in self.symbols)
        return f"<Dataset {self.name!r} of {self.timeframe}; {counts}>"

    def columns(self, symbol: str) -> Bars:
        """The bars of one symbol as columns. Raises KeyError for a symbol that the dataset does not have."""
        return self._columns[symbol]

    @cached_property
    def id(self) -> str:
        """SHA-256 of the instruments' grids and every bar: equal ids are equal data in any file."""
        content = hashlib.sha256()
        for instrument in self.instruments:
            content.update(f"{instrument!r} {self.timeframe}\n".encode())
            for rows in self.columns(instrument.symbol).canonical_text():
                content.update(rows)
        return content.hexdigest()

    def keep_id(self, known: str) -> None:
        """Spare the computing of the id: for whoever knows it. A copy with other bars does not inherit it."""
        self.__dict__["id"] = known  # where cached_property puts what it has computed

    @cached_property
    def bars(self) -> Mapping[str, tuple[BarClosed, ...]]:
        """The bars one by one, by symbol. They are made on the first use; `columns` costs nothing."""
        return {symbol: bars.events(symbol, self.timeframe) for symbol, bars in self._columns.items()}

    @cached_property
    def gaps(self) -> tuple[GapFound, ...]:
        """In time order; the bars around a gap are as they were recorded."""
        found = all_gaps(self._columns, self.timeframe) if self.recorded_gaps is None else self.recorded_gaps
        return tuple(found)

    def resampled(self, timeframe: str) -> Dataset:
        """The same in bars of a higher timeframe, each once its period is over (see resampling.py).

        Raises InvalidValue when these bars cannot make up bars of `timeframe`. Which of them lack bars, and how many,
        `incomplete_bars` says.
        """
        series = {symbol: made.bars for symbol, made in self._resampled(timeframe).items()}
        return Dataset(f"{self.name}-{timeframe}", timeframe, self.instruments, series)

    def incomplete_bars(self, timeframe: str) -> tuple[IncompleteBar, ...]:
        """The bars of `resampled` that lack bars of this dataset, by symbol and then by time."""
        return tuple(bar for made in self._resampled(timeframe).values() for bar in made.incomplete)

    def _resampled(self, timeframe: str) -> dict[str, Resampled]:
        return {s: resample(bars, s, self.timeframe, timeframe) for s, bars in self._columns.items()}

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(instrument.symbol for instrument in self.instruments)

    def instrument(self, symbol: str) -> Instrument:
        """Raises KeyError for a symbol that the dataset does not have."""
        return self._instruments[symbol]

    def steps(self) -> Iterator[tuple[int, tuple[BarClosed, ...]]]:
        """Every close time that has a bar, oldest first, with its bars sorted by symbol."""
        yield from self._by_close.items()

    @cached_property
    def total_steps(self) -> int:
        return len(self.close_times)

    @cached_property
    def close_times(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Every close time that has a bar, oldest first, in nanoseconds UTC."""
        closes = [bars.close_ns for bars in self._columns.values()]
        if len(closes) == 1:
            return closes[0]
        return reduce(np.union1d, closes, np.empty(0, dtype=np.int64))

    @cached_property
    def _instruments(self) -> dict[str, Instrument]:
        return {instrument.symbol: instrument for instrument in self.instruments}

    @cached_property
    def _columns(self) -> dict[str, Bars]:
        return {
            symbol: given if isinstance(given, Bars) else Bars.of_events(given) for symbol, given in self.series.items()
        }

    @cached_property
    def _by_close(self) -> dict[int, tuple[BarClosed, ...]]:
        together: dict[int, list[BarClosed]] = {}
        for symbol in sorted(self.bars):
            for bar in self.bars[symbol]:
                together.setdefault(bar.ts_ns, []).append(bar)
        return {close_ns: tuple(together[close_ns]) for close_ns in sorted(together)}
