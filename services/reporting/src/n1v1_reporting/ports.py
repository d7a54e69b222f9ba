"""What the handlers need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from n1v1_common.storage.journal import Cursor
from n1v1_reporting.projection import Row


class Projections(Protocol):
    """Where rows are kept, together with how far the stream was read."""

    async def cursor(self, stream: str) -> Cursor | None:
        """The last position stored; None at the first start."""

    async def store(self, rows: Sequence[Row], stream: str, cursor: Cursor) -> None:
        """Rows and position in one transaction: that is what makes every message count exactly once."""

    async def forget_everything(self) -> None:
        """Empty the tables, because the stream they were read from is gone and another begins."""
