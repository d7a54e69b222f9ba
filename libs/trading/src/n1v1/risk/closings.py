"""Positions that we close ourselves: held for too long, in a market that has changed, in an emergency, or flattened.

What cannot be ordered now, such as less than the venue accepts, is looked at again at the next bar time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n1v1.events import EquityMarked, Event, OperatorCommand
from n1v1.risk import account as accounts
from n1v1.risk import breaker
from n1v1.risk.account_book import AccountBook
from n1v1.risk.causes import Cause, Moment
from n1v1.risk.halts import Halts
from n1v1.risk.verdicts import Verdicts


class Closings:
    def __init__(self, book: AccountBook, halts: Halts, verdicts: Verdicts) -> None:
        self._book = book
        self._halts = halts
        self._verdicts = verdicts
        self._flattened_ns: dict[str, int] = {}
        """The bar time at which a position was last closed because of a halt, by symbol."""

    def at(self, moment: EquityMarked | Moment) -> list[Event]:
        """In an emergency all, those of a scope that was flattened, and those that were held for long enough or whose
        market has changed."""
        book = self._book
        if not book.limits.closes_positions and not breaker.must_flatten(book.state) and not self._halts.closes:
            return []
        orders: list[Event] = []
        for symbol, record in book.symbols.items():
            purpose = accounts.own_exit(book.limits, book.state, record)
            if self._is_to_be_flattened(symbol):
                purpose = accounts.FLATTEN
            if purpose != accounts.NO_EXIT and self._verdicts.closes(symbol, purpose):
                self._flattened_ns[symbol] = moment.ts_ns
                cause = Cause.of_moment(moment, symbol, purpose, entered_by=book.entered_by.get(symbol))
                orders.append(self._verdicts.closing(cause))
        return orders

    def after(self, cause: Event, decided_ns: int) -> list[Event]:
        """Close what a halt wants closed and nothing is done about yet. decided_ns: the last bar time decided.

        A command does so whenever it comes. What merely happened does so once in a bar time for each symbol: a venue
        that takes back every closing would otherwise be sent one after the other.
        """
        if not self._halts.closes or decided_ns < 0:
            return []
        is_command = isinstance(cause, OperatorCommand)
        orders: list[Event] = []
        for symbol in self._book.symbols:
            was_tried = not is_command and self._flattened_ns.get(symbol) == decided_ns
            if was_tried or not self._is_to_be_flattened(symbol):
                continue
            if self._verdicts.closes(symbol, accounts.FLATTEN):
                self._flattened_ns[symbol] = decided_ns
                entered_by = self._book.entered_by.get(symbol)
                orders.append(
                    self._verdicts.closing(Cause.of_flattening(cause, symbol, decided_ns, entered_by=entered_by))
                )
        return orders

    def _is_to_be_flattened(self, symbol: str) -> bool:
        return self._halts.closes_position(self._book.entered_by.get(symbol, ""), symbol)

    def snapshot(self) -> dict[str, int]:
        return dict(self._flattened_ns)

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._flattened_ns = dict(saved)
