"""A dataset in memory: instruments, bars in time order, and what is missing between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from n1v1.events import BarClosed, GapFound
from n1v1.values import Instrument


@dataclass(frozen=True)
class Dataset:
    """Bars of one timeframe for some symbols, each on its instrument's grid.

    bars: by symbol, oldest first. gaps: in time order; the bars around a gap are as they were recorded.
    """

    name: str
    timeframe: str
    instruments: tuple[Instrument, ...]
    bars: Mapping[str, tuple[BarClosed, ...]]
    gaps: tuple[GapFound, ...]

    @cached_property
    def id(self) -> str:
        """SHA-256 of the instruments' grids and every bar: equal ids are equal data in any file."""
        content = hashlib.sha256()
        for instrument in self.instruments:
            content.update(f"{instrument!r} {self.timeframe}\n".encode())
            content.update(_canonical_rows(self.bars[instrument.symbol]))
        return content.hexdigest()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(instrument.symbol for instrument in self.instruments)

    def instrument(self, symbol: str) -> Instrument:
        return next(instrument for instrument in self.instruments if instrument.symbol == symbol)

    def steps(self) -> Iterator[tuple[int, tuple[BarClosed, ...]]]:
        """Every close time that has a bar, oldest first, with its bars sorted by symbol."""
        yield from self._by_close.items()

    @property
    def total_steps(self) -> int:
        return len(self._by_close)

    @cached_property
    def _by_close(self) -> dict[int, tuple[BarClosed, ...]]:
        together: dict[int, list[BarClosed]] = {}
        for symbol in sorted(self.bars):
            for bar in self.bars[symbol]:
                together.setdefault(bar.ts_ns, []).append(bar)
        return {close_ns: tuple(together[close_ns]) for close_ns in sorted(together)}


def _canonical_rows(bars: Iterable[BarClosed]) -> bytes:
    rows = (f"{b.open_ns},{b.open},{b.high},{b.low},{b.close},{b.volume}\n" for b in bars)
    return "".join(rows).encode()
