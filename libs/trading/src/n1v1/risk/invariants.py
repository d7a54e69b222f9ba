"""What must hold while the account trades, checked with what risk hears anyway.

| invariant | what is held against what |
|---|---|
| POSITION | what our fills have made of a position; what the portfolio has booked |
| CASH | the same for cash |
| EQUITY | equity as it was marked; cash and positions at their marks |
| RESERVED | what is promised to orders, together and one by one: never negative, never more than was approved |
| INTENT | a fill; the orders that were approved, with their stops and targets |
| ONE_ORDER | orders open on one position: one |

A check changes nothing and raises nothing: what is broken is answered, and whoever asked halts its scope.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from n1v1 import ids
from n1v1.events import EquityMarked, OrderApproved, OrderFilled
from n1v1.ids import OrderId
from n1v1.risk.account_book import AccountBook
from n1v1.risk.halts import Scope
from n1v1.rounding import notional
from n1v1.values import Purpose

ENTRIES_KEPT = 4
EXITS_KEPT = 8
"""So many orders of a symbol are remembered: a fill may come after an order was given up. An entry is remembered as
long as its stop may fill, because nothing enters a position that is there."""


class Invariant(StrEnum):
    POSITION = "POSITION"
    CASH = "CASH"
    EQUITY = "EQUITY"
    RESERVED = "RESERVED"
    INTENT = "INTENT"
    ONE_ORDER = "ONE_ORDER"


@dataclass(frozen=True, slots=True)
class Broken:
    """symbol: empty when it concerns the whole account. what: in words, with the numbers."""

    invariant: Invariant
    symbol: str
    what: str

    @property
    def scope(self) -> Scope:
        return Scope(symbol=self.symbol)


class Invariants:
    """Of one account. What is broken is said once, until somebody has resumed its scope."""

    def __init__(self, book: AccountBook) -> None:
        self._book = book
        self._instruments = book.instruments
        self._unmarked: deque[tuple[str, int, int]] = deque()
        """Symbol, lots and cash of fills that may not be in the portfolio's marks yet, oldest first."""
        self._entries: dict[str, list[OrderId]] = {symbol: [] for symbol in self._instruments}
        """The newest by symbol. A symbol that is missing had orders before anybody remembered them."""
        self._exits: dict[str, list[OrderId]] = {}
        self._said: set[tuple[Invariant, str]] = set()
        self._to_correct: set[str] = set()
        """Symbols, and '' for cash, in which the portfolio's next word is taken as right."""

    def check_mark(self, mark: EquityMarked) -> list[Broken]:
        """Before risk hears the mark. The portfolio books fills in our order, but perhaps later than we: its books
        are ours, or what ours were before the newest fills."""
        if not self._book.is_known:
            return []
        if self._to_correct:
            self._book.correct(mark, self._to_correct)
            self._to_correct = set()
            self._unmarked.clear()
        while (broken := self._differences(mark)) and self._unmarked:
            self._unmarked.popleft()
        return self._news([*broken, *self._wrong_equity(mark)])

    def _differences(self, mark: EquityMarked) -> list[Broken]:
        """Positions that differ; cash alone where no position does, because a lost fill is in both."""
        cash, lots = self._book.holdings
        for symbol, moved_lots, moved_cash in self._unmarked:
            lots[symbol] -= moved_lots
            cash -= moved_cash
        marked = {symbol: held for symbol, held, _ in mark.positions}
        wrong = [symbol for symbol, held in lots.items() if held != marked.get(symbol, 0)]
        if wrong:
            return [self._wrong_position(symbol, lots[symbol], marked.get(symbol, 0)) for symbol in wrong]
        if cash == mark.cash:
            return []
        unit = next(iter(self._instruments.values()))
        what = f"the fills leave {unit.cash(cash):f} in cash, the portfolio has {unit.cash(mark.cash):f}"
        return [Broken(Invariant.CASH, "", what)]

    def _wrong_position(self, symbol: str, ours: int, marked: int) -> Broken:
        quantity = self._instruments[symbol].quantity
        what = f"the fills of {symbol} sum to {quantity(ours):f}, the portfolio holds {quantity(marked):f}"
        return Broken(Invariant.POSITION, symbol, what)

    def _wrong_equity(self, mark: EquityMarked) -> list[Broken]:
        worth = mark.cash
        for symbol, lots, ticks in mark.positions:
            if symbol not in self._instruments:
                return []
            worth += notional(self._instruments[symbol], ticks=ticks, lots=lots) if lots else 0
        if worth == mark.equity:
            return []
        cash = next(iter(self._instruments.values())).cash
        what = f"cash and positions are worth {cash(worth):f}, the portfolio says {cash(mark.equity):f}"
        return [Broken(Invariant.EQUITY, "", what)]

    def check_fill(self, fill: OrderFilled) -> list[Broken]:
        """Before risk books the fill."""
        instrument = self._instruments.get(fill.symbol)
        found = []
        if not self._is_intended(fill):
            quantity = instrument.quantity(fill.lots) if instrument else f"{fill.lots} lots"
            what = (
                f"{fill.fill_id}: {fill.side} {quantity} {fill.symbol} for {fill.order_id}, which nobody has approved"
            )
            found.append(Broken(Invariant.INTENT, fill.symbol if instrument else "", what))
        if instrument is None or not self._book.is_known:
            return found
        reserved = self._book.reserved_lots(fill.order_id)
        if fill.purpose is Purpose.ENTRY and reserved is not None and fill.lots > reserved:
            told = f"{fill.order_id} has filled {instrument.quantity(fill.lots):f} {fill.symbol}"
            what = f"{told}, of which {instrument.quantity(reserved):f} was still approved"
            found.append(Broken(Invariant.RESERVED, fill.symbol, what))
        sign = fill.side.sign
        self._unmarked.append((fill.symbol, sign * fill.lots - fill.base_fee_lots, -(sign * fill.value + fill.fee)))
        return found

    def _is_intended(self, fill: OrderFilled) -> bool:
        if self._book.reserved_lots(fill.order_id) is not None:
            return True
        known = {*self._entries.get(fill.symbol, ()), *self._exits.get(fill.symbol, ())}
        known |= {ids.leg_order_id(order, leg) for order in known for leg in ids.LEGS}  # a moved stop has a target
        is_watched = fill.symbol in self._entries or fill.symbol not in self._instruments
        return fill.order_id in known or not is_watched

    def check_order(self, approved: OrderApproved) -> list[Broken]:
        """After risk has approved it."""
        symbol = approved.symbol
        if approved.purpose is Purpose.ENTRY:
            self._entries[symbol] = [*self._entries.get(symbol, ()), approved.order_id][-ENTRIES_KEPT:]
        else:
            self._exits[symbol] = [*self._exits.get(symbol, ()), approved.order_id][-EXITS_KEPT:]
        both = [order for order, of_symbol in self._book.orders.items() if of_symbol == symbol]
        if len(both) < 2:
            return []
        return [Broken(Invariant.ONE_ORDER, symbol, f"{' and '.join(both)} are open on the position in {symbol}")]

    def check_reserved(self) -> list[Broken]:
        """After anything that reserves or gives back."""
        total, by_symbol = self._book.reserved_cash
        summed = sum(by_symbol.values())
        wrong = min(by_symbol.values(), default=0) < 0
        if total == summed and not wrong:
            return []
        cash = next(iter(self._instruments.values())).cash
        each = ", ".join(f"{cash(amount):f} {symbol}" for symbol, amount in by_symbol.items() if amount)
        what = f"{cash(total):f} is reserved for orders, by symbol {each or 'nothing'}"
        return self._news([Broken(Invariant.RESERVED, "", what)])

    def _news(self, broken: Sequence[Broken]) -> list[Broken]:
        """Those that were not said before."""
        new = [each for each in broken if (each.invariant, each.symbol) not in self._said]
        self._said |= {(each.invariant, each.symbol) for each in new}
        return new

    def forgive(self, scope: Scope) -> None:
        """Somebody has looked and resumes: what the portfolio says of the scope next is right."""
        over = {(each, symbol) for each, symbol in self._said if scope.symbol in ("", symbol) and not scope.instance}
        self._said -= over
        self._to_correct |= {symbol for each, symbol in over if each in (Invariant.POSITION, Invariant.CASH)}
        if (Invariant.RESERVED, "") in over:
            self._book.sum_reserved_anew()

    def snapshot(self) -> dict[str, Any]:
        return {
            "unmarked": [list(entry) for entry in self._unmarked],
            "entries": {symbol: list(orders) for symbol, orders in self._entries.items()},
            "exits": {symbol: list(orders) for symbol, orders in self._exits.items()},
            "said": sorted([each, symbol] for each, symbol in self._said),
            "to_correct": sorted(self._to_correct),
        }

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """None: a state of before there were invariants. What is open then is not held against anybody."""
        saved = saved or {"unmarked": (), "entries": {}, "exits": {}, "said": (), "to_correct": ()}
        self._unmarked = deque((symbol, int(lots), int(cash)) for symbol, lots, cash in saved["unmarked"])
        self._entries = {symbol: [OrderId(order) for order in orders] for symbol, orders in saved["entries"].items()}
        self._exits = {symbol: [OrderId(order) for order in orders] for symbol, orders in saved["exits"].items()}
        self._said = {(Invariant(each), symbol) for each, symbol in saved["said"]}
        self._to_correct = set(saved["to_correct"])
