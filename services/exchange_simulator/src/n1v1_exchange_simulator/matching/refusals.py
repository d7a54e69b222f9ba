"""Why the venue says no, in Binance's codes and texts: clients match on both. Its errors.md has them."""

from __future__ import annotations

from n1v1.values import Instrument, OrderType, Side, TimeInForce
from n1v1_exchange_simulator.matching.orders import PROFIT_TAKERS, STOPS
from n1v1_exchange_simulator.venue import KnownOrder, ListKind, NewOrder, NewOrderList, Refused

INVALID_SYMBOL = Refused(code=-1121, reason="Invalid symbol.")
MARKET_IS_CLOSED = Refused(code=-1013, reason="Market is closed.")
PRICE_FILTER = Refused(code=-1013, reason="Filter failure: PRICE_FILTER")
LOT_SIZE = Refused(code=-1013, reason="Filter failure: LOT_SIZE")
PREVENTION_NOT_ALLOWED = Refused(
    code=-1013, reason="This symbol does not allow the specified self-trade prevention mode."
)
DUPLICATE_ORDER = Refused(code=-2010, reason="Duplicate order sent.")
INSUFFICIENT_BALANCE = Refused(code=-2010, reason="Account has insufficient balance for requested action.")
WOULD_TRIGGER = Refused(code=-2010, reason="Stop price would trigger immediately.")
WOULD_TAKE = Refused(code=-2010, reason="Order would immediately match and take.")
WOULD_EXPIRE = Refused(code=-2010, reason="Order would expire immediately.")
WRONG_RELATION = Refused(code=-2010, reason="The relationship of the prices for the orders is not correct.")
ICEBERG_TOO_LARGE = Refused(code=-2010, reason="IcebergQty exceeds QTY.")
UNSUPPORTED = Refused(code=-2010, reason="Unsupported order combination")
NO_LIQUIDITY = Refused(code=-2010, reason="Order book liquidity is less than LOT_SIZE filter minimum quantity.")
REDUCES_NOTHING = Refused(code=-2022, reason="ReduceOnly Order is rejected.")
UNKNOWN_ORDER = Refused(code=-2011, reason="Unknown order sent.")
AMEND_INCREASES = Refused(code=-2038, reason="Order amend (quantity increase) is not supported.")
AMEND_CHANGES_NOTHING = Refused(code=-2038, reason="The requested action would change no state; rejecting")
MIXED_LIST = Refused(code=-1165, reason="The orders of a list have one symbol, and its pending ones one side.")
WRONG_LIST = Refused(
    code=-1165, reason="An OCO has two pending orders, an OTO a working and a pending one, an OTOCO a working and two."
)
UNEVEN_LEGS = Refused(
    code=-1165, reason="The two pending orders of a list have one quantity, and one of them is a stop."
)

WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
WITH_STOP = STOPS - {OrderType.TRAILING_STOP}


def amendment(order: KnownOrder, lots: int, instrument: Instrument) -> Refused | None:
    """Why an order cannot be made to ask for `lots` in all."""
    if lots == order.lots:
        return AMEND_CHANGES_NOTHING
    if lots > order.lots:
        return AMEND_INCREASES
    if lots <= order.filled_lots + order.prevented_lots or lots % instrument.step_lots:
        return LOT_SIZE
    return None


def malformed(order: NewOrder, instrument: Instrument) -> Refused | None:
    """What the engine cannot compute with, whatever the state of the market. The filters of a symbol are stricter."""
    if (order.limit_ticks is not None) != (order.type in WITH_LIMIT):
        return PRICE_FILTER
    needs_stop = order.type in WITH_STOP and (order.trail_ppb is None or order.type in PROFIT_TAKERS)
    if (order.stop_ticks is None and needs_stop) or (order.stop_ticks is not None and order.type not in STOPS):
        return PRICE_FILTER
    most_ticks = instrument.max_price / instrument.tick_size
    if any(not 0 < ticks <= most_ticks for ticks in (order.limit_ticks, order.stop_ticks) if ticks is not None):
        return PRICE_FILTER
    return _wrong_size(order, instrument) or _wrong_combination(order)


