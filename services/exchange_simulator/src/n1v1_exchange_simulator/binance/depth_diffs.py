"""What changed in a book between two pushes of a diff stream. Ids go on without a gap, whatever lay in between."""

from __future__ import annotations

from collections.abc import Iterable

from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level

Levels = dict[int, int]
"""Lots by ticks."""


class DepthDiff:
    """A book as the hearers of one diff stream know it, and the levels that have changed since they were last told."""

    def __init__(self, book: DepthSnapshot) -> None:
        self._known_id = book.last_id
        self.last_id = book.last_id
        self._bids: Levels = dict(book.bids)
        self._asks: Levels = dict(book.asks)
        self._changed_bids: Levels = {}
        self._changed_asks: Levels = {}

    def add(self, change: DepthChange | DepthSnapshot) -> None:
        """What is older than the book that it began with is passed over."""
        if change.last_id <= self.last_id:
            return
        is_whole = isinstance(change, DepthSnapshot)
        _update(self._bids, self._changed_bids, change.bids, is_whole=is_whole)
        _update(self._asks, self._changed_asks, change.asks, is_whole=is_whole)
        self.last_id = change.last_id

    def take(self, symbol: str, ts_ns: int) -> DepthChange | None:
        """Everything since the last call, best levels first; None when no update came."""
        if self.last_id == self._known_id:
            return None
        change = DepthChange(
            ts_ns=ts_ns,
            symbol=symbol,
            first_id=self._known_id + 1,
            last_id=self.last_id,
            bids=tuple(sorted(self._changed_bids.items(), reverse=True)),
            asks=tuple(sorted(self._changed_asks.items())),
        )
        self._known_id = self.last_id
        self._changed_bids, self._changed_asks = {}, {}
        return change


def _update(side: Levels, changed: Levels, levels: Iterable[Level], *, is_whole: bool) -> None:
    now = dict(levels)
    if is_whole:
        now = {ticks: 0 for ticks in side if ticks not in now} | now
    for ticks, lots in now.items():
        if side.get(ticks, 0) != lots:
            changed[ticks] = lots
        if lots:
            side[ticks] = lots
        else:
            side.pop(ticks, None)
