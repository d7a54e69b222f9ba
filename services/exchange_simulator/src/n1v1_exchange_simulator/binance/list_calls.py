"""An account's order lists: OCO, OTO and OTOCO. For REST and WebSocket API alike."""

from __future__ import annotations

from collections.abc import Callable

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors, order_answers
from n1v1_exchange_simulator.binance.order_requests import (
    InventedId,
    deprecated_one_cancels_other,
    one_cancels_other,
    one_triggers_another,
    one_triggers_one_cancels_other,
)
from n1v1_exchange_simulator.binance.pages import page, times
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.trading_calls import (
    ROWS_AT_MOST,
    ROWS_BY_DEFAULT,
    AnswerType,
    OrderDesk,
    accepted,
    placed_order,
    signer,
)
from n1v1_exchange_simulator.binance.wire import Json, Texts
from n1v1_exchange_simulator.venue import KnownOrder, ListReport, NewOrderList, OrderList

Reader = Callable[[Parameters, Texts, InventedId], NewOrderList]


class ListCalls:
    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._exchange = desk.exchange
        self._venue = desk.venue
        self._symbols = desk.symbols

    def place_oco(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        return self._place(account, parameters, one_cancels_other)

    def place_old_oco(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        return self._place(account, parameters, deprecated_one_cancels_other)

    def place_oto(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        return self._place(account, parameters, one_triggers_another)

    def place_otoco(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        return self._place(account, parameters, one_triggers_one_cancels_other)

    def query(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        number, name = parameters.integer("orderListId"), parameters.optional("origClientOrderId")
        parameters.ignore("symbol")
        parameters.finish()
        found = self._named(signer(account), number, name, ("orderListId", "origClientOrderId"))
        return self._described(found, parameters.unit)

    def cancel(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        owner = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        number, name = parameters.integer("orderListId"), parameters.optional("listClientOrderId")
        cancel_name = parameters.client_id("newClientOrderId") or ""
        parameters.finish()
        found = self._named(owner, number, name, ("orderListId", "listClientOrderId"))
        if found.is_done or found.symbol != texts.symbol:
            raise errors.unknown_order()
        accepted(self._exchange.cancel_list(owner, texts.symbol, found.number, name=cancel_name))
        orders = self._orders_of(found)
        reports = [order_answers.cancelled(order, texts, parameters.unit, cancel_name=cancel_name) for order in orders]
        return self._described(found, parameters.unit) | {"orderReports": reports}

    def open(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        parameters.finish()
        return [
            self._described(each, parameters.unit) for each in self._venue.lists(signer(account)) if not each.is_done
        ]

    def all(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        from_id, within = parameters.integer("fromId"), times(parameters)
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        if from_id is not None and within.is_bounded:
            raise errors.bad_combination()
        within.check_within_a_day()
        lists = [
            each
            for each in self._venue.lists(signer(account))
            if each.number >= (from_id or 0) and within.holds(each.accepted_ns)
        ]
        rows = page(lists, limit, is_forward=from_id is not None or within.has_start)
        return [self._described(each, parameters.unit) for each in rows]

    def _place(self, account: ApiAccount | None, parameters: Parameters, read: Reader) -> Json:
        owner = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        asked = read(parameters, texts, lambda: self._desk.invented_id(owner, texts.symbol))
        answer_type = parameters.optional_choice("newOrderRespType", AnswerType, AnswerType.RESULT)
        parameters.finish()
        self._desk.check(owner, *asked.orders)
        reports = self._desk.place_list(owner, asked)
        number = next(report.order_list.number for report in reports if isinstance(report, ListReport))
        placed = next(each for each in reversed(self._venue.lists(owner)) if each.number == number)
        orders = [
            placed_order(order, texts, parameters.unit, reports, answer_type) for order in self._orders_of(placed)
        ]
        return self._described(placed, parameters.unit) | {"orderReports": orders}

    def _named(self, owner: str, number: int | None, name: str | None, parameters: tuple[str, str]) -> OrderList:
        """The newest list that one of both names."""
        if number is None and name is None:
            raise errors.missing_both(*parameters)
        for each in reversed(self._venue.lists(owner)):
            if each.number == number or (number is None and each.name == name):
                return each
        raise errors.order_list_does_not_exist()

    def _orders_of(self, found: OrderList) -> list[KnownOrder]:
        orders = (self._venue.order(found.account, found.symbol, number) for number in found.order_numbers)
        return [order for order in orders if order is not None]

    def _described(self, found: OrderList, unit: TimeUnit) -> Json:
        return order_answers.order_list(found, self._orders_of(found), self._symbols.of(found.symbol), unit)