def _wrong_size(order: NewOrder, instrument: Instrument) -> Refused | None:
    if order.spend_quanta:
        return LOT_SIZE if order.lots or order.spend_quanta < 0 else None
    most_lots = instrument.max_quantity / instrument.lot_size
    if not 0 < order.lots <= most_lots or order.lots % instrument.step_lots:
        return LOT_SIZE
    if order.iceberg_lots < 0 or order.iceberg_lots % instrument.step_lots:
        return LOT_SIZE
    return ICEBERG_TOO_LARGE if order.iceberg_lots > order.lots else None


def _wrong_combination(order: NewOrder) -> Refused | None:
    is_trailing = order.trail_ppb is not None
    if is_trailing != (order.type is OrderType.TRAILING_STOP) and not (is_trailing and order.type in STOPS):
        return UNSUPPORTED
    if order.trail_ppb is not None and not 0 < order.trail_ppb < 1_000_000_000:
        return UNSUPPORTED
    if order.spend_quanta and order.type is not OrderType.MARKET:
        return UNSUPPORTED
    if order.iceberg_lots and (order.type not in WITH_LIMIT or order.time_in_force is not TimeInForce.GTC):
        return UNSUPPORTED
    if order.is_post_only and (
        order.type is not OrderType.LIMIT or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    ):
        return UNSUPPORTED
    return UNSUPPORTED if (order.time_in_force is TimeInForce.GTD) != (order.expires_ns is not None) else None


def malformed_list(orders: NewOrderList) -> Refused | None:
    """What is wrong between the orders of a list."""
    has_working = orders.working is not None
    shape = (has_working, len(orders.pending))
    if shape != {ListKind.OCO: (False, 2), ListKind.OTO: (True, 1), ListKind.OTOCO: (True, 2)}[orders.kind]:
        return WRONG_LIST
    if len({order.symbol for order in orders.orders}) > 1 or len({order.side for order in orders.pending}) > 1:
        return MIXED_LIST
    if any(order.spend_quanta for order in orders.orders):
        return UNSUPPORTED
    if len(orders.pending) == 1:
        return None
    first, second = orders.pending
    if first.lots != second.lots or not (first.type in STOPS or second.type in STOPS):
        return UNEVEN_LEGS
    return None


def wrong_relation(orders: NewOrderList, last_ticks: int | None) -> Refused | None:
    """Of two legs one waits above the other, and of an OCO the last price is between them.

    A seller's profit is above and his stop below; a buyer's the other way round.
    """
    if len(orders.pending) < 2:
        return None
    below, above = _below(orders.pending), _above(orders.pending)
    if below is None or above is None:
        return None if _has_free_trail(orders.pending) else WRONG_RELATION
    if below >= above:
        return WRONG_RELATION
    if orders.kind is ListKind.OCO and last_ticks is not None and not below < last_ticks < above:
        return WRONG_RELATION
    return None


def _below(legs: tuple[NewOrder, ...]) -> int | None:
    return next((_waits_at(leg) for leg in legs if not _waits_above(leg)), None)


def _above(legs: tuple[NewOrder, ...]) -> int | None:
    return next((_waits_at(leg) for leg in legs if _waits_above(leg)), None)


def _waits_at(leg: NewOrder) -> int | None:
    return leg.stop_ticks if leg.type in STOPS else leg.limit_ticks


def _waits_above(leg: NewOrder) -> bool:
    is_profit = leg.type in PROFIT_TAKERS or leg.type not in STOPS
    return is_profit == (leg.side is Side.SELL)


def _has_free_trail(legs: tuple[NewOrder, ...]) -> bool:
    """A trailing stop without a first stop is where the price puts it; the other leg must be on the other side."""
    free = [leg for leg in legs if _waits_at(leg) is None]
    return bool(free) and len({_waits_above(leg) for leg in legs}) == len(legs)
