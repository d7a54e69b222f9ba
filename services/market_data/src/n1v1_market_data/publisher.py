"""Says the bars of a time, and that they are complete. Said again after a crash, it is recognised by its ids."""

from __future__ import annotations

from collections.abc import Sequence

from n1v1.events import BarClosed, Event, GapFound, ReplayEnded
from n1v1.pipeline import bars_complete
from n1v1.timeframes import timeframe_ns
from n1v1_common.bus.api import Bus, Outgoing
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_common.streams import MARKET_DATA
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing
from n1v1_market_data.ports import BarTime, Keeper

PUBLISH_RETRY_S = 30.0


class Publisher:
    def __init__(
        self, *, bus: Bus, codec: Codec, tracing: Tracing, metrics: Metrics, keeper: Keeper | None = None
    ) -> None:
        """keeper: is given the bars that were published; None: nobody keeps them."""
        self._bus = bus
        self._codec = codec
        self._tracing = tracing
        self._metrics = metrics
        self._keeper = keeper
        self._last_close_ns: dict[str, int] = {}

    async def resume(self, symbols: Sequence[str]) -> None:
        """Look up the newest bars on the stream, so that a gap that began before this process is found too."""
        for symbol in symbols:
            pattern = subject_filter(BarClosed).rsplit(".", 2)[0] + f".{symbol}.*"
            last = await self._bus.last_message(MARKET_DATA.name, pattern)
            if last is not None:
                self._last_close_ns[symbol] = self._codec.decode(last.subject, last.data)[0].ts_ns

    async def publish(self, time: BarTime) -> None:
        """Bars and the gaps before them, then the watermark: in this order on the stream."""
        gaps = [gap for bar in time.bars for gap in self._gap_before(bar)]
        complete = bars_complete(time.close_ns, time.bars, time.step)
        reached(CrashPoint.COMMITTED_NOT_PUBLISHED)
        await self._say([*gaps, *time.bars, complete])
        reached(CrashPoint.PUBLISHED_NOT_ACKNOWLEDGED)
        if self._keeper is not None:
            self._keeper.keep(time.bars)
        for bar in time.bars:
            self._metrics.counter("market_data_bars_total", symbol=bar.symbol).inc()

    async def publish_end(self, last: BarTime) -> None:
        await self._say([ReplayEnded(id=f"replay_ended:{last.close_ns}", ts_ns=last.close_ns, steps=last.step)])

    def _gap_before(self, bar: BarClosed) -> list[GapFound]:
        previous = self._last_close_ns.get(bar.symbol)
        self._last_close_ns[bar.symbol] = max(bar.ts_ns, previous or 0)
        if previous is None or previous >= bar.open_ns:
            return []
        self._metrics.counter("market_data_gaps_total", symbol=bar.symbol).inc()
        return [
            GapFound(
                id=f"gap:{bar.symbol}:{previous}",
                ts_ns=bar.open_ns,
                symbol=bar.symbol,
                timeframe=bar.timeframe,
                first_open_ns=previous,
                missing_bars=(bar.open_ns - previous) // timeframe_ns(bar.timeframe),
            )
        ]

    async def _say(self, events: Sequence[Event]) -> None:
        await self._bus.publish([self._outgoing(event) for event in events], retry_for_s=PUBLISH_RETRY_S)

    def _outgoing(self, event: Event) -> Outgoing:
        headers: dict[str, str] = {}
        if isinstance(event, BarClosed):
            self._tracing.begin_trace(headers)
        subject, data = self._codec.encode(event)
        return Outgoing(subject, data, event.id, headers)
