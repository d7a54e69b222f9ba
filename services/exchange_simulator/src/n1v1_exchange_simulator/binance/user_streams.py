"""The WebSocket API, as far as the user data stream needs it: who subscribes hears of its orders and balances."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.signing import Authentication, WallClock
from n1v1_exchange_simulator.binance.wire import (
    NO_LIST,
    ZERO,
    Json,
    Symbols,
    Texts,
    asset_places,
    decimal_text,
    milliseconds,
    wire_type,
)
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import KnownOrder, OrderReport, Report, Trade
from n1v1_exchange_simulator.websocket import Outbox, converse

NO_TRADE = -1


class UserStreams:
    def __init__(
        self, exchange: Exchange, symbols: Symbols, authentication: Authentication, wall_ns: WallClock
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._authentication = authentication
        self._wall_ns = wall_ns
        self._places = asset_places(exchange.instruments)
        self._sessions: list[Session] = []

    @property
    def audience(self) -> int:
        """User data streams that somebody hears."""
        return sum(len(session.subscriptions) for session in self._sessions)

    def publish(self, happened: Report) -> None:
        if not isinstance(happened, OrderReport):
            return
        sessions = [session for session in self._sessions if happened.account in session.subscriptions]
        if not sessions:
            return
        for event in (self._execution_report(happened), self._account_position(happened)):
            for session in sessions:
                session.push(happened.account, event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        opened: list[Session] = []

        def begin(outbox: Outbox) -> Callable[[str], str]:
            session = Session(outbox, self._authentication, self._wall_ns)
            self._sessions.append(session)
            opened.append(session)
            return session.answer

        try:
            return await converse(request, begin)
        finally:
            for session in opened:
                self._sessions.remove(session)

    def _execution_report(self, happened: OrderReport) -> Json:
        order = happened.order
        texts = self._symbols.of(order.request.symbol)
        event = _order_fields(order, texts) | {
            "E": milliseconds(happened.ts_ns),
            "T": milliseconds(happened.ts_ns),
            "I": happened.number,
            "x": happened.kind,
            "X": happened.status,
            "z": texts.quantity(happened.filled_lots),
            "Z": texts.cash(happened.value_quanta),
        }
        if happened.trade is not None:
            return event | _fill_fields(happened.trade, texts)
        return event | ({"X": "NEW", "w": True} if happened.kind == "NEW" else {})

    def _account_position(self, happened: OrderReport) -> Json:
        """Absolute balances of the two assets that the report may have changed."""
        ts_ms = milliseconds(happened.ts_ns)
        rows = [
            {
                "a": asset,
                "f": decimal_text(balance.free, self._places[asset]),
                "l": decimal_text(balance.locked, self._places[asset]),
            }
            for asset, balance in happened.balances
        ]
        return {"e": "outboundAccountPosition", "E": ts_ms, "u": ts_ms, "B": rows}


class Session:
    """One WebSocket API connection and the accounts whose events it hears, by subscription id."""

    def __init__(self, outbox: Outbox, authentication: Authentication, wall_ns: WallClock) -> None:
        self.subscriptions: dict[str, int] = {}
        self._outbox = outbox
        self._authentication = authentication
        self._wall_ns = wall_ns
        self._next_id = 0

    def push(self, account: str, event: Json) -> None:
        self._outbox.put(_encoded({"subscriptionId": self.subscriptions[account], "event": event}))

    def answer(self, text: str) -> str:
        request_id = None
        try:
            request = _parsed(text)
            request_id = request.get("id")
            result = self._call(str(request.get("method")), _literal_params(text))
        except ApiError as refused:
            error = {"code": refused.code, "msg": refused.msg}
            return _encoded({"id": request_id, "status": refused.status, "error": error})
        return _encoded({"id": request_id, "status": 200, "result": result})

    def _call(self, method: str, params: Mapping[str, str]) -> Json:
        match method.removeprefix("v3/"):
            case "ping":
                return {}
            case "time":
                return {"serverTime": milliseconds(self._wall_ns())}
            case "userDataStream.subscribe.signature":
                return {"subscriptionId": self._subscribe(params)}
            case "userDataStream.unsubscribe":
                return self._unsubscribe()
        raise ApiError(-1000, f"This venue has no method {method!r}.")

    def _subscribe(self, params: Mapping[str, str]) -> int:
        account, _ = self._authentication.of_call(params)
        if account.name in self.subscriptions:
            raise ApiError(-2035, "User data stream subscription already active.")
        self.subscriptions[account.name] = self._next_id
        self._next_id += 1
        return self.subscriptions[account.name]

    def _unsubscribe(self) -> Json:
        self.subscriptions.clear()
        return {}


def _order_fields(order: KnownOrder, texts: Texts) -> Json:
    """An executionReport without a fill, in the order's state."""
    return {
        "e": "executionReport",
        "s": texts.wire_symbol,
        "c": order.request.client_order_id,
        "S": order.request.side,
        "o": wire_type(order.request),
        "f": order.request.time_in_force,
        "q": texts.quantity(order.lots),
        "p": texts.price(order.request.limit_ticks),
        "P": texts.price(order.stop_ticks),
        "F": ZERO,
        "g": order.list_number or NO_LIST,
        # On a cancel Binance puts the cancel's own id into c and the order's into C; ours has one id only.
        "C": "",
        "r": "NONE",
        "i": order.number,
        "l": ZERO,
        "z": texts.quantity(order.filled_lots),
        "L": ZERO,
        "n": "0",
        "N": None,
        "t": NO_TRADE,
        "w": False,
        "m": False,
        "M": False,
        "O": milliseconds(order.accepted_ns),
        "Z": texts.cash(order.value_quanta),
        "Y": ZERO,
        "Q": ZERO,
        "W": milliseconds(order.accepted_ns),
        "V": "NONE",
    }


def _fill_fields(trade: Trade, texts: Texts) -> Json:
    return {
        "l": texts.quantity(trade.lots),
        "L": texts.price(trade.ticks),
        "n": texts.cash(trade.commission),
        "N": trade.commission_asset,
        "t": trade.number,
        "m": trade.is_maker,
        "Y": texts.cash(trade.value_quanta),
    }


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        raise ApiError(-1000, "Invalid request: expected a JSON object.")
    return request


def _literal_params(text: str) -> dict[str, str]:
    """Parameters as they are written: the signature is over the text, where 0.10 is not 0.1."""
    params = json.loads(text, parse_int=str, parse_float=str).get("params") or {}
    if not isinstance(params, dict):
        raise ApiError(-1000, "Invalid request: params must be an object.")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}


def _encoded(answer: Json) -> str:
    return orjson.dumps(answer).decode()
