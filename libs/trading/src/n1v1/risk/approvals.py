"""A decision of `limits` as the order that execution is told of."""

from __future__ import annotations

from n1v1 import ids
from n1v1.events import Bracket, OrderApproved, Wish
from n1v1.kernels import Record
from n1v1.risk.account import PURPOSES, STOP_LOSS
from n1v1.risk.causes import Cause
from n1v1.risk.reasons import Check
from n1v1.styles import Plan
from n1v1.values import OrderType, Purpose, Side, TimeInForce


def approved_order(
    account: str,
    decision: Record,
    cause: Cause,
    wish: Wish,
    *,
    plan: Plan | None,
    validity_ns: int,
    checks: tuple[Check, ...],
) -> OrderApproved:
    """validity_ns: how long after its cause the order is worth sending, apart from what the plan takes."""
    order_id = ids.order_id(account, cause.signal_id)
    purpose = PURPOSES[decision.purpose]
    return OrderApproved(
        id=f"approved:{order_id}",
        ts_ns=cause.ts_ns,
        cause_id=cause.cause_id,
        correlation_id=cause.correlation_id,
        order_id=order_id,
        signal_id=cause.signal_id,
        account=account,
        instance=cause.instance,
        symbol=cause.symbol,
        side=Side.BUY if decision.side > 0 else Side.SELL,
        type=_order_type(decision),
        lots=decision.lots,
        limit_ticks=decision.limit_ticks or None,
        time_in_force=_time_in_force(decision, wish),
        reduce_only=purpose is not Purpose.ENTRY,
        purpose=purpose,
        bracket=_bracket(decision),
        reference_ticks=decision.reference_ticks,
        valid_until_ns=cause.ts_ns + validity_ns + (plan.duration_ns if plan else 0),
        checks=checks,
        trigger_ticks=decision.trigger_ticks or None,
        is_post_only=wish.is_post_only and purpose is Purpose.ENTRY,
        plan=plan,
    )


def _order_type(decision: Record) -> OrderType:
    if decision.trigger_ticks > 0:
        return OrderType.STOP_LIMIT if decision.limit_ticks > 0 else OrderType.STOP
    return OrderType.LIMIT if decision.limit_ticks > 0 else OrderType.MARKET


def _time_in_force(decision: Record, wish: Wish) -> TimeInForce:
    """What waits for a price does so until its validity ends, unless the strategy has said otherwise; a stop that
    protects, until it is taken back."""
    is_at_once = decision.limit_ticks <= 0 and decision.trigger_ticks <= 0
    if is_at_once or decision.purpose == STOP_LOSS:
        return TimeInForce.GTC
    return wish.time_in_force or TimeInForce.GTD


def _bracket(decision: Record) -> Bracket | None:
    if not (decision.stop_ticks or decision.target_ticks or decision.trail_ppb):
        return None
    return Bracket(
        stop_ticks=decision.stop_ticks or None,
        target_ticks=decision.target_ticks or None,
        trail_ppb=decision.trail_ppb or None,
        trail_step_ppb=decision.trail_step_ppb,
    )
