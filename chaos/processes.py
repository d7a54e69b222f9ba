"""Processes of a stack that are held for a while."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process and its children: a stopped PostgreSQL whose back ends go on would be a PostgreSQL."""
    send(pid, signal.SIGSTOP)  # first, so that it has no more children afterwards
    family = [*children_of(pid), pid]
    try:
        for member in family:
            send(member, signal.SIGSTOP)
        yield
    finally:
        for member in family:
            send(member, signal.SIGCONT)


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it died of the disturbance, which is what the drill is about
        os.kill(pid, number)


def is_stopped(pid: int) -> bool:
    return state_and_parent(pid)[0] == "T"


def children_of(pid: int) -> list[int]:
    everybody = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [member for member in everybody if state_and_parent(member)[1] == pid]


def state_and_parent(pid: int) -> tuple[str, int]:
    """The letter of its state, as ps shows it, and whose child it is; nothing when it has ended."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return state, int(parent)
