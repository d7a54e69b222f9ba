"""One password per server and installation, drawn once and kept where only its owner can read it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from n1v1_common.servers.errors import folder_error


def password_for(server: str, folder: Path) -> str:
    """The password in `folder`/`server`.password (mode 0600), drawn on first use.

    URL-safe, so that it stands in a connection URL as it is.
    """
    path = folder / f"{server}.password"
    try:
        if path.exists():
            return path.read_text().strip()
        password = secrets.token_urlsafe(24)
        write_private(path, password)
    except OSError as error:
        raise folder_error(folder, error) from error
    return password


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
