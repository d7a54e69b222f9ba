"""n1v1 resume: close the circuit breaker. Drawdown is measured from the present equity again."""

from __future__ import annotations

import argparse
from typing import Any

from n1v1_cli.breaker import add_breaker_parser, command_breaker


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    add_breaker_parser(subparsers, "resume", "close the circuit breaker; drawdown counts from now on")


def run(args: argparse.Namespace) -> int:
    return command_breaker(args, open_=False)
