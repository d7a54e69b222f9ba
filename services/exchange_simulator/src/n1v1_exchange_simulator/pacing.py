"""The scaled clock: the market moves by itself, `speed` recorded seconds per second; 1 is real time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from n1v1_exchange_simulator.exchange import Exchange

SECOND_NS = 1_000_000_000


class Clock(Protocol):
    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def advance_by_the_clock(exchange: Exchange, *, speed: float, clock: Clock, steps_at_once: int = 1) -> None:
    """Let each step happen when its time has come, reckoned from where the venue stands now, until the data ends.

    Due times are reckoned from the start, not from the last step, so that delays do not add up. A late venue takes at
    most `steps_at_once` and lets others run in between.
    """
    began, first_ns = clock.monotonic(), exchange.clock_ns
    while exchange.next_ns is not None:
        due = began + (exchange.next_ns - first_ns) / SECOND_NS / speed
        await clock.sleep(max(0.0, due - clock.monotonic()))
        now_ns = first_ns + int((clock.monotonic() - began) * speed * SECOND_NS)
        exchange.advance_until(max(now_ns, exchange.next_ns), steps=steps_at_once)
