"""Who runs this process, for what is kept with a name."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """As the system knows the user; by number where it has no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
