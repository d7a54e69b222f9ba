"""Orders as commands to a venue."""

from __future__ import annotations

from collections.abc import Sequence

from n1v1.events import CancelOrder, SubmitOrder, SubmitOrderList
from n1v1.execution.orders import Order
from n1v1.values import TimeInForce


def command_of(orders: Sequence[Order]) -> SubmitOrder | SubmitOrderList:
    """orders: one, or an entry and its legs, or a stop that was moved and its target: an OCO."""
    first, *legs = (request_of(order) for order in orders)
    if legs and orders[0].is_moved:
        return SubmitOrderList(working=None, pending=(first, *legs))
    return SubmitOrderList(working=first, pending=tuple(legs)) if legs else first


def cancel_of(order: Order) -> CancelOrder:
    return CancelOrder(client_order_id=order.client_order_id, symbol=order.symbol)


def request_of(order: Order) -> SubmitOrder:
    ends_there = order.time_in_force is TimeInForce.GTD and not order.is_timed_by_us
    return SubmitOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        lots=order.lots,
        limit_ticks=order.limit_ticks,
        time_in_force=TimeInForce.GTC if order.is_timed_by_us else order.time_in_force,
        stop_ticks=order.stop_ticks,
        trail_ppb=order.trail_ppb,
        trail_step_ppb=order.trail_step_ppb,
        expires_ns=order.valid_until_ns if ends_there else None,
        is_post_only=order.is_post_only,
        reduces_only=order.reduce_only,
    )
