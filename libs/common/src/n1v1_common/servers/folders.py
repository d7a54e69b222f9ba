"""Folders that servers keep their data in: made, checked, and held by one program at a time."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import sys
from pathlib import Path

from n1v1_common.servers.errors import FolderInUse, StateFolderUnusable, WrongOwner, folder_error

# PostgreSQL's empty cluster takes 40 MB and its first WAL segments 32 MB; NATS and Valkey next to nothing.
FREE_BYTES_MIN = 128 * 1024 * 1024


def user_name(uid: int) -> str:
    """The login name of a user id, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def prepare_folder(folder: Path) -> Path:
    """Make `folder` (mode 0700) unless it is there, and prove that it can be written.

    Raises:
        StateFolderUnusable: read-only, no permission, too little room.
        WrongOwner: it belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(folder)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"can this folder be written?")
        probe.unlink()
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise folder_error(folder, error) from error
    if free_bytes < FREE_BYTES_MIN:
        raise StateFolderUnusable(
            folder, f"the disk is full ({free_bytes >> 20} MB free, {FREE_BYTES_MIN >> 20} MB needed)"
        )
    return folder


def check_owner(folder: Path) -> None:
    """Raises WrongOwner unless `folder` belongs to the user that runs this."""
    owner, us = folder.stat().st_uid, os.geteuid()
    if owner != us:
        raise WrongOwner(folder, user_name(owner), user_name(us))


class FolderLock:
    """Held from `acquire` to `release` by one process; freed by the kernel when that process dies."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{name}.lock"
        self._fd: int | None = None

    def acquire(self) -> None:
        """Raises FolderInUse, naming the holder, when another process (or object) has it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise folder_error(self._folder, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 400, 0).decode(errors="replace").strip()
            os.close(fd)
            raise FolderInUse(self._folder, holder or "another program") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} ({' '.join(sys.argv)[:300]})".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give it up; harmless when not held. The file stays: removing it would race with the next holder."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(folder: Path, *, name: str) -> bool:
    """Whether some process holds this lock of `folder` now."""
    try:
        fd = os.open(folder / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
