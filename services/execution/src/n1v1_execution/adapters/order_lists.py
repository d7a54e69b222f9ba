"""Order lists in Binance's words: OTO and OTOCO, with what our simulator understands beyond them.

Binance's lists work with a LIMIT order and pend LIMIT_MAKER orders; the simulator also takes workingType=MARKET and
pending orders of type LIMIT, and has reduceOnly, goodTillDate (milliseconds), a trailing delta with digits behind
the point (in basis points) and trailing steps. Its README says so too.
"""

from __future__ import annotations

from n1v1.events import SubmitOrder, SubmitOrderList
from n1v1.values import Instrument, OrderType, Side, TimeInForce

Parameters = dict[str, str]

MS_NS = 1_000_000
PPB_PER_BASIS_POINT = 100_000

_WIRE_TYPE = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
    OrderType.TRAILING_STOP: "STOP_LOSS",  # with a trailing delta
}


def parameters(orders: SubmitOrderList, instrument: Instrument, market_id: str) -> Parameters:
    """Of POST orderList/oto for one pending order, of orderList/otoco for two. All pending are on one side."""
    working, first = orders.working, orders.pending[0]
    assert working is not None, "without a working order it would be an OCO"
    sent = {
        "symbol": market_id,
        "listClientOrderId": f"{working.client_order_id}-list",
        "newOrderRespType": "RESULT",
        "workingSide": working.side,
        "workingQuantity": _quantity(working, instrument),
        "pendingSide": first.side,
        "pendingQuantity": _quantity(first, instrument),
    } | _prefixed("working", _of_one(working, instrument))
    if first.reduces_only:
        sent["reduceOnly"] = "true"
    for prefix, order in _pending(orders):
        sent |= _prefixed(prefix, _of_one(order, instrument))
    return sent


def oco_parameters(orders: SubmitOrderList, instrument: Instrument, market_id: str) -> Parameters:
    """Of POST orderList/oco, in words that Binance itself knows: a stop, and a target that only makes."""
    stop, target = orders.pending
    is_sale = stop.side is Side.SELL
    at_target = {
        "Type": "LIMIT_MAKER",
        "Price": str(instrument.price(target.limit_ticks or 0)),
        "ClientOrderId": str(target.client_order_id),
    }
    at_stop = {"Type": "STOP_LOSS", "ClientOrderId": str(stop.client_order_id)} | (
        {"StopPrice": str(instrument.price(stop.stop_ticks or 0))}
        if stop.trail_ppb is None
        else {"TrailingDelta": str(whole_basis_points(stop.trail_ppb))}
    )
    return (
        {
            "symbol": market_id,
            "listClientOrderId": f"{stop.client_order_id}-list",
            "side": str(stop.side),
            "quantity": _quantity(stop, instrument),
            "newOrderRespType": "RESULT",
        }
        | {f"above{name}": value for name, value in (at_target if is_sale else at_stop).items()}
        | {f"below{name}": value for name, value in (at_stop if is_sale else at_target).items()}
    )


def exact_oco_parameters(orders: SubmitOrderList, instrument: Instrument, market_id: str) -> Parameters:
    """The same with what only our simulator understands: over bars a target that may only make would expire when the
    market opens beyond it."""
    sent = oco_parameters(orders, instrument, market_id) | {"reduceOnly": "true"}
    prefix = "above" if orders.pending[0].side is Side.SELL else "below"
    return sent | _prefixed(prefix, _of_one(orders.pending[1], instrument))


def whole_basis_points(ppb: int) -> int:
    """What Binance takes for a trailing distance: rounded to the nearest, at least one."""
    return max(1, (ppb + PPB_PER_BASIS_POINT // 2) // PPB_PER_BASIS_POINT)


def lifetime(order: SubmitOrder) -> Parameters:
    """How long an order with a limit may rest."""
    if order.time_in_force is TimeInForce.GTD and order.expires_ns is not None:
        return {"timeInForce": order.time_in_force, "goodTillDate": str(order.expires_ns // MS_NS)}
    return {"timeInForce": order.time_in_force}


def _pending(orders: SubmitOrderList) -> list[tuple[str, SubmitOrder]]:
    """With the prefix of its parameters: of two, Binance names the one at the higher price "above"."""
    if len(orders.pending) == 1:
        return [("pending", orders.pending[0])]
    stop, target = orders.pending
    if stop.side is Side.SELL:
        return [("pendingBelow", stop), ("pendingAbove", target)]
    return [("pendingAbove", stop), ("pendingBelow", target)]


def _of_one(order: SubmitOrder, instrument: Instrument) -> Parameters:
    type_ = "LIMIT_MAKER" if order.is_post_only else _WIRE_TYPE[order.type]
    one = {"type": type_, "clientOrderId": str(order.client_order_id)}
    if order.limit_ticks is not None:
        one |= {"price": str(instrument.price(order.limit_ticks))} | ({} if order.is_post_only else lifetime(order))
    if order.stop_ticks is not None:
        one["stopPrice"] = str(instrument.price(order.stop_ticks))
    if order.trail_ppb is not None:
        one |= {"trailingDelta": _basis_points(order.trail_ppb), "trailingStep": _basis_points(order.trail_step_ppb)}
    return one


def _prefixed(prefix: str, names: Parameters) -> Parameters:
    return {prefix + name[0].upper() + name[1:]: value for name, value in names.items()}


def _quantity(order: SubmitOrder, instrument: Instrument) -> str:
    return f"{instrument.quantity(order.lots):f}"


def _basis_points(ppb: int) -> str:
    whole, rest = divmod(ppb, PPB_PER_BASIS_POINT)
    return f"{whole}.{rest:05d}" if rest else str(whole)
