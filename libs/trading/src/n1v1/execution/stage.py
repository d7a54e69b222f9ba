"""The execution stage: hears approved orders and the venue's reports; says what became of every order.

The stage decides and never talks to a venue. Its commands are carried out by whoever runs it, one after the other and
after the events that announce them are safe; the venue's answers come back through `report`, which may command more:
an exit goes out only when the legs that protect its position are known to be closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from n1v1 import ids
from n1v1.bars import ClosedBar
from n1v1.events import (
    BarClosed,
    BarsComplete,
    Bracket,
    BreakerChanged,
    BreakerCommand,
    CancelOrder,
    DecisionsComplete,
    Event,
    FillsComplete,
    HaltsChanged,
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
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.legs import legs_for, legs_of
from n1v1.execution.orders import Happening, Order, OrderState
from n1v1.execution.parents import MarketWatch, Parent, Quote
from n1v1.execution.requests import cancel_of, command_of
from n1v1.ids import OrderId
from n1v1.risk.halts import Halt, Scope
from n1v1.saved_messages import known_fields
from n1v1.styles import NO_RULES, Method, Plan, StyleRules
from n1v1.values import INT64_MAX, OrderType, Purpose, Side

CLOSED_KEPT = 16
"""Closed orders kept in mind for a late fill or answer."""


class Execution:
    """All orders of one account.

    An approved order with a plan is a parent: it is never sent, its children are (`Parent`). Whatever happens to a
    child is told as the parent's, that of a child's legs as the legs' of the parent: so nobody else has to know of
    children.
    """

    def __init__(self, *, account: str, venue: str, rules: StyleRules = NO_RULES) -> None:
        self._account = account
        self._venue = venue
        self.rules = rules
        self._parents: dict[OrderId, Parent] = {}
        self._ending: dict[OrderId, int] = {}
        """Until when open orders are valid that no venue ends by itself."""
        self._watch = MarketWatch()
        self._orders: dict[OrderId, Order] = {}
        self._open: dict[OrderId, Order] = {}
        """Those that are open, in the same order: what most questions are about."""
        self._held: dict[str, int] = {}
        """Signed lots by symbol, from the fills: what an exit may close."""
        self._market_ns = -1
        self._fills_complete_ns = -1
        self._decisions: DecisionsComplete | None = None

    @property
    def account(self) -> str:
        return self._account

    @property
    def open_orders(self) -> list[Order]:
        """An entry stands before its legs, so that its fills are known before theirs."""
        return list(self._open.values())

    @property
    def orders_in_doubt(self) -> list[Order]:
        """Orders of which nobody knows whether the venue has them: to be asked for, after every start."""
        return [order for order in self._open.values() if order.state.is_in_doubt]

    @property
    def cancels_due(self) -> list[CancelOrder]:
        """One for every list, because cancelling one leg cancels the other: to be sent, after every start as well."""
        firsts: dict[OrderId, CancelOrder] = {}
        for order in self._open.values():
            if order.is_to_be_cancelled:
                firsts.setdefault(order.list_id, cancel_of(order))
        return list(firsts.values())

    def order(self, order_id: OrderId) -> Order | None:
        return self._orders.get(order_id)

    def held_lots(self, symbol: str) -> int:
        """Signed, by the fills of our orders: less what commissions took."""
        return self._held.get(symbol, 0)

    def listed_with(self, order: Order) -> list[Order]:
        """An entry and its legs, in this order; an order without legs alone."""
        return [other for other in self._orders.values() if other.list_id == order.list_id]

    def handle(self, event: Event) -> Outcome:
        match event:
            case OrderApproved() if event.account == self._account and event.order_id not in self._orders:
                return self._take(event)
            case DecisionsComplete() if event.account == self._account:
                self._decisions = event
                worked = self.work(max(event.ts_ns, self._market_ns))
                return Outcome((*worked.events, *self._orders_complete()), worked.commands)
            case BarClosed():
                self.observe((event,))
                return Outcome()
            case BarsComplete() if event.ts_ns > self._fills_complete_ns:
                self._market_ns = self._fills_complete_ns = event.ts_ns
                return Outcome((self._fills_complete(event),))
            case BreakerChanged() if event.account == self._account and event.is_open:
                return self._cancel(order for order in self.open_orders if order.purpose is Purpose.ENTRY)
            case HaltsChanged() if event.account == self._account:
                return self._cancel(order for order in self.open_orders if _is_halted_entry(order, event.halts))
            case _:
                return Outcome()

    def move_market(self, ts_ns: int) -> None:
        """The bars and fills of that time are out, for a driver that needs no watermark to know it."""
        self._market_ns = self._fills_complete_ns = ts_ns

    def observe(self, bars: Iterable[ClosedBar]) -> None:
        """Bars that have closed, for styles that look at the market; nothing unless the rules say that they may."""
        if self.rules.watches_market:
            for bar in bars:
                self._watch.observe(bar)

    def see_quote(self, symbol: str, quote: Quote) -> None:
        """The best prices of a symbol, where somebody hears them; see `symbols_to_bid`."""
        self._watch.see_quote(symbol, quote)

    def symbols_to_bid(self, now_ns: int) -> set[str]:
        """Of orders that are about to be priced by the market again."""
        adaptive = (each for each in self._parents.values() if each.plan.method is Method.ADAPTIVE and each.is_working)
        return {each.order.symbol for each in adaptive if each.is_replacing or each.parts_due(now_ns) > each.step}

    @property
    def wake_ns(self) -> int:
        """Before that time `work` has nothing to do, and `observe` may be left out."""
        return 0 if self.rules.watches_market else self.due_ns

    @property
    def due_ns(self) -> int:
        """When `work` will have something to do, if nothing happens before."""
        wakes = [parent.wake_ns for parent in self._parents.values()]
        return min((*wakes, *self._ending.values()), default=INT64_MAX)

    # --- sending -------------------------------------------------------------------------------------------------

    def _take(self, approved: OrderApproved) -> Outcome:
        order = Order.from_approval(approved)
        orders = [order, *(order.leg(leg) for leg in legs_of(approved))]
        for each in orders:
            self._know(each)
        if self._market_ns > approved.valid_until_ns:
            return Outcome(self._reject(orders, "its validity ended before it could be sent", self._market_ns))
        if approved.plan is not None:
            self._parents[order.order_id] = self._parent(order, approved.plan, approved.bracket)
        if order.state is OrderState.WAITING:
            return self._make_way(order)
        if order.state is OrderState.WORKING:
            return self._begin(orders)
        return self._send(orders)

    def refuse(self, approved: OrderApproved, reason: str) -> Outcome:
        """Take note of an order that is not to be sent; nothing makes way for it."""
        if approved.order_id in self._orders:
            return Outcome()
        order = Order.from_approval(approved)
        orders = [order, *(order.leg(leg) for leg in legs_of(approved))]
        for each in orders:
            self._know(each)
        return Outcome(self._reject(orders, reason, approved.ts_ns))

    def _know(self, order: Order) -> None:
        self._orders[order.order_id] = self._open[order.order_id] = order
        if order.is_timed_by_us:
            self._ending[order.order_id] = order.valid_until_ns

    def _make_way(self, exit_: Order) -> Outcome:
        """Take back what an exit, or a moved stop, must not be at the venue with; send it if that is nothing."""
        obstacles = self._in_the_way(exit_)
        for order in obstacles:
            order.is_unwanted = True
            if order.state is OrderState.WORKING and order.purpose is Purpose.ENTRY:
                exit_.whole_steps = self._parents[order.order_id].plan.step_lots
        unsent = [order for order in obstacles if order.state is OrderState.WAITING]
        ended = [*self._reject(unsent, "another order takes its place", self._since(exit_)), *self._end_parents()]
        if self._in_the_way(exit_):
            return Outcome(tuple(ended), tuple(self.cancels_due))
        sent = self._send_exit(exit_)
        return Outcome((*ended, *sent.events), sent.commands)

    def _send(self, orders: Sequence[Order]) -> Outcome:
        first_time = (order for order in orders if order.attempt == 1)
        return Outcome(tuple(self._submitted(order) for order in first_time), (command_of(orders),))

    def _in_the_way(self, exit_: Order) -> list[Order]:
        """What must be closed before an exit goes out: the legs of its symbol and their entries, and whatever is
        carried out in parts."""
        of_symbol = [order for order in self._open.values() if order.symbol == exit_.symbol]
        lists = {order.list_id for order in of_symbol if order.protects or order.parent_id}
        if self._parents:
            lists |= {order.list_id for order in of_symbol if order.state is OrderState.WORKING}
        lists.discard(exit_.list_id)
        return [order for order in of_symbol if order.list_id in lists]

    def _send_exit(self, exit_: Order) -> Outcome:
        """Send an exit, or a stop with its target, for what is left of the position; or give it up."""
        lots = self._exit_lots(exit_)
        orders = [order for order in self.listed_with(exit_) if order.state is OrderState.WAITING]
        if not exit_.protects and (other := self._exit_at_venue(exit_.symbol)):
            return self._refuse_second_exit(exit_, other)
        for order in orders:
            order.lots = lots
        if lots <= 0:
            return Outcome(self._reject(orders, self._why_nothing_is_left(exit_), exit_.decided_ns))
        if exit_.order_id in self._parents:
            exit_.happens(Happening.WORK)
            return self._begin([exit_])
        for order in orders:
            order.happens(Happening.SEND)
        return self._send(orders)

    def _exit_at_venue(self, symbol: str) -> Order | None:
        """An exit that is sent whole, and not done."""
        exits = (
            order
            for order in self._open.values()
            if order.symbol == symbol and order.reduce_only and order.state.is_at_venue
        )
        return next((order for order in exits if not order.protects and order.parent_id is None), None)

    def _refuse_second_exit(self, exit_: Order, other: Order) -> Outcome:
        """Risk has one order open on a position: if there are two, one of us is wrong about it."""
        reason = f"{other.order_id} is at the venue already, to close the position in {exit_.symbol}"
        halt = BreakerCommand(
            id=f"second_exit:{exit_.order_id}",
            ts_ns=self._since(exit_),
            cause_id=exit_.approval_id,
            correlation_id=exit_.correlation_id,
            account=self._account,
            open=True,
            reason=f"{exit_.order_id} is a second exit: {reason}",
            actor="execution",
            scope=Scope(symbol=exit_.symbol),
        )
        return Outcome((*self._reject([exit_], reason, self._since(exit_)), halt))

    def _exit_lots(self, exit_: Order) -> int:
        closable = self._closable_lots(exit_)
        if exit_.whole_steps:  # the entry that it has stopped may have filled more since the exit was decided
            return closable - closable % exit_.whole_steps
        return min(exit_.lots, closable)

    def _send_waiting_exits(self) -> Iterator[Outcome]:
        for order in self.open_orders:
            is_first = order.list_id == order.order_id
            if order.state is OrderState.WAITING and is_first and not self._in_the_way(order):
                order.valid_until_ns = INT64_MAX  # its protection is gone: late is better than never
                yield self._send_exit(order)

    def _closable_lots(self, exit_: Order) -> int:
        """What `exit_` may close: the position it reduces, less what other exits at the venue will close."""
        held = -exit_.side.sign * self._held.get(exit_.symbol, 0)
        others = (
            order.remaining_lots
            for order in self.open_orders
            if order.reduce_only and order.symbol == exit_.symbol and order.state is not OrderState.WAITING
        )
        return held - sum(others)

    def _why_nothing_is_left(self, exit_: Order) -> str:
        for order in reversed(self._orders.values()):
            if order.protects and order.symbol == exit_.symbol and order.filled_lots:
                return f"the position was closed by its {order.purpose.lower().replace('_', ' ')}"
        return "nothing is left of the position, or another exit closes it"

    def _cancel(self, orders: Iterable[Order]) -> Outcome:
        for order in orders:
            order.is_unwanted = True
        return Outcome(tuple(self._end_parents()), tuple(self.cancels_due))

    # --- parents and children ------------------------------------------------------------------------------------

    def work(self, now_ns: int) -> Outcome:
        """Send what has become due of the orders that are carried out in parts; end those whose time is over."""
        over = [order_id for order_id, until_ns in self._ending.items() if until_ns <= now_ns]
        for order_id in over:
            del self._ending[order_id]
            self._orders[order_id].is_unwanted = True
        if not self._parents:
            return Outcome((), tuple(self.cancels_due) if over else ())
        for parent in self._parents.values():
            if parent.is_working and now_ns > parent.order.valid_until_ns:
                parent.has_expired = True
                self._stop(parent, "its time is over")
        worked = [self._advance(parent, now_ns) for parent in list(self._parents.values())]
        return _together(Outcome(tuple(self._end_parents())), *worked, Outcome((), tuple(self.cancels_due)))

    def _parent(self, order: Order, plan: Plan, bracket: Bracket | None) -> Parent:
        volumes = [1] * plan.parts
        if plan.method is Method.VWAP:
            volumes = self._watch.volumes(order.symbol, plan.parts, order.decided_ns)
        return Parent(order=order, plan=plan, bracket=bracket, began_ns=order.decided_ns, volumes=volumes)

    def _begin(self, orders: Sequence[Order]) -> Outcome:
        """orders: a parent, with its legs when it is an entry."""
        said = Outcome(tuple(self._submitted(order) for order in orders))
        parent = self._parents[orders[0].order_id]
        return _together(said, self._advance(parent, max(parent.began_ns, self._market_ns)))

    def _advance(self, parent: Parent, now_ns: int) -> Outcome:
        """Send the next child if a further part has become due."""
        due = parent.parts_due(now_ns)
        if not parent.is_working or parent.order.state is OrderState.WAITING or due == parent.step:
            return Outcome()
        parent.step = due
        if parent.plan.method is Method.ADAPTIVE:
            return self._replace_child(parent, now_ns)
        lots = parent.lots_due(sum(child.remaining_lots for child in self._open_children(parent)))
        return self._send_child(parent, lots, now_ns, parent.order.limit_ticks) if lots > 0 else Outcome()

    def _replace_child(self, parent: Parent, now_ns: int) -> Outcome:
        """Bid for what is left at the market's new price, after what was bid before is known to be closed."""
        resting = self._open_children(parent)
        parent.is_replacing = bool(resting)
        if resting:
            for child in resting:
                child.is_unwanted = True
            return Outcome((), tuple(self.cancels_due))
        order = parent.order
        if parent.has_all_steps:
            return self._send_child(parent, order.remaining_lots, now_ns, order.limit_ticks)
        otherwise = order.limit_ticks or 1
        bid = self._watch.bid(order.symbol, order.side, self.rules, now_ns=now_ns, otherwise=otherwise)
        if order.limit_ticks is not None:  # the worst price that the strategy wants
            bid = min(bid, order.limit_ticks) if order.side is Side.BUY else max(bid, order.limit_ticks)
        return self._send_child(parent, order.remaining_lots, now_ns, bid)

    def _send_replacements(self) -> Iterator[Outcome]:
        for parent in list(self._parents.values()):
            if parent.is_replacing and parent.is_working and not self._open_children(parent):
                yield self._replace_child(parent, max(parent.began_ns, self._market_ns))

    def _send_child(self, parent: Parent, lots: int, now_ns: int, limit_ticks: int | None) -> Outcome:
        parent.children += 1
        kind = OrderType.MARKET if limit_ticks is None else OrderType.LIMIT
        child = parent.order.child(parent.children, lots=lots, decided_ns=now_ns, type_=kind, limit_ticks=limit_ticks)
        legs = legs_for(child.order_id, child.side, lots, parent.bracket)
        orders = [child, *(child.leg(leg) for leg in legs)]
        for order in orders:
            self._know(order)
        return Outcome((), (command_of(orders),))

    def _open_children(self, parent: Parent) -> list[Order]:
        return [order for order in self._open.values() if order.told_as == parent.order.order_id]

    def _stop(self, parent: Parent, why: str) -> None:
        """Send no further child, and take back what is at the venue of it; not what protects."""
        parent.order.is_unwanted = True
        parent.why_ended = parent.why_ended or why
        for child in self._open_children(parent):
            child.is_unwanted = True

    def _end_parents(self) -> list[Event]:
        """End the parents that have nothing at the venue and will have no further child, and legs that protect
        nothing more."""
        said: list[Event] = []
        for parent in list(self._parents.values()):
            order = parent.order
            if order.state is OrderState.WORKING and parent.is_over and not self._open_children(parent):
                said += self._end_parent(parent)
            if not order.state.is_open:
                said += self._end_legs(parent)
        return said

    def _end_parent(self, parent: Parent) -> Iterable[Event]:
        why = parent.why_ended or "cancelled, or not filled by the last of its parts"
        if parent.was_refused and not parent.order.filled_lots:
            return self._reject([parent.order], why, self._since(parent.order))
        return [self._closed(parent.order, why, expired=parent.has_expired)]

    def _end_legs(self, parent: Parent) -> list[Event]:
        """The legs of a closed parent, once none of its children's is open; the parent is then done with."""
        told_as = {order.told_as for order in self._open.values()}
        legs = [order for order in self._open.values() if order.entry_id == parent.order.order_id]
        done = [leg for leg in legs if leg.order_id not in told_as]
        if len(done) == len(legs):
            del self._parents[parent.order.order_id]
        return [self._closed(leg, "its position is closed, or was never opened", expired=False) for leg in done]

    def _closed(self, order: Order, why: str, *, expired: bool) -> OrderExpired | OrderCancelled:
        self._ends(order, Happening.EXPIRE if expired else Happening.CANCEL)
        kind = OrderExpired if expired else OrderCancelled
        return kind(
            id=f"closed:{order.order_id}",
            ts_ns=self._since(order),
            **self._about(order),
            remaining_lots=order.remaining_lots,
            reason=why,
        )

    def _since(self, order: Order) -> int:
        return max(order.decided_ns, self._market_ns)

    def _tell_parent(self, order: Order, lots: int) -> bool:
        """Count what a child, or a leg of one, has filled. Answers whether nothing remains of what it is told as."""
        parent = self._parents.get(order.parent_id) if order.parent_id else None
        public = self._orders.get(order.public_id)
        if public is None or public.state is OrderState.FILLED:
            return False
        public.filled_lots += lots
        if order.entry_id and parent is not None:
            self._stop(parent, f"its {order.purpose.lower().replace('_', ' ')} was reached")
        is_done = public.remaining_lots <= 0
        if is_done:
            self._ends(public, Happening.FILL_ALL)
        else:
            public.happens(Happening.FILL_SOME)
        return is_done

    # --- what the venue says -------------------------------------------------------------------------------------

    def report(self, *reports: VenueReport) -> Outcome:
        """What the venue says of our orders, at one moment. A report about an order that is not ours says nothing."""
        said = [event for report in reports for event in self._apply(report)]
        if self._parents:
            said += self._end_parents()
        if not self._open:
            return Outcome((*said, *self._orders_complete()))
        sent = [*self._send_waiting_exits(), *self._send_replacements()]
        said += [event for outcome in sent for event in outcome.events]
        commands = [*self.cancels_due, *(command for outcome in sent for command in outcome.commands)]
        return Outcome((*said, *self._orders_complete()), tuple(commands))

    def _apply(self, report: VenueReport) -> Iterable[Event]:
        order_id = ids.order_of_client_order_id(report.client_order_id)
        order = self._orders.get(order_id) if order_id else None
        if order is None:
            return ()
        match report:
            case VenueAccepted():
                return self._on_accepted(order, report)
            case VenueRejected():
                return self._on_rejected(order, report)
            case VenueFilled():
                return self._on_filled(order, report)
            case VenueClosed():
                return self._on_closed(order, report)
            case _:
                return ()

    def no_answer(self, order_id: OrderId, reason: str) -> list[Event]:
        """The request was sent and nobody answered, or nobody remembers whether it was sent."""
        listed = self.listed_with(self._orders[order_id])
        lost = [order for order in listed if order.state is OrderState.SUBMITTED]
        for order in lost:
            order.happens(Happening.LOSE)
        return [
            OrderUnknown(
                id=f"unknown:{order.order_id}:{order.attempt}",
                ts_ns=order.decided_ns,
                **self._about(order),
                client_order_id=order.client_order_id,
                reason=reason,
            )
            for order in lost
        ]

    def never_arrived(self, order_id: OrderId) -> Outcome:
        """The venue was asked after the request's validity and has never seen it: send it under a new attempt.

        An order of a list goes out again with the whole list, and not at all when the venue has the others.
        """
        listed = self.listed_with(self._orders[order_id])
        lost = [order for order in listed if order.state.is_in_doubt] or listed
        reason = self._why_not_again(lost, listed)
        if reason:
            rejected = self._reject(lost, reason, max(self._market_ns, lost[0].decided_ns))
            then = self.report()
            return Outcome((*rejected, *then.events), then.commands)
        for order in lost:
            order.happens(Happening.SEND_AGAIN)
            order.attempt += 1
        return Outcome((), (command_of(lost),))

    def _why_not_again(self, lost: Sequence[Order], listed: Sequence[Order]) -> str:
        if len(lost) < len(listed):
            return "the venue has others of its list, but not this one"
        if self._market_ns > lost[0].valid_until_ns:
            return "never reached the venue and is no longer valid"
        return "never reached the venue and is no longer wanted" if lost[0].is_unwanted else ""

    def _on_accepted(self, order: Order, report: VenueAccepted) -> list[Event]:
        was_in_doubt = order.state.is_in_doubt
        order.happens(Happening.ACCEPT)
        order.venue_order_id = report.venue_order_id
        if not was_in_doubt or (order.parent_id and not self._is_first_accepted(order)):
            return []
        return [
            OrderAccepted(
                id=f"accepted:{order.public_id}",
                ts_ns=report.ts_ns,
                **self._about(order),
                venue_order_id=report.venue_order_id,
            )
        ]

    def _is_first_accepted(self, order: Order) -> bool:
        """Whether the venue has not had a part of the same parent, or of the same leg of it, before."""
        parent = self._parents.get(order.parent_id) if order.parent_id else None
        if parent is None or order.public_id in parent.accepted:
            return False
        parent.accepted.append(order.public_id)
        return True

    def _on_rejected(self, order: Order, report: VenueRejected) -> Iterable[Event]:
        """The no to a request is one to every order in it. The no to a cancel says nothing of the order."""
        refused = [other for other in self.listed_with(order) if other.state.is_in_doubt]
        if not order.state.is_in_doubt:
            return ()
        if order.is_moved and refused[0].type is OrderType.STOP and not order.is_unwanted:
            refused = self._leave_at_market(*refused)
        return self._reject(refused, f"{report.reason} ({report.code})", report.ts_ns)

    def _leave_at_market(self, stop: Order, *target: Order) -> list[Order]:
        """A stop that was moved is refused: the market has passed it, and nothing else protects the position by now.

        Answers what is refused for good.
        """
        stop.type, stop.stop_ticks = OrderType.MARKET, None
        stop.attempt += 1
        stop.happens(Happening.WAIT)
        return [*target]

    def _on_filled(self, order: Order, report: VenueFilled) -> list[Event]:
        if report.trade_id in order.trade_ids:
            return []
        is_final = report.remaining_lots == 0
        if is_final:
            self._ends(order, Happening.FILL_ALL)
        else:
            order.happens(Happening.FILL_SOME)
        order.trade_ids.append(report.trade_id)
        order.filled_lots += report.lots
        order.base_fee_lots += report.base_fee_lots
        order.last_ticks = report.ticks
        if order.parent_id:
            is_final = self._tell_parent(order, report.lots)
        self._held[order.symbol] = self._held.get(order.symbol, 0) + order.side.sign * report.lots
        self._held[order.symbol] -= report.base_fee_lots
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
                base_fee_lots=report.base_fee_lots,
                other_fee=report.other_fee,
                other_fee_asset=report.other_fee_asset,
            )
        ]

    def _on_closed(self, order: Order, report: VenueClosed) -> list[Event]:
        if not order.state.is_open:
            return []
        self._ends(order, Happening.EXPIRE if report.expired else Happening.CANCEL)
        if order.parent_id:
            return []
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

    def _ends(self, order: Order, happening: Happening) -> None:
        order.happens(happening)
        self._open.pop(order.order_id, None)
        self._ending.pop(order.order_id, None)

    # --- what is said --------------------------------------------------------------------------------------------

    def _about(self, order: Order) -> dict[str, Any]:
        """What every event after the submission says of its order. Any: fields of several types, by name."""
        return {
            "cause_id": f"submitted:{order.public_id}",
            "correlation_id": order.correlation_id,
            "order_id": order.public_id,
            "account": self._account,
            "symbol": order.symbol,
        }

    def _submitted(self, order: Order) -> OrderSubmitted:
        return OrderSubmitted(
            id=f"submitted:{order.order_id}",
            ts_ns=order.decided_ns,
            cause_id=order.approval_id,
            correlation_id=order.correlation_id,
            order_id=order.order_id,
            account=self._account,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            signal_id=order.signal_id,
            instance=order.instance,
            side=order.side,
            type=order.type,
            lots=order.lots,
            purpose=order.purpose,
        )

    def _reject(self, orders: Iterable[Order], reason: str, ts_ns: int) -> tuple[OrderRejected, ...]:
        said = []
        for order in orders:
            self._ends(order, Happening.REJECT)
            if order.parent_id:
                self._refuse_parent(order.parent_id, reason)
                continue
            said.append(
                OrderRejected(id=f"rejected:{order.order_id}", ts_ns=ts_ns, **self._about(order), reason=reason)
            )
        return tuple(said)

    def _refuse_parent(self, parent_id: OrderId, reason: str) -> None:
        parent = self._parents.get(parent_id)
        if parent is not None and parent.is_working:
            parent.was_refused = True
            self._stop(parent, reason)

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
        if decisions is None or self._is_unsettled:
            return ()
        self._decisions = None
        self.forget_old_orders()
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

    @property
    def _is_unsettled(self) -> bool:
        """Something that was decided still has to be answered, sent or cancelled."""
        return any(
            order.state.is_in_doubt or order.state is OrderState.WAITING or order.is_to_be_cancelled
            for order in self._open.values()
        )

    def forget_old_orders(self) -> None:
        """Called when a bar time is over: of what is closed, keep only what a late answer may still concern."""
        excess = len(self._orders) - len(self._open) - CLOSED_KEPT
        if excess > 0:
            closed = (
                order_id
                for order_id, order in self._orders.items()
                if order_id not in self._open and (order.parent_id or order_id) not in self._parents
            )
            for order_id in list(islice(closed, excess)):
                del self._orders[order_id]

    def snapshot(self) -> dict[str, Any]:
        return {
            "orders": [order.saved() for order in self._orders.values()],
            "held": dict(self._held),
            "market_ns": self._market_ns,
            "fills_complete_ns": self._fills_complete_ns,
            "decisions": asdict(self._decisions) if self._decisions else None,
            "parents": [parent.saved() for parent in self._parents.values()],
            "watch": self._watch.saved(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        orders = [Order.restored(entry) for entry in saved["orders"]]
        self._orders = {order.order_id: order for order in orders}
        self._open = {order.order_id: order for order in orders if order.state.is_open}
        self._held = {symbol: int(lots) for symbol, lots in saved["held"].items()}
        self._market_ns = int(saved["market_ns"])
        self._fills_complete_ns = int(saved["fills_complete_ns"])
        decisions = saved["decisions"]
        self._decisions = DecisionsComplete(**known_fields(DecisionsComplete, decisions)) if decisions else None
        parents = [Parent.restored(entry, self._orders[entry["order_id"]]) for entry in saved.get("parents", ())]
        self._parents = {parent.order.order_id: parent for parent in parents}
        self._watch.restore(saved.get("watch", {}))
        timed = (order for order in self._open.values() if order.is_timed_by_us and not order.is_unwanted)
        self._ending = {order.order_id: order.valid_until_ns for order in timed}


def _is_halted_entry(order: Order, halts: Iterable[Halt]) -> bool:
    return order.purpose is Purpose.ENTRY and any(halt.scope.covers(order.instance, order.symbol) for halt in halts)


def _together(*outcomes: Outcome) -> Outcome:
    """One after the other; a command that two of them give is given once."""
    commands = dict.fromkeys(command for outcome in outcomes for command in outcome.commands)
    return Outcome(tuple(event for outcome in outcomes for event in outcome.events), tuple(commands))
