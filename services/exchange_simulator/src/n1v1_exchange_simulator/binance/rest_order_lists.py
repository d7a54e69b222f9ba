"""The order lists of /api/v3: OTO, OTOCO and OCO."""

from __future__ import annotations

from collections.abc import Callable

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.order_parameters import (
    one_cancels_other,
    one_triggers_another,
    one_triggers_one_cancels_other,
)
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.rest_trading import Endpoint
from n1v1_exchange_simulator.binance.wire import Json, Symbols, Texts, milliseconds
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import KnownOrder, ListReport, NewOrderList, OrderList, Refused

Reader = Callable[..., NewOrderList]


class OrderListEndpoints:
    def __init__(self, exchange: Exchange, symbols: Symbols) -> None:
        self._exchange = exchange
        self._venue = exchange.venue
        self._symbols = symbols

    def table(self) -> dict[tuple[str, str], Endpoint]:
        """(method, path below /api/v3) -> answer."""
        return {
            ("POST", "orderList/oto"): self._placing(one_triggers_another),
            ("POST", "orderList/otoco"): self._placing(one_triggers_one_cancels_other),
            ("POST", "orderList/oco"): self._placing(one_cancels_other),
            ("GET", "orderList"): self.query,
            ("DELETE", "orderList"): self.cancel,
            ("GET", "openOrderList"): self.open_lists,
        }

    def query(self, account: ApiAccount, parameters: Parameters) -> Json:
        number, name = parameters.integer("orderListId"), parameters.optional("origClientOrderId")
        parameters.ignore("symbol")
        parameters.finish()
        return self._described(account, self._named(account, number, name, ("orderListId", "origClientOrderId")))

    def cancel(self, account: ApiAccount, parameters: Parameters) -> Json:
        texts = self._symbols.named(parameters.text("symbol"))
        number, name = parameters.integer("orderListId"), parameters.optional("listClientOrderId")
        parameters.ignore("newClientOrderId")
        parameters.finish()
        found = self._named(account, number, name, ("orderListId", "listClientOrderId"))
        answer = self._exchange.cancel_list(account.name, texts.symbol, found.number)
        if isinstance(answer, Refused):
            raise ApiError(answer.code, answer.reason)
        return self._described(account, found) | self._reports(texts, account, found)

    def open_lists(self, account: ApiAccount, parameters: Parameters) -> list[Json]:
        parameters.finish()
        lists = self._venue.lists(account.name)
        return [
            self._described(account, each)
            for each in lists
            if any(order.is_open for order in self._orders_of(account, each))
        ]

    def _placing(self, read: Reader) -> Endpoint:
        def place(account: ApiAccount, parameters: Parameters) -> Json:
            texts = self._symbols.named(parameters.text("symbol"))
            orders = read(
                parameters, texts, invented_id=f"unnamed-{len(self._venue.orders(account.name, texts.symbol)) + 1}"
            )
            parameters.ignore("newOrderRespType", "selfTradePreventionMode")
            parameters.finish()
            answer = self._exchange.place_list(account.name, orders)
            if isinstance(answer, Refused):
                raise ApiError(answer.code, answer.reason)
            placed = next(report.order_list for report in answer if isinstance(report, ListReport))
            return self._described(account, placed) | self._reports(texts, account, placed)

        return place

    def _named(
        self, account: ApiAccount, number: int | None, name: str | None, parameters: tuple[str, str]
    ) -> OrderList:
        """The newest list that one of both names."""
        if number is None and name is None:
            raise errors.missing_both(*parameters)
        for each in reversed(self._venue.lists(account.name)):
            if each.number == number or (number is None and each.name == name):
                return each
        raise ApiError(-2018, "Order list does not exist.")

    def _orders_of(self, account: ApiAccount, found: OrderList) -> list[KnownOrder]:
        orders = (self._venue.order(account.name, found.symbol, number) for number in found.order_numbers)
        return [order for order in orders if order is not None]

    def _described(self, account: ApiAccount, found: OrderList) -> Json:
        orders, texts = self._orders_of(account, found), self._symbols.of(found.symbol)
        is_open = any(order.is_open for order in orders)
        return {
            "orderListId": found.number,
            "contingencyType": "OCO" if found.kind == "OCO" else "OTO",
            "listStatusType": "EXEC_STARTED" if is_open else "ALL_DONE",
            "listOrderStatus": "EXECUTING" if is_open else "ALL_DONE",
            "listClientOrderId": found.name,
            "transactionTime": milliseconds(found.accepted_ns),
            "symbol": texts.wire_symbol,
            "orders": [
                {"symbol": texts.wire_symbol, "orderId": order.number, "clientOrderId": order.request.client_order_id}
                for order in orders
            ],
        }

    def _reports(self, texts: Texts, account: ApiAccount, found: OrderList) -> Json:
        orders = self._orders_of(account, found)
        reports = [texts.order(order) | {"transactTime": milliseconds(order.updated_ns)} for order in orders]
        return {"orderReports": reports}
