"""An account's orders: placing, asking, cancelling, replacing and amending. For REST and WebSocket API alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from n1v1.values import PPB, OrderType
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors, order_answers
from n1v1_exchange_simulator.binance.averages import AveragePrices
from n1v1_exchange_simulator.binance.errors import TOO_MANY_REQUESTS, ApiError
from n1v1_exchange_simulator.binance.filters import Rulebook
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.order_requests import single_order
from n1v1_exchange_simulator.binance.pages import page, times
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import ZERO, Json, Symbols, Texts, decimal_text, wire_type
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import (
    KnownOrder,
    NewOrder,
    NewOrderList,
    OrderReport,
    OrderStatus,
    Refused,
    Report,
)

ROWS_BY_DEFAULT = 500
ROWS_AT_MOST = 1_000
CONFLICT = 409
PPB_PLACES = 9


class AnswerType(StrEnum):
    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class CancelRestriction(StrEnum):
    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


class ReplaceMode(StrEnum):
    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class WhenLimited(StrEnum):
    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


class Outcome(StrEnum):
    """Of one half of a cancelReplace."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    NOT_ATTEMPTED = "NOT_ATTEMPTED"


class OrderDesk:
    """What every call that places orders goes through: the filters, the account's order count, the venue."""

    def __init__(
        self, exchange: Exchange, symbols: Symbols, rulebook: Rulebook, averages: AveragePrices, limiter: Limiter
    ) -> None:
        self.exchange = exchange
        self.venue = exchange.venue
        self.symbols = symbols
        self.limiter = limiter
        self._rulebook = rulebook
        self._averages = averages

    def check(self, account: str, *orders: NewOrder) -> None:
        """Raises ApiError for what never reaches the venue."""
        self._rulebook.check(self.venue, self._averages, account, orders)

    def place(self, account: str, order: NewOrder) -> Sequence[Report]:
        return self._counted(account, 1, lambda: self.exchange.place(account, order))

    def place_list(self, account: str, orders: NewOrderList) -> Sequence[Report]:
        return self._counted(account, len(orders.orders), lambda: self.exchange.place_list(account, orders))

    def _counted(self, account: str, count: int, place: Callable[[], Sequence[Report] | Refused]) -> Sequence[Report]:
        """Counted before they are placed, because a fill at once gives back; what is refused does not count."""
        self.limiter.check_orders(account, count)
        self.limiter.count_orders(account, count)
        answer = place()
        if isinstance(answer, Refused):
            self.limiter.count_orders(account, -count)
        return accepted(answer)

    def invented_id(self, account: str, symbol: str) -> str:
        """For an order without one. Names must differ among an account's open orders of one symbol only."""
        return f"unnamed-{len(self.venue.orders(account, symbol)) + 1}"

    def max_amends(self, symbol: str) -> int | None:
        return self._rulebook.of(symbol).max_amends

    def fits_lot_size(self, symbol: str, lots: int) -> bool:
        return self._rulebook.of(symbol).lot_size.fits(lots)


