"""The seal on the event log: every record carries a hash over the record before and its own content.

A record that is changed, removed or put in afterwards breaks the chain at its place. What the chain cannot show is a
log that was rewritten from some record to its end, head included: for that, hold it against a head noted elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GENESIS = b""
"""What stands for the hash before the first record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message that a stage has said. headers: JSON, as stored. stored_ns: by our clock, when it was decided."""

    sequence: int
    stored_ns: int
    msg_id: str
    subject: str
    payload: bytes
    headers: str
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log ends: its newest record and that one's hash. sequence 0: nothing was said yet."""

    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """Where a log stops being what was written. stored_ns: of that record, or of the one before a missing one."""

    sequence: int
    stored_ns: int
    what: str


def seal(previous: bytes, record: Record) -> bytes:
    """The hash of a record. The separator occurs in none of the parts before the payload: JSON escapes it."""
    parts = (record.sequence, record.stored_ns, record.msg_id, record.subject, record.headers, "")
    return hashlib.sha256(previous + "\x1f".join(map(str, parts)).encode() + record.payload).digest()


class ChainCheck:
    """Reads a log from its first record on and stops at the first that is not what was written.

    noted: heads that this log had at some time.
    """

    def __init__(self, noted: Sequence[Head] = ()) -> None:
        self.head = Head(0, GENESIS)
        self._noted = {head.sequence: head.hash for head in noted}
        self._stored_ns = 0

    def read(self, records: Iterable[Record]) -> Break | None:
        for record in records:
            if (found := self._break_at(record)) is not None:
                return found
            self.head, self._stored_ns = Head(record.sequence, record.hash), record.stored_ns
        return None

    def end(self, head: Head) -> Break | None:
        """After the last record: `head` is what the stage has noted as the end of its log."""
        last = max(head.sequence, *self._noted, 0)
        if self.head.sequence < last:
            return self._missing(last)
        if self.head != head:
            what = f"is the last record, but the stage ended with record {head.sequence} and another hash"
            return Break(self.head.sequence, self._stored_ns, what)
        return None

    def _break_at(self, record: Record) -> Break | None:
        if record.sequence != self.head.sequence + 1:
            return self._missing(record.sequence - 1)
        if seal(self.head.hash, record) != record.hash:
            return Break(record.sequence, record.stored_ns, f"was altered ({record.msg_id}, {record.subject})")
        if self._noted.get(record.sequence, record.hash) != record.hash:
            what = "does not have the hash that was noted: the log was rewritten up to here"
            return Break(record.sequence, record.stored_ns, what)
        return None

    def _missing(self, last: int) -> Break:
        first = self.head.sequence + 1
        what = "is missing" if first == last else f"is missing, and so is every one up to {last}"
        return Break(first, self._stored_ns, what)
