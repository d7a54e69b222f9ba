"""Time for the in-memory bus: the wall's, or a hand-moved one for tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int: ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None: ...


class WallClock:
    def now_ns(self) -> int:
        return time.time_ns()

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        delay_s = max(0, when_ns - self.now_ns()) / NS_PER_S
        asyncio.get_running_loop().call_later(delay_s, callback)


class ManualClock:
    """Stands still until advanced; what falls due meanwhile is called in order, at its own time."""

    def __init__(self, start_ns: int = 1_600_000_000 * NS_PER_S) -> None:
        self._now_ns = start_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = itertools.count()

    def now_ns(self) -> int:
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when_ns, next(self._ties), callback))

    def advance(self, seconds: float) -> None:
        until_ns = self._now_ns + round(seconds * NS_PER_S)
        while self._due and self._due[0][0] <= until_ns:
            when_ns, _, callback = heapq.heappop(self._due)
            self._now_ns = max(self._now_ns, when_ns)
            callback()
        self._now_ns = until_ns
