"""n1v1 recursive-analysis: how much history do the numbers of a strategy need?"""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import WrongOption

if TYPE_CHECKING:
    from n1v1.testing.recursion import RecursionReport


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.analysis import add_subject_options

    parser = subparsers.add_parser(
        "recursive-analysis",
        help="how much history do a strategy's numbers need?",
        description="Runs a strategy over all bars, and over the last ones only, with the code that trades, and shows "
        "how far its numbers on the last bar are from those of the whole run. Choose a start-up at which they are near "
        "enough to 0.",
    )
    add_subject_options(parser)
    parser.add_argument(
        "--startup",
        metavar="BARS",
        help="start-up lengths, as in 50,100,200 (default: 1, 2, 4, 8 and 16 times the strategy's own warm-up)",
    )


def run(args: argparse.Namespace) -> int:
    """Raises N1v1Error or CommandError."""
    from n1v1.testing.recursion import recursive_analysis
    from n1v1_cli.analysis import markets, subject_of

    startups, subject = _startups(args.startup), subject_of(args)
    reports = [
        recursive_analysis(subject.strategy, subject.parameters, bars, instrument, startups=startups)
        for bars, instrument in markets(subject, args.limit)
    ]
    if args.json:
        print(json.dumps([_as_json(subject.name, report) for report in reports], indent=2))
        return 0
    for report in reports:
        _print(subject.name, report)
    return 0


def _startups(text: str | None) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError:
        raise WrongOption(f"--startup: expected numbers of bars, as in 50,100,200; got {text!r}") from None


def _print(name: str, report: RecursionReport) -> None:
    from n1v1_cli.tables import print_table

    print(f"{name} on {report.symbol}: difference from a run over {report.bars:,} bars, by start-up in bars")
    lengths = [f"{startup:,}" for startup in report.startups]
    rows = [
        (value, *(_percentage(difference) for difference in report.differences_pct(value))) for value in report.values
    ]
    print_table(("value", *lengths), rows, numbers=lengths)
    if not report.values:
        print("The strategy says no numbers on the last bar: nothing can be compared.")


def _percentage(difference: float | None) -> str:
    if difference is None:
        return "–"
    if math.isinf(difference):
        return "not 0"
    return f"{difference:.3f} %" if difference else "0 %"


def _as_json(name: str, report: RecursionReport) -> dict[str, Any]:
    return {
        "strategy": name,
        "symbol": report.symbol,
        "bars": report.bars,
        "startups": list(report.startups),
        "values": dict(report.values),
        "differences_pct": {
            value: [None if d is None or math.isinf(d) else d for d in report.differences_pct(value)]
            for value in report.values
        },
    }
