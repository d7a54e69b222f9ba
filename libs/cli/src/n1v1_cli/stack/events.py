"""What the supervisor says while it works."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class What(enum.StrEnum):
    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"
    RESTARTING = "restarting"
    GAVE_UP = "gave_up"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one process.

    detail: a sentence for eyes. log_tail: the end of its log, where it crashed.
    """

    what: What
    name: str
    detail: str = ""
    returncode: int | None = None
    log_tail: str = ""

    def __str__(self) -> str:
        sentence = f"{self.name} {self.detail or self.what}"
        if not self.log_tail:
            return sentence
        shown = "\n".join(f"    {line}" for line in self.log_tail.splitlines())
        return f"{sentence}. The end of its log:\n{shown}"


Announce = Callable[[Event], None]
