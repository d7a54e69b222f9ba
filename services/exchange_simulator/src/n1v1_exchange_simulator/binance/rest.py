"""The REST API: what stands between an HTTP request and a call."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance.calls import Call, Calls, Security
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.signing import Authentication
from n1v1_exchange_simulator.binance.time_units import TimeUnit, named_unit

CLIENT_HEADER = "X-Sim-Client"
"""What a client calls itself, so that several on one machine have limits of their own."""

WEIGHT_OF_THE_UNREADABLE = 1


class RestApi:
    def __init__(self, calls: Calls, authentication: Authentication) -> None:
        self._calls = calls
        self._limiter = calls.limiter
        self._authentication = authentication

    def routes(self) -> list[web.RouteDef]:
        return [web.route(call.method, call.path, self._handler_of(call)) for call in self._calls.all]

    def _handler_of(self, call: Call) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = (await request.read()).decode(errors="surrogateescape")
            return self._answer(call, request, body)

        return handle

    def _answer(self, call: Call, request: web.Request, body: str) -> web.Response:
        """Without an await: a command is carried out, journalled and answered in one turn."""
        client, sender = client_of(request), _Sender()
        try:
            answer = self._carry_out(call, request, body, client, sender)
        except ApiError as refused:
            response = json_response(refused.body(), status=refused.status)
            if refused.retry_after_s is not None:
                response.headers["Retry-After"] = str(refused.retry_after_s)
        else:
            response = json_response(answer)
            if call.places_orders and sender.account is not None:
                _tell_order_count(response, self._limiter, sender.account.name)
        _tell_usage(response, self._limiter, client)
        return response

    def _carry_out(self, call: Call, request: web.Request, body: str, client: str, sender: _Sender) -> object:
        query = raw_query(request)
        try:
            parameters = Parameters.of_request(query, body, _unit_of(request))
        except ApiError:
            self._limiter.admit(client, WEIGHT_OF_THE_UNREADABLE)
            raise
        self._limiter.admit(client, call.weight(parameters))
        api_key = request.headers.get("X-MBX-APIKEY")
        match call.security:
            case Security.KEY:
                sender.account = self._authentication.account_of(api_key)
            case Security.SIGNED:
                sender.account = self._authentication.signer_of(api_key, parameters, query, body)
        return call.answer(sender.account, parameters)


class _Sender:
    """Who signed, once that is known."""

    account: ApiAccount | None = None


def client_of(request: web.BaseRequest) -> str:
    """Whose weight and requests are counted together."""
    return request.headers.get(CLIENT_HEADER) or request.remote or ""


def raw_query(request: web.BaseRequest) -> str:
    """As the client sent it: a signature is over those bytes."""
    return request.raw_path.partition("?")[2]


def json_response(answer: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")


def _unit_of(request: web.BaseRequest) -> TimeUnit:
    return named_unit(request.headers.get("X-MBX-TIME-UNIT"))


def _tell_usage(response: web.Response, limiter: Limiter, client: str) -> None:
    weight = str(limiter.used_weight(client))
    response.headers["X-MBX-USED-WEIGHT"] = weight
    response.headers["X-MBX-USED-WEIGHT-1M"] = weight
    response.headers["x-mbx-uuid"] = str(uuid.uuid4())


def _tell_order_count(response: web.Response, limiter: Limiter, account: str) -> None:
    ten_seconds, day = limiter.orders(account)
    response.headers["X-MBX-ORDER-COUNT-10S"] = str(ten_seconds)
    response.headers["X-MBX-ORDER-COUNT-1D"] = str(day)
