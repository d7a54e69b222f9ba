"""From events to rows, without side effects. Each row carries the key under which it is kept only once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from n1v1.events import (
    BreakerChanged,
    EquityMarked,
    Event,
    Note,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrdersComplete,
    PositionChanged,
    SignalRaised,
    SignalsComplete,
)
from n1v1.execution.legs import legs_of
from n1v1.risk.reasons import Check
from n1v1.run_hash import APPROVED, DONE, HEARD_OF, REFUSED


class Table(StrEnum):
    VERDICTS = "verdicts"
    DECISIONS = "decisions"
    ORDERS = "orders"
    ORDER_EVENTS = "order_events"
    FILLS = "fills"
    POSITIONS = "positions"
    EQUITY = "equity"
    BREAKERS = "breakers"
    WATERMARKS = "watermarks"


class Row(NamedTuple):
    """values: by column. What the table already has under the same key stays, or is replaced if it is older."""

    table: Table
    values: Mapping[str, Any]


def rows_of(event: Event, trace_id: str = "") -> list[Row]:
    """What an event adds to the tables. trace_id: of the trace that its message belongs to, or empty."""
    match event:
        case OrderFilled():
            return [_fill(event), _done(event)] if event.is_final else [_fill(event)]
        case OrderEvent():
            return [_order_event(event)]
        case OrderApproved() | OrderRefused():
            return _decided(event, trace_id)
        case SignalRaised() | SignalsComplete():
            return _said(event)
        case _:
            return _account(event)


def _said(event: SignalRaised | SignalsComplete) -> list[Row]:
    if isinstance(event, SignalsComplete):
        return [_verdict(event.ts_ns, note) for note in event.notes]
    return [_verdict(event.ts_ns, event, action=event.action.value, strength=event.strength, id_=event.id)]


def _decided(event: OrderApproved | OrderRefused, trace_id: str) -> list[Row]:
    if isinstance(event, OrderRefused):
        return [_refusal(event, trace_id)]
    return [_approval(event, trace_id), _order(event, trace_id), *_legs(event, trace_id)]


def _account(event: Event) -> list[Row]:
    match event:
        case PositionChanged():
            return [_position(event)]
        case EquityMarked():
            return [_mark(event)]
        case BreakerChanged():
            return [_breaker(event)]
        case OrdersComplete():
            return [Row(Table.WATERMARKS, {"account": event.account, "settled_ns": event.ts_ns})]
        case _:
            return []


def _verdict(
    ts_ns: int, said: SignalRaised | Note, *, action: str = "", strength: float = 0.0, id_: str | None = None
) -> Row:
    looked_at = said.values if isinstance(said, Note) else ()
    return Row(
        Table.VERDICTS,
        {
            "bar_close_ns": ts_ns,
            "symbol": said.symbol,
            "instance": said.instance,
            "signal_id": id_,
            "action": action,
            "strength": strength,
            "reason": said.reason,
            "looked_at": json.dumps(looked_at),
        },
    )


def _approval(event: OrderApproved, trace_id: str) -> Row:
    return Row(
        Table.DECISIONS,
        {
            "signal_id": event.signal_id,
            "account": event.account,
            "decided_ns": event.ts_ns,
            "verdict": APPROVED,
            "refusal": "",
            "detail": "",
            "order_id": event.order_id,
            "checks": _checks(event.checks),
            "trace_id": trace_id,
        },
    )


def _refusal(event: OrderRefused, trace_id: str) -> Row:
    return Row(
        Table.DECISIONS,
        {
            "signal_id": event.signal_id,
            "account": event.account,
            "decided_ns": event.ts_ns,
            "verdict": REFUSED,
            "refusal": event.reason.value,
            "detail": event.detail,
            "order_id": "",
            "checks": _checks(event.checks),
            "trace_id": trace_id,
        },
    )


def _order(event: OrderApproved, trace_id: str) -> Row:
    return Row(
        Table.ORDERS,
        {
            "order_id": event.order_id,
            "signal_id": event.signal_id,
            "account": event.account,
            "instance": event.instance,
            "symbol": event.symbol,
            "side": event.side.value,
            "type": event.type.value,
            "lots": event.lots,
            "limit_ticks": event.limit_ticks,
            "reference_ticks": event.reference_ticks,
            "decided_ns": event.ts_ns,
            "trace_id": trace_id,
            "purpose": event.purpose.value,
            "entry_id": None,
            "stop_ticks": event.trigger_ticks,
            "trail_ppb": None,
        },
    )


def _legs(event: OrderApproved, trace_id: str) -> list[Row]:
    """The orders that protect an entry, approved with it."""
    entry = _order(event, trace_id).values
    return [
        Row(
            Table.ORDERS,
            {
                **entry,
                "order_id": leg.order_id,
                "side": leg.side.value,
                "type": leg.type.value,
                "lots": leg.lots,
                "limit_ticks": leg.limit_ticks,
                "purpose": leg.purpose.value,
                "entry_id": event.order_id,
                "stop_ticks": leg.stop_ticks,
                "trail_ppb": leg.trail_ppb,
            },
        )
        for leg in legs_of(event)
    ]


def _order_event(event: OrderEvent) -> Row:
    return _heard(event, HEARD_OF[type(event)], _order_event_detail(event))


def _done(event: OrderFilled) -> Row:
    return _heard(event, DONE, f"trade {event.trade_id} was the last")


def _heard(event: OrderEvent, word: str, detail: str) -> Row:
    return Row(
        Table.ORDER_EVENTS,
        {"event_id": event.id, "order_id": event.order_id, "ts_ns": event.ts_ns, "word": word, "detail": detail},
    )


def _order_event_detail(event: OrderEvent) -> str:
    match event:
        case OrderAccepted():
            return f"venue order {event.venue_order_id}"
        case OrderCancelled() | OrderExpired():
            return f"{event.reason}, {event.remaining_lots} lots left"
        case _:
            return str(getattr(event, "reason", ""))


def _fill(event: OrderFilled) -> Row:
    return Row(
        Table.FILLS,
        {
            "fill_id": event.fill_id,
            "order_id": event.order_id,
            "account": event.account,
            "symbol": event.symbol,
            "ts_ns": event.ts_ns,
            "trade_id": event.trade_id,
            "side": event.side.value,
            "lots": event.lots,
            "ticks": event.ticks,
            "value": event.value,
            "fee": event.fee,
            "liquidity": event.liquidity.value,
        },
    )


def _position(event: PositionChanged) -> Row:
    return Row(
        Table.POSITIONS,
        {
            "account": event.account,
            "symbol": event.symbol,
            "ts_ns": event.ts_ns,
            "lots": event.lots,
            "cost": event.cost,
            "realised": event.realised,
            "fees": event.fees,
        },
    )


def _mark(event: EquityMarked) -> Row:
    return Row(
        Table.EQUITY,
        {
            "account": event.account,
            "ts_ns": event.ts_ns,
            "cash": event.cash,
            "equity": event.equity,
            "peak": event.peak,
            "fees": event.fees,
            "positions": json.dumps(event.positions),
        },
    )


def _breaker(event: BreakerChanged) -> Row:
    return Row(
        Table.BREAKERS,
        {
            "account": event.account,
            "ts_ns": event.ts_ns,
            "is_open": event.is_open,
            "reason": event.reason,
            "actor": event.actor,
        },
    )


def _checks(checks: Iterable[Check]) -> str:
    return json.dumps([{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks])
