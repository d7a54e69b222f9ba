"""A connection may stand and say nothing: some venues' do, without an error. Each channel has a time for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from n1v1_market_data.ports import VenueTrouble

LOOK_S = 0.5


class Silence:
    """limits_s: by channel, how long it may be silent; 0: for ever. clock: of seconds; tests move it."""

    def __init__(
        self, limits_s: Mapping[str, float], *, on_disconnected: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._limits_s = {channel: limit for channel, limit in limits_s.items() if limit}
        self._on_disconnected = on_disconnected
        self._clock = clock
        self._heard: dict[str, float] = {}

    def heard(self, channel: str) -> None:
        self._heard[channel] = self._clock()

    def allow(self, channel: str) -> None:
        """It may be silent for ever: this venue does not stream it."""
        self._limits_s.pop(channel, None)

    def too_long(self) -> str | None:
        """Which channel has been silent for too long, as a sentence."""
        now = self._clock()
        for channel, limit in self._limits_s.items():
            if now - self._heard.setdefault(channel, now) > limit:
                return f"nothing on {channel} for {limit:g} s"
        return None

    def disconnected(self) -> None:
        """The next connection begins with a fresh time for each channel."""
        self._heard.clear()
        self._on_disconnected()

    async def watch(self) -> None:
        """Raises VenueTrouble when a channel has been silent for too long."""
        while True:
            if complaint := self.too_long():
                raise VenueTrouble(complaint)
            await asyncio.sleep(LOOK_S)
