"""Closed bars over Binance's protocol: kline streams, and REST for what was missed while not connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import structlog

from n1v1.events import BarClosed
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_market_data.adapters.simulation import bar_closed
from n1v1_market_data.ports import VenueTrouble

log = structlog.get_logger()

KLINES_MAX = 1000
SILENCE_MAX_S = 60.0
RECONNECT_S = 1.0
MS_NS = 1_000_000
TROUBLE = (aiohttp.ClientError, TimeoutError, OSError, VenueTrouble)


class BinanceBars:
    """One WebSocket for all symbols. Unfinished bars are never passed on."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        rest_url: str,
        ws_url: str,
        instruments: Sequence[Instrument],
        timeframe: str,
        serves_open_bar: bool,
    ) -> None:
        """serves_open_bar: whether the last kline over REST is unfinished, as on every real venue."""
        self._session = session
        self._rest_url = rest_url.rstrip("/")
        self._ws_url = ws_url.rstrip("/")
        self._by_wire = {instrument.symbol.replace("-", ""): instrument for instrument in instruments}
        self._timeframe = timeframe
        self._open_rows = 1 if serves_open_bar else 0
        self._length_ns = timeframe_ns(timeframe)

    async def closed_bars(self, after_ns: int) -> AsyncIterator[BarClosed]:
        """Connected or not, in order per symbol, each bar once."""
        newest = dict.fromkeys(self._by_wire, after_ns)
        while True:
            try:
                async for wire, bar in self._connected(newest):
                    if bar.ts_ns > newest[wire]:
                        newest[wire] = bar.ts_ns
                        yield bar
            except TROUBLE as error:
                log.warning("the venue's stream is lost", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RECONNECT_S)

    async def _connected(self, newest: dict[str, int]) -> AsyncIterator[tuple[str, BarClosed]]:
        """Subscribe first and back-fill second, so that nothing can fall in between."""
        async with self._session.ws_connect(f"{self._ws_url}/ws", heartbeat=20.0) as socket:
            streams = [f"{wire.lower()}@kline_{self._timeframe}" for wire in self._by_wire]
            await socket.send_json({"method": "SUBSCRIBE", "params": streams, "id": 1})
            for found in await self._missed(newest):
                yield found
            while True:
                message = await socket.receive(timeout=SILENCE_MAX_S)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise VenueTrouble(f"the stream ended: {message.type.name} {message.data}")
                kline = message.json().get("k")
                if kline and kline["x"]:
                    yield kline["s"], self._bar_of_event(kline)

    async def _missed(self, newest: dict[str, int]) -> list[tuple[str, BarClosed]]:
        """Closed bars since the newest one known, by close time.

        Without any known one a real venue's past is not ours; a recording is played from its first bar, which the
        simulator may have closed before we were there.
        """
        begun = {wire: after_ns for wire, after_ns in newest.items() if after_ns or not self._open_rows}
        missed = [(wire, bar) for wire, after_ns in begun.items() for bar in await self._since(wire, after_ns)]
        return sorted(missed, key=lambda found: (found[1].ts_ns, found[0]))

    async def _since(self, wire: str, after_ns: int) -> list[BarClosed]:
        """Closed bars that opened at or after a time, page by page."""
        bars: list[BarClosed] = []
        while True:
            rows = await self._klines(wire, bars[-1].ts_ns if bars else after_ns)
            is_last_page = len(rows) < KLINES_MAX
            closed = rows[: len(rows) - self._open_rows] if is_last_page else rows[:-1]
            bars += [self._bar(wire, row[0], row[1:5], row[5]) for row in closed]
            if is_last_page:
                return bars

    async def _klines(self, wire: str, after_ns: int) -> list[list[Any]]:
        parameters = {
            "symbol": wire,
            "interval": self._timeframe,
            "startTime": str(after_ns // MS_NS),
            "limit": str(KLINES_MAX),
        }
        async with self._session.get(f"{self._rest_url}/api/v3/klines", params=parameters) as response:
            if response.status != 200:
                raise VenueTrouble(f"klines: {response.status} {await response.text()}")
            rows: list[list[Any]] = await response.json()
            return rows

    def _bar_of_event(self, kline: dict[str, Any]) -> BarClosed:
        prices = [kline[name] for name in ("o", "h", "l", "c")]
        return self._bar(kline["s"], kline["t"], prices, kline["v"])

    def _bar(self, wire: str, open_ms: int, prices: Sequence[str], volume: str) -> BarClosed:
        open_ns = int(open_ms) * MS_NS
        open_, high, low, close = prices
        return bar_closed(
            self._by_wire[wire],
            timeframe=self._timeframe,
            open_ns=open_ns,
            close_ns=open_ns + self._length_ns,
            prices=(open_, high, low, close),
            volume=volume,
        )
