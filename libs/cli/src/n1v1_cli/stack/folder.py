"""The state folder of this user, and whether a stack runs from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from n1v1_common.servers.folders import FolderLock, is_held

STATE_DIR_VARIABLE = "N1V1_STATE_DIR"
LOCK_NAME = "stack"


def default_state_dir(env: Mapping[str, str] = os.environ) -> Path:
    """$N1V1_STATE_DIR, else n1v1 below $XDG_STATE_HOME, else ~/.local/state/n1v1."""
    if named := env.get(STATE_DIR_VARIABLE):
        return Path(named).expanduser().absolute()
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "n1v1"


def stack_lock(state_dir: Path) -> FolderLock:
    """Held as long as a stack runs from the folder."""
    return FolderLock(state_dir, name=LOCK_NAME)


def stack_is_running(state_dir: Path) -> bool:
    return is_held(state_dir, name=LOCK_NAME)
