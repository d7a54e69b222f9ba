"""What the durations of faults are measured by.

When the market runs by the clock it is the wall clock. In lockstep it is the market's time, which moves by commands
alone: the same commands meet the same faults, whatever the computer was busy with. What only makes a client wait for
its answer, as latency does, is of the wall clock in both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

SECOND_NS = 1_000_000_000

Nanoseconds = Callable[[], int]


class Timers(Protocol):
    def now_ns(self) -> int: ...

    def call_later(self, seconds: float, do: Callable[[], None]) -> None:
        """Not within this call, unless it is due already."""

    def stamp(self) -> dict[str, int]:
        """What an entry of the log says of the wall clock: nothing where another run would say something else."""

    def next_ns(self, after_ns: int) -> int | None:
        """The next moment after one of the market's time at which something is due by it."""

    def ring(self) -> None:
        """To be called whenever the market's time has moved."""


class WallTimers:
    def __init__(self, now_ns: Nanoseconds = time.time_ns) -> None:
        self.now_ns = now_ns

    def call_later(self, seconds: float, do: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, do)

    def stamp(self) -> dict[str, int]:
        return {"wall_ns": self.now_ns()}

    def next_ns(self, after_ns: int) -> int | None:
        return None

    def ring(self) -> None:
        """The loop has timers of its own."""


class MarketTimers:
    def __init__(self, now_ns: Nanoseconds) -> None:
        self.now_ns = now_ns
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def call_later(self, seconds: float, do: Callable[[], None]) -> None:
        if seconds <= 0:
            do()
            return
        self._count += 1
        heappush(self._waiting, (self.now_ns() + round(seconds * SECOND_NS), self._count, do))

    def stamp(self) -> dict[str, int]:
        return {}

    def next_ns(self, after_ns: int) -> int | None:
        return max(after_ns + 1, self._waiting[0][0]) if self._waiting else None

    def ring(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.now_ns():
            heappop(self._waiting)[2]()
