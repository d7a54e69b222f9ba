"""n1v1 equity: the account's equity over time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 72


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.reporting_api import add_api_options

    parser = subparsers.add_parser(
        "equity",
        help="the account's equity over time",
        description="The curve at a glance, and marks evenly spread over it. Times are UTC.",
    )
    parser.add_argument("--start", metavar="TIME", help="from here on, as 2021-03-04 or 2021-03-04T08:00")
    parser.add_argument("--end", metavar="TIME", help="up to, not including")
    parser.add_argument("--points", metavar="N", type=int, default=12, help="lines of the table (default: 12)")
    add_api_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    from n1v1_cli.reporting_api import ask

    period = {"start": args.start, "end": args.end}
    answer = ask(args.api, "equity", {**period, "points": args.points})
    if args.json:
        print(json.dumps(answer, indent=2))
        return 0
    if not answer["equity_curve"]:
        print("the account was not marked in this period")
        return 0
    curve = ask(args.api, "equity", {**period, "points": CURVE_WIDTH})["equity_curve"]
    print(sparkline([float(point["equity"]) for point in curve]))
    _print(answer["equity_curve"], answer["quote"])
    return 0


def sparkline(values: Sequence[float]) -> str:
    """One block a value, from the lowest to the highest."""
    lowest, span = min(values), max(values) - min(values)
    if not span:
        return BLOCKS[0] * len(values)
    return "".join(BLOCKS[round((value - lowest) / span * (len(BLOCKS) - 1))] for value in values)


def _print(points: list[dict[str, Any]], quote: str) -> None:
    from n1v1_cli.tables import coloured, decimal, print_table, time

    rows = [
        (
            time(point["timestamp"]),
            decimal(point["equity"], 2),
            decimal(point["balance"], 2),
            coloured(str(100 * point["cumulative_return"])) + " %",
        )
        for point in points
    ]
    columns = ("time (UTC)", f"equity ({quote})", "cash", "return")
    print_table(columns, rows, numbers=columns[1:])
