"""Where things are kept that can be had again by computing them; the folder may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "N1V1_CACHE_DIR"


def cache_folder() -> Path:
    """$N1V1_CACHE_DIR, else n1v1 in the user's cache folder as the XDG base directory specification has it."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "n1v1"
