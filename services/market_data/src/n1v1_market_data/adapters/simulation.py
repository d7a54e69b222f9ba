"""The clock of the exchange simulator, moved step by step over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from n1v1 import ids
from n1v1.events import BarClosed
from n1v1.values import Instrument
from n1v1_market_data.ports import BarTime, VenueTrouble

TIMEOUT = aiohttp.ClientTimeout(total=10.0)


class SimulationClock:
    """url: where the simulator's REST interface is."""

    def __init__(self, session: aiohttp.ClientSession, url: str, instruments: Sequence[Instrument]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._instruments = {instrument.symbol: instrument for instrument in instruments}

    async def current_step(self) -> int:
        return int((await self._ask("GET", "/simulation/v1/clock", None))["step"])

    async def advance(self, step: int) -> BarTime:
        answer = await self._ask("POST", "/simulation/v1/advance", {"step": step})
        bars = tuple(self._bar(entry) for entry in answer["bars"])
        return BarTime(int(answer["step"]), int(answer["close_ns"]), bars, bool(answer["done"]))

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            async with self._session.request(method, self._url + path, json=body, timeout=TIMEOUT) as response:
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise VenueTrouble(f"{method} {path}: {type(error).__name__}: {error}") from error
        if response.status != 200:
            raise VenueTrouble(f"{method} {path}: {response.status} {answer.get('error')}")
        return answer

    def _bar(self, entry: Mapping[str, Any]) -> BarClosed:
        instrument = self._instruments[entry["symbol"]]
        return bar_closed(
            instrument,
            timeframe=entry["timeframe"],
            open_ns=int(entry["open_ns"]),
            close_ns=int(entry["close_ns"]),
            prices=(entry["open"], entry["high"], entry["low"], entry["close"]),
            volume=entry["volume"],
        )


def bar_closed(
    instrument: Instrument,
    *,
    timeframe: str,
    open_ns: int,
    close_ns: int,
    prices: tuple[str, str, str, str],
    volume: str,
) -> BarClosed:
    """A bar from a venue's texts. Raises InvalidValue for a price off the tick grid."""
    open_, high, low, close = (instrument.ticks(price) for price in prices)
    return BarClosed(
        id=ids.bar_id(instrument.symbol, timeframe, close_ns),
        ts_ns=close_ns,
        correlation_id=ids.correlation_id(instrument.symbol, close_ns),
        symbol=instrument.symbol,
        timeframe=timeframe,
        open_ns=open_ns,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=instrument.lots(volume),
    )
