"""The legs of an entry: the orders at the venue that protect the position it opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from n1v1 import ids
from n1v1.events import Bracket, OrderApproved
from n1v1.ids import OrderId
from n1v1.values import OrderType, Purpose, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """lots: nominal, those of the entry. The venue lets a leg fill no more than the entry has filled."""

    kind: Literal["stop", "target"]
    order_id: OrderId
    purpose: Purpose
    side: Side
    type: OrderType
    lots: int
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    trail_ppb: int | None = None
    trail_step_ppb: int = 0


def legs_of(approved: OrderApproved) -> tuple[Leg, ...]:
    """What the bracket of an approved order asks for: the stop first, then the target; none without a bracket.

    That of a stop that was moved is its target, which goes with it.
    """
    side = approved.side if approved.purpose is Purpose.ENTRY else _opposite(approved.side)
    return legs_for(approved.order_id, side, approved.lots, approved.bracket)


def legs_for(entry: OrderId, side: Side, lots: int, bracket: Bracket | None) -> tuple[Leg, ...]:
    """The same for a part of an entry. side: of the entry."""
    if bracket is None:
        return ()
    stop = _stop_leg(entry, side, lots, bracket) if _has_stop(bracket) else None
    target = _target_leg(entry, side, lots, bracket) if bracket.target_ticks is not None else None
    return tuple(leg for leg in (stop, target) if leg is not None)


def _has_stop(bracket: Bracket) -> bool:
    return bracket.stop_ticks is not None or bracket.trail_ppb is not None


def _stop_leg(entry: OrderId, side: Side, lots: int, bracket: Bracket) -> Leg:
    is_trailing = bracket.trail_ppb is not None
    return Leg(
        kind="stop",
        order_id=ids.leg_order_id(entry, "stop"),
        purpose=Purpose.TRAILING_STOP if is_trailing else Purpose.STOP_LOSS,
        side=_opposite(side),
        type=OrderType.TRAILING_STOP if is_trailing else OrderType.STOP,
        lots=lots,
        stop_ticks=bracket.stop_ticks,
        trail_ppb=bracket.trail_ppb,
        trail_step_ppb=bracket.trail_step_ppb,
    )


def _target_leg(entry: OrderId, side: Side, lots: int, bracket: Bracket) -> Leg:
    return Leg(
        kind="target",
        order_id=ids.leg_order_id(entry, "target"),
        purpose=Purpose.TAKE_PROFIT,
        side=_opposite(side),
        type=OrderType.LIMIT,
        lots=lots,
        limit_ticks=bracket.target_ticks,
    )


def _opposite(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
