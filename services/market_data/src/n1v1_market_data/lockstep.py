"""Replay in lockstep: the next bar is released when the whole stack has settled on the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from n1v1.events import OrdersComplete
from n1v1_common.bus.api import Bus, Tap
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import TRADING
from n1v1_market_data.ports import SteppedVenue, VenueTrouble
from n1v1_market_data.publisher import Publisher

log = structlog.get_logger()

T = TypeVar("T")

SETTLED = subject_filter(OrdersComplete)
LOOK_AGAIN_S = 1.0
"""The tap is quick and may lose a message; the stream is asked when it has been silent for so long."""
TRY_AGAIN_S = 0.1


class Settlement:
    """Knows up to which bar time the stack has settled."""

    def __init__(self, bus: Bus, codec: Codec, tap: Tap) -> None:
        self._bus = bus
        self._codec = codec
        self._tap = tap
        self._settled_ns = -1

    async def wait_for(self, close_ns: int) -> None:
        if self._settled_ns < 0:
            await self._look()
        while self._settled_ns < close_ns:
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    heard = await self._tap.__anext__()
                self._take(heard.subject, heard.data)
            except TimeoutError:
                await self._look()

    async def _look(self) -> None:
        last = await self._bus.last_message(TRADING.name, SETTLED)
        if last is not None:
            self._take(last.subject, last.data)

    def _take(self, subject: str, data: bytes) -> None:
        event, _ = self._codec.decode(subject, data)
        self._settled_ns = max(self._settled_ns, event.ts_ns)


class Replayer:
    """Plays a stepped venue from wherever it stands to the end of its data."""

    def __init__(
        self, *, venue: SteppedVenue, publisher: Publisher, settlement: Settlement, symbols: Sequence[str]
    ) -> None:
        self._venue = venue
        self._symbols = symbols
        self._publisher = publisher
        self._settlement = settlement

    async def run(self) -> None:
        """Ends with the data. Cancelling it is safe at any moment: what was said is recognised when said again."""
        await self._publisher.resume(self._symbols)
        step = max(1, await _until_answered(self._venue.current_step))
        while True:
            time = await _until_answered(partial(self._venue.advance, step))
            await self._publisher.publish(time)
            await self._settlement.wait_for(time.close_ns)
            if time.is_last:
                break
            step += 1
        await self._publisher.publish_end(time)
        log.info("the replay has ended", steps=time.step)


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except VenueTrouble as error:
            log.warning("the venue does not answer", reason=str(error))
            await asyncio.sleep(TRY_AGAIN_S)
