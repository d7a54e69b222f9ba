"""n1v1 why: what each strategy and risk check said of a bar."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.reporting_api import add_api_options

    parser = subparsers.add_parser(
        "why",
        help="what each strategy and risk check said of a bar",
        description="Why it traded, or did not: n1v1 why BTC-USD 2021-03-04T08:00",
    )
    parser.add_argument("symbol", metavar="SYMBOL", help="as BTC-USD")
    parser.add_argument(
        "time", metavar="TIME", help="close of the bar, UTC; any other time means the bar that it falls into"
    )
    add_api_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    from rich.console import Console

    from n1v1_cli.reporting_api import ask

    answer = ask(args.api, "why", {"symbol": args.symbol, "time": args.time})
    if args.json:
        print(json.dumps(answer, indent=2))
        return 0
    console = Console(highlight=False)
    for line in explanation(answer):
        console.print(line, soft_wrap=True)
    return 0


def explanation(answer: dict[str, Any]) -> Iterator[str]:
    """Lines with rich's markup."""
    from n1v1_cli.tables import time

    yield f"[bold]{answer['symbol']}[/], the bar that closed at {time(answer['bar_time'])} UTC"
    for opinion in answer["strategies"]:
        yield ""
        yield from _opinion(opinion)


def _opinion(opinion: dict[str, Any]) -> Iterator[str]:
    from rich.markup import escape

    strategy, reason = escape(opinion["strategy"]), escape(opinion["reason"])
    if opinion["signal_type"]:
        yield f"[bold]{strategy}[/]: {opinion['signal_type']}, strength {opinion['strength']:g}: {reason}"
    else:
        yield f"[bold]{strategy}[/]: no signal: {reason}"
    for looked in opinion["looked_at"]:
        yield f"    {escape(looked['name'])} = {looked['value']:,.10g}"
    if opinion["decision"] is not None:
        yield from _decision(opinion["decision"])
    elif opinion["signal_type"]:
        yield "  risk: has not answered yet"


def _decision(decision: dict[str, Any]) -> Iterator[str]:
    from rich.markup import escape

    if decision["order_id"]:
        yield f"  risk: [green]{decision['verdict']}[/], order {decision['order_id']} ({decision['order_status']})"
    else:
        yield f"  risk: [red]{decision['verdict']}[/], {decision['refusal']}: {escape(decision['detail'])}"
    width = max((len(check["name"]) for check in decision["checks"]), default=0)
    for check in decision["checks"]:
        mark = "[green]passed[/]" if check["passed"] else "[red]failed[/]"
        yield f"    {check['name']:<{width}}  {mark}  {escape(check['detail'])}"
