"""Named moments of a service's work at which a drill stops or kills it.

N1V1_CRASH_POINTS names a folder; it is read once, when a service starts. A file `<service>.<point>` in that folder arms
a point at any time after that: "3 SIGSTOP" lets the third passage from then on send this signal to its own process. The
file goes away with the passage that fires, so that the next life gets past it, and a drill sees that it was reached.

Unarmed, a passage costs one comparison. In live mode a service does not start with it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.model import Settings

FOLDER_VARIABLE = "N1V1_CRASH_POINTS"


class CrashPoint(StrEnum):
    """Where a service can be caught. docs/chaos.md says what each means in which service."""

    BEFORE_JOURNAL = "before-journal"
    JOURNALLED_NOT_SENT = "journalled-not-sent"
    PARTIAL_FILL = "partial-fill"
    CANCEL_RACING_A_FILL = "cancel-racing-a-fill"
    BEFORE_COMMIT = "before-commit"
    COMMITTED_NOT_PUBLISHED = "committed-not-published"
    PUBLISHED_NOT_ACKNOWLEDGED = "published-not-acknowledged"


_prefix: Path | None = None
"""<folder>/<service>; None: nothing can be armed in this process."""


def allow(service: str, settings: Settings, env: Mapping[str, str]) -> None:
    """Let the points of this process be armed, if the environment asks for it. Raises ConfigError in live mode."""
    global _prefix  # one process is one service; points are passed far from where it is composed
    folder = env.get(FOLDER_VARIABLE)
    if not folder:
        _prefix = None
        return
    if settings.environment.mode == "live":
        problem = "drills stop and kill services; never with environment.mode=live"
        raise ConfigError([f"{FOLDER_VARIABLE}={folder}: {problem}"])
    _prefix = Path(folder) / service


def reached(point: CrashPoint) -> None:
    """Passed by the code at `point`. Nothing happens unless a drill has armed it."""
    if _prefix is not None:
        _pass(armed_file(_prefix.parent, _prefix.name, point))


def armed_file(folder: Path, service: str, point: CrashPoint) -> Path:
    return folder / f"{service}.{point}"


def arm(folder: Path, service: str, point: CrashPoint, *, passage: int, action: signal.Signals) -> Path:
    """What a drill does. Answers the file whose end says that the point was reached."""
    file = armed_file(folder, service, point)
    _write(file, passage, action)
    return file


def _pass(file: Path) -> None:
    try:
        passage, action = file.read_text().split()
    except FileNotFoundError:
        return
    if int(passage) > 1:
        _write(file, int(passage) - 1, signal.Signals[action])
        return
    file.unlink()
    os.kill(os.getpid(), signal.Signals[action])


def _write(file: Path, passage: int, action: signal.Signals) -> None:
    """Whole or not at all: the other side may be reading."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(f"{passage} {action.name}")
    new.replace(file)
