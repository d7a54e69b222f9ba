"""What a client asks for, read from the parameters of a request: one order, or a list of them.

Beyond Binance's: lists may work with workingType=MARKET and have pending orders of type LIMIT; reduceOnly, and
timeInForce=GTD with goodTillDate in milliseconds, as Binance has them for futures; trailing deltas with digits behind
the point, and a trailingStep, both in basis points.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from n1v1.errors import InvalidValue
from n1v1.values import OrderType, Side, TimeInForce, to_ppb
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.wire import NANOSECONDS_PER_MS, Texts, WireType, check_number
from n1v1_exchange_simulator.venue import ListKind, NewOrder, NewOrderList, SelfTradePrevention

BASIS_POINTS = r"^([0-9]{1,4})(\.[0-9]{1,5})?$"
STRATEGY_TYPE_AT_LEAST = 1_000_000
"""Binance keeps the smaller ones for itself."""

_KIND = {
    WireType.LIMIT: OrderType.LIMIT,
    WireType.MARKET: OrderType.MARKET,
    WireType.LIMIT_MAKER: OrderType.LIMIT,
    WireType.STOP_LOSS: OrderType.STOP,
    WireType.STOP_LOSS_LIMIT: OrderType.STOP_LIMIT,
    WireType.TAKE_PROFIT: OrderType.TAKE_PROFIT,
    WireType.TAKE_PROFIT_LIMIT: OrderType.TAKE_PROFIT_LIMIT,
}
_WITH_PRICE = (WireType.LIMIT, WireType.LIMIT_MAKER, WireType.STOP_LOSS_LIMIT, WireType.TAKE_PROFIT_LIMIT)
_WITH_LIFETIME = (WireType.LIMIT, WireType.STOP_LOSS_LIMIT, WireType.TAKE_PROFIT_LIMIT)
_WITH_STOP = (
    WireType.STOP_LOSS,
    WireType.STOP_LOSS_LIMIT,
    WireType.TAKE_PROFIT,
    WireType.TAKE_PROFIT_LIMIT,
)
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)

Named = Callable[[str], str]
"""From a parameter of a single order to what it is called for one order of a list: price, pendingAbovePrice."""

InventedId = Callable[[], str]
"""The client order id of an order whose client sends none. Asked for only then."""


@dataclass(frozen=True, slots=True)
class _Common:
    """What the legs of a list, or a working order alone, share."""

    side: Side
    lots: int
    spend_quanta: int
    reduces_only: bool
    self_trade_prevention: SelfTradePrevention | None


def single_order(parameters: Parameters, texts: Texts, invented_id: InventedId) -> NewOrder:
    wire = _wire_type(parameters, "type")
    lots, spend_quanta = _amount(parameters, texts, wire)
    common = _Common(
        side=_side(parameters, "side"),
        lots=lots,
        spend_quanta=spend_quanta,
        reduces_only=parameters.flag("reduceOnly"),
        self_trade_prevention=_self_trade_prevention(parameters),
    )
    client_order_id = parameters.client_id("newClientOrderId") or invented_id()
    return _order(parameters, texts, _prefixed(""), common, wire, client_order_id)


def one_triggers_another(parameters: Parameters, texts: Texts, invented_id: InventedId) -> NewOrderList:
    return _triggered(parameters, texts, ListKind.OTO, ("pending",), invented_id)


def one_triggers_one_cancels_other(parameters: Parameters, texts: Texts, invented_id: InventedId) -> NewOrderList:
    return _triggered(parameters, texts, ListKind.OTOCO, ("pendingAbove", "pendingBelow"), invented_id)


def one_cancels_other(parameters: Parameters, texts: Texts, invented_id: InventedId) -> NewOrderList:
    legs = _legs(parameters, texts, ("above", "below"), invented_id, side="side", quantity="quantity")
    return NewOrderList(kind=ListKind.OCO, name=_list_name(parameters), working=None, pending=legs)


def deprecated_one_cancels_other(parameters: Parameters, texts: Texts, invented_id: InventedId) -> NewOrderList:
    """POST order/oco: a limit order, and a stop that may have a limit of its own."""
    common = _common(parameters, texts, side="side", quantity="quantity")
    has_limit = parameters.optional("stopLimitPrice") is not None
    stop_type = WireType.STOP_LOSS_LIMIT if has_limit else WireType.STOP_LOSS
    stop = _order(
        parameters,
        texts,
        lambda name: _NAMES_OF_OLD_STOP.get(name, name),
        common,
        stop_type,
        parameters.client_id("stopClientOrderId") or f"{invented_id()}-stop",
    )
    limit = _order(
        parameters,
        texts,
        lambda name: "price" if name == "price" else "limit" + name[0].upper() + name[1:],
        common,
        WireType.LIMIT_MAKER,
        parameters.client_id("limitClientOrderId") or f"{invented_id()}-limit",
    )
    return NewOrderList(kind=ListKind.OCO, name=_list_name(parameters), working=None, pending=(stop, limit))


_NAMES_OF_OLD_STOP = {
    "price": "stopLimitPrice",
    "timeInForce": "stopLimitTimeInForce",
    "icebergQty": "stopIcebergQty",
    "strategyId": "stopStrategyId",
    "strategyType": "stopStrategyType",
}


def _list_name(parameters: Parameters) -> str:
    """What the client calls the list; empty when it leaves that to the venue."""
    return parameters.client_id("listClientOrderId") or ""


def _triggered(
    parameters: Parameters, texts: Texts, kind: ListKind, prefixes: tuple[str, ...], invented_id: InventedId
) -> NewOrderList:
    wire = _wire_type(parameters, "workingType")
    common = _Common(
        side=_side(parameters, "workingSide"),
        lots=texts.lots("workingQuantity", parameters.text("workingQuantity")),
        spend_quanta=0,
        reduces_only=False,
        self_trade_prevention=_self_trade_prevention(parameters),
    )
    client_order_id = parameters.client_id("workingClientOrderId") or f"{invented_id()}-working"
    working = _order(parameters, texts, _prefixed("working"), common, wire, client_order_id)
    legs = _legs(parameters, texts, prefixes, invented_id, side="pendingSide", quantity="pendingQuantity")
    return NewOrderList(kind=kind, name=_list_name(parameters), working=working, pending=legs)


def _legs(
    parameters: Parameters,
    texts: Texts,
    prefixes: tuple[str, ...],
    invented_id: InventedId,
    *,
    side: str,
    quantity: str,
) -> tuple[NewOrder, ...]:
    """The stop first: orders are numbered in this order, whichever price is the higher one."""
    common = _common(parameters, texts, side=side, quantity=quantity)
    orders = [
        _order(
            parameters,
            texts,
            _prefixed(prefix),
            common,
            _wire_type(parameters, f"{prefix}Type"),
            parameters.client_id(f"{prefix}ClientOrderId") or f"{invented_id()}-{prefix}",
        )
        for prefix in prefixes
    ]
    return tuple(sorted(orders, key=lambda order: order.type not in _STOPS))


def _common(parameters: Parameters, texts: Texts, *, side: str, quantity: str) -> _Common:
    return _Common(
        side=_side(parameters, side),
        lots=texts.lots(quantity, parameters.text(quantity)),
        spend_quanta=0,
        reduces_only=parameters.flag("reduceOnly"),
        self_trade_prevention=_self_trade_prevention(parameters),
    )


def _order(
    parameters: Parameters, texts: Texts, named: Named, common: _Common, wire: WireType, client_order_id: str
) -> NewOrder:
    if wire not in _WITH_PRICE:
        parameters.refuse(named("price"), named("icebergQty"))
    if wire not in _WITH_LIFETIME:
        parameters.refuse(named("timeInForce"), named("goodTillDate"))
    if wire not in _WITH_STOP:
        parameters.refuse(named("stopPrice"), named("trailingDelta"), named("trailingStep"))
    trail_ppb = _basis_points(parameters, named("trailingDelta"))
    return NewOrder(
        client_order_id=client_order_id,
        symbol=texts.symbol,
        side=common.side,
        type=_type(wire, is_trailing=trail_ppb is not None),
        lots=common.lots,
        spend_quanta=common.spend_quanta,
        limit_ticks=texts.ticks(named("price"), parameters.text(named("price"))) if wire in _WITH_PRICE else None,
        time_in_force=_time_in_force(parameters, named) if wire in _WITH_LIFETIME else TimeInForce.GTC,
        stop_ticks=_stop_ticks(parameters, texts, named, is_needed=wire in _WITH_STOP and trail_ppb is None),
        trail_ppb=trail_ppb,
        trail_step_ppb=_basis_points(parameters, named("trailingStep")) or 0,
        expires_ns=_expires_ns(parameters, named),
        iceberg_lots=_iceberg_lots(parameters, texts, named),
        is_post_only=wire is WireType.LIMIT_MAKER,
        reduces_only=common.reduces_only,
        self_trade_prevention=common.self_trade_prevention,
        strategy_id=parameters.integer(named("strategyId")),
        strategy_type=_strategy_type(parameters, named("strategyType")),
    )


def _type(wire: WireType, *, is_trailing: bool) -> OrderType:
    return OrderType.TRAILING_STOP if is_trailing and wire is WireType.STOP_LOSS else _KIND[wire]


def _amount(parameters: Parameters, texts: Texts, wire: WireType) -> tuple[int, int]:
    """(lots, quanta to spend): one of them, the other zero."""
    spend = parameters.optional("quoteOrderQty")
    if spend is None:
        if wire is WireType.MARKET and parameters.optional("quantity") is None:
            raise errors.missing_both("quantity", "quoteOrderQty")
        return texts.lots("quantity", parameters.text("quantity")), 0
    if wire is not WireType.MARKET:
        raise errors.not_wanted("quoteOrderQty")
    parameters.refuse("quantity")
    check_number("quoteOrderQty", spend)
    try:
        quanta = texts.instrument.quanta(spend)
    except InvalidValue:
        raise errors.too_precise("quoteOrderQty") from None
    if quanta == 0:
        raise ApiError(-2010, "Price * QTY is zero or less.")
    return 0, quanta


def _stop_ticks(parameters: Parameters, texts: Texts, named: Named, *, is_needed: bool) -> int | None:
    text = parameters.optional(named("stopPrice"))
    if text is None and is_needed:
        raise errors.missing_both(named("stopPrice"), named("trailingDelta"))
    return None if text is None else texts.ticks(named("stopPrice"), text)


def _iceberg_lots(parameters: Parameters, texts: Texts, named: Named) -> int:
    text = parameters.optional(named("icebergQty"))
    if text is None or Decimal(_checked(named("icebergQty"), text)) == 0:
        return 0
    lots = texts.lots(named("icebergQty"), text)
    if lots == 0:
        raise errors.filter_failure("LOT_SIZE")
    return lots


def _checked(name: str, text: str) -> str:
    check_number(name, text)
    return text


def _time_in_force(parameters: Parameters, named: Named) -> TimeInForce:
    return parameters.choice(named("timeInForce"), TimeInForce, ApiError(-1115, "Invalid timeInForce."))


def _expires_ns(parameters: Parameters, named: Named) -> int | None:
    until_ms = parameters.integer(named("goodTillDate"))
    if until_ms is None:
        return None
    expires_ns = until_ms * NANOSECONDS_PER_MS
    if expires_ns >= 2**63:
        raise ApiError(-1130, f"Data sent for parameter '{named('goodTillDate')}' is not valid.")
    return expires_ns


def _basis_points(parameters: Parameters, name: str) -> int | None:
    """In parts per billion."""
    text = parameters.optional(name)
    if text is None:
        return None
    if not re.fullmatch(BASIS_POINTS, text):
        raise errors.illegal_characters(name, BASIS_POINTS)
    try:
        return to_ppb(Decimal(text).scaleb(-4))
    except InvalidValue:
        raise errors.too_precise(name) from None


def _strategy_type(parameters: Parameters, name: str) -> int | None:
    strategy_type = parameters.integer(name)
    if strategy_type is not None and strategy_type < STRATEGY_TYPE_AT_LEAST:
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return strategy_type


def _self_trade_prevention(parameters: Parameters) -> SelfTradePrevention | None:
    if parameters.optional("selfTradePreventionMode") is None:
        return None
    refusal = errors.self_trade_prevention_not_allowed()
    return parameters.choice("selfTradePreventionMode", SelfTradePrevention, refusal)


def _side(parameters: Parameters, name: str) -> Side:
    return parameters.choice(name, Side, ApiError(-1117, "Invalid side."))


def _wire_type(parameters: Parameters, name: str) -> WireType:
    return parameters.choice(name, WireType, ApiError(-1116, "Invalid orderType."))


def _prefixed(prefix: str) -> Named:
    return lambda name: prefix + name[0].upper() + name[1:] if prefix else name
