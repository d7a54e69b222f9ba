"""The life of an order, as a table. Whatever is not in it is our own mistake and raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from n1v1 import ids
from n1v1.errors import InvalidTransition
from n1v1.events import OrderApproved
from n1v1.execution.legs import Leg
from n1v1.ids import ClientOrderId, OrderId, SignalId, VenueOrderId
from n1v1.values import OrderType, Purpose, Side, TimeInForce


class OrderState(StrEnum):
    WAITING = "WAITING"  # not sent before the orders that protect its position are closed; a moved stop too
    WORKING = "WORKING"  # carried out by child orders, and never sent itself; a leg of it: by those of its children
    SUBMITTED = "SUBMITTED"  # the intent is journalled; the venue may or may not have it yet
    UNKNOWN = "UNKNOWN"  # it was sent and nobody answered: ask, never send again
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"

    is_open: bool
    is_in_doubt: bool
    """Nobody knows whether the venue has it."""
    is_at_venue: bool
    """It has been sent, and may be there still."""

    __hash__ = str.__hash__  # that of enums is written in Python, and every step of an order looks up the table

    def __init__(self, word: str) -> None:
        self.is_open = word in ("WAITING", "WORKING", "SUBMITTED", "UNKNOWN", "ACCEPTED", "PARTIALLY_FILLED")
        self.is_at_venue = self.is_open and word not in ("WAITING", "WORKING")
        self.is_in_doubt = word in ("SUBMITTED", "UNKNOWN")


class Happening(StrEnum):
    """What can happen to an order, seen from our side."""

    __hash__ = str.__hash__

    SEND = "send"  # for the first time, after it has waited
    WORK = "work"  # the same for one that is carried out by children
    WAIT = "wait"  # refused, and about to be sent as another kind of order
    ACCEPT = "accept"
    REJECT = "reject"
    LOSE = "lose"  # no answer to a request
    SEND_AGAIN = "send again"  # the venue was asked and has never seen it
    FILL_SOME = "fill some"
    FILL_ALL = "fill all"
    CANCEL = "cancel"
    EXPIRE = "expire"


_S, _H = OrderState, Happening

TRANSITIONS: dict[tuple[OrderState, Happening], OrderState] = {
    # an exit and the legs that protect the same position must never be at the venue together
    (_S.WAITING, _H.SEND): _S.SUBMITTED,
    # a leg was faster than the cancel: the position is closed, and the exit would open the opposite one
    (_S.WAITING, _H.REJECT): _S.REJECTED,
    (_S.WAITING, _H.WORK): _S.WORKING,
    # the venue refuses a stop that was moved: the market has passed it, so it leaves at the market
    (_S.SUBMITTED, _H.WAIT): _S.WAITING,
    (_S.UNKNOWN, _H.WAIT): _S.WAITING,
    # what happens to a parent is what happens to its children, and its end is ours to say
    (_S.WORKING, _H.FILL_SOME): _S.WORKING,
    (_S.WORKING, _H.FILL_ALL): _S.FILLED,
    (_S.WORKING, _H.CANCEL): _S.CANCELLED,
    (_S.WORKING, _H.EXPIRE): _S.EXPIRED,
    (_S.WORKING, _H.REJECT): _S.REJECTED,
    (_S.SUBMITTED, _H.ACCEPT): _S.ACCEPTED,
    (_S.SUBMITTED, _H.REJECT): _S.REJECTED,  # a leg: with its entry, because a list is refused as a whole
    (_S.SUBMITTED, _H.LOSE): _S.UNKNOWN,
    # the fill can overtake the answer to the request: two connections, no order between them
    (_S.SUBMITTED, _H.FILL_SOME): _S.PARTIALLY_FILLED,
    (_S.SUBMITTED, _H.FILL_ALL): _S.FILLED,
    (_S.SUBMITTED, _H.CANCEL): _S.CANCELLED,
    (_S.SUBMITTED, _H.EXPIRE): _S.EXPIRED,
    (_S.UNKNOWN, _H.ACCEPT): _S.ACCEPTED,
    (_S.UNKNOWN, _H.REJECT): _S.REJECTED,
    (_S.UNKNOWN, _H.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, _H.SEND_AGAIN): _S.SUBMITTED,  # a leg: with its whole list, never alone
    (_S.UNKNOWN, _H.FILL_SOME): _S.PARTIALLY_FILLED,
    (_S.UNKNOWN, _H.FILL_ALL): _S.FILLED,
    (_S.UNKNOWN, _H.CANCEL): _S.CANCELLED,
    (_S.UNKNOWN, _H.EXPIRE): _S.EXPIRED,
    (_S.ACCEPTED, _H.ACCEPT): _S.ACCEPTED,  # the answer and the user stream both say so
    (_S.ACCEPTED, _H.FILL_SOME): _S.PARTIALLY_FILLED,
    # a leg protects what its entry has filled, which may be less than its lots: the venue says when it is done
    (_S.ACCEPTED, _H.FILL_ALL): _S.FILLED,
    (_S.ACCEPTED, _H.CANCEL): _S.CANCELLED,  # a leg: the other one is done, or an exit takes its place
    (_S.ACCEPTED, _H.EXPIRE): _S.EXPIRED,  # a leg: its entry has ended without a fill
    (_S.PARTIALLY_FILLED, _H.ACCEPT): _S.PARTIALLY_FILLED,  # the overtaken answer arrives at last
    (_S.PARTIALLY_FILLED, _H.FILL_SOME): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, _H.FILL_ALL): _S.FILLED,
    (_S.PARTIALLY_FILLED, _H.CANCEL): _S.CANCELLED,
    (_S.PARTIALLY_FILLED, _H.EXPIRE): _S.EXPIRED,
    (_S.FILLED, _H.ACCEPT): _S.FILLED,
    # a fill after a cancel happens in the real world: the two requests crossed
    (_S.CANCELLED, _H.FILL_SOME): _S.CANCELLED,
    (_S.CANCELLED, _H.FILL_ALL): _S.FILLED,
    # the end can overtake the answer to the request as well: an IOC order is done before anybody has answered
    (_S.CANCELLED, _H.ACCEPT): _S.CANCELLED,
    (_S.EXPIRED, _H.ACCEPT): _S.EXPIRED,
    (_S.EXPIRED, _H.FILL_SOME): _S.EXPIRED,
    (_S.EXPIRED, _H.FILL_ALL): _S.FILLED,
}


@dataclass(slots=True)
class Order:
    """One order and what has become of it. Quantities in lots; trade_ids: executions already counted.

    entry_id: of a leg, the order whose position it protects. approval_id: the event that permitted it.
    is_unwanted: whatever the venue still has of it is to be cancelled.
    parent_id: of a child and of its legs, the order that they carry out; told_as: the one whose events tell of it.
    base_fee_lots: what commissions took of what it has bought; last_ticks: the price of its last execution, 0 for none.
    whole_steps: an exit that has stopped an entry may grow to all of the position, in steps of so many lots.
    is_moved: a stop that takes the place of another while its position is open, or the target that goes with it; the
    stop is the entry_id of this target.
    """

    order_id: OrderId
    signal_id: SignalId
    account: str
    instance: str
    symbol: str
    side: Side
    type: OrderType
    lots: int
    limit_ticks: int | None
    time_in_force: TimeInForce
    decided_ns: int
    valid_until_ns: int
    correlation_id: str
    reduce_only: bool
    approval_id: str = ""
    purpose: Purpose = Purpose.ENTRY
    entry_id: OrderId | None = None
    stop_ticks: int | None = None
    trail_ppb: int | None = None
    trail_step_ppb: int = 0
    state: OrderState = OrderState.SUBMITTED
    is_unwanted: bool = False
    attempt: int = 1
    filled_lots: int = 0
    venue_order_id: VenueOrderId | None = None
    trade_ids: list[str] = field(default_factory=list)
    is_post_only: bool = False
    parent_id: OrderId | None = None
    told_as: OrderId | None = None
    whole_steps: int = 0
    base_fee_lots: int = 0
    last_ticks: int = 0
    is_moved: bool = False

    @classmethod
    def from_approval(cls, approved: OrderApproved) -> Order:
        return cls(
            order_id=approved.order_id,
            signal_id=approved.signal_id,
            account=approved.account,
            instance=approved.instance,
            symbol=approved.symbol,
            side=approved.side,
            type=approved.type,
            lots=approved.lots,
            limit_ticks=approved.limit_ticks,
            time_in_force=approved.time_in_force,
            decided_ns=approved.ts_ns,
            valid_until_ns=approved.valid_until_ns,
            correlation_id=approved.correlation_id,
            reduce_only=approved.reduce_only,
            approval_id=approved.id,
            purpose=approved.purpose,
            stop_ticks=approved.trigger_ticks,
            is_post_only=approved.is_post_only,
            state=_first_state(approved),
            is_moved=approved.purpose is Purpose.STOP_LOSS,
        )

    def leg(self, leg: Leg) -> Order:
        """The order that `leg` describes, sent together with this one."""
        return replace(
            self,
            order_id=leg.order_id,
            side=leg.side,
            type=leg.type,
            lots=leg.lots,
            limit_ticks=leg.limit_ticks,
            time_in_force=TimeInForce.GTC,
            reduce_only=True,
            purpose=leg.purpose,
            entry_id=self.order_id,
            stop_ticks=leg.stop_ticks,
            trail_ppb=leg.trail_ppb,
            trail_step_ppb=leg.trail_step_ppb,
            trade_ids=[],
            is_post_only=False,
            told_as=self.parent_id and ids.leg_order_id(self.parent_id, leg.kind),
        )

    def child(self, number: int, *, lots: int, decided_ns: int, type_: OrderType, limit_ticks: int | None) -> Order:
        """The order that carries out a part of this one."""
        return replace(
            self,
            order_id=ids.child_order_id(self.order_id, number),
            type=type_,
            lots=lots,
            limit_ticks=limit_ticks,
            time_in_force=self._child_time_in_force(limit_ticks),
            decided_ns=decided_ns,
            state=OrderState.SUBMITTED,
            filled_lots=0,
            trade_ids=[],
            parent_id=self.order_id,
            told_as=self.order_id,
        )

    def _child_time_in_force(self, limit_ticks: int | None) -> TimeInForce:
        if self.limit_ticks is not None or limit_ticks is None:
            return self.time_in_force
        return TimeInForce.GTC if self.reduce_only else TimeInForce.GTD

    def saved(self) -> dict[str, Any]:
        """Every field by name, sharing nothing with the order. By hand: asdict would cost ten times as much."""
        return {name: getattr(self, name) for name in _FIELDS} | {"trade_ids": list(self.trade_ids)}

    @classmethod
    def restored(cls, entry: Mapping[str, Any]) -> Order:
        """What `saved` answered, also after it went through JSON."""
        venue_order_id = entry["venue_order_id"]
        return cls(
            **{
                **entry,
                "side": Side(entry["side"]),
                "purpose": Purpose(entry["purpose"]),
                "type": OrderType(entry["type"]),
                "time_in_force": TimeInForce(entry["time_in_force"]),
                "state": OrderState(entry["state"]),
                "venue_order_id": None if venue_order_id is None else VenueOrderId(venue_order_id),
                "trade_ids": list(entry["trade_ids"]),
            }
        )

    @property
    def list_id(self) -> OrderId:
        """The entry, for itself and for its legs: the venue has been given all of them at once."""
        return self.entry_id or self.order_id

    @property
    def protects(self) -> bool:
        """Whether it stays at the venue to close a position when a price is reached."""
        return self.entry_id is not None or self.is_moved

    @property
    def is_leg_of_entry(self) -> bool:
        return self.entry_id is not None and not self.is_moved

    @property
    def public_id(self) -> OrderId:
        """Under which everybody else knows it."""
        return self.told_as or self.order_id

    @property
    def is_timed_by_us(self) -> bool:
        """Whether it ends by time at a venue that knows no time for its type: we take it back."""
        is_timeless = self.type is OrderType.STOP or self.is_post_only
        return is_timeless and self.time_in_force is TimeInForce.GTD

    @property
    def client_order_id(self) -> ClientOrderId:
        return ids.client_order_id(self.order_id, self.attempt)

    @property
    def remaining_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def is_to_be_cancelled(self) -> bool:
        """The venue has it, and nobody wants it any more."""
        return self.is_unwanted and self.state.is_at_venue and not self.state.is_in_doubt

    def happens(self, happening: Happening) -> OrderState:
        """Move to the next state. Raises InvalidTransition when the table has no such row."""
        try:
            self.state = TRANSITIONS[(self.state, happening)]
        except KeyError:
            raise InvalidTransition(f"order {self.order_id} is {self.state} and cannot {happening}") from None
        return self.state


def _first_state(approved: OrderApproved) -> OrderState:
    if approved.reduce_only:
        return OrderState.WAITING
    return OrderState.SUBMITTED if approved.plan is None else OrderState.WORKING


_FIELDS = tuple(field.name for field in fields(Order))
