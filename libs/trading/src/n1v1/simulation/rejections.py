"""Why the simulated venue says no: Binance's codes and texts (its errors.md), because clients match on both.

The order of the checks is ours: Binance does not document one. What a filter refuses never reaches the
matching engine, so filters come before duplicates and balances.
"""

from __future__ import annotations

from dataclasses import dataclass

from n1v1.events import SubmitOrder
from n1v1.rounding import notional
from n1v1.values import Instrument, OrderType


@dataclass(frozen=True, slots=True)
class Rejection:
    code: int
    reason: str


INVALID_SYMBOL = Rejection(-1121, "Invalid symbol.")
MARKET_IS_CLOSED = Rejection(-1013, "Market is closed.")
PRICE_MISSING = Rejection(-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed.")
PRICE_NOT_WANTED = Rejection(-1106, "Parameter 'price' sent when not required.")
PRICE_FILTER = Rejection(-1013, "Filter failure: PRICE_FILTER")
LOT_SIZE = Rejection(-1013, "Filter failure: LOT_SIZE")
NOTIONAL = Rejection(-1013, "Filter failure: NOTIONAL")
DUPLICATE_ORDER = Rejection(-2010, "Duplicate order sent.")
INSUFFICIENT_BALANCE = Rejection(-2010, "Account has insufficient balance for requested action.")
NO_LISTS = Rejection(-2010, "This venue takes no order lists yet.")
UNKNOWN_ORDER = Rejection(-2011, "Unknown order sent.")


def refused_by_filters(order: SubmitOrder, instrument: Instrument, *, last_ticks: int) -> Rejection | None:
    """The first filter that `order` fails. A market order is valued at the last close."""
    refused = _refused_price(order, instrument)
    if refused is not None:
        return refused
    if not _is_tradable_quantity(order.lots, instrument):
        return LOT_SIZE
    ticks = last_ticks if order.limit_ticks is None else order.limit_ticks
    if notional(instrument, ticks=ticks, lots=order.lots) < instrument.min_notional:
        return NOTIONAL
    return None


def _refused_price(order: SubmitOrder, instrument: Instrument) -> Rejection | None:
    if order.type is OrderType.MARKET:
        return None if order.limit_ticks is None else PRICE_NOT_WANTED
    if order.limit_ticks is None:
        return PRICE_MISSING
    is_on_grid = 0 < order.limit_ticks <= instrument.max_price / instrument.tick_size
    return None if is_on_grid else PRICE_FILTER


def _is_tradable_quantity(lots: int, instrument: Instrument) -> bool:
    return lots > 0 and lots % instrument.step_lots == 0 and lots <= instrument.max_quantity / instrument.lot_size
