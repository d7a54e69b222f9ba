"""The execution stage: hears approved orders and the venue's reports; says what became of every order.

The stage decides and never talks to a venue. Its commands are carried out by whoever runs it, after the events
that announce them are safe; the venue's answers come back through `report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from n1v1 import ids
from n1v1.events import (
    BarsComplete,
    DecisionsComplete,
    Event,
    FillsComplete,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrdersComplete,
    OrderSubmitted,
    OrderUnknown,
    Outcome,
    SubmitOrder,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Happening, Order, OrderState
from n1v1.ids import OrderId, VenueOrderId
from n1v1.values import OrderType, Purpose, Side, TimeInForce

CLOSED_KEPT = 16
"""Closed orders kept in mind for a late fill or answer."""


class Execution:
    """All orders of one account."""

    def __init__(self, *, account: str, venue: str) -> None:
        self._account = account
        self._venue = venue
        self._orders: dict[OrderId, Order] = {}
        self._market_ns = -1
        self._fills_complete_ns = -1
        self._decisions: DecisionsComplete | None = None

    @property
    def open_orders(self) -> list[Order]:
        return [order for order in self._orders.values() if order.state.is_open]

    @property
    def orders_in_doubt(self) -> list[Order]:
        """Orders of which nobody knows whether the venue has them: to be asked for, after every start."""
        return [order for order in self._orders.values() if order.state.is_in_doubt]

    def order(self, order_id: OrderId) -> Order | None:
        return self._orders.get(order_id)

    def handle(self, event: Event) -> Outcome:
        match event:
            case OrderApproved() if event.account == self._account:
                return self._submit(event)
            case DecisionsComplete() if event.account == self._account:
                self._decisions = event
                return Outcome(self._orders_complete())
            case BarsComplete() if event.ts_ns > self._fills_complete_ns:
                self._market_ns = self._fills_complete_ns = event.ts_ns
                return Outcome((self._fills_complete(event),))
            case _:
                return Outcome()

    def _submit(self, approved: OrderApproved) -> Outcome:
        if approved.order_id in self._orders:
            return Outcome()
        order = self._orders[approved.order_id] = Order.from_approval(approved)
        if self._market_ns > approved.valid_until_ns:
            order.happens(Happening.REJECT)
            return Outcome((self._rejected(order, "its validity ended before it could be sent", self._market_ns),))
        return Outcome((self._submitted(order, approved),), (_command(order),))

    def report(self, report: VenueReport) -> list[Event]:
        """What the venue says of one of our orders. A report about an order that is not ours says nothing."""
        order_id = ids.order_of_client_order_id(report.client_order_id)
        order = self._orders.get(order_id) if order_id else None
        if order is None:
            return []
        said = self._apply(order, report)
        return [*said, *self._orders_complete()]

    def _apply(self, order: Order, report: VenueReport) -> list[Event]:
        match report:
            case VenueAccepted():
                return self._on_accepted(order, report)
            case VenueRejected():
                order.happens(Happening.REJECT)
                return [self._rejected(order, f"{report.reason} ({report.code})", report.ts_ns)]
            case VenueFilled():
                return self._on_filled(order, report)
            case VenueClosed():
                return self._on_closed(order, report)
            case _:
                return []

    def no_answer(self, order_id: OrderId, reason: str) -> list[Event]:
        """The request was sent and nobody answered, or nobody remembers whether it was sent."""
        order = self._orders[order_id]
        if order.state is OrderState.UNKNOWN or not order.state.is_in_doubt:
            return []
        order.happens(Happening.LOSE)
        return [
            OrderUnknown(
                id=f"unknown:{order.order_id}:{order.attempt}",
                ts_ns=order.decided_ns,
                **self._about(order),
                client_order_id=order.client_order_id,
                reason=reason,
            )
        ]

    def never_arrived(self, order_id: OrderId) -> Outcome:
        """The venue was asked after the request's validity and has never seen it: send it under a new attempt."""
        order = self._orders[order_id]
        if self._market_ns > order.valid_until_ns:
            order.happens(Happening.REJECT)
            rejected = self._rejected(order, "never reached the venue and is no longer valid", self._market_ns)
            return Outcome((rejected, *self._orders_complete()))
        order.happens(Happening.SEND_AGAIN)
        order.attempt += 1
        return Outcome((), (_command(order),))

    def _on_accepted(self, order: Order, report: VenueAccepted) -> list[Event]:
        was_in_doubt = order.state.is_in_doubt
        order.happens(Happening.ACCEPT)
        order.venue_order_id = report.venue_order_id
        if not was_in_doubt:
            return []
        return [
            OrderAccepted(
                id=f"accepted:{order.order_id}",
                ts_ns=report.ts_ns,
                **self._about(order),
                venue_order_id=report.venue_order_id,
            )
        ]

    def _on_filled(self, order: Order, report: VenueFilled) -> list[Event]:
        if report.trade_id in order.trade_ids:
            return []
        is_final = report.remaining_lots == 0
        order.happens(Happening.FILL_ALL if is_final else Happening.FILL_SOME)
        order.trade_ids.append(report.trade_id)
        order.filled_lots += report.lots
        fill_id = ids.fill_id(self._venue, order.symbol, report.trade_id)
        return [
            OrderFilled(
                id=f"filled:{fill_id}",
                ts_ns=report.ts_ns,
                **self._about(order),
                fill_id=fill_id,
                trade_id=report.trade_id,
                instance=order.instance,
                side=order.side,
                lots=report.lots,
                ticks=report.ticks,
                value=report.value,
                fee=report.fee,
                liquidity=report.liquidity,
                is_final=is_final,
                purpose=order.purpose,
            )
        ]

    def _on_closed(self, order: Order, report: VenueClosed) -> list[Event]:
        if not order.state.is_open:
            return []
        order.happens(Happening.EXPIRE if report.expired else Happening.CANCEL)
        kind = OrderExpired if report.expired else OrderCancelled
        return [
            kind(
                id=f"closed:{order.order_id}",
                ts_ns=report.ts_ns,
                **self._about(order),
                remaining_lots=report.remaining_lots,
                reason=report.reason,
            )
        ]

    def _about(self, order: Order) -> dict[str, Any]:
        """What every event after the submission says of its order. Any: fields of several types, by name."""
        return {
            "cause_id": f"submitted:{order.order_id}",
            "correlation_id": order.correlation_id,
            "order_id": order.order_id,
            "account": self._account,
            "symbol": order.symbol,
        }

    def _submitted(self, order: Order, approved: OrderApproved) -> OrderSubmitted:
        return OrderSubmitted(
            id=f"submitted:{order.order_id}",
            ts_ns=approved.ts_ns,
            cause_id=approved.id,
            correlation_id=approved.correlation_id,
            order_id=order.order_id,
            account=self._account,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            signal_id=approved.signal_id,
            instance=order.instance,
            side=order.side,
            type=order.type,
            lots=order.lots,
            purpose=order.purpose,
        )

    def _rejected(self, order: Order, reason: str, ts_ns: int) -> OrderRejected:
        return OrderRejected(
            id=f"rejected:{order.order_id}",
            ts_ns=ts_ns,
            **self._about(order),
            reason=reason,
        )

    def _fills_complete(self, bars: BarsComplete) -> FillsComplete:
        return FillsComplete(
            id=f"fills:{self._account}:{bars.ts_ns}",
            ts_ns=bars.ts_ns,
            cause_id=bars.id,
            correlation_id=bars.correlation_id,
            account=self._account,
        )

    def _orders_complete(self) -> tuple[Event, ...]:
        decisions = self._decisions
        if decisions is None or self.orders_in_doubt:
            return ()
        self._decisions = None
        self._forget_old_orders()
        return (
            OrdersComplete(
                id=f"orders:{self._account}:{decisions.ts_ns}",
                ts_ns=decisions.ts_ns,
                cause_id=decisions.id,
                correlation_id=decisions.correlation_id,
                account=self._account,
                open_orders=len(self.open_orders),
            ),
        )

    def _forget_old_orders(self) -> None:
        closed = [order_id for order_id, order in self._orders.items() if not order.state.is_open]
        for order_id in closed[:-CLOSED_KEPT]:
            del self._orders[order_id]

    def snapshot(self) -> dict[str, Any]:
        return {
            "orders": [order.saved() for order in self._orders.values()],
            "market_ns": self._market_ns,
            "fills_complete_ns": self._fills_complete_ns,
            "decisions": asdict(self._decisions) if self._decisions else None,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        orders = [_order_restored(entry) for entry in saved["orders"]]
        self._orders = {order.order_id: order for order in orders}
        self._market_ns = int(saved["market_ns"])
        self._fills_complete_ns = int(saved["fills_complete_ns"])
        self._decisions = DecisionsComplete(**saved["decisions"]) if saved["decisions"] else None


def _command(order: Order) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        lots=order.lots,
        limit_ticks=order.limit_ticks,
        time_in_force=order.time_in_force,
    )


def _order_restored(entry: Mapping[str, Any]) -> Order:
    venue_order_id = entry["venue_order_id"]
    return Order(
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
