"""What our own tables say: the orders and fills of execution, the ledger of portfolio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    symbol: str
    is_sale: bool
    is_stop: bool
    is_market: bool
    is_open: bool
    quantity: Decimal
    filled: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """An account as one side has it in its books. orders: by client order id. balances: of what is not zero."""

    trades: tuple[Trade, ...]
    orders: Mapping[str, BookedOrder]
    balances: Mapping[str, Decimal]


async def statement(dsn: str, *, opening: Mapping[str, Decimal]) -> Statement:
    """Ours. opening: what the account began with."""
    connection = await asyncpg.connect(dsn)
    try:
        fills = await connection.fetch("SELECT * FROM execution.fills")
        orders = await connection.fetch("SELECT * FROM execution.orders WHERE state <> ALL($1)", list(UNSENT))
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
    )


def _wire(symbol: str) -> str:
    return symbol.replace("-", "")
