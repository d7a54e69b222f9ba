"""The venue's journal: every accepted command as one line of JSON, on disk before the client hears of it.

The venue is deterministic, so its history is its state: reading the journal through a fresh venue gives the same
orders, executions, balances and ids. A line reaches the operating system with one write, which survives kill -9;
with `fsync` it also survives a power cut.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

Record = dict[str, Any]
"""One journalled command; what stands in it is up to exchange.py. JSON, hence Any."""

FILE_NAME = "commands.jsonl"
_FORMAT = 3
CLOSED = -1
"""No file has this descriptor; using it is an error."""


class JournalError(Exception):
    """The venue cannot know its own history, or cannot continue it. The message says what to do."""


class Journal:
    """Owns the file: one process at a time. `records` is what earlier runs left, oldest first."""

    def __init__(self, folder: Path, *, identity: Mapping[str, str], fsync: bool) -> None:
        """identity: what the history is only valid for (dataset, configuration), as name -> hash.

        Raises:
            JournalError: in use by another process, damaged before its last line, written for another
                identity, or not writable.
        """
        self.path = folder / FILE_NAME
        self.cut_off = b""
        """What a crash left of a last line, removed; empty when the journal ended cleanly."""
        self._fsync = fsync
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be opened: {error.strerror}") from error
        try:
            self._lock()
            self.records = self._read(dict(identity))
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Raises JournalError when the line is not surely written. The journal is then closed for good: the
        caller's memory is ahead of it, and nothing may be written behind a line that is missing or torn.
        """
        line = orjson.dumps(record) + b"\n"
        try:
            written = os.write(self._file, line)
            if self._fsync:
                os.fdatasync(self._file)
        except OSError as error:
            self.close()
            raise JournalError(f"{self.path} cannot be written: {error.strerror}") from error
        if written != len(line):
            self.close()
            raise JournalError(f"{self.path}: only {written} of {len(line)} bytes were written; is the disk full?")

    def close(self) -> None:
        """May be called twice. The number is forgotten, because the system soon gives it to another file."""
        if self._file != CLOSED:
            os.close(self._file)
            self._file = CLOSED

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path} is in use by another process") from None

    def _read(self, identity: dict[str, str]) -> list[Record]:
        whole, torn = self._split_at_torn_line(self.path.read_bytes())
        if torn:
            self.cut_off = torn
            os.ftruncate(self._file, len(whole))
        lines = whole.splitlines()
        if not lines:
            self.append({"journal": _FORMAT, **identity})
            return []
        self._check_header(self._parsed(1, lines[0]), identity)
        return [self._parsed(number, line) for number, line in enumerate(lines[1:], start=2)]

    @staticmethod
    def _split_at_torn_line(content: bytes) -> tuple[bytes, bytes]:
        """A line is whole once its newline is there: the newline is written last, by the same write."""
        end = content.rfind(b"\n") + 1
        return content[:end], content[end:]

    def _parsed(self, number: int, line: bytes) -> Record:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise JournalError(f"{self.path}:{number} is damaged: {error}. {self._advice()}") from None
        if not isinstance(record, dict):
            raise JournalError(f"{self.path}:{number} is no command. {self._advice()}")
        return record

    def _check_header(self, header: Record, identity: dict[str, str]) -> None:
        if header.get("journal") != _FORMAT:
            found = header.get("journal")
            raise JournalError(f"{self.path} has format {found}, expected {_FORMAT}. {self._advice()}")
        for name, expected in identity.items():
            if header.get(name) != expected:
                raise JournalError(
                    f"{self.path} was written for another {name}: {header.get(name)}, now {expected}. {self._advice()}"
                )

    def _advice(self) -> str:
        return f"Remove {self.path.parent} to begin anew, or choose another paths.state_dir."
