"""Ctrl-C, SIGTERM and a closed terminal all mean: stop cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(main: Coroutine[None, None, int]) -> int:
    """Run `main` to its exit code. A stop signal cancels it and gives 128 + the signal's number (130 for Ctrl-C)
    once its clean-up is through; further signals do not cut the clean-up short, which has deadlines of its own."""
    received: list[signal.Signals] = []

    async def watched() -> int:
        task = asyncio.ensure_future(main)

        def interrupt(number: signal.Signals) -> None:
            if not received:
                task.cancel()
            received.append(number)

        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, interrupt, number)
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        return 128 + received[0]

    return asyncio.run(watched())
