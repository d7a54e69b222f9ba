"""What no real venue has: /simulation/v1, the clock of the replay.

GET clock says where the market stands. POST advance {"step": n} moves it in lockstep: n is the current step (the
same answer again, so a lost answer costs nothing) or the next one; anything else is a 409.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from aiohttp import web

from n1v1.events import BarClosed
from n1v1.values import Instrument
from n1v1_exchange_simulator.exchange import Exchange, WrongStep

Mode = Literal["lockstep", "scaled"]


class SimulationApi:
    def __init__(self, exchange: Exchange, mode: Mode) -> None:
        self._exchange = exchange
        self._mode = mode
        self._instruments = exchange.venue.instruments

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/simulation/v1/clock", self.clock), web.post("/simulation/v1/advance", self.advance)]

    async def clock(self, request: web.Request) -> web.Response:
        return _json(self._position() | {"mode": self._mode})

    async def advance(self, request: web.Request) -> web.Response:
        if self._mode != "lockstep":
            return _refused(409, f"the clock runs by itself in {self._mode} mode; only lockstep is advanced")
        step = _step_of(await request.read())
        if step is None:
            return _refused(400, 'expected a body such as {"step": 1}')
        try:
            bars = self._exchange.advance(step)
        except WrongStep as problem:
            return _refused(409, str(problem))
        return _json(self._position() | {"bars": self._bars(bars)})

    def _position(self) -> dict[str, Any]:
        """close_ns: the close of the last bars; before step 1, the open of the first."""
        exchange = self._exchange
        return {
            "step": exchange.step,
            "close_ns": exchange.close_ns,
            "done": exchange.is_done,
            "total_steps": exchange.market.total_steps,
        }

    def _bars(self, bars: Sequence[BarClosed]) -> list[dict[str, Any]]:
        return [_bar(bar, self._instruments[bar.symbol]) for bar in bars]


def _bar(bar: BarClosed, instrument: Instrument) -> dict[str, Any]:
    """Prices and volume as exact decimal texts."""
    return {
        "symbol": bar.symbol,
        "timeframe": bar.timeframe,
        "open_ns": bar.open_ns,
        "close_ns": bar.ts_ns,
        "open": str(instrument.price(bar.open)),
        "high": str(instrument.price(bar.high)),
        "low": str(instrument.price(bar.low)),
        "close": str(instrument.price(bar.close)),
        "volume": f"{instrument.quantity(bar.volume):f}",
    }


def _step_of(body: bytes) -> int | None:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    step = content.get("step") if isinstance(content, dict) else None
    return step if isinstance(step, int) and not isinstance(step, bool) and step >= 0 else None


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def _refused(status: int, error: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": error}), status=status, content_type="application/json")
