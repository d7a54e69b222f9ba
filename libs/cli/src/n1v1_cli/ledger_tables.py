"""The ledger, and what is kept beside it: the portfolio service's state and tables, the execution service's fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

import asyncpg
import orjson

from n1v1.errors import InvalidData
from n1v1.portfolio.ledger import FEES, Entry, Transaction, trading_account
from n1v1.portfolio.positions import Position
from n1v1.portfolio.rebuilding import Books
from n1v1.values import Instrument, Side
from n1v1_cli.errors import CommandError

LEDGER = "SELECT transaction_id, entry, ts_ns, account, asset, amount FROM portfolio.ledger ORDER BY sequence"
FILLS = "SELECT fill_id, symbol, side, quantity, value, fee FROM execution.fills ORDER BY ts_ns, fill_id"
POSITIONS = "SELECT symbol, quantity, cost, realised, fees FROM portfolio.positions WHERE account = $1 ORDER BY symbol"
MARKS = "SELECT ts_ns, cash FROM portfolio.equity WHERE account = $1 ORDER BY ts_ns"
STATE = "SELECT state FROM portfolio.stage_state"

OTHER_ASSET_UNIT = Decimal("1e-8")

Row = asyncpg.Record


@dataclass(frozen=True, slots=True)
class Tables:
    """All of one moment. saved: the portfolio stage's snapshot."""

    ledger: Sequence[Row]
    fills: Sequence[Row]
    positions: Sequence[Row]
    marks: Sequence[Row]
    saved: Mapping[str, Any]


async def read_tables(connection: asyncpg.Connection, account: str) -> Tables:
    """Raises CommandError when no stack has ever used this database."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            return Tables(
                ledger=await connection.fetch(LEDGER),
                fills=await connection.fetch(FILLS),
                positions=await connection.fetch(POSITIONS, account),
                marks=await connection.fetch(MARKS, account),
                saved=orjson.loads(await connection.fetchval(STATE) or b'{"handler": {}}')["handler"],
            )
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            raise CommandError("there is no ledger in this database yet; n1v1 up makes it") from None


def transactions(ledger: Sequence[Row], instruments: Sequence[Instrument]) -> list[Transaction]:
    """Raises LedgerImbalance, InvalidData: a row was altered, or is missing."""
    units = {i.base: i.lot_size for i in instruments} | {i.quote: i.quantum for i in instruments}
    made = []
    for name, entries in groupby(ledger, key=lambda row: row["transaction_id"]):
        rows = list(entries)
        written = tuple(Entry(row["account"], row["asset"], _in_units(row, units)) for row in rows)
        made.append(Transaction(name, rows[0]["ts_ns"], written))
    return made


def _in_units(row: Row, units: Mapping[str, Decimal]) -> int:
    amount: Decimal = row["amount"] / units.get(row["asset"], OTHER_ASSET_UNIT)
    if amount != amount.to_integral_value():
        where = f"transaction {row['transaction_id']}, entry {row['entry']}"
        raise InvalidData(f"{where}: {row['amount']} {row['asset']} is no whole number of units")
    return int(amount)


def wrong_transactions(
    booked: Sequence[Transaction], fills: Sequence[Row], instruments: Sequence[Instrument]
) -> Iterator[str]:
    """Transactions that are not what their fill says, and those of no fill. A fill that is not booked yet is none of
    them: it is on its way, or else the books differ."""
    by_symbol, by_id = {i.symbol: i for i in instruments}, {row["fill_id"]: row for row in fills}
    for transaction in booked:
        fill = by_id.get(transaction.id)
        if fill is None:
            if not transaction.id.startswith("deposit:"):
                yield f"transaction {transaction.id} is of a fill that execution does not know"
        elif fill["symbol"] in by_symbol:
            told, written = _told(fill), _written(transaction, by_symbol[fill["symbol"]])
            if told != written:
                yield f"transaction {transaction.id} says {_trade(*written)}, the fill {_trade(*told)}"


def _told(fill: Row) -> tuple[Decimal, Decimal, Decimal]:
    """Bought, paid for it, and the fee in the quote currency; as the execution service has it."""
    sign = Side(fill["side"]).sign
    return sign * fill["quantity"], sign * fill["value"], fill["fee"]


def _written(transaction: Transaction, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    """The same as the ledger has it."""

    def total(account: str, asset: str) -> int:
        return sum(e.amount for e in transaction.entries if (e.account, e.asset) == (account, asset))

    trading = trading_account(instrument.symbol)
    bought, paid = -total(trading, instrument.base), total(trading, instrument.quote)
    return instrument.quantity(bought), instrument.cash(paid), instrument.cash(total(FEES, instrument.quote))


def _trade(quantity: Decimal, value: Decimal, fee: Decimal) -> str:
    return f"{quantity:f} for {value:f}, fee {fee:f}"


def differences(books: Books, kept: Books, instruments: Sequence[Instrument]) -> Iterator[str]:
    """Between what was rebuilt and what the service remembers."""
    cash = instruments[0].cash
    for name, ours, theirs in (("cash", books.cash, kept.cash), ("fees", books.fees, kept.fees)):
        if ours != theirs:
            yield f"{name}: the ledger says {cash(ours):f}, the portfolio service {cash(theirs):f}"
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    for symbol in sorted(books.positions.keys() | kept.positions.keys() & by_symbol.keys()):
        held = [_amounts(each.positions.get(symbol, Position()), by_symbol[symbol]) for each in (books, kept)]
        if held[0] != held[1]:
            yield f"{symbol}: the ledger says {_words(held[0])}, the portfolio service {_words(held[1])}"


def wrong_positions(books: Books, rows: Sequence[Row], instruments: Sequence[Instrument]) -> Iterator[str]:
    """Rows of the table of positions that are not what was rebuilt, and those that are missing."""
    kept = {row["symbol"]: (row["quantity"], row["cost"], row["realised"], row["fees"]) for row in rows}
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    for symbol in sorted(books.positions.keys() | kept.keys()):
        if symbol not in by_symbol:
            yield f"{symbol}: the table of positions has it, the settings do not name it"
            continue
        ours = _amounts(books.positions.get(symbol, Position()), by_symbol[symbol])
        theirs = kept.get(symbol)
        if ours != theirs:
            said = _words(theirs) if theirs else "nothing"
            yield f"{symbol}: the ledger says {_words(ours)}, the table of positions {said}"


def _amounts(position: Position, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    cash = instrument.cash
    return instrument.quantity(position.lots), cash(position.cost), cash(position.realised), cash(position.fees)


def _words(amounts: tuple[Decimal, Decimal, Decimal, Decimal]) -> str:
    quantity, cost, realised, fees = amounts
    return f"{quantity:f} for {cost:f}, realised {realised:f}, fees {fees:f}"


def wrong_marks(books: Books, marks: Sequence[Row], instrument: Instrument) -> Iterator[str]:
    """The first mark of the account whose cash is not what some transaction has left: one not before that of the mark
    before. (The venue's time of a fill does not say in which mark it is: it may have been heard late.)"""
    at = 0
    for mark in marks:
        cash = instrument.quanta(mark["cash"])
        while at < len(books.cash_after) and books.cash_after[at] != cash:
            at += 1
        if at == len(books.cash_after):
            yield f"the account was marked with cash {mark['cash']} at {mark['ts_ns']} ns, which no transaction left"
            return
