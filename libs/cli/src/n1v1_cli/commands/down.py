"""n1v1 down: stop the stack of the state folder."""

from __future__ import annotations

import argparse
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.05
# The deadlines of all processes together: most drain in tenths of a second.
CLEAN_STOP_WITHIN_S = 120.0


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    subparsers.add_parser(
        "down",
        help="stop what `n1v1 up` started",
        description="Asks the supervisor of the state folder to stop everything, and returns when it has. "
        "Nothing running is no error.",
    )


def run(args: argparse.Namespace) -> int:
    """Raises CommandError when it has not stopped in time."""
    from n1v1_cli.stack.folder import default_state_dir, stack_is_running
    from n1v1_cli.stack.record import read_record, remove_record

    state_dir = default_state_dir()
    if not stack_is_running(state_dir):
        remove_record(state_dir)  # left by a supervisor that was killed; the kernel has ended its children
        print(f"nothing runs from {state_dir}")
        return 0
    record = read_record(state_dir)
    if record is None:
        raise CommandError(f"the stack of {state_dir} is only just starting or stopping; try again in a moment")
    os.kill(record.pid, signal.SIGTERM)
    _wait_until_stopped(state_dir, record.pid)
    print("stopped")
    return 0


def _wait_until_stopped(state_dir: Path, pid: int) -> None:
    from n1v1_cli.stack.folder import stack_is_running

    deadline = time.monotonic() + CLEAN_STOP_WITHIN_S
    while stack_is_running(state_dir):
        if time.monotonic() > deadline:
            raise CommandError(
                f"process {pid} has not stopped within {CLEAN_STOP_WITHIN_S:.0f} s; n1v1 status shows it"
            )
        time.sleep(POLL_S)
