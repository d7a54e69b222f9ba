"""Which rows of a venue's candles are finished. Venues push the open one again and again; few say when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = Sequence[Any]
"""[open time in ms, open, high, low, close, volume]: what ccxt makes of every venue's candles."""


class ClosedCandles:
    """A candle is finished when a newer one has been seen; until then its newest row is kept."""

    def __init__(self) -> None:
        self._open: dict[str, Row] = {}

    def take(self, symbol: str, rows: Sequence[Row]) -> list[Row]:
        """Rows as they come, oldest first; those of finished candles, each once, as they last were."""
        closed: list[Row] = []
        for row in rows:
            known = self._open.get(symbol)
            if known is not None and row[0] < known[0]:
                continue
            if known is not None and row[0] > known[0]:
                closed.append(known)
            self._open[symbol] = tuple(row)
        return closed

    def forget(self) -> None:
        """After a lost connection: what is known of the open candles may not be how they ended."""
        self._open.clear()


def closed_rows(rows: Sequence[Row], *, length_ms: int, now_ms: int) -> list[Row]:
    """Those that are over by the venue's clock: what REST answers has the open one as its last row."""
    return [row for row in rows if row[0] + length_ms <= now_ms]
