"""What the simulated venue keeps of one symbol: its last close, the accounts' open orders, and which bars are quiet."""

from __future__ import annotations

from collections.abc import Sequence

from n1v1.kernels import Record, new_record
from n1v1.simulation import records
from n1v1.simulation.matching import quiet_range
from n1v1.simulation.orders import VenueOrder
from n1v1.values import Instrument


class Book:
    """One account's open orders of one symbol, by arrival, twice: as orders, and as the records that kernels read."""

    __slots__ = ("orders", "records", "wallet")

    def __init__(self, *, may_short: bool) -> None:
        self.orders: list[VenueOrder] = []
        self.records: list[Record] = []
        self.wallet: Record = new_record(records.WALLET)
        self.wallet.may_short = int(may_short)

    def add(self, orders: Sequence[VenueOrder]) -> None:
        self.orders += orders
        self.records += [order.record for order in orders]

    def drop_from(self, index: int) -> None:
        """Take back what was added last: everything from `index` on."""
        del self.orders[index:]
        del self.records[index:]

    def forget_the_dead(self) -> None:
        self.orders = [order for order in self.orders if order.is_open]
        self.records = [order.record for order in self.orders]


class SymbolMarket:
    """A bar strictly between quiet_low and quiet_high that closes before quiet_until_ns changes no order.

    rules: the venue's, until the symbol is given fees of its own.
    """

    __slots__ = (
        "_quiet",
        "books",
        "instrument",
        "last_close",
        "last_close_ns",
        "quiet_high",
        "quiet_low",
        "quiet_until_ns",
        "rules",
    )

    def __init__(self, instrument: Instrument, rules: Record) -> None:
        self.instrument = instrument
        self.rules = rules
        self.last_close: int | None = None
        self.last_close_ns = -1
        self.books: dict[str, Book] = {}
        self._quiet: Record = new_record(records.RANGE)
        self.quiet_low = 0
        self.quiet_high = self.quiet_until_ns = records.UNLIMITED

    def book_of(self, account: str) -> Book:
        if account not in self.books:
            self.books[account] = Book(may_short=self.instrument.can_short)
        return self.books[account]

    def find_quiet_range(self) -> None:
        quiet = self._quiet
        quiet.low, quiet.high, quiet.until_ns = 0, records.UNLIMITED, records.UNLIMITED
        for book in self.books.values():
            quiet_range(book.records, len(book.records), self.rules, quiet)
        self.quiet_low, self.quiet_high, self.quiet_until_ns = quiet.low, quiet.high, quiet.until_ns
