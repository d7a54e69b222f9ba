"""n1v1 positions: what is held, at what price, with what profit."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.reporting_api import add_api_options

    parser = subparsers.add_parser("positions", help="what is held, at what price, with what profit")
    parser.add_argument("--all", action="store_true", help="also those that are closed")
    add_api_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    from n1v1_cli.reporting_api import ask

    answer = ask(args.api, "positions")
    if args.json:
        print(json.dumps(answer, indent=2))
        return 0
    shown = [position for position in answer["positions"] if args.all or Decimal(position["quantity"])]
    if shown:
        _print(shown, answer["quote"])
    elif answer["positions"]:
        print("no open positions (--all shows those that are closed)")
    else:
        print("no positions yet")
    return 0


def protected_by(orders: Sequence[Mapping[str, Any]]) -> str:
    """The protective orders of a position: what each is and where the market meets it."""
    return ", ".join(_where(order) for order in orders)


def _where(order: Mapping[str, Any]) -> str:
    from n1v1_cli.tables import decimal

    name, price, distance = order["purpose"].replace("_", " ").lower(), order["price"], order["trailing_distance"]
    at = f"{name} {decimal(price)}" if price is not None else name
    if distance is None:
        return at
    return f"{at}{', ' if price is not None else ' '}{distance * 100:g} % behind"


def _print(positions: list[dict[str, Any]], quote: str) -> None:
    from n1v1_cli.tables import coloured, decimal, print_table

    value = f"value ({quote})"
    columns = ("symbol", "quantity", "entry", "mark", value, "unrealised", "realised", "fees", "protected by")
    rows = [
        (
            position["symbol"],
            decimal(position["quantity"]),
            decimal(position["entry_price"]),
            decimal(position["mark_price"]),
            decimal(position["value"], 2),
            coloured(position["unrealised_pnl"]),
            coloured(position["realised_pnl"]),
            decimal(position["fees"], 2),
            protected_by(position["protection"]),
        )
        for position in positions
    ]
    print_table(columns, rows, numbers=columns[1:-1])
