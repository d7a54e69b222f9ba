"""n1v1 new: the beginning of something of your own, tested from the start."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.new_strategy.package import FORMS

    parser = subparsers.add_parser("new", help="the beginning of a strategy of your own, with its tests")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    strategy = kinds.add_parser(
        "strategy",
        help="a package with a strategy, its tests and its entry point",
        description="Writes a package: a strategy that works, a test by hand, and the checks that every strategy has "
        "to pass. compiled: a kernel, the fastest in a backtest; python: a class with on_bar(bar); classic: "
        "generate_signals over frames, as in the original framework.",
    )
    strategy.add_argument("name", metavar="NAME", help="of the module and of the strategy, such as my_idea")
    strategy.add_argument("--form", choices=FORMS, default="python", help="default: python")
    strategy.add_argument("--folder", type=Path, metavar="FOLDER", help="default: NAME, here")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    from n1v1_cli.new_strategy.package import write_package

    folder = args.folder or Path(args.name)
    for path in write_package(args.name, args.form, folder):
        print(path)
    print(f"\nTry it:  cd {folder} && pytest\n         n1v1 backtest --strategy src/{args.name}/strategy.py")
    return 0
