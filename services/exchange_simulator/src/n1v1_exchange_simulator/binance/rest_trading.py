"""The signed half of /api/v3: an account's orders, executions and balances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from n1v1.values import PPB
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.order_parameters import single_order
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.wire import (
    Json,
    Symbols,
    Texts,
    asset_places,
    balance_rows,
    decimal_text,
    milliseconds,
)
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import KnownOrder, Refused, Trade

ROWS_BY_DEFAULT = 500
ROWS_AT_MOST = 1_000

_Row = TypeVar("_Row", KnownOrder, Trade)

Endpoint = Callable[[ApiAccount, Parameters], Any]


class AnswerType(StrEnum):
    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class TradingEndpoints:
    def __init__(self, exchange: Exchange, symbols: Symbols) -> None:
        self._exchange = exchange
        self._venue = exchange.venue
        self._symbols = symbols
        self._places = asset_places(exchange.instruments)

    def table(self) -> dict[tuple[str, str], Endpoint]:
        """(method, path below /api/v3) -> answer."""
        return {
            ("GET", "account"): self.account,
            ("POST", "order"): self.place_order,
            ("GET", "order"): self.query_order,
            ("DELETE", "order"): self.cancel_order,
            ("GET", "openOrders"): self.open_orders,
            ("DELETE", "openOrders"): self.cancel_open_orders,
            ("GET", "allOrders"): self.all_orders,
            ("GET", "myTrades"): self.my_trades,
        }

    def account(self, account: ApiAccount, parameters: Parameters) -> Json:
        parameters.ignore("omitZeroBalances")
        parameters.finish()
        _, rate_ppb = self._venue.fee_rates_ppb(self._exchange.instruments[0].symbol)
        rate = decimal_text(rate_ppb, 9)
        basis_points = rate_ppb * 10_000 // PPB
        return {
            "makerCommission": basis_points,
            "takerCommission": basis_points,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": milliseconds(self._exchange.clock_ns),
            "accountType": "SPOT",
            "balances": balance_rows(self._venue.balances(account.name), self._places),
            "permissions": ["SPOT"],
            "uid": 1 + self._venue.accounts().index(account.name),
        }

    def place_order(self, account: ApiAccount, parameters: Parameters) -> Json:
        texts = self._symbols.named(parameters.text("symbol"))
        order = single_order(
            parameters, texts, invented_id=f"unnamed-{len(self._venue.orders(account.name, texts.symbol)) + 1}"
        )
        answer_type = _answer_type(parameters)
        parameters.ignore("selfTradePreventionMode", "strategyId", "strategyType")
        parameters.finish()
        answer = self._exchange.place(account.name, order)
        if isinstance(answer, Refused):
            raise ApiError(answer.code, answer.reason)
        return self._placed(texts, self._known(account, texts, order.client_order_id), answer_type)

    def query_order(self, account: ApiAccount, parameters: Parameters) -> Json:
        texts, order = self._named_order(account, parameters)
        parameters.finish()
        if order is None:
            raise errors.order_does_not_exist()
        return texts.queried_order(order)

    def cancel_order(self, account: ApiAccount, parameters: Parameters) -> Json:
        texts, order = self._named_order(account, parameters)
        parameters.ignore("cancelRestrictions")
        cancel_id = parameters.optional("newClientOrderId")
        parameters.finish()
        if order is None:
            raise errors.unknown_order()
        return self._cancelled(account, texts, order, cancel_id)

    def open_orders(self, account: ApiAccount, parameters: Parameters) -> list[Json]:
        name = parameters.optional("symbol")
        symbol = None if name is None else self._symbols.named(name).symbol
        parameters.finish()
        orders = self._venue.open_orders(account.name, symbol)
        return [self._symbols.of(order.request.symbol).queried_order(order) for order in orders]

    def cancel_open_orders(self, account: ApiAccount, parameters: Parameters) -> list[Json]:
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        orders = self._venue.open_orders(account.name, texts.symbol)
        if not orders:
            raise errors.unknown_order()
        # a leg that is cancelled takes its list with it
        return [self._cancelled(account, texts, order, None) for order in orders if order.is_open]

    def all_orders(self, account: ApiAccount, parameters: Parameters) -> list[Json]:
        texts = self._symbols.named(parameters.text("symbol"))
        first = parameters.integer("orderId")
        start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        orders = [
            order
            for order in self._venue.orders(account.name, texts.symbol)
            if order.number >= (first or 1) and _is_between(order.accepted_ns, start_ms, end_ms)
        ]
        is_forward = first is not None or start_ms is not None
        return [texts.queried_order(order) for order in _page(orders, limit, is_forward=is_forward)]

    def my_trades(self, account: ApiAccount, parameters: Parameters) -> list[Json]:
        texts = self._symbols.named(parameters.text("symbol"))
        order_number, from_id = parameters.integer("orderId"), parameters.integer("fromId")
        start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        trades = [
            trade
            for trade in self._venue.trades(account.name, texts.symbol)
            if trade.number >= (from_id or 1)
            and order_number in (None, trade.order_number)
            and _is_between(trade.ts_ns, start_ms, end_ms)
        ]
        is_forward = from_id is not None or start_ms is not None
        return [texts.trade(trade) for trade in _page(trades, limit, is_forward=is_forward)]

    def _named_order(self, account: ApiAccount, parameters: Parameters) -> tuple[Texts, KnownOrder | None]:
        """The order that orderId or origClientOrderId names; of several with one client id, the newest."""
        texts = self._symbols.named(parameters.text("symbol"))
        number, client_id = parameters.integer("orderId"), parameters.optional("origClientOrderId")
        if number is not None:
            return texts, self._venue.order(account.name, texts.symbol, number)
        if client_id is None:
            raise errors.missing_both("orderId", "origClientOrderId")
        return texts, self._venue.named(account.name, texts.symbol, client_id)

    def _known(self, account: ApiAccount, texts: Texts, client_id: str) -> KnownOrder:
        order = self._venue.named(account.name, texts.symbol, client_id)
        assert order is not None, "the venue forgets no order that it accepted"
        return order

    def _placed(self, texts: Texts, order: KnownOrder, answer_type: AnswerType) -> Json:
        result = texts.order(order) | {"transactTime": milliseconds(order.accepted_ns)}
        match answer_type:
            case AnswerType.ACK:
                kept = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
                return {name: result[name] for name in kept}
            case AnswerType.RESULT:
                return result
            case AnswerType.FULL:
                # Nothing fills before the next bar, so a new order never has executions.
                return result | {"fills": []}

    def _cancelled(self, account: ApiAccount, texts: Texts, order: KnownOrder, cancel_id: str | None) -> Json:
        answer = self._exchange.cancel(account.name, texts.symbol, order.number, name=cancel_id or "")
        if isinstance(answer, Refused):
            raise ApiError(answer.code, answer.reason)
        return texts.order(order) | {
            "origClientOrderId": order.request.client_order_id,
            "clientOrderId": cancel_id or f"cancel-{order.number}",
            "transactTime": milliseconds(order.updated_ns),
        }


def _answer_type(parameters: Parameters) -> AnswerType:
    if parameters.optional("newOrderRespType") is None:
        return AnswerType.FULL
    return parameters.choice("newOrderRespType", AnswerType, errors.missing("newOrderRespType"))


def _is_between(ts_ns: int, start_ms: int | None, end_ms: int | None) -> bool:
    ts_ms = milliseconds(ts_ns)
    return (start_ms is None or ts_ms >= start_ms) and (end_ms is None or ts_ms <= end_ms)


def _page(rows: Sequence[_Row], limit: int, *, is_forward: bool) -> Sequence[_Row]:
    """The oldest `limit` rows when the client said where to begin, else the newest; oldest first either way."""
    return rows[:limit] if is_forward else rows[-limit:]
