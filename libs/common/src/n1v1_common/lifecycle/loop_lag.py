"""How late the event loop wakes up: the first sign of a callback that blocks."""

from __future__ import annotations

import asyncio
from collections import deque

from n1v1_common.telemetry.metrics import Metrics

INTERVAL_S = 0.5
WINDOW = 120  # measurements kept for the maximum: one minute


async def watch_loop_lag(metrics: Metrics) -> None:
    """Measures for ever; the owner cancels it."""
    last = metrics.gauge("n1v1_event_loop_lag_seconds")
    worst = metrics.gauge("n1v1_event_loop_lag_max_seconds")
    seen: deque[float] = deque(maxlen=WINDOW)
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_S
        await asyncio.sleep(INTERVAL_S)
        seen.append(max(loop.time() - due, 0.0))
        last.set(seen[-1])
        worst.set(max(seen))
