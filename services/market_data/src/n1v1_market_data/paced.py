"""Bars from a venue whose clock runs by itself, gathered into bar times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from n1v1.events import BarClosed, BarsComplete
from n1v1_common.bus.api import Bus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import MARKET_DATA
from n1v1_market_data.ports import BarFeed, BarTime
from n1v1_market_data.publisher import Publisher

log = structlog.get_logger()

GRACE_S = 1.0
"""How long the bars of one time are waited for after the first of them: a symbol without a trade has none."""


async def bar_times(
    bars: AsyncIterator[BarClosed], symbols: Sequence[str], *, step: int, after_ns: int = 0
) -> AsyncIterator[BarTime]:
    """Gather bars by their close: a time is complete with all symbols, with a later bar, or after GRACE_S.

    after_ns: the newest bar time that is complete already. Times rise; a bar that comes too late is left out.
    """
    waiting: dict[str, BarClosed] = {}
    newest_ns, deadline = after_ns, 0.0
    loop = asyncio.get_running_loop()
    upcoming = asyncio.ensure_future(anext(bars))
    try:
        while True:
            done, _ = await asyncio.wait([upcoming], timeout=max(0.0, deadline - loop.time()) if waiting else None)
            bar = upcoming.result() if done else None
            if waiting and (bar is None or bar.ts_ns > newest_ns):
                step += 1
                yield _bar_time(step, waiting)
                waiting = {}
            if bar is None:
                continue
            upcoming = asyncio.ensure_future(anext(bars))
            if bar.ts_ns < newest_ns or (bar.ts_ns == newest_ns and not waiting):
                log.warning("a bar came after its time was complete", symbol=bar.symbol, close_ns=bar.ts_ns)
                continue
            if not waiting:
                newest_ns, deadline = bar.ts_ns, loop.time() + GRACE_S
            waiting[bar.symbol] = bar
            if len(waiting) == len(symbols):
                step += 1
                yield _bar_time(step, waiting)
                waiting = {}
    finally:
        upcoming.cancel()


def _bar_time(step: int, bars: dict[str, BarClosed]) -> BarTime:
    ordered = tuple(bars[symbol] for symbol in sorted(bars))
    return BarTime(step, ordered[0].ts_ns, ordered)


async def follow(*, feed: BarFeed, publisher: Publisher, symbols: Sequence[str], bus: Bus, codec: Codec) -> None:
    """Publish what the venue closes, beginning after what was published last."""
    last = await bus.last_message(MARKET_DATA.name, subject_filter(BarsComplete))
    after_ns, step = 0, 0
    if last is not None:
        event, _ = codec.decode(last.subject, last.data)
        assert isinstance(event, BarsComplete)
        after_ns, step = event.ts_ns, event.sequence
    await publisher.resume(symbols)
    async for time in bar_times(feed.closed_bars(after_ns), symbols, step=step, after_ns=after_ns):
        await publisher.publish(time)
