"""Every service knows whether its account takes new exposure, and says so: a gauge, and a line in its log.

Heard as it is published. Who may read the log that is its truth also looks it up, at the start and every few seconds:
a connection that was lost may have lost the news as well. What follows from it is risk's and execution's matter.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from n1v1.events import BreakerChanged
from n1v1_common.bus.api import Bus, BusClosed, BusError, Tap
from n1v1_common.codec import Codec, Undecodable
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import TRADING
from n1v1_common.telemetry.metrics import Metrics

log = structlog.get_logger()

LOOK_EVERY_S = 5.0


class HaltWatch:
    def __init__(self, bus: Bus, *, account: str, metrics: Metrics, looks_up: bool = True) -> None:
        self._bus = bus
        self._account = account
        self._looks_up = looks_up
        self._codec = Codec(())
        self._subject = subject_filter(BreakerChanged)
        self._gauge = metrics.gauge("n1v1_account_halted", account=account)
        self._delay = metrics.gauge("n1v1_halt_delay_seconds", account=account)
        self._last_id = ""
        self._is_listening = False
        """What was said before our time has not taken long to us."""

    async def run(self) -> None:
        """Until the bus drains."""
        tap = await self._bus.tap(self._subject)
        try:
            while True:
                if self._looks_up:
                    await self._look_up()
                self._is_listening = True
                if await self._hear_until_it_ends(tap):
                    return
        finally:
            await tap.close()

    async def _hear_until_it_ends(self, tap: Tap) -> bool:
        """Listen for a while. Answers whether the tap has ended: the bus drains, and says nothing any more."""
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                async for heard in tap:
                    self._hear(heard.subject, heard.data)
        except TimeoutError:
            return False
        return True

    async def _look_up(self) -> None:
        try:
            last = await self._bus.last_message(TRADING.name, self._subject)
        except BusClosed:
            return
        except BusError as error:
            log.warning("whether the account is halted cannot be looked up", reason=str(error))
            return
        if last is not None:
            self._hear(last.subject, last.data)

    def _hear(self, subject: str, data: bytes) -> None:
        try:
            event, envelope = self._codec.decode(subject, data)
        except Undecodable as error:
            log.warning("a change of the breaker is not understood", reason=str(error))
            return
        if not isinstance(event, BreakerChanged) or event.account != self._account or event.id == self._last_id:
            return
        self._last_id = event.id
        self._gauge.set(event.is_open)
        delay_s = (time.time_ns() - envelope.ts_created_ns) / 1e9
        if self._is_listening:
            self._delay.set(delay_s)
        words = {"reason": event.reason, "actor": event.actor, "after_s": round(delay_s, 4)}
        log.warning("the account is halted" if event.is_open else "the account trades", **words)
