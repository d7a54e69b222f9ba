"""Says what flows: trades, books and prices, in the order in which they came, and what of them was lost."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from n1v1.events import Event, MarketDataLost, TradeSeen
from n1v1_common.bus.api import Bus, Outgoing, PublishError
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import MARKET_FLOW
from n1v1_common.telemetry.metrics import Metrics
from n1v1_market_data.flow import CHANNEL_OF, Flow
from n1v1_market_data.ports import Keeper

log = structlog.get_logger()

BATCH = 256
PUBLISH_RETRY_S = 30.0


class FlowPublisher:
    """keeper: is given everything that was published; None: nobody keeps it."""

    def __init__(self, *, flow: Flow, bus: Bus, codec: Codec, metrics: Metrics, keeper: Keeper | None) -> None:
        self._flow = flow
        self._bus = bus
        self._codec = codec
        self._keeper = keeper
        self._published = {
            channel: metrics.counter("market_data_flow_total", channel=channel) for channel in set(CHANNEL_OF.values())
        }

    async def run(self) -> None:
        while True:
            events = await self._flow.batch(BATCH)
            await self._say(events)
            for event in events:
                if not isinstance(event, MarketDataLost):
                    self._published[CHANNEL_OF[type(event)]].inc()
            if self._keeper is not None:
                self._keeper.keep(events)

    async def _say(self, events: Sequence[Event]) -> None:
        """Until the bus has it: meanwhile the queue fills, and what does not fit is counted there."""
        outgoing = [self._outgoing(event) for event in events]
        while True:
            try:
                await self._bus.publish(outgoing, retry_for_s=PUBLISH_RETRY_S)
            except PublishError as error:
                if not error.retryable:
                    raise
                log.warning("the bus does not take the flow", reason=str(error), waiting=len(outgoing))
            else:
                return

    def _outgoing(self, event: Event) -> Outgoing:
        subject, data = self._codec.encode(event)
        return Outgoing(subject, data, event.id)


async def last_trades(bus: Bus, codec: Codec, symbols: Sequence[str]) -> dict[str, int]:
    """The number of the newest trade on the stream, by symbol: what was missed since then is missing.

    Only of venues that number their trades.
    """
    found: dict[str, int] = {}
    pattern = subject_filter(TradeSeen).rsplit(".", 1)[0]
    for symbol in symbols:
        last = await bus.last_message(MARKET_FLOW.name, f"{pattern}.{symbol}")
        if last is not None:
            event, _ = codec.decode(last.subject, last.data)
            if isinstance(event, TradeSeen) and event.trade_id.isdecimal():
                found[symbol] = int(event.trade_id)
    return found
