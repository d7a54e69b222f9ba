"""n1v1 flatten: close positions and stay out."""

from __future__ import annotations

import argparse
from typing import Any

from n1v1_cli.operating import add_operating_parser, operate


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    description = "halt the account, a strategy or a symbol, take back its resting entries and close its positions"
    add_operating_parser(subparsers, "flatten", description, ends_by_itself=True)


def run(args: argparse.Namespace) -> int:
    from n1v1.risk.halts import Operation

    return operate(args, Operation.FLATTEN)
