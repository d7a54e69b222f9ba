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


async def advance_by_the_clock(
    exchange: Exchange, *, speed: float, clock: Clock, steps_at_once: int = 1, idle_s: float | None = None
) -> None:
    """Let each step happen when its time has come, reckoned from where the venue stands now, until the data ends.

    Due times are reckoned from the start, not from the last step, so that delays do not add up. A late venue takes at
    most `steps_at_once` and lets others run in between. idle_s: after so many seconds without a step, time passes all
    the same; None: only with a step.
    """
    began, first_ns = clock.monotonic(), exchange.clock_ns
    while exchange.next_ns is not None:
        next_ns = exchange.next_ns
        wait_s = max(0.0, began + (next_ns - first_ns) / SECOND_NS / speed - clock.monotonic())
        is_idle = idle_s is not None and wait_s > idle_s
        await clock.sleep(idle_s if is_idle and idle_s is not None else wait_s)
        now_ns = first_ns + int((clock.monotonic() - began) * speed * SECOND_NS)
        exchange.advance_until(now_ns if is_idle else max(now_ns, next_ns), steps=steps_at_once)
