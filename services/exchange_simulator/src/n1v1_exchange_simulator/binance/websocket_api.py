"""The WebSocket API, /ws-api/v3: requests as JSON over one connection, with sessions and user data on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.calls import Call, Calls, Security
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.rest import client_of
from n1v1_exchange_simulator.binance.signing import Authentication, KeyKind, WallClock
from n1v1_exchange_simulator.binance.time_units import TimeUnit, named_unit
from n1v1_exchange_simulator.binance.user_streams import Listener, UserStreams
from n1v1_exchange_simulator.binance.wire import Json
from n1v1_exchange_simulator.conversations import Connection, Conversations, IncomingLimit, text_frame
from n1v1_exchange_simulator.journal import JournalError

PINGS_PER_SECOND = 5
CONNECT_WEIGHT = 2
SESSION_WEIGHT = 2

HMAC_NOT_SUPPORTED = ApiError(-4056, "HMAC_SHA256 API key is not supported.")
NOT_AUTHORIZED = ApiError(-1002, "You are not authorized to execute this request.", status=401)
UNSUPPORTED = ApiError(-1020, "This operation is not supported.")
ALREADY_SUBSCRIBED = ApiError(-2035, "User Data Stream subscription already active.")
NOT_SUBSCRIBED = ApiError(-2036, "User Data Stream subscription not active.")


Answer = Callable[[str], bytes | None]
"""Of a call's text: the frame that answers it."""


def _as_it_is(connection: Connection, answer: Answer) -> Answer:
    del connection
    return answer


class WebSocketApi:
    def __init__(
        self,
        calls: Calls,
        users: UserStreams,
        authentication: Authentication,
        conversations: Conversations,
        wall_ns: WallClock,
        broken: asyncio.Future[JournalError],
    ) -> None:
        """broken: gets the error when the journal fails; from then on nothing is answered."""
        self.broken = broken
        self.calls = calls
        self.users = users
        self.authentication = authentication
        self.wall_ns = wall_ns
        self.around: Callable[[Connection, Answer], Answer] = _as_it_is
        """Stands around the answers of every connection that is opened from now on; faults are made so."""
        self._conversations = conversations
        self._sessions: dict[Connection, Session] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws-api/v3", self._serve)]

    def terminate(self, connection: Connection) -> None:
        """End the user data on a connection, which stays."""
        session = self._sessions.get(connection)
        if session is not None:
            session.unsubscribe_all()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        unit = named_unit(request.query.get("timeUnit"))
        shows_limits = request.query.get("returnRateLimits", "true") != "false"
        client = client_of(request)
        self.calls.limiter.admit(client, CONNECT_WEIGHT)
        opened: list[Connection] = []

        def begin(connection: Connection) -> Answer:
            session = Session(self, connection, client=client, unit=unit, shows_limits=shows_limits)
            self._sessions[connection] = session
            opened.append(connection)
            return self.around(connection, session.answer)

        incoming = IncomingLimit(PINGS_PER_SECOND, (WSMsgType.PING, WSMsgType.PONG))
        try:
            return await self._conversations.hold(request, begin, client=client, incoming=incoming)
        finally:
            for connection in opened:
                self._sessions.pop(connection).close()


