"""What our own tables say: the orders and fills of execution, the ledger of portfolio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import asyncpg

UNSENT = ("WAITING", "WORKING", "REJECTED")
OPEN = ("SUBMITTED", "UNKNOWN", "ACCEPTED", "PARTIALLY_FILLED")


class Trade(NamedTuple):
    """An execution. symbol: as the venue writes it."""

    id: str
    symbol: str
    quantity: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """number: the venue's; 0 where it has given none."""

    symbol: str
    is_sale: bool
    is_stop: bool
    is_market: bool
    is_open: bool
    quantity: Decimal
    filled: Decimal
    number: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """An account as one side has it in its books. orders: by client order id. balances: of what is not zero."""

    trades: tuple[Trade, ...]
    orders: Mapping[str, BookedOrder]
    balances: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Since:
    """The first order and trade of each symbol, as the venue writes and numbers them; 0 where none is named."""

    orders: Mapping[str, int] = field(default_factory=dict)
    trades: Mapping[str, int] = field(default_factory=dict)

    def after(self, theirs: Statement) -> Since:
        """What remains to be compared when everything in this statement of the venue was: open orders, and later."""
        orders, trades = defaultdict(int, self.orders), defaultdict(int, self.trades)
        for order in theirs.orders.values():
            orders[order.symbol] = max(orders[order.symbol], order.number + 1)
        for order in theirs.orders.values():
            if order.is_open:
                orders[order.symbol] = min(orders[order.symbol], order.number)
        for trade in theirs.trades:
            trades[trade.symbol] = max(trades[trade.symbol], int(trade.id) + 1)
        return Since(orders, trades)


EVERYTHING = Since()

_FILLS = """
SELECT booked.* FROM execution.fills AS booked
LEFT JOIN unnest($1::text[], $2::bigint[]) AS since (symbol, first) ON since.symbol = replace(booked.symbol, '-', '')
WHERE trade_id::bigint >= coalesce(first, 0)
"""
_ORDERS = """
SELECT booked.* FROM execution.orders AS booked
LEFT JOIN unnest($1::text[], $2::bigint[]) AS since (symbol, first) ON since.symbol = replace(booked.symbol, '-', '')
WHERE state <> ALL($3)
AND CASE WHEN venue_order_id ~ '^[0-9]+$' THEN venue_order_id::bigint >= coalesce(first, 0) ELSE true END
"""


async def statement(dsn: str, *, opening: Mapping[str, Decimal], since: Since = EVERYTHING) -> Statement:
    """Ours. opening: what the account began with. Balances are always of everything."""
    connection = await asyncpg.connect(dsn)
    try:
        fills = await connection.fetch(_FILLS, list(since.trades), list(since.trades.values()))
        orders = await connection.fetch(_ORDERS, list(since.orders), list(since.orders.values()), list(UNSENT))
        sums = await connection.fetch(
            "SELECT asset, sum(amount) AS total FROM portfolio.ledger WHERE account LIKE 'assets:%' GROUP BY asset"
        )
        deposited = await connection.fetchval("SELECT count(*) FROM portfolio.ledger WHERE account = 'equity:deposits'")
    finally:
        await connection.close()
    balances = {} if deposited else dict(opening)
    for row in sums:
        balances[row["asset"]] = balances.get(row["asset"], Decimal(0)) + row["total"]
    return Statement(
        trades=tuple(sorted(_trade(row) for row in fills)),
        orders={row["client_order_id"]: _order(row) for row in orders},
        balances={asset: total for asset, total in balances.items() if total},
    )


def _trade(row: asyncpg.Record) -> Trade:
    return Trade(row["trade_id"], _wire(row["symbol"]), row["quantity"], row["price"], row["fee"])


def _order(row: asyncpg.Record) -> BookedOrder:
    return BookedOrder(
        symbol=_wire(row["symbol"]),
        is_sale=row["side"] == "SELL",
        is_stop=row["type"] in ("STOP", "TRAILING_STOP"),
        is_market=row["type"] == "MARKET",
        is_open=row["state"] in OPEN,
        quantity=row["quantity"],
        filled=row["filled"],
        number=int(row["venue_order_id"]) if (row["venue_order_id"] or "").isdigit() else 0,
    )


def _wire(symbol: str) -> str:
    return symbol.replace("-", "")
