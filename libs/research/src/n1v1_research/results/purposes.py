"""What orders were for, where only the records of a run are known: a replay through the services."""

from __future__ import annotations

from collections.abc import Set

from n1v1 import ids
from n1v1.ids import OrderId
from n1v1.run_hash import RunRecords
from n1v1.values import OrderType, Purpose

STOPS = {OrderType.STOP.value: Purpose.STOP_LOSS, OrderType.TRAILING_STOP.value: Purpose.TRAILING_STOP}


def purposes_of(records: RunRecords, closing: Set[str]) -> dict[str, Purpose]:
    """By order id: entries and exits from the signals they obeyed, legs from the entries they protect.

    closing: the orders that closed a position; a SELL signal may open or close. An order that obeyed no signal and
    protects no entry (a time exit, a flattening) is left out.
    """
    signalled = {order_id for *_, order_id in records.decisions if order_id}
    stops = {ids.leg_order_id(OrderId(entry), "stop") for entry in signalled}
    targets = {ids.leg_order_id(OrderId(entry), "target") for entry in signalled}
    found: dict[str, Purpose] = {}
    for order_id, _, _, kind, *_ in records.orders:
        if order_id in signalled:
            found[order_id] = Purpose.EXIT if order_id in closing else Purpose.ENTRY
        elif order_id in stops:
            found[order_id] = STOPS[kind]
        elif order_id in targets:
            found[order_id] = Purpose.TAKE_PROFIT
    return found
