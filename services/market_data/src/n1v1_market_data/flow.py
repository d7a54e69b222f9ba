"""Between a venue, which does not wait, and the bus, which sometimes has to be waited for: a queue with a bound.

What does not fit is lost, and that is said: a MarketDataLost stands in the queue exactly where the events are missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from n1v1.events import (
    BookChanged,
    BookSnapshot,
    FundingRate,
    MarketDataLost,
    MarkPrice,
    TickerSeen,
    TradeSeen,
)

FlowEvent = TradeSeen | BookSnapshot | BookChanged | TickerSeen | FundingRate | MarkPrice

CHANNEL_OF: dict[type[FlowEvent], str] = {
    TradeSeen: "trades",
    BookSnapshot: "book",
    BookChanged: "book",
    TickerSeen: "ticker",
    FundingRate: "funding",
    MarkPrice: "mark_price",
}


@dataclass(slots=True)
class _Overflow:
    """What did not fit, of one symbol and channel, since the last time that something did."""

    first: FlowEvent
    last: FlowEvent
    count: int = 1


class Flow:
    """on_loss: told of every loss as it is known, whether or not the bus can be reached."""

    def __init__(self, size: int, *, on_loss: Callable[[MarketDataLost], None]) -> None:
        self._size = size
        self._on_loss = on_loss
        self._events: deque[FlowEvent | MarketDataLost] = deque()
        self._overflows: dict[tuple[str, str], _Overflow] = {}
        self._has_some = asyncio.Event()

    def put(self, event: FlowEvent) -> bool:
        """Never waits. False: there was no room; a book has to begin anew with a snapshot."""
        if len(self._events) >= self._size:
            self._overflow(event)
            return False
        if self._overflows:
            self._tell_overflow((event.symbol, CHANNEL_OF[type(event)]))
        self._events.append(event)
        self._has_some.set()
        return True

    def lose(self, loss: MarketDataLost) -> None:
        """Say what is missing. It always fits: there is one for a whole run of events."""
        self._on_loss(loss)
        self._events.append(loss)
        self._has_some.set()

    async def batch(self, limit: int) -> list[FlowEvent | MarketDataLost]:
        """At least one event, in order, waiting for it; at most `limit`."""
        await self._has_some.wait()
        taken = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if not self._events:
            for key in list(self._overflows):
                self._tell_overflow(key)
        if not self._events:
            self._has_some.clear()
        return taken

    def _overflow(self, event: FlowEvent) -> None:
        key = (event.symbol, CHANNEL_OF[type(event)])
        if (known := self._overflows.get(key)) is None:
            self._overflows[key] = _Overflow(event, event)
        else:
            known.last = event
            known.count += 1

    def _tell_overflow(self, key: tuple[str, str]) -> None:
        if (overflow := self._overflows.pop(key, None)) is None:
            return
        symbol, channel = key
        self.lose(
            MarketDataLost(
                id=f"lost:{overflow.first.id}",
                ts_ns=overflow.last.ts_ns,
                symbol=symbol,
                channel=channel,
                lost=overflow.count,
                reason=f"{self._size} events waited for the bus already",
                first_id=_number_of(overflow.first),
                last_id=_number_of(overflow.last),
            )
        )


def _number_of(event: FlowEvent) -> str:
    if isinstance(event, TradeSeen):
        return event.trade_id
    if isinstance(event, BookChanged):
        return str(event.last_update_id)
    return str(event.update_id) if isinstance(event, BookSnapshot) else ""
