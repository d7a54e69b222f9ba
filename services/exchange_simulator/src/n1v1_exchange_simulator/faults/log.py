"""What fired: a line of JSON for each, in a file and, for questions, the last of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import orjson

REMEMBERED = 10_000

Entry = dict[str, Any]
"""number, venue_ns, fault, kind, seed, match, on; and what was drawn or found, by the kind.
wall_ns: but in lockstep, where every run writes the same.
"""


class FaultLog:
    def __init__(self, path: Path | None) -> None:
        """path: appended to; None keeps entries in memory alone. Raises OSError where it cannot be written."""
        self.path = path
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED)
        self._written = 0

    def write(self, entry: Entry) -> None:
        self._written += 1
        numbered = {"number": self._written} | entry
        self._entries.append(numbered)
        if self._file is not None:
            self._file.write(orjson.dumps(numbered).decode() + "\n")

    def since(self, number: int, *, limit: int = REMEMBERED) -> list[Entry]:
        """Entries after that number, oldest first; the first number is 1."""
        return list(self._after(number))[:limit]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _after(self, number: int) -> Iterator[Entry]:
        return (entry for entry in self._entries if entry["number"] > number)
