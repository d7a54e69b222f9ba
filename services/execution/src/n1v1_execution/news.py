"""From an update of the user stream to reports, where the update says all that there is to know."""

from __future__ import annotations

from collections.abc import Sequence

from n1v1.events import VenueAccepted, VenueReport
from n1v1.execution.orders import Order
from n1v1.values import Instrument
from n1v1_execution.ports import OrderUpdate


def reports_of(update: OrderUpdate, order: Order, instrument: Instrument) -> Sequence[VenueReport] | None:
    """None: ask for the order. Its end is always asked for, and so is an execution that follows one we have missed.

    Legs are asked for as well: at some venues they are there in several generations.
    """
    execution = update.execution
    if execution is not None and execution.trade_id in order.trade_ids:
        return ()
    if order.entry_id is not None or update.is_closed or update.total_lots is None:
        return None
    accepted = _accepted(update, order, execution.ts_ns if execution else order.decided_ns)
    if execution is None:
        return accepted if order.venue_order_id is None else ()
    if update.total_lots != order.filled_lots + execution.lots:
        return None
    remaining_lots = 0 if update.is_filled else order.lots - update.total_lots
    return [*accepted, execution.report(order, instrument, remaining_lots=remaining_lots)]


def _accepted(update: OrderUpdate, order: Order, ts_ns: int) -> list[VenueReport]:
    if order.venue_order_id is not None:
        return []
    return [
        VenueAccepted(
            ts_ns=ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            venue_order_id=update.venue_order_id,
        )
    ]
