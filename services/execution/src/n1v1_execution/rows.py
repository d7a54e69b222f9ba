"""Rows of the execution tables: exact amounts as NUMERIC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from n1v1.events import OrderFilled
from n1v1.execution.orders import Order
from n1v1.values import Instrument
from n1v1_common.storage.journal import Effect

_ORDER = """
INSERT INTO orders (order_id, signal_id, account, instance, symbol, side, type, quantity, filled, state,
                    client_order_id, venue_order_id, attempt, decided_ns, valid_until_ns,
                    purpose, entry_id, limit_price, stop_price, trail_ppb)
{rows}
ON CONFLICT (order_id) DO UPDATE SET quantity = EXCLUDED.quantity, filled = EXCLUDED.filled, state = EXCLUDED.state,
    client_order_id = EXCLUDED.client_order_id, venue_order_id = EXCLUDED.venue_order_id,
    attempt = EXCLUDED.attempt, changed_at = now()
"""

_FILL = """
INSERT INTO fills (fill_id, order_id, trade_id, symbol, side, quantity, price, value, fee, liquidity, ts_ns)
{rows}
"""

_ORDER_TYPES = (*["text"] * 7, "numeric", "numeric", "text", "text", "text", "integer", "bigint", "bigint")
_LEG_TYPES = ("text", "text", "numeric", "numeric", "bigint")
_FILL_TYPES = (*["text"] * 5, *["numeric"] * 4, "text", "bigint")


def orders_effect(orders: Iterable[Order], instruments: Mapping[str, Instrument]) -> Effect:
    return Effect(_ORDER, _ORDER_TYPES + _LEG_TYPES, [_order_row(order, instruments[order.symbol]) for order in orders])


def fills_effect(fills: Iterable[OrderFilled], instruments: Mapping[str, Instrument]) -> Effect:
    return Effect(_FILL, _FILL_TYPES, [_fill_row(filled, instruments[filled.symbol]) for filled in fills])


def _order_row(order: Order, instrument: Instrument) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.signal_id,
        order.account,
        order.instance,
        order.symbol,
        order.side,
        order.type,
        instrument.quantity(order.lots),
        instrument.quantity(order.filled_lots),
        order.state,
        order.client_order_id,
        order.venue_order_id,
        order.attempt,
        order.decided_ns,
        order.valid_until_ns,
        order.purpose,
        order.entry_id,
        _price(instrument, order.limit_ticks),
        _price(instrument, order.stop_ticks),
        order.trail_ppb,
    )


def _price(instrument: Instrument, ticks: int | None) -> Decimal | None:
    return None if ticks is None else instrument.price(ticks)


def _fill_row(filled: OrderFilled, instrument: Instrument) -> tuple[Any, ...]:
    return (
        filled.fill_id,
        filled.order_id,
        filled.trade_id,
        filled.symbol,
        filled.side,
        instrument.quantity(filled.lots),
        instrument.price(filled.ticks),
        instrument.cash(filled.value),
        instrument.cash(filled.fee),
        filled.liquidity,
        filled.ts_ns,
    )