class TradingCalls:
    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._exchange = desk.exchange
        self._venue = desk.venue
        self._symbols = desk.symbols
        self._amends: Counter[int] = Counter()
        """By order number, since the start of the process."""

    def place(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        name, texts, order = self._asked(account, parameters)
        answer_type = _answer_type(parameters, order)
        parameters.finish()
        self._desk.check(name, order)
        return _placed(texts, parameters.unit, self._desk.place(name, order), answer_type)

    def test(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        """Everything but the order itself."""
        name, texts, order = self._asked(account, parameters)
        _answer_type(parameters, order)
        shows_rates = parameters.flag("computeCommissionRates")
        parameters.finish()
        self._desk.check(name, order)
        refused = self._exchange.test(name, order)
        if refused is not None:
            raise ApiError(refused.code, refused.reason)
        return self._rates_of(texts, order) if shows_rates else {}

    def query(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        order = self._named(name, texts, parameters, "orderId", "origClientOrderId")
        parameters.finish()
        if order is None:
            raise errors.order_does_not_exist()
        return order_answers.queried(order, texts, parameters.unit)

    def cancel(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        order = self._named(name, texts, parameters, "orderId", "origClientOrderId")
        cancel_name = parameters.client_id("newClientOrderId") or ""
        restriction = _restriction(parameters)
        parameters.finish()
        return self._cancelled(name, texts, parameters.unit, order, cancel_name, restriction)

    def open(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        name, wire_symbol = signer(account), parameters.optional("symbol")
        symbol = None if wire_symbol is None else self._symbols.named(wire_symbol).symbol
        parameters.finish()
        return [
            order_answers.queried(order, self._symbols.of(order.request.symbol), parameters.unit)
            for order in self._venue.open_orders(name, symbol)
        ]

    def cancel_all(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        """A list is cancelled whole with its first order, and told as one."""
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        orders = self._venue.open_orders(name, texts.symbol)
        if not orders:
            raise errors.unknown_order()
        return [self._cancelled(name, texts, parameters.unit, order, "", None) for order in orders if order.is_open]

    def all(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        first, within = parameters.integer("orderId"), times(parameters)
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        within.check_within_a_day()
        orders = [
            order
            for order in self._venue.orders(name, texts.symbol)
            if order.number >= (first or 0) and within.holds(order.accepted_ns)
        ]
        rows = page(orders, limit, is_forward=first is not None or within.has_start)
        return [order_answers.queried(order, texts, parameters.unit) for order in rows]

    def amend(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        """Make an order smaller. It keeps its place in the queue, and its name unless it is given another."""
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        order = self._named(name, texts, parameters, "orderId", "origClientOrderId")
        new_name = parameters.client_id("newClientOrderId")
        lots = texts.lots("newQty", parameters.text("newQty"))
        parameters.finish()
        if order is None:
            raise errors.unknown_order()
        most = self._desk.max_amends(texts.symbol)
        if most is not None and self._amends[order.number] >= most:
            raise errors.filter_failure("MAX_NUM_ORDER_AMENDS", code=-2038)
        if not self._desk.fits_lot_size(texts.symbol, lots):
            raise errors.filter_failure("LOT_SIZE")
        name_before = order.request.client_order_id
        reports = accepted(
            self._exchange.amend(name, texts.symbol, order.number, lots=lots, client_order_id=new_name or name_before)
        )
        self._amends[order.number] += 1
        execution_id = next(report.number for report in reports if isinstance(report, OrderReport))
        return order_answers.amended(order, texts, parameters.unit, name_before=name_before, execution_id=execution_id)

    # --- cancelReplace -----------------------------------------------------------------------------------------

    def cancel_replace(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        """Filters and the order count are looked at before anything is cancelled, as Binance says."""
        mode = parameters.choice("cancelReplaceMode", ReplaceMode, errors.missing("cancelReplaceMode"))
        when_limited = parameters.optional_choice("orderRateLimitExceededMode", WhenLimited, WhenLimited.DO_NOTHING)
        name, texts, order = self._asked(account, parameters)
        answer_type = _answer_type(parameters, order)
        old = self._named(name, texts, parameters, "cancelOrderId", "cancelOrigClientOrderId")
        cancel_name = parameters.client_id("cancelNewClientOrderId") or ""
        restriction = _restriction(parameters)
        parameters.finish()
        self._desk.check(name, order)
        limited = self._refusal_by_count(name)
        if limited is not None and when_limited is WhenLimited.DO_NOTHING:
            raise limited
        cancelled: Json | ApiError
        try:
            cancelled = self._cancelled(name, texts, parameters.unit, old, cancel_name, restriction)
        except ApiError as refused:
            cancelled = refused
        placed: Json | ApiError | None = limited
        if limited is None:
            is_attempted = mode is ReplaceMode.ALLOW_FAILURE or not isinstance(cancelled, ApiError)
            placed = self._replacement(name, texts, parameters.unit, order, answer_type) if is_attempted else None
            if placed is None:
                self._desk.limiter.count_orders(name, 1)  # an order that was not attempted counts as well
        return _both(cancelled, placed)

    def _refusal_by_count(self, account: str) -> ApiError | None:
        try:
            self._desk.limiter.check_orders(account, 1)
        except ApiError as limited:
            return limited
        return None

    def _replacement(
        self, account: str, texts: Texts, unit: TimeUnit, order: NewOrder, answer_type: AnswerType
    ) -> Json | ApiError:
        try:
            return _placed(texts, unit, self._desk.place(account, order), answer_type)
        except ApiError as refused:
            return refused

    # --- shared ------------------------------------------------------------------------------------------------

    def _asked(self, account: ApiAccount | None, parameters: Parameters) -> tuple[str, Texts, NewOrder]:
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        order = single_order(parameters, texts, lambda: self._desk.invented_id(name, texts.symbol))
        return name, texts, order

    def _named(
        self, account: str, texts: Texts, parameters: Parameters, number_name: str, client_name: str
    ) -> KnownOrder | None:
        """The order that one of both names; of several with one client id, the newest. Both must mean the same."""
        number, client_id = parameters.integer(number_name), parameters.optional(client_name)
        if number is None and client_id is None:
            raise errors.missing_both(number_name, client_name)
        if number is None:
            return self._venue.named(account, texts.symbol, client_id or "")
        order = self._venue.order(account, texts.symbol, number)
        is_same = client_id is None or order is None or order.request.client_order_id == client_id
        return order if is_same else None

    def _cancelled(
        self,
        account: str,
        texts: Texts,
        unit: TimeUnit,
        order: KnownOrder | None,
        cancel_name: str,
        restriction: CancelRestriction | None,
    ) -> Json:
        if order is None or not order.is_open:
            raise errors.unknown_order()
        if restriction is not None and order.status is not _STATUS_OF_RESTRICTION[restriction]:
            raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
        accepted(self._exchange.cancel(account, texts.symbol, order.number, name=cancel_name))
        return order_answers.cancelled(order, texts, unit, cancel_name=cancel_name)

    def _rates_of(self, texts: Texts, order: NewOrder) -> Json:
        maker, taker = self._venue.fee_rates_ppb(texts.symbol)
        is_taker = order.type is OrderType.MARKET
        return {
            "standardCommissionForOrder": {
                "maker": rate_text(0 if is_taker else maker),
                "taker": rate_text(taker),
            },
            "specialCommissionForOrder": {"maker": ZERO, "taker": ZERO},
            "taxCommissionForOrder": {"maker": ZERO, "taker": ZERO},
            "discount": NO_DISCOUNT,
        }


NO_DISCOUNT: Json = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "BNB",
    "discount": ZERO,
}

_STATUS_OF_RESTRICTION = {
    CancelRestriction.ONLY_NEW: OrderStatus.NEW,
    CancelRestriction.ONLY_PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
}


def signer(account: ApiAccount | None) -> str:
    """The name of the account that signed."""
    assert account is not None, "calls that need a signature are never made without one"
    return account.name


def accepted(answer: Sequence[Report] | Refused) -> Sequence[Report]:
    """Raises the venue's refusal as ApiError."""
    if isinstance(answer, Refused):
        raise ApiError(answer.code, answer.reason)
    return answer


def rate_text(ppb: int) -> str:
    """A fee rate with 8 places; finer ones are cut off."""
    return decimal_text(ppb * 100_000_000 // PPB, 8)


def placed_order(
    order: KnownOrder, texts: Texts, unit: TimeUnit, reports: Sequence[Report], answer_type: AnswerType
) -> Json:
    """A new order, told as its client wants it. reports: what became of it at once."""
    match answer_type:
        case AnswerType.ACK:
            return order_answers.acknowledged(order, texts, unit)
        case AnswerType.RESULT:
            return order_answers.placed(order, texts, unit, reports)
        case AnswerType.FULL:
            fills = order_answers.fills(order, texts, reports)
            return order_answers.placed(order, texts, unit, reports) | {"fills": fills}


def _placed(texts: Texts, unit: TimeUnit, reports: Sequence[Report], answer_type: AnswerType) -> Json:
    order = next(report.order for report in reports if isinstance(report, OrderReport))
    return placed_order(order, texts, unit, reports, answer_type)


def _answer_type(parameters: Parameters, order: NewOrder) -> AnswerType:
    is_full = wire_type(order) in ("MARKET", "LIMIT")
    return parameters.optional_choice("newOrderRespType", AnswerType, AnswerType.FULL if is_full else AnswerType.ACK)


def _restriction(parameters: Parameters) -> CancelRestriction | None:
    if parameters.optional("cancelRestrictions") is None:
        return None
    return parameters.choice(
        "cancelRestrictions",
        CancelRestriction,
        ApiError(-1145, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."),
    )


def _both(cancelled: Json | ApiError, placed: Json | ApiError | None) -> Json:
    """The answer of a cancelReplace, or its ApiError: -2022 when nothing worked, -2021 when one half did."""
    data: dict[str, Any] = {
        "cancelResult": _outcome(cancelled),
        "newOrderResult": _outcome(placed),
        "cancelResponse": _told(cancelled),
        "newOrderResponse": _told(placed),
    }
    outcomes = {data["cancelResult"], data["newOrderResult"]}
    if outcomes == {Outcome.SUCCESS}:
        return data
    is_limited = isinstance(placed, ApiError) and placed.status == TOO_MANY_REQUESTS
    retry_after_s = placed.retry_after_s if isinstance(placed, ApiError) else None
    if Outcome.SUCCESS in outcomes:
        status = TOO_MANY_REQUESTS if is_limited else CONFLICT
        msg = "Order cancel-replace partially failed."
        raise ApiError(-2021, msg, status=status, data=data, retry_after_s=retry_after_s)
    status = TOO_MANY_REQUESTS if is_limited else 400
    raise ApiError(-2022, "Order cancel-replace failed.", status=status, data=data, retry_after_s=retry_after_s)


def _outcome(half: Json | ApiError | None) -> Outcome:
    if half is None:
        return Outcome.NOT_ATTEMPTED
    return Outcome.FAILURE if isinstance(half, ApiError) else Outcome.SUCCESS


def _told(half: Json | ApiError | None) -> Json | None:
    return half.body() if isinstance(half, ApiError) else half
