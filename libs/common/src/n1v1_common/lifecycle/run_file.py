"""Where a running service can be found: <state_dir>/run/<instance>.json."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from n1v1_common.lifecycle.errors import StateFolderUnusable


@dataclass(frozen=True, slots=True)
class RunFile:
    service: str
    instance: str
    pid: int
    host: str
    port: int
    url: str
    started_ns: int


def run_file_path(state_dir: Path, instance: str) -> Path:
    return state_dir / "run" / f"{instance}.json"


def write_run_file(state_dir: Path, *, service: str, instance: str, host: str, port: int) -> RunFile:
    """Written whole or not at all, so that a reader never sees half of it.

    Raises:
        StateFolderUnusable: the folder cannot be written to.
    """
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound
    url = f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
    found = RunFile(service, instance, os.getpid(), host, port, url, time.time_ns())
    path = run_file_path(state_dir, instance)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StateFolderUnusable(f"{path.parent} cannot be written to: {error.strerror}") from error
    return found


def read_run_file(state_dir: Path, instance: str) -> RunFile | None:
    """None when the service is not running, or was killed before it could say where it is."""
    try:
        return RunFile(**json.loads(run_file_path(state_dir, instance).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_run_file(state_dir: Path, instance: str) -> None:
    """Only our own: a successor may have written one already. A confined service leaves its own to the supervisor."""
    try:
        found = read_run_file(state_dir, instance)
    except PermissionError:
        return
    if found is not None and found.pid == os.getpid():
        run_file_path(state_dir, instance).unlink(missing_ok=True)
