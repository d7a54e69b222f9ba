"""Whether what a venue sends follows on what it sent before. No I/O: the adapters ask, and act on the answer."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from n1v1.events import BookChanged, BookSnapshot, TradeSeen

CHANGES_KEPT = 10_000
"""That come while a snapshot is under way. A venue sends ten a second; beyond that something else is wrong."""


class TradeRun:
    """The trades of one symbol, at a venue that numbers them without a gap."""

    def __init__(self, last: int | None = None) -> None:
        """last: the newest number known from before; None: what comes first is the beginning."""
        self.last = last

    @classmethod
    def after(cls, trade: TradeSeen | None) -> TradeRun:
        """Going on from the last trade that was published; from the first that comes, where there is none."""
        return cls(int(trade.trade_id) if trade is not None and trade.trade_id.isdecimal() else None)

    def follow(self, number: int) -> range | None:
        """The numbers that are missing before this one; None for one that was seen, or counted as missing, before."""
        last, self.last = self.last, max(number, self.last or 0)
        if last is None:
            return range(0)
        return None if number <= last else range(last + 1, number)


class Follows(Enum):
    """What a change is to the book as it is known."""

    YES = auto()
    OLD = auto()
    WAITS = auto()
    BREAKS = auto()


class BookRun:
    """The changes of one book, each of which begins where the last one ended or before: quantities are absolute, so
    what overlaps does no harm.

    Without a snapshot changes wait for one; it bridges them when it was taken after the first of them began.
    """

    def __init__(self) -> None:
        self._last_id: int | None = None
        self._waiting: deque[BookChanged] = deque(maxlen=CHANGES_KEPT)

    @property
    def is_known(self) -> bool:
        return self._last_id is not None

    def forget(self) -> None:
        """The book is not known any more; a snapshot is needed."""
        self._last_id = None
        self._waiting.clear()

    def follow(self, change: BookChanged) -> Follows:
        """After BREAKS the book is forgotten, and the change waits for the next snapshot."""
        if self._last_id is None:
            self._waiting.append(change)
            return Follows.WAITS
        if change.last_update_id <= self._last_id:
            return Follows.OLD
        if change.first_update_id > self._last_id + 1:
            self.forget()
            self._waiting.append(change)
            return Follows.BREAKS
        self._last_id = change.last_update_id
        return Follows.YES

    def begin(self, snapshot: BookSnapshot) -> list[BookChanged] | None:
        """The changes that waited and come after the snapshot; None when it is too old for them: take another."""
        newer: list[BookChanged] = []
        last_id = snapshot.update_id
        for change in self._waiting:
            if change.last_update_id <= last_id:
                continue
            if change.first_update_id > last_id + 1:
                self._drop_waiting_to(last_id)
                return None
            newer.append(change)
            last_id = change.last_update_id
        self._waiting.clear()
        self._last_id = last_id
        return newer

    def _drop_waiting_to(self, last_id: int) -> None:
        while self._waiting and self._waiting[0].last_update_id <= last_id:
            self._waiting.popleft()
