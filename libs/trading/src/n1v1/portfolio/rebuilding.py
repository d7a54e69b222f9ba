"""Positions, cash and fees, worked out again from nothing but the ledger.

The same arithmetic as the portfolio stage (`book_trade`), fed by ledger entries instead of fills. So what the stage has
kept all along and what comes out here must be equal to the quantum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from n1v1.errors import InvalidData
from n1v1.portfolio.ledger import CASH, FEES, Transaction, position_account, trading_account
from n1v1.portfolio.positions import Position, book_base_fee, book_trade
from n1v1.rounding import notional
from n1v1.values import Instrument


@dataclass(slots=True)
class Books:
    """cash, fees: quanta. positions: by symbol. cash_after: each transaction, in their order."""

    cash: int = 0
    fees: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    cash_after: list[int] = field(default_factory=list)

    @classmethod
    def kept(cls, saved: Mapping[str, Any]) -> Books:
        """Those of the portfolio stage, from its snapshot."""
        positions = {symbol: Position(**entry) for symbol, entry in saved["positions"].items()}
        return cls(cash=saved["cash"], fees=saved["fees"], positions=positions)

    @property
    def hash(self) -> str:
        """SHA-256 of cash, fees and positions: equal for equal books."""
        held = [[symbol, p.lots, p.cost, p.realised, p.fees] for symbol, p in sorted(self.positions.items())]
        lines = [json.dumps(line) for line in (["cash", self.cash], ["fees", self.fees], *held)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def rebuilt(transactions: Iterable[Transaction], instruments: Sequence[Instrument]) -> Books:
    """transactions: of one account, in the order in which they were written.

    Raises InvalidData for one that is neither a deposit nor a trade of one of the instruments.
    """
    books = Books()
    by_account = {position_account(instrument.symbol): instrument for instrument in instruments}
    for transaction in transactions:
        _book(books, transaction, by_account)
        books.cash_after.append(books.cash)
    return books


def _book(books: Books, transaction: Transaction, by_account: Mapping[str, Instrument]) -> None:
    amounts: dict[tuple[str, str], int] = {}
    for entry in transaction.entries:
        key = (entry.account, entry.asset)
        amounts[key] = amounts.get(key, 0) + entry.amount
    books.cash += sum(amount for (account, _), amount in amounts.items() if account == CASH)
    instrument = next((by_account[account] for account, _ in amounts if account in by_account), None)
    if instrument is not None:
        _book_trade(books, transaction.id, amounts, instrument)
    elif any(account.startswith("trading:") for account, _ in amounts):
        raise InvalidData(f"transaction {transaction.id} trades a symbol that the settings do not name")


def _book_trade(
    books: Books, transaction_id: str, amounts: Mapping[tuple[str, str], int], instrument: Instrument
) -> None:
    trading = trading_account(instrument.symbol)
    lots = -amounts.get((trading, instrument.base), 0)
    value = amounts.get((trading, instrument.quote), 0)  # what was paid came here, so it has the sign of lots
    if lots == 0:
        raise InvalidData(f"transaction {transaction_id} trades nothing of {instrument.symbol}")
    fee, base_fee_lots = amounts.get((FEES, instrument.quote), 0), amounts.get((FEES, instrument.base), 0)
    position = books.positions.setdefault(instrument.symbol, Position())
    book_trade(position, lots, value, fee)
    books.fees += fee
    if base_fee_lots:
        ticks = abs(value) * instrument.notional_divisor // abs(lots)
        base_fee = notional(instrument, ticks=ticks, lots=base_fee_lots)
        book_base_fee(position, base_fee_lots, base_fee)
        books.fees += base_fee
