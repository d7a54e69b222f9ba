"""The scaled clock: the market moves by itself, `speed` recorded seconds per second."""

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


async def advance_by_the_clock(exchange: Exchange, *, speed: float, clock: Clock) -> None:
    """Close each bar when its time has come, reckoned from where the venue stands now, until the data ends.

    Due times are reckoned from the start, not from the last bar, so that delays do not add up. A late venue
    closes its bars one by one and lets others run in between.
    """
    began, first_ns = clock.monotonic(), exchange.close_ns
    while not exchange.is_done:
        next_close_ns = exchange.market.bars_at(exchange.step + 1)[0].ts_ns
        due = began + (next_close_ns - first_ns) / SECOND_NS / speed
        await clock.sleep(max(0.0, due - clock.monotonic()))
        exchange.advance(exchange.step + 1)
