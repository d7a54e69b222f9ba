"""Market streams: /ws, /ws/<stream>, /stream?streams=a/b and /stream/ws/<n> (a raw one; ccxt numbers its sockets).

There is one stream a symbol, <symbol>@kline_<timeframe>, pushed when a bar closes (k.x is true). The bar that is
still open is not pushed: its prices are recorded, and would be news from the future.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from n1v1.events import BarClosed
from n1v1_exchange_simulator.binance.wire import Json, Symbols
from n1v1_exchange_simulator.market_events import MarketEvent
from n1v1_exchange_simulator.websocket import Outbox, converse

MALFORMED = 2
NO_JSON = 3


class InvalidRequest(Exception):
    """Answered to the client as Binance's {"error": {"code", "msg"}}."""

    def __init__(self, msg: str, *, code: int = MALFORMED) -> None:
        super().__init__(msg)
        self.code = code


class Subscriber:
    """One connection: the streams it hears, and whether each message is wrapped with its stream's name."""

    def __init__(self, outbox: Outbox, *, is_combined: bool) -> None:
        self.outbox = outbox
        self.is_combined = is_combined
        self.streams: dict[str, None] = {}


class MarketStreams:
    def __init__(self, symbols: Symbols, timeframe: str) -> None:
        self._symbols = symbols
        self._names = {f"{texts.wire_symbol.lower()}@kline_{timeframe}": texts.symbol for texts in symbols.all()}
        self._subscribers: list[Subscriber] = []

    @property
    def audience(self) -> int:
        """Streams that somebody hears, counted once for each who does."""
        return sum(len(subscriber.streams) for subscriber in self._subscribers)

    def publish(self, events: Sequence[MarketEvent]) -> None:
        if not self._subscribers:
            return
        for bar in [event for event in events if isinstance(event, BarClosed)]:
            texts = self._symbols.of(bar.symbol)
            self._push(f"{texts.wire_symbol.lower()}@kline_{bar.timeframe}", texts.kline_event(bar))

    def _push(self, stream: str, event: Json) -> None:
        """Encoded once for all subscribers."""
        raw = orjson.dumps(event).decode()
        combined = f'{{"stream":"{stream}","data":{raw}}}'
        for subscriber in self._subscribers:
            if stream in subscriber.streams:
                subscriber.outbox.put(combined if subscriber.is_combined else raw)

    async def serve(self, request: web.Request, *, streams: Sequence[str], is_combined: bool) -> web.StreamResponse:
        """A connection that begins with `streams`. Unknown names are refused with HTTP 400."""
        for name in streams:
            if name not in self._names:
                raise web.HTTPBadRequest(text=f"no stream {name!r}; there are: {', '.join(self._names)}")
        joined: list[Subscriber] = []

        def begin(outbox: Outbox) -> Callable[[str], str]:
            subscriber = Subscriber(outbox, is_combined=is_combined)
            subscriber.streams.update(dict.fromkeys(streams))
            self._subscribers.append(subscriber)
            joined.append(subscriber)
            return lambda text: self._answer(subscriber, text)

        try:
            return await converse(request, begin)
        finally:
            for subscriber in joined:
                self._subscribers.remove(subscriber)

    def _answer(self, subscriber: Subscriber, text: str) -> str:
        request_id = None
        try:
            request = _parsed(text)
            request_id = request.get("id")
            result = self._call(subscriber, request.get("method"), request.get("params"))
        except InvalidRequest as problem:
            return _encoded({"error": {"code": problem.code, "msg": str(problem)}, "id": request_id})
        return _encoded({"result": result, "id": request_id})

    def _call(self, subscriber: Subscriber, method: object, params: object) -> list[str] | None:
        match method:
            case "SUBSCRIBE":
                subscriber.streams.update(dict.fromkeys(self._stream_names(params)))
                return None
            case "UNSUBSCRIBE":
                for name in self._stream_names(params):
                    subscriber.streams.pop(name, None)
                return None
            case "LIST_SUBSCRIPTIONS":
                return list(subscriber.streams)
        raise InvalidRequest(f"Invalid request: unknown method {method!r}")

    def _stream_names(self, params: object) -> list[str]:
        if not isinstance(params, list):
            raise InvalidRequest("Invalid request: params must be a list of stream names")
        for name in params:
            if name not in self._names:
                raise InvalidRequest(f"Invalid request: no stream {name!r}; there are: {', '.join(self._names)}")
        return params


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"Invalid JSON: {error}", code=NO_JSON) from None
    if not isinstance(request, dict):
        raise InvalidRequest("Invalid request: expected an object")
    return request


def _encoded(answer: Json) -> str:
    return orjson.dumps(answer).decode()
