"""The streams' side of the socket: /ws, /ws/<stream>/<stream>, /stream?streams=a/b and /stream/ws/<n>.

The last one and /ws/<n> are raw ones, where the number means nothing: clients number their sockets. Unlike Binance,
which says yes to any name and then is silent, an unknown stream is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import orjson
from aiohttp import WSMsgType, web

from n1v1_exchange_simulator.binance.channels import Form
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.rest import client_of
from n1v1_exchange_simulator.binance.time_units import named_unit
from n1v1_exchange_simulator.binance.wire import Json
from n1v1_exchange_simulator.conversations import Connection, Conversations, IncomingLimit, text_frame

STREAMS_MAX = 1_024
MESSAGES_PER_SECOND = 5
"""Of a client; its pings and pongs count."""
LONGEST_ID = 36
INT64 = range(-(2**63), 2**63)

UNKNOWN_PROPERTY = 0
NO_BOOLEAN = 1
MALFORMED = 2
NO_JSON = 3

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_VARIANTS = ", ".join(f"`{method}`" for method in METHODS)
COMBINED = "combined"


class StreamSource(Protocol):
    """Whoever pushes streams; each is known by its name."""

    def knows(self, name: str) -> bool: ...

    def join(self, name: str, connection: Connection, form: Form) -> None: ...

    def leave(self, name: str, connection: Connection, form: Form) -> None: ...


class InvalidRequest(Exception):
    """Answered to the client as Binance's {"error": {"code", "msg"}}."""

    def __init__(self, msg: str, *, code: int = MALFORMED) -> None:
        super().__init__(msg)
        self.code = code


