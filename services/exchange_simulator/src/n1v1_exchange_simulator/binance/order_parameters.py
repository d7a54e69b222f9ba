"""What a client asks for, read from the parameters of a request: one order, or a list of them.

Beyond Binance's: lists may work with workingType=MARKET and have pending orders of type LIMIT; reduceOnly, and
timeInForce=GTD with goodTillDate in milliseconds, as Binance has them for futures; trailing deltas with digits behind
the point, and a trailingStep, both in basis points.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from n1v1.errors import InvalidValue
from n1v1.values import OrderType, Side, TimeInForce, to_ppb
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.wire import NANOSECONDS_PER_MS, Texts, WireType
from n1v1_exchange_simulator.venue import ListKind, NewOrder, NewOrderList

CLIENT_ORDER_ID = r"^[a-zA-Z0-9-_]{1,36}$"
BASIS_POINTS = r"^([0-9]{1,4})(\.[0-9]{1,5})?$"

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
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)

Named = Callable[[str], str]
"""From a parameter of a single order to what it is called for one order of a list: price, pendingAbovePrice."""


def single_order(parameters: Parameters, texts: Texts, *, invented_id: str) -> NewOrder:
    """invented_id: the client order id where the client sends none."""
    _refuse(parameters, "quoteOrderQty")
    return _order(
        parameters,
        texts,
        _prefixed(""),
        side=_side(parameters, "side"),
        lots=texts.lots("quantity", parameters.text("quantity")),
        client_order_id=_client_order_id(parameters, "newClientOrderId", invented_id),
        reduces_only=_flag(parameters, "reduceOnly"),
    )


def one_triggers_another(parameters: Parameters, texts: Texts, *, invented_id: str) -> NewOrderList:
    working = _working(parameters, texts, invented_id)
    pending = _pending(parameters, texts, ("pending",), invented_id)
    return NewOrderList(kind=ListKind.OTO, name=list_name(parameters), working=working, pending=pending)


def one_triggers_one_cancels_other(parameters: Parameters, texts: Texts, *, invented_id: str) -> NewOrderList:
    working = _working(parameters, texts, invented_id)
    pending = _pending(parameters, texts, ("pendingAbove", "pendingBelow"), invented_id)
    return NewOrderList(kind=ListKind.OTOCO, name=list_name(parameters), working=working, pending=pending)


def one_cancels_other(parameters: Parameters, texts: Texts, *, invented_id: str) -> NewOrderList:
    orders = _legs(parameters, texts, ("above", "below"), invented_id, side="side", quantity="quantity")
    return NewOrderList(kind=ListKind.OCO, name=list_name(parameters), working=None, pending=orders)


def list_name(parameters: Parameters) -> str:
    """What the client calls the list; empty when it leaves that to the venue."""
    name = parameters.optional("listClientOrderId")
    if name is not None and not re.fullmatch(CLIENT_ORDER_ID, name):
        raise errors.illegal_characters("listClientOrderId", CLIENT_ORDER_ID)
    return name or ""


def _working(parameters: Parameters, texts: Texts, invented_id: str) -> NewOrder:
    return _order(
        parameters,
        texts,
        _prefixed("working"),
        side=_side(parameters, "workingSide"),
        lots=texts.lots("workingQuantity", parameters.text("workingQuantity")),
        client_order_id=_client_order_id(parameters, "workingClientOrderId", f"{invented_id}-working"),
        reduces_only=False,
    )


def _pending(parameters: Parameters, texts: Texts, prefixes: tuple[str, ...], invented_id: str) -> tuple[NewOrder, ...]:
    return _legs(parameters, texts, prefixes, invented_id, side="pendingSide", quantity="pendingQuantity")


def _legs(
    parameters: Parameters, texts: Texts, prefixes: tuple[str, ...], invented_id: str, *, side: str, quantity: str
) -> tuple[NewOrder, ...]:
    """The stop first: orders are numbered in this order, whichever price is the higher one."""
    legs_side, lots = _side(parameters, side), texts.lots(quantity, parameters.text(quantity))
    reduces_only = _flag(parameters, "reduceOnly")
    orders = [
        _order(
            parameters,
            texts,
            _prefixed(prefix),
            side=legs_side,
            lots=lots,
            client_order_id=_client_order_id(parameters, f"{prefix}ClientOrderId", f"{invented_id}-{prefix}"),
            reduces_only=reduces_only,
        )
        for prefix in prefixes
    ]
    return tuple(sorted(orders, key=lambda order: order.type not in _STOPS))


def _order(
    parameters: Parameters,
    texts: Texts,
    named: Named,
    *,
    side: Side,
    lots: int,
    client_order_id: str,
    reduces_only: bool,
) -> NewOrder:
    wire = parameters.choice(named("type"), WireType, ApiError(-1116, "Invalid orderType."))
    if wire not in _WITH_PRICE:
        _refuse(parameters, named("price"))
    if wire not in _WITH_LIFETIME:
        _refuse(parameters, named("timeInForce"), named("goodTillDate"))
    trail_ppb = _basis_points(parameters, named("trailingDelta"))
    return NewOrder(
        client_order_id=client_order_id,
        symbol=texts.symbol,
        side=side,
        type=_kind(wire, named, is_trailing=trail_ppb is not None),
        lots=lots,
        limit_ticks=texts.ticks(named("price"), parameters.text(named("price"))) if wire in _WITH_PRICE else None,
        time_in_force=_time_in_force(parameters, named) if wire in _WITH_LIFETIME else TimeInForce.GTC,
        stop_ticks=_stop_ticks(parameters, texts, named),
        trail_ppb=trail_ppb,
        trail_step_ppb=_basis_points(parameters, named("trailingStep")) or 0,
        expires_ns=_expires_ns(parameters, named),
        is_post_only=wire is WireType.LIMIT_MAKER,
        reduces_only=reduces_only,
    )


def _kind(wire: WireType, named: Named, *, is_trailing: bool) -> OrderType:
    if not is_trailing:
        return _KIND[wire]
    if wire is not WireType.STOP_LOSS:
        raise errors.not_wanted(named("trailingDelta"))  # here only a STOP_LOSS trails
    return OrderType.TRAILING_STOP


def _stop_ticks(parameters: Parameters, texts: Texts, named: Named) -> int | None:
    text = parameters.optional(named("stopPrice"))
    return None if text is None else texts.ticks(named("stopPrice"), text)


def _time_in_force(parameters: Parameters, named: Named) -> TimeInForce:
    return parameters.choice(named("timeInForce"), TimeInForce, ApiError(-1115, "Invalid timeInForce."))


def _expires_ns(parameters: Parameters, named: Named) -> int | None:
    until_ms = parameters.integer(named("goodTillDate"))
    return None if until_ms is None else until_ms * NANOSECONDS_PER_MS


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


def _flag(parameters: Parameters, name: str) -> bool:
    text = parameters.optional(name)
    if text not in (None, "true", "false"):
        raise errors.illegal_characters(name, "true or false")
    return text == "true"


def _side(parameters: Parameters, name: str) -> Side:
    return parameters.choice(name, Side, ApiError(-1117, "Invalid side."))


def _client_order_id(parameters: Parameters, name: str, invented: str) -> str:
    text = parameters.optional(name) or invented
    if not re.fullmatch(CLIENT_ORDER_ID, text):
        raise errors.illegal_characters(name, CLIENT_ORDER_ID)
    return text


def _refuse(parameters: Parameters, *names: str) -> None:
    for name in names:
        if parameters.optional(name) is not None:
            raise errors.not_wanted(name)


def _prefixed(prefix: str) -> Named:
    return lambda name: prefix + name[0].upper() + name[1:] if prefix else name