class Session:
    """One connection: who is logged on, and whose events it hears."""

    def __init__(
        self, api: WebSocketApi, connection: Connection, *, client: str, unit: TimeUnit, shows_limits: bool
    ) -> None:
        self._client = client
        self._unit = unit
        self._api = api
        self._connection = connection
        self._shows_limits = shows_limits
        self._connected_ns = api.wall_ns()
        self._account: ApiAccount | None = None
        self._authorized_ns: int | None = None
        self._subscriptions: dict[int, tuple[str, Listener]] = {}
        self._next_subscription = 0
        self._own: dict[str, Callable[[Mapping[str, str]], object]] = {
            "session.logon": self._logon,
            "session.status": self._status,
            "session.logout": self._logout,
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def answer(self, text: str) -> bytes:
        exchange = _Exchange(shows_limits=self._shows_limits)
        try:
            if self._api.broken.done():
                raise errors.execution_unknown()
            answer: Json = {"id": None, "status": 200, "result": self._result(text, exchange)}
        except ApiError as refused:
            answer = {"id": None, "status": refused.status, "error": self._error(refused)}
        answer["id"] = exchange.request_id
        if exchange.shows_limits:
            answer["rateLimits"] = self._usage(exchange)
        return text_frame(orjson.dumps(answer))

    def unsubscribe_all(self) -> None:
        """Each subscription ends with an event that says so."""
        for number in list(self._subscriptions):
            self._end(number)

    def close(self) -> None:
        for account, listener in self._subscriptions.values():
            self._api.users.leave(account, listener)

    def _error(self, refused: ApiError) -> Json:
        error = refused.body()
        if refused.retry_at_ms is not None:
            now_ms = self._api.wall_ns() // TimeUnit.MILLISECOND
            error["data"] = {"serverTime": now_ms, "retryAfter": refused.retry_at_ms}
        return error

    def _result(self, text: str, exchange: _Exchange) -> object:
        request = _parsed(text)
        exchange.request_id = _id_of(request)
        exchange.method = _method_of(request)
        sent = _texts(request)
        if "returnRateLimits" in sent:
            exchange.shows_limits = sent["returnRateLimits"] != "false"
        own = self._own.get(exchange.method)
        if own is not None:
            self._api.calls.limiter.admit(self._client, SESSION_WEIGHT)
            return own(sent)
        exchange.call = self._api.calls.by_socket.get(exchange.method)
        if exchange.call is None:
            raise UNSUPPORTED
        return self._carry_out(exchange.call, sent, exchange)

    def _carry_out(self, call: Call, sent: Mapping[str, str], exchange: _Exchange) -> object:
        """As REST does it; see `calls`."""
        parameters = Parameters(sent, self._unit)
        self._api.calls.limiter.admit(self._client, call.weight(parameters))
        if call.security is Security.SIGNED:
            exchange.account, parameters = self._signer(sent)
        else:
            parameters.ignore("apiKey")
        parameters.ignore("returnRateLimits")
        try:
            return call.answer(exchange.account, parameters)
        except JournalError as error:
            if not self._api.broken.done():
                self._api.broken.set_result(error)
            raise errors.execution_unknown() from error

    def _usage(self, exchange: _Exchange) -> list[Json]:
        """What the request counts towards."""
        limiter, account, call = self._api.calls.limiter, exchange.account, exchange.call
        orders = [] if account is None or call is None or not call.places_orders else limiter.order_usage(account.name)
        return [*orders, *limiter.weight_usage(self._client)]

    def _signer(self, sent: Mapping[str, str]) -> tuple[ApiAccount, Parameters]:
        """The one who signed or, without key and signature, who is logged on."""
        if self._account is None or "apiKey" in sent or "signature" in sent:
            account, parameters = self._api.authentication.of_call(sent)
            parameters.unit = self._unit
            return account, parameters
        parameters = Parameters(sent, self._unit)
        self._api.authentication.check_time(parameters)
        return self._account, parameters

    # --- session.* ---------------------------------------------------------------------------------------------

    def _logon(self, sent: Mapping[str, str]) -> Json:
        account, parameters = self._api.authentication.of_call(sent)
        _finish(parameters)
        if self._api.authentication.kind_of(account) is not KeyKind.ED25519:
            raise HMAC_NOT_SUPPORTED
        self._account, self._authorized_ns = account, self._api.wall_ns()
        return self._described()

    def _status(self, sent: Mapping[str, str]) -> Json:
        _finish(Parameters(sent))
        return self._described()

    def _logout(self, sent: Mapping[str, str]) -> Json:
        _finish(Parameters(sent))
        self._account = self._authorized_ns = None
        return self._described()

    def _list_subscriptions(self, sent: Mapping[str, str]) -> list[Json]:
        _finish(Parameters(sent))
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _described(self) -> Json:
        account, authorized_ns = self._account, self._authorized_ns
        return {
            "apiKey": None if account is None else account.api_key,
            "authorizedSince": None if authorized_ns is None else self._unit.of(authorized_ns),
            "connectedSince": self._unit.of(self._connected_ns),
            "returnRateLimits": self._shows_limits,
            "serverTime": self._unit.of(self._api.wall_ns()),
            "userDataStream": bool(self._subscriptions),
        }

    # --- userDataStream.* --------------------------------------------------------------------------------------

    def _subscribe(self, sent: Mapping[str, str]) -> Json:
        _finish(Parameters(sent))
        if self._account is None:
            raise NOT_AUTHORIZED
        return self._begin(self._account)

    def _subscribe_signed(self, sent: Mapping[str, str]) -> Json:
        account, parameters = self._api.authentication.of_call(sent)
        _finish(parameters)
        return self._begin(account)

    def _unsubscribe(self, sent: Mapping[str, str]) -> Json:
        parameters = Parameters(sent)
        number = parameters.integer("subscriptionId")
        _finish(parameters)
        if number is None:
            self.unsubscribe_all()
        elif number in self._subscriptions:
            self._end(number)
        else:
            raise NOT_SUBSCRIBED
        return {}

    def _begin(self, account: ApiAccount) -> Json:
        """One subscription per account."""
        if any(name == account.name for name, _ in self._subscriptions.values()):
            raise ALREADY_SUBSCRIBED
        number = self._next_subscription
        self._next_subscription += 1
        opening = f'{{"subscriptionId":{number},"event":'.encode()
        listener = Listener(self._connection, self._unit, opening, b"}")
        self._subscriptions[number] = account.name, listener
        self._api.users.join(account.name, listener)
        return {"subscriptionId": number}

    def _end(self, number: int) -> None:
        account, listener = self._subscriptions.pop(number)
        self._api.users.leave(account, listener)
        listener.hear(orjson.dumps({"e": "eventStreamTerminated", "E": self._unit.of(self._api.wall_ns())}))


class _Exchange:
    """What is known of a request so far; an error may come at any time."""

    def __init__(self, *, shows_limits: bool) -> None:
        self.request_id: object = None
        self.method = ""
        self.call: Call | None = None
        self.account: ApiAccount | None = None
        self.shows_limits = shows_limits


class _Number(str):
    """A number as it is written: the signature is over the text, where 0.10 is not 0.1."""

    __slots__ = ()


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise ApiError(-1135, "Invalid JSON Request") from None
    if not isinstance(request, dict):
        raise ApiError(-1135, "Invalid JSON Request")
    return request


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ApiError(-1101, "Duplicate values for a parameter detected.")
    return found


def _id_of(request: Mapping[str, Any]) -> object:
    found = request.get("id")
    if isinstance(found, _Number):
        return int(found) if found.lstrip("-").isdigit() else str(found)
    if "id" not in request or not isinstance(found, str | None):
        raise ApiError(-1135, "Invalid 'id' in JSON request; expected an integer, a string or null.")
    return found


def _method_of(request: Mapping[str, Any]) -> str:
    method = request.get("method")
    if not isinstance(method, str):
        raise ApiError(-1135, "Invalid 'method' in JSON request; expected a string.")
    return method.removeprefix("v3/")


def _texts(request: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as they are written."""
    params = request.get("params", {})
    if not isinstance(params, dict):
        raise ApiError(-1135, "Invalid 'params' in JSON request; expected an object.")
    return {name: _text(name, value) for name, value in params.items()}


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if value is None:
        raise errors.missing(name)
    return json.dumps(value, separators=(",", ":"))


def _finish(parameters: Parameters) -> None:
    parameters.ignore("returnRateLimits")
    parameters.finish()