class MarketStreams:
    def __init__(self, sources: Sequence[StreamSource], conversations: Conversations) -> None:
        self._sources = sources
        self._conversations = conversations

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ws", self._serve_raw),
            web.get("/ws/{streams:.+}", self._serve_raw),
            web.get("/stream", self._serve_combined),
            web.get("/stream/ws", self._serve_raw),
            web.get("/stream/ws/{number:[0-9]+}", self._serve_raw),
        ]

    async def _serve_raw(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info.get("streams", "").split("/")
        return await self._serve(request, names, is_combined=False)

    async def _serve_combined(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.query.get("streams", "").split("/"), is_combined=True)

    async def _serve(self, request: web.Request, names: Iterable[str], *, is_combined: bool) -> web.StreamResponse:
        """A connection that begins with the streams of its address. Unknown ones are refused with HTTP 400."""
        streams = [name for name in names if name and not name.isdigit()]
        self._check_address(streams)
        form = Form(is_combined=is_combined, unit=named_unit(request.query.get("timeUnit")))
        subscribers: list[Subscriber] = []

        def begin(connection: Connection) -> Callable[[str], bytes]:
            subscriber = Subscriber(self._sources, connection, form)
            subscribers.append(subscriber)
            subscriber.subscribe(streams)
            return subscriber.answer

        counted = (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG)
        try:
            incoming = IncomingLimit(MESSAGES_PER_SECOND, counted)
            return await self._conversations.hold(request, begin, client=client_of(request), incoming=incoming)
        finally:
            for subscriber in subscribers:
                subscriber.unsubscribe(list(subscriber.streams))

    def _check_address(self, streams: Sequence[str]) -> None:
        try:
            for name in streams:
                _source_of(name, self._sources)
            _check_count(len(streams))
        except InvalidRequest as problem:
            raise ApiError(-1100, str(problem)) from None


class Subscriber:
    """One connection: the streams it hears, and whether each message is wrapped with its stream's name."""

    def __init__(self, sources: Sequence[StreamSource], connection: Connection, form: Form) -> None:
        self._sources = sources
        self._connection = connection
        self._form = form
        self.streams: dict[str, StreamSource] = {}

    def answer(self, text: str) -> bytes:
        request_id: object = None
        try:
            request = _parsed(text)
            request_id = request.get("id")
            _check_request(request, text)
            answer: Json = {"result": self._call(request["method"], request.get("params")), "id": request_id}
        except InvalidRequest as problem:
            echoed = request_id if _is_id(request_id) else None
            answer = {"error": {"code": problem.code, "msg": str(problem)}, "id": echoed}
        return text_frame(orjson.dumps(answer))

    def subscribe(self, names: Iterable[str]) -> None:
        """All of them or, when one of them is unknown, none."""
        new = {name: _source_of(name, self._sources) for name in names if name not in self.streams}
        _check_count(len(self.streams) + len(new))
        for name, source in new.items():
            source.join(name, self._connection, self._form)
        self.streams |= new

    def unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            source = self.streams.pop(name, None)
            if source is not None:
                source.leave(name, self._connection, self._form)

    def _call(self, method: str, params: object) -> object:
        match method:
            case "SUBSCRIBE":
                self.subscribe(_names(params))
                return None
            case "UNSUBSCRIBE":
                self.unsubscribe(_names(params))
                return None
            case "LIST_SUBSCRIPTIONS":
                return list(self.streams)
            case "SET_PROPERTY":
                self._set_combined(_property(params, values=1))
                return None
        _property(params, values=0)
        return self._form.is_combined

    def _set_combined(self, value: object) -> None:
        if not isinstance(value, bool):
            raise InvalidRequest("Invalid value type: expected Boolean", code=NO_BOOLEAN)
        if value == self._form.is_combined:
            return
        form = self._form._replace(is_combined=value)
        for name, source in self.streams.items():
            source.join(name, self._connection, form)
            source.leave(name, self._connection, self._form)
        self._form = form


def _source_of(name: str, sources: Iterable[StreamSource]) -> StreamSource:
    for source in sources:
        if source.knows(name):
            return source
    raise InvalidRequest(f"Invalid request: no stream {name!r} here")


def _check_count(streams: int) -> None:
    if streams > STREAMS_MAX:
        raise InvalidRequest(f"Invalid request: a connection can listen to {STREAMS_MAX} streams, not {streams}")


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InvalidRequest(f"Invalid JSON: expected value at {place}", code=NO_JSON) from None
    if not isinstance(request, dict):
        raise InvalidRequest("Invalid request: expected an object")
    return request


def _check_request(request: dict[str, Any], text: str) -> None:
    method = request.get("method")
    if method is None:
        raise InvalidRequest(f"Invalid request: missing field `method` at {_place(text, len(text))}")
    if method not in METHODS:
        place = _place(text, text.find(f'"{method}"') + len(f'"{method}"'))
        raise InvalidRequest(f"Invalid request: unknown variant `{method}`, expected one of {_VARIANTS} at {place}")
    if "id" not in request or not _is_id(request["id"]):
        raise InvalidRequest("Invalid request: request ID must be an unsigned integer")
    if request.keys() - {"method", "params", "id"}:
        raise InvalidRequest("Invalid request: too many parameters")


def _place(text: str, index: int) -> str:
    """Line and column, from 1, of the last character before `index`."""
    before = text[:index]
    return f"line {before.count(chr(10)) + 1} column {index - (before.rfind(chr(10)) + 1)}"


def _is_id(request_id: object) -> bool:
    """Binance's text speaks of an unsigned integer; it takes signed ones, short texts and null, too."""
    match request_id:
        case bool():
            return False
        case int():
            return request_id in INT64
        case str():
            return len(request_id) <= LONGEST_ID
    return request_id is None


def _names(params: object) -> list[str]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise InvalidRequest("Invalid request: params must be a list of stream names")
    return params


def _property(params: object, *, values: int) -> object:
    """The value that stands behind the property's name, if there must be one."""
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        raise InvalidRequest("Invalid request: property name must be a string")
    if params[0] != COMBINED:
        raise InvalidRequest("Unknown property", code=UNKNOWN_PROPERTY)
    if len(params) > 1 + values:
        raise InvalidRequest("Invalid request: too many parameters")
    return params[1] if len(params) > 1 else None
