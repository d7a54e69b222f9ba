"""The best prices that market_data has published last."""

from __future__ import annotations

from n1v1.events import TickerSeen
from n1v1_common.bus.api import Bus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import MARKET_FLOW


class PublishedPrices:
    """Looked up when they are wanted: the flow of a busy book is too much to hear for a price a minute."""

    def __init__(self, bus: Bus, codec: Codec) -> None:
        self._bus = bus
        self._codec = codec
        self._subjects = subject_filter(TickerSeen).rsplit(".", 1)[0]

    async def newest(self, symbol: str) -> TickerSeen | None:
        last = await self._bus.last_message(MARKET_FLOW.name, f"{self._subjects}.{symbol}")
        if last is None:
            return None
        event, _ = self._codec.decode(last.subject, last.data)
        return event if isinstance(event, TickerSeen) else None
