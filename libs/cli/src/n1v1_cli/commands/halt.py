"""n1v1 halt: no new exposure. Positions may still be closed."""

from __future__ import annotations

import argparse
from typing import Any

from n1v1_cli.operating import add_operating_parser, operate


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    description = "no new exposure for the account, a strategy or a symbol; exits and stops go on"
    add_operating_parser(subparsers, "halt", description, ends_by_itself=True)


def run(args: argparse.Namespace) -> int:
    from n1v1.risk.halts import Operation

    return operate(args, Operation.HALT)
