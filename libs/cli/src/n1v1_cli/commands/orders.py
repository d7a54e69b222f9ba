"""n1v1 orders: orders and what became of them, newest first."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.reporting_api import add_api_options

    parser = subparsers.add_parser("orders", help="orders and what became of them, newest first")
    parser.add_argument("--symbol", metavar="SYMBOL", help="of one symbol only, as BTC-USD")
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="at most so many (default: 20)")
    add_api_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    from n1v1_cli.reporting_api import ask

    answer = ask(args.api, "orders", {"symbol": args.symbol, "limit": args.limit})
    if args.json:
        print(json.dumps(answer, indent=2))
    elif answer["orders"]:
        _print(answer["orders"])
    else:
        print("no orders yet")
    return 0


def _print(orders: list[dict[str, Any]]) -> None:
    from n1v1_cli.tables import coloured, decimal, print_table, time

    columns = ("time (UTC)", "order", "symbol", "side", "for", "status", "quantity", "price", "fee", "P&L", "strategy")
    rows = [
        (
            time(order["timestamp"]),
            order["id"],
            order["symbol"],
            order["side"],
            order["purpose"].lower().replace("_", " "),
            order["status"],
            decimal(order["quantity"]),
            _price(order),
            decimal(order["fee"], 2),
            coloured(order["pnl"]),
            order["strategy"],
        )
        for order in orders
    ]
    print_table(columns, rows, numbers=("quantity", "price", "fee", "P&L"))


def _price(order: dict[str, Any]) -> str:
    """What it was filled at; before that where it waits, marked as such."""
    from n1v1_cli.tables import decimal

    if order["price"] is not None:
        return decimal(order["price"])
    waits_at = order["limit_price"] or order["stop_price"]
    return f"@ {decimal(waits_at)}" if waits_at is not None else decimal(None)
