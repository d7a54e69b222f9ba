"""What keeps a live account in step with its venue: the user stream, the clock, the markets, the dead man's switch.

Everything here happens beside the stage's loop and changes nothing by itself: news and comparisons are put down for
the handler, which does them one at a time within a step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from n1v1.events import Event
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.handlers import ExecutionHandler
from n1v1_execution.ports import UserStream, VenueTrouble

log = structlog.get_logger()

CLOCK_EVERY_S = 60.0
MARKETS_EVERY_S = 15 * 60.0
LOOK_AGAIN_S = 2.0
"""Longer than a venue's lists lag behind one another, and than an execution takes to be heard."""
CONNECT_AGAIN_AFTER_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
RENEW_AFTER_S = 23 * 3600.0
"""Before the venue ends the connection after a day, at a moment of its choice."""

Act = Callable[[Callable[[], Sequence[Event]]], Awaitable[None]]
"""StageLoop.act: a step that no message caused."""


class Upkeep(Protocol):
    """What is asked of a gateway beside orders."""

    async def set_clock(self) -> int: ...
    async def reload_markets(self) -> None: ...
    async def cancel_all(self) -> None: ...
    async def cancel_all_after(self, seconds: int) -> None: ...


class LiveAccount:
    def __init__(
        self,
        *,
        handler: ExecutionHandler,
        stream: UserStream,
        gateway: Upkeep,
        act: Act,
        metrics: Metrics,
        reconcile_every_s: float,
        silence_s: float,
        renew_after_s: float = RENEW_AFTER_S,
    ) -> None:
        self._handler = handler
        self._stream = stream
        self._gateway = gateway
        self._act = act
        self._reconcile_every_s = reconcile_every_s
        self._silence_s = silence_s
        self._renew_after_s = renew_after_s
        self._alive_gauge = metrics.gauge("execution_user_stream_alive")

    async def hear(self) -> None:
        """Keep the user stream, for ever. Whenever it is not proven alive, no new orders go out."""
        failures = 0
        while True:
            try:
                await self._connected()
                failures = 0
                await self._listen()
            except VenueTrouble as error:
                pause_s = CONNECT_AGAIN_AFTER_S[min(failures, len(CONNECT_AGAIN_AFTER_S) - 1)]
                failures += 1
                log.warning("the user stream is not alive: no new orders", reason=str(error), again_in_s=pause_s)
            finally:
                self._say_alive(False)
                await self._stream.drop()
            await asyncio.sleep(pause_s)

    async def _connected(self) -> None:
        """Subscribe first, compare then: what happens in between is heard twice rather than not at all."""
        await self._stream.connect()
        await self._look()
        if not self._handler.is_reconciled:
            raise VenueTrouble("the account could not be compared with the venue's")
        self._say_alive(True)
        log.info("the user stream is alive")

    async def _listen(self) -> None:
        renewal = time.monotonic() + self._renew_after_s
        while time.monotonic() < renewal:
            updates = await self._stream.next(self._silence_s)
            if not updates:
                await self._stream.probe()
                continue
            self._handler.hear(updates)
            await self._act(self._handler.news)
        raise VenueTrouble("renewed before its day is over")

    def _say_alive(self, is_alive: bool) -> None:
        self._handler.is_connected = is_alive
        self._alive_gauge.set(int(is_alive))

    async def reconcile(self) -> None:
        self._handler.ask_to_reconcile()
        await self._act(self._handler.news)

    async def reconcile_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._reconcile_every_s)
            await self._look()

    async def _look(self) -> None:
        """Compare, and once more soon after if there is a doubt."""
        await self.reconcile()
        if self._handler.has_doubts:
            await asyncio.sleep(LOOK_AGAIN_S)
            await self.reconcile()

    async def keep_clock(self) -> None:
        await self._regularly(CLOCK_EVERY_S, self._gateway.set_clock)

    async def keep_markets(self) -> None:
        await self._regularly(MARKETS_EVERY_S, self._gateway.reload_markets)

    async def hold_dead_man_switch(self, seconds: int) -> None:
        """Tell the venue three times in its patience that we live."""
        await self._attempt(lambda: self._gateway.cancel_all_after(seconds))
        await self._regularly(seconds / 3, lambda: self._gateway.cancel_all_after(seconds))

    async def _regularly(self, pause_s: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(pause_s)
            await self._attempt(work)

    async def _attempt(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except VenueTrouble as error:
            log.warning("the venue does not answer", reason=str(error))
