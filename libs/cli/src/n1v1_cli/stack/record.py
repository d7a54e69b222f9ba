"""stack.json: what runs from a state folder, for the other commands to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from n1v1_common.servers.passwords import write_private

FILE_NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process. url: without a password; empty where it speaks no HTTP or is not up yet."""

    name: str
    kind: str
    """server or service"""
    state: str
    """starting, ready, crashed, stopped"""
    pid: int | None
    url: str
    log: str
    crashes: int


@dataclass(frozen=True, slots=True)
class StackRecord:
    pid: int
    """Of the supervisor."""
    mode: str
    started_at: str
    """UTC, ISO 8601."""
    is_ready: bool
    state_dir: str
    spans_dir: str
    settings: str
    """Path of the operator's settings (secrets included, readable by its owner only), which commands use."""
    processes: tuple[ProcessRecord, ...] = field(default=())
    admin_settings: str = ""
    """Path of the administrator's, for what an operator may not do."""

    def process(self, name: str) -> ProcessRecord | None:
        return next((process for process in self.processes if process.name == name), None)


def write_record(state_dir: Path, record: StackRecord) -> None:
    write_private(state_dir / FILE_NAME, json.dumps(asdict(record), indent=2) + "\n")


def read_record(state_dir: Path) -> StackRecord | None:
    """None when there is none. A record says what was started, not that it still runs: see is_running."""
    try:
        raw = json.loads((state_dir / FILE_NAME).read_text())
    except FileNotFoundError:
        return None
    processes = tuple(ProcessRecord(**process) for process in raw.pop("processes"))
    return StackRecord(**raw, processes=processes)


def remove_record(state_dir: Path) -> None:
    (state_dir / FILE_NAME).unlink(missing_ok=True)
