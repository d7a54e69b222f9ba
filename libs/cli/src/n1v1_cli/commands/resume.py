"""n1v1 resume: end a halt. Of the whole account it also closes the circuit breaker, and losses count anew."""

from __future__ import annotations

import argparse
from typing import Any

from n1v1_cli.operating import add_operating_parser, operate


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    description = "end the halt of exactly this scope; of the account also an open breaker, drawdown counts from now on"
    add_operating_parser(subparsers, "resume", description, ends_by_itself=False)


def run(args: argparse.Namespace) -> int:
    from n1v1.risk.halts import Operation

    return operate(args, Operation.RESUME)
