"""What no real venue has: /simulation/v1, the clock of the replay.

GET clock says where the market stands. POST advance moves it in lockstep, and answers where it stands then:

- {"step": n}: to step n of the recording. Over bars n is the current step or the next one: so nobody steps over a bar
  that he has not seen. Over trades and depth it may be any that is not behind.
- {"until_ns": t}: everything that is due at t or before has happened then.
- {"steps": k}: k steps further, or to the end of the data.

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
from n1v1_exchange_simulator.exchange import Exchange, WrongStep
from n1v1_exchange_simulator.replay.source import Quality

Mode = Literal["lockstep", "scaled"]


class SimulationApi:
    def __init__(self, exchange: Exchange, mode: Mode) -> None:
        self._exchange = exchange
        self._mode = mode
        self._instruments = exchange.venue.instruments

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/simulation/v1/clock", self.clock), web.post("/simulation/v1/advance", self.advance)]

    async def clock(self, request: web.Request) -> web.Response:
        return _json(
            self._position()
            | {"mode": self._mode, "quality": self._exchange.source.quality, "next_ns": self._exchange.next_ns}
        )

    async def advance(self, request: web.Request) -> web.Response:
        if self._mode != "lockstep":
            return _refused(409, f"the clock runs by itself in {self._mode} mode; only lockstep is advanced")
        wanted = _wanted(await request.read())
        if wanted is None:
            return _refused(
                400, 'expected a body such as {"step": 1}, {"until_ns": 1577836800000000000} or {"steps": 10}'
            )
        try:
            self._advance(*wanted)
        except WrongStep as problem:
            return _refused(409, str(problem))
        bars = [event for event in self._exchange.last_step if isinstance(event, BarClosed)]
        return _json(self._position() | {"bars": self._bars(bars)})

    def _advance(self, how: str, number: int) -> None:
        exchange = self._exchange
        match how:
            case "until_ns":
                exchange.advance_until(number)
            case "steps":
                exchange.advance_by(number)
            case _:
                is_over_bars = exchange.source.quality is Quality.BARS
                if is_over_bars and number > exchange.step + 1 and not exchange.is_done:
                    here = exchange.step
                    raise WrongStep(
                        f"the venue is at step {here}; ask for {here} again or for {here + 1}, not {number}"
                    )
                exchange.advance(number)

    def _position(self) -> dict[str, Any]:
        """close_ns: the market's time: the close of the last bars; before step 1, the open of the first."""
        exchange = self._exchange
        return {
            "step": exchange.step,
            "close_ns": exchange.clock_ns,
            "done": exchange.is_done,
            "total_steps": exchange.source.total_steps,
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
    return (how, number) if how in ("step", "until_ns", "steps") and is_number else None


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def _refused(status: int, error: str) -> web.Response:
    return web.Response(body=orjson.dumps({"error": error}), status=status, content_type="application/json")
