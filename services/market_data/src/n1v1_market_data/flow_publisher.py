"""Says what flows: trades, books and prices, in the order in which they came, and what of them was lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import structlog

from n1v1.events import Event, MarketDataLost, TradeSeen
from n1v1_common.bus.api import Bus, Outgoing, Published, PublishError
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
        self._last_seq = 0
        self._told: set[tuple[str, str]] = set()
        """Symbols and channels of which something was published."""
        self._published = {
            channel: metrics.counter("market_data_flow_total", channel=channel) for channel in set(CHANNEL_OF.values())
        }

    async def run(self) -> None:
        while True:
            events = await self._flow.batch(BATCH)
            self._notice_forgetting(await self._say(events), events[0].ts_ns)
            for event in events:
                if not isinstance(event, MarketDataLost):
                    channel = CHANNEL_OF[type(event)]
                    self._told.add((event.symbol, channel))
                    self._published[channel].inc()
            if self._keeper is not None:
                self._keeper.keep(events)

    def _notice_forgetting(self, published: Sequence[Published], ts_ns: int) -> None:
        """The stream is not synced: a server that was killed may count on from before what it had acknowledged.

        Nobody else publishes there, so that numbers rise. What is missing may be of any symbol.
        """
        numbers = [self._last_seq, *(each.seq for each in published if not each.duplicate)]
        self._last_seq = numbers[-1]
        forgotten = sum(max(0, earlier + 1 - later) for earlier, later in pairwise(numbers))
        for symbol, channel in sorted(self._told) if forgotten else ():
            self._flow.lose(
                MarketDataLost(
                    id=f"lost:{channel}:{symbol}:forgotten:{ts_ns}",
                    ts_ns=ts_ns,
                    symbol=symbol,
                    channel=channel,
                    lost=None,
                    reason=f"the bus has forgotten the last {forgotten} messages of the flow",
                )
            )

    async def _say(self, events: Sequence[Event]) -> Sequence[Published]:
        """Until the bus has it: meanwhile the queue fills, and what does not fit is counted there."""
        outgoing = [self._outgoing(event) for event in events]
        while True:
            try:
                return await self._bus.publish(outgoing, retry_for_s=PUBLISH_RETRY_S)
            except PublishError as error:
                if not error.retryable:
                    raise
                log.warning("the bus does not take the flow", reason=str(error), waiting=len(outgoing))

    def _outgoing(self, event: Event) -> Outgoing:
        subject, data = self._codec.encode(event)
        return Outgoing(subject, data, event.id)


async def last_trades(bus: Bus, codec: Codec, symbols: Sequence[str]) -> dict[str, TradeSeen]:
    """The newest trade on the stream, by symbol: what was missed since then is missing."""
    found: dict[str, TradeSeen] = {}
    pattern = subject_filter(TradeSeen).rsplit(".", 1)[0]
    for symbol in symbols:
        last = await bus.last_message(MARKET_FLOW.name, f"{pattern}.{symbol}")
        if last is not None:
            event, _ = codec.decode(last.subject, last.data)
            if isinstance(event, TradeSeen):
                found[symbol] = event
    return found
