"""What no real venue has: /simulation/v1, the clock of the replay.

GET clock says where the market stands. POST advance moves it in lockstep, and answers where it stands then:

- {"step": n}: to bar time n, with the bars that close there; n is the current one or the next. Over trades and depth a
  bar time is a stretch of market.timeframe.
- {"until_ns": t}: everything that is due at t or before has happened then.
- {"events": k}: so many steps of the recording further, or to the end of the data.

The first two say where to, not how far: asked again they give the same answer, so a lost answer costs nothing. What
cannot be is a 409 with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from aiohttp import web

from n1v1.events import BarClosed
from n1v1.values import Instrument
from n1v1_exchange_simulator.bar_times import advance_to, bar_times_of
from n1v1_exchange_simulator.exchange import Exchange, WrongStep
from n1v1_exchange_simulator.replay.source import Quality

Mode = Literal["lockstep", "scaled"]


class SimulationApi:
    def __init__(self, exchange: Exchange, mode: Mode) -> None:
        self._exchange = exchange
        self._times = bar_times_of(exchange)
        self._mode = mode
        self._instruments = exchange.venue.instruments

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/simulation/v1/clock", self.clock), web.post("/simulation/v1/advance", self.advance)]

    async def clock(self, request: web.Request) -> web.Response:
        """clock_ns: the market's time. events: steps of the recording so far. next_ns: when the next one is due."""
        exchange = self._exchange
        return _json(
            self._position()
            | {
                "mode": self._mode,
                "quality": exchange.source.quality,
                "clock_ns": exchange.clock_ns,
                "next_ns": exchange.next_ns,
                "events": exchange.step,
            }
        )

    async def advance(self, request: web.Request) -> web.Response:
        if self._mode != "lockstep":
            return _refused(409, f"the clock runs by itself in {self._mode} mode; only lockstep is advanced")
        wanted = _wanted(await request.read())
        if wanted is None:
            return _refused(
                400, 'expected a body such as {"step": 1}, {"until_ns": 1577836800000000000} or {"events": 10}'
            )
        try:
            self._advance(*wanted)
        except WrongStep as problem:
            return _refused(409, str(problem))
        return _json(self._position() | {"bars": self._bars(self._times.bars())})

    def _advance(self, how: str, number: int) -> None:
        match how:
            case "until_ns":
                self._exchange.advance_until(number)
            case "events":
                self._exchange.advance_by(number)
            case _:
                advance_to(self._times, number)

    def _position(self) -> dict[str, Any]:
        """close_ns: when the step's bars closed; before step 1, the beginning of the recording. total_steps: of one
        pass over recorded bars, else null."""
        source = self._exchange.source
        return {
            "step": self._times.step,
            "close_ns": self._times.close_ns,
            "done": self._times.is_done,
            "total_steps": source.total_steps if source.quality is Quality.BARS else None,
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


def _wanted(body: bytes) -> tuple[str, int] | None:
    """(how, number), or None for a body that says nothing of the kind."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or len(content) != 1:
        return None
    how, number = next(iter(content.items()))
    is_number = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    return (how, number) if how in ("step", "until_ns", "events") and is_number else None


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def _refused(status: int, error: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": error}), status=status, content_type="application/json")
