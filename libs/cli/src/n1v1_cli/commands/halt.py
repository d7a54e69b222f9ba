"""n1v1 halt: no new exposure until n1v1 resume. Positions may still be closed."""

from __future__ import annotations

import argparse
from typing import Any

from n1v1_cli.breaker import add_breaker_parser, command_breaker


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    add_breaker_parser(subparsers, "halt", "open the circuit breaker: no new exposure until n1v1 resume")


def run(args: argparse.Namespace) -> int:
    return command_breaker(args, open_=True)
