"""n1v1 lookahead-analysis: does a strategy say something else of a bar once it has seen what came after it?"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n1v1.testing.lookahead import Biased, LookaheadReport

EXIT_BIASED = 3
SHOWN = 5
"""Biased bars that are written out, of each kind."""


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.analysis import add_subject_options

    parser = subparsers.add_parser(
        "lookahead-analysis",
        help="does a strategy know what comes?",
        description="Runs a strategy over all bars, and anew up to each of some bars, with the code that trades; "
        "names the signals and the values that differ. Exit code 0: none do. 3: some do.",
    )
    add_subject_options(parser)
    parser.add_argument(
        "--signals",
        metavar="N",
        type=int,
        default=20,
        help="signals to look at in each symbol, spread over the run, and as many quiet bars (default: 20)",
    )


def run(args: argparse.Namespace) -> int:
    """Raises N1v1Error or CommandError."""
    from n1v1.testing.lookahead import lookahead_analysis
    from n1v1_cli.analysis import markets, subject_of

    subject = subject_of(args)
    reports = [
        lookahead_analysis(subject.strategy, subject.parameters, bars, instrument, signals_max=args.signals)
        for bars, instrument in markets(subject, args.limit)
    ]
    if args.json:
        print(json.dumps([_as_json(subject.name, report) for report in reports], indent=2))
    else:
        _print(subject.name, reports)
    return EXIT_BIASED if any(report.has_bias for report in reports) else 0


def _print(name: str, reports: Sequence[LookaheadReport]) -> None:
    from n1v1_cli.tables import print_table

    columns = ("strategy", "symbol", "has bias", "signals", "analysed bars", "biased entries", "biased exits")
    rows = [
        (
            *(name, report.symbol, "[red]yes[/]" if report.has_bias else "no"),
            *(str(report.signals), str(report.analysed), str(len(report.entries)), str(len(report.exits))),
            ", ".join(report.indicators) or "–",
        )
        for report in reports
    ]
    print_table((*columns, "biased indicators"), rows, numbers=columns[3:])
    for report in reports:
        for one in (*report.entries[:SHOWN], *report.exits[:SHOWN]):
            print(f"{report.symbol} {_time(one)}: {one.text}")
    if not any(report.signals for report in reports):
        print("There was no signal: nothing is said about signals. Try other bars or parameters.")


def _as_json(name: str, report: LookaheadReport) -> dict[str, Any]:
    return {
        "strategy": name,
        "symbol": report.symbol,
        "has_bias": report.has_bias,
        "bars": report.bars,
        "total_signals": report.signals,
        "analysed_bars": report.analysed,
        "biased_entry_signals": [_time(one) for one in report.entries],
        "biased_exit_signals": [_time(one) for one in report.exits],
        "biased_indicators": list(report.indicators),
    }


def _time(one: Biased) -> str:
    return datetime.fromtimestamp(one.close_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M")
