"""Why the simulated venue says no: Binance's codes and texts (its errors.md), because clients match on both.

The order of the checks is ours: Binance does not document one. What a filter refuses never reaches the
matching engine, so filters come before duplicates and balances.
"""

from __future__ import annotations

from dataclasses import dataclass

from n1v1.events import SubmitOrder, SubmitOrderList
from n1v1.simulation import records
from n1v1.values import Instrument, OrderType, TimeInForce


@dataclass(frozen=True, slots=True)
class Rejection:
    code: int
    reason: str


INVALID_SYMBOL = Rejection(-1121, "Invalid symbol.")
MARKET_IS_CLOSED = Rejection(-1013, "Market is closed.")
PRICE_FILTER = Rejection(-1013, "Filter failure: PRICE_FILTER")
LOT_SIZE = Rejection(-1013, "Filter failure: LOT_SIZE")
NOTIONAL = Rejection(-1013, "Filter failure: NOTIONAL")
DUPLICATE_ORDER = Rejection(-2010, "Duplicate order sent.")
INSUFFICIENT_BALANCE = Rejection(-2010, "Account has insufficient balance for requested action.")
WOULD_TRIGGER = Rejection(-2010, "Stop price would trigger immediately.")
WOULD_TAKE = Rejection(-2010, "Order would immediately match and take.")
WOULD_EXPIRE = Rejection(-2010, "Order would expire immediately.")
REDUCES_NOTHING = Rejection(-2022, "ReduceOnly Order is rejected.")
UNKNOWN_ORDER = Rejection(-2011, "Unknown order sent.")
MIXED_LIST = Rejection(
    -1165, "The orders of a list have one symbol; pending ones have one side and the working quantity."
)
SHORT_LIST = Rejection(-1165, "An order list has one or two pending orders behind a working one, or two without.")

VERDICTS = {
    records.PRICE_FILTER: PRICE_FILTER,
    records.LOT_SIZE: LOT_SIZE,
    records.NOTIONAL: NOTIONAL,
    records.INSUFFICIENT_BALANCE: INSUFFICIENT_BALANCE,
    records.WOULD_TRIGGER_AT_ONCE: WOULD_TRIGGER,
    records.WOULD_TAKE_AT_ONCE: WOULD_TAKE,
    records.REDUCES_NOTHING: REDUCES_NOTHING,
    records.WOULD_EXPIRE_AT_ONCE: WOULD_EXPIRE,
}
"""What the kernel that accepts orders answers, in the venue's words."""

REASONS = {
    records.BY_THE_CLIENT: "cancelled by the client",
    records.NOT_FILLABLE: "not fillable at the open",
    records.NOT_WHOLE: "not fillable as a whole",
    records.UNAFFORDABLE: "the open is too far from the last close to pay for",
    records.ITS_TIME_IS_OVER: "its time is over",
    records.WOULD_TAKE: "it would have taken, and is post-only",
    records.LIST_DONE: "another order of its list is done",
    records.ENTRY_UNFILLED: "the order it waited for ended without a fill",
    records.ENTRY_CUT_SHORT: "its position is already being closed",
    records.NOTHING_TO_REDUCE: "nothing is left to reduce",
}
"""Why an order ended, as reports say it."""

WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
WITH_STOP = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
WITH_STOP_IF_WANTED = (*WITH_STOP, OrderType.TRAILING_STOP)


def refused_parameters(order: SubmitOrder, instrument: Instrument) -> Rejection | None:
    """What is missing, not wanted, or larger than the instrument allows."""
    given = (
        ("price", order.limit_ticks, order.type in WITH_LIMIT, order.type in WITH_LIMIT),
        ("stopPrice", order.stop_ticks, order.type in WITH_STOP, order.type in WITH_STOP_IF_WANTED),
        ("trailingDelta", order.trail_ppb, *(order.type is OrderType.TRAILING_STOP,) * 2),
        ("goodTillDate", order.expires_ns, *(order.time_in_force is TimeInForce.GTD,) * 2),
    )
    for name, value, is_needed, is_allowed in given:
        if value is None and is_needed:
            return Rejection(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        if value is not None and not is_allowed:
            return Rejection(-1106, f"Parameter '{name}' sent when not required.")
    most_ticks = instrument.max_price / instrument.tick_size
    if any(not 0 < ticks <= most_ticks for ticks in (order.limit_ticks, order.stop_ticks) if ticks is not None):
        return PRICE_FILTER
    return LOT_SIZE if order.lots > instrument.max_quantity / instrument.lot_size else None


def refused_list(orders: SubmitOrderList) -> Rejection | None:
    """What is wrong between the orders of a list."""
    least = 1 if orders.working is not None else 2
    if not least <= len(orders.pending) <= 2:
        return SHORT_LIST
    first = orders.pending[0]
    whole = (*((orders.working,) if orders.working is not None else ()), *orders.pending)
    is_of_one_kind = all((order.symbol, order.lots) == (first.symbol, first.lots) for order in whole)
    have_one_side = all(
        (order.side, order.reduces_only) == (first.side, first.reduces_only) for order in orders.pending
    )
    return None if is_of_one_kind and have_one_side else MIXED_LIST
