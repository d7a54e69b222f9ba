"""Whatever crosses on the way, a position is never reversed, and legs and an exit, or a stop that was moved, are never
open together.

A venue with a will of its own: it fills when it likes, its reports come late and out of order between orders, requests
and answers get lost, and the stage is restarted at any moment.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1 import ids
from n1v1.events import (
    Bracket,
    BreakerChanged,
    CancelOrder,
    Event,
    OrderApproved,
    OrdersComplete,
    OrderSubmitted,
    Outcome,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueCommand,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.events import DecisionsComplete as Decisions
from n1v1.execution.orders import OrderState
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce

LOTS = 8
MINUTE = 60_000_000_000


@dataclass
class VenueOrder:
    request: SubmitOrder
    entry: VenueOrder | None
    open_lots: int
    list_id: int
    is_open: bool = True
    history: list[VenueReport] = field(default_factory=list)


@dataclass
class Venue:
    """Lists as n1v1.simulation has them: legs live for what their entry has filled, and share it."""

    orders: dict[ClientOrderId, VenueOrder] = field(default_factory=dict)
    position: int = 0
    trades: count[int] = field(default_factory=lambda: count(1))
    refuses_stops: bool = False

    def take(self, command: VenueCommand) -> list[VenueReport]:
        match command:
            case CancelOrder():
                return self._cancel(command)
            case SubmitOrderList():
                if command.working is None:
                    return self._take_pair(command.pending)
                entry = self._accept(command.working, None)
                for leg in command.pending:
                    self._accept(leg, entry)
                return [order.history[0] for order in [entry, *self._legs_of(entry)]]
            case SubmitOrder():
                self._check_alone(command)
                return self._refused([command]) or [self._accept(command, None).history[0]]

    def _take_pair(self, pair: tuple[SubmitOrder, ...]) -> list[VenueReport]:
        self._check_alone(pair[0])
        if refused := self._refused(pair):
            return refused
        list_id = len(self.orders)
        return [self._accept(request, None, list_id).history[0] for request in pair]

    def _refused(self, requests: Sequence[SubmitOrder]) -> list[VenueReport]:
        """The market may have passed a stop before it arrives."""
        if not self.refuses_stops or requests[0].type is not OrderType.STOP:
            return []
        return [VenueRejected(**_about(request), code=-2010, reason="would trigger") for request in requests]

    def _check_alone(self, request: SubmitOrder) -> None:
        """Before what closes a position and is no leg of an entry."""
        if request.side is Side.SELL:
            assert not self.open_legs(), "an exit goes out while legs are open"
            assert request.lots <= self.position, "an exit larger than the position"

    def _accept(self, request: SubmitOrder, entry: VenueOrder | None, list_id: int | None = None) -> VenueOrder:
        assert request.client_order_id not in self.orders, "nothing is sent twice under one name"
        number = len(self.orders) if list_id is None else list_id
        order = VenueOrder(request, entry, request.lots if entry is None else 0, number)
        self.orders[request.client_order_id] = order
        named = VenueOrderId(str(len(self.orders)))
        self._tell(order, VenueAccepted(**_about(request), venue_order_id=named))
        return order

    def open_legs(self) -> list[VenueOrder]:
        """And stops that were moved, with their targets."""
        return [order for order in self.orders.values() if order.is_open and (order.entry or _protects(order))]

    def fill(self, order: VenueOrder, lots: int) -> None:
        lots = min(lots, order.open_lots)
        order.open_lots -= lots
        self.position += order.request.side.sign * lots
        assert self.position >= 0, "the position was reversed"
        if order.entry:
            self._end(order.entry)
        for other in self._pair_of(order):
            other.open_lots = order.open_lots
        fill = VenueFilled(
            **_about(order.request),
            trade_id=TradeId(str(next(self.trades))),
            side=order.request.side,
            lots=lots,
            ticks=100,
            value=lots,
            fee=0,
            liquidity=Liquidity.TAKER,
            remaining_lots=order.open_lots,
        )
        self._tell(order, fill)
        for leg in self._legs_of(order):
            leg.open_lots += lots
        if not order.open_lots:
            order.is_open = False
            for leg in self._pair_of(order):
                self._end(leg)

    def _pair_of(self, order: VenueOrder) -> list[VenueOrder]:
        """Of a leg those of its entry, of a moved stop or its target both; of other orders only itself."""
        if order.entry:
            return self._legs_of(order.entry)
        return [other for other in self.orders.values() if other.list_id == order.list_id and other.entry is None]

    def expire(self, order: VenueOrder) -> None:
        self._end(order)
        if not any(isinstance(report, VenueFilled) for report in order.history):
            for leg in self._legs_of(order):
                self._end(leg)

    def _cancel(self, command: CancelOrder) -> list[VenueReport]:
        order = self.orders[command.client_order_id]
        if not order.is_open:
            return [VenueRejected(**_about(order.request), code=-2011, reason="Unknown order sent.")]
        if order.entry:
            for each in [order.entry, *self._legs_of(order.entry)]:
                self._end(each)
        else:
            for each in self._pair_of(order):
                self.expire(each)
        return []

    def _end(self, order: VenueOrder) -> None:
        if order.is_open:
            order.is_open = False
            closed = VenueClosed(**_about(order.request), remaining_lots=order.open_lots, expired=False, reason="")
            self._tell(order, closed)

    def _legs_of(self, entry: VenueOrder) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.entry is entry]

    def _tell(self, order: VenueOrder, report: VenueReport) -> None:
        order.history.append(report)


def _protects(order: VenueOrder) -> bool:
    return order.request.side is Side.SELL and order.request.type is not OrderType.MARKET


def _about(request: SubmitOrder) -> dict[str, Any]:  # Any: fields of several types, by name
    return {"ts_ns": 1, "client_order_id": request.client_order_id, "symbol": request.symbol}


@dataclass
class World:
    """The stage, the venue, and what is on the way between them. told: how much of each order's history arrived."""

    stage: Execution = field(default_factory=lambda: Execution(account="main", venue="sim"))
    venue: Venue = field(default_factory=Venue)
    commands: deque[VenueCommand] = field(default_factory=deque)
    told: dict[ClientOrderId, int] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def do(self, outcome: Outcome) -> None:
        self.said += outcome.events
        self.commands.extendleft(reversed(outcome.commands))

    def approve_entry(self, bracket: Bracket | None) -> None:
        self.do(self.stage.handle(self._approval(bracket)))

    def approve_exit(self) -> None:
        exit_ = replace(self._approval(None), side=Side.SELL, reduce_only=True, purpose=Purpose.EXIT)
        self.do(self.stage.handle(exit_))

    def approve_move(self) -> None:
        """Risk permits none without a position, or while the entry or an exit is still at work."""
        at_work = [order for order in self.stage.open_orders if not order.protects]
        if at_work or self.stage.held_lots("BTC-USD") <= 0:
            return
        exit_ = replace(self._approval(None), side=Side.SELL, reduce_only=True, purpose=Purpose.STOP_LOSS)
        targets = Bracket(target_ticks=110) if next(self.numbers) % 3 else None
        self.do(self.stage.handle(replace(exit_, type=OrderType.STOP, trigger_ticks=95, bracket=targets)))

    def change_mind_on_stops(self) -> None:
        """From now on the venue refuses stops, and accepts them again."""
        self.venue.refuses_stops = not self.venue.refuses_stops

    def _approval(self, bracket: Bracket | None) -> OrderApproved:
        number = next(self.numbers)
        signal = SignalId(f"cross:BTC-USD:{number}")
        return OrderApproved(
            id=f"approved:{number}",
            ts_ns=number * MINUTE,
            order_id=ids.order_id("main", signal),
            signal_id=signal,
            account="main",
            instance="cross",
            symbol="BTC-USD",
            side=Side.BUY,
            type=OrderType.MARKET,
            lots=LOTS,
            limit_ticks=None,
            time_in_force=TimeInForce.GTC,
            reduce_only=False,
            reference_ticks=100,
            valid_until_ns=(number + 1) * MINUTE,
            bracket=bracket,
        )

    def send(self, *, is_answered: bool) -> None:
        """The next command reaches the venue; its answer may get lost."""
        if not self.commands:
            return
        command = self.commands.popleft()
        if isinstance(command, CancelOrder) and not self._is_due(command):
            return
        answers = self.venue.take(command)
        if isinstance(command, CancelOrder):
            self.ask()  # whatever was answered
        elif is_answered:
            self.hear(*answers)
        else:
            self.said += self.stage.no_answer(_order_id(command), "timeout")

    def lose(self) -> None:
        """The next command never reaches the venue."""
        if self.commands and not isinstance(self.commands[0], CancelOrder):
            self.said += self.stage.no_answer(_order_id(self.commands.popleft()), "reset")

    def _is_due(self, command: CancelOrder) -> bool:
        """What the service checks before it sends a cancel that was decided a while ago."""
        order = self.stage.order(ids.order_of_client_order_id(command.client_order_id) or OrderId(""))
        return order is not None and order.is_to_be_cancelled

    def hear(self, *reports: VenueReport) -> None:
        for report in reports:
            if not isinstance(report, VenueRejected):
                name = report.client_order_id
                self.told[name] = max(self.told.get(name, 0), 1)
        self.do(self.stage.report(*reports))

    def hear_next_of(self, order: VenueOrder) -> None:
        name = order.request.client_order_id
        position = self.told.get(name, 0)
        if position < len(order.history):
            self.told[name] = position + 1
            self.do(self.stage.report(order.history[position]))

    def ask(self) -> None:
        """Ask for every order that the stage believes open, as the service does: all that is known of it, again."""
        for order in self.stage.open_orders:
            known = self.venue.orders.get(order.client_order_id)
            if known is not None:
                self.do(self.stage.report(*known.history))

    def resolve(self) -> None:
        """What the service does about orders in doubt: ask, and send again what cannot exist."""
        self.ask()
        on_the_way = {_order_id(command) for command in self.commands if not isinstance(command, CancelOrder)}
        for order in self.stage.orders_in_doubt:
            if order.state.is_in_doubt and order.list_id not in on_the_way:
                self.said += self.stage.no_answer(order.order_id, "nobody remembers")
                self.do(self.stage.never_arrived(order.order_id))
                return

    def restart(self) -> None:
        saved = json.loads(json.dumps(self.stage.snapshot()))
        self.stage = Execution(account="main", venue="sim")
        self.stage.restore(saved)
        self.commands.clear()
        self.do(Outcome((), tuple(self.stage.cancels_due)))

    def settle(self) -> None:
        """Everybody does what is left to do, with a line that works."""
        for _ in range(200):
            for _ in range(100):
                self.send(is_answered=True)
            self.resolve()
            self.do(Outcome((), tuple(self.stage.cancels_due)))
            if not self.commands and not self.stage.orders_in_doubt:
                return
        raise AssertionError("it never settles")


def _order_id(command: VenueCommand) -> OrderId:
    first = command.working or command.pending[0] if isinstance(command, SubmitOrderList) else command
    order_id = ids.order_of_client_order_id(first.client_order_id)
    assert order_id is not None
    return order_id


BRACKETS = st.sampled_from(
    [Bracket(stop_ticks=90, target_ticks=110), Bracket(stop_ticks=90), Bracket(trail_ppb=20_000_000), None]
)
BEGINNINGS = (0, LOTS // 2, LOTS)
"""What the entry has filled before anything crosses."""
ACTIONS = st.sampled_from(
    ["exit", "exit", "move", "move", "move", "refuse stops"]
    + ["send"] * 6
    + ["fill"] * 4
    + ["hear"] * 6
    + ["no answer", "lose", "expire", "ask", "restart", "breaker"]
)


def act(world: World, action: str, data: st.DataObject) -> None:
    orders = list(world.venue.orders.values())
    match action:
        case "fill":
            fillable = [order for order in orders if order.is_open and order.open_lots]
            if fillable:
                world.venue.fill(data.draw(st.sampled_from(fillable)), data.draw(st.integers(1, LOTS)))
        case "expire":
            alone = [order for order in orders if order.is_open and order.entry is None and not _protects(order)]
            if alone:
                world.venue.expire(data.draw(st.sampled_from(alone)))
        case "hear":
            if orders:
                world.hear_next_of(data.draw(st.sampled_from(orders)))
        case _:
            DEEDS[action](world)


OPENED = BreakerChanged(id="b", ts_ns=1, account="main", is_open=True, reason="drill", actor="test")
DEEDS: dict[str, Callable[[World], None]] = {
    "exit": World.approve_exit,
    "move": World.approve_move,
    "refuse stops": World.change_mind_on_stops,
    "send": lambda world: world.send(is_answered=True),
    "no answer": lambda world: world.send(is_answered=False),
    "lose": World.lose,
    "ask": World.ask,
    "restart": World.restart,
    "breaker": lambda world: world.do(world.stage.handle(OPENED)),
}


@settings(max_examples=200, deadline=None)
@given(data=st.data(), bracket=BRACKETS, begin=st.sampled_from(BEGINNINGS), actions=st.lists(ACTIONS, max_size=40))
def test_a_position_is_never_reversed_and_the_books_agree_in_the_end(
    data: st.DataObject, bracket: Bracket | None, begin: int, actions: list[str]
) -> None:
    world = World()
    world.approve_entry(bracket)
    if begin:
        world.send(is_answered=True)
        world.venue.fill(next(iter(world.venue.orders.values())), begin)
        world.ask()
    for action in actions:
        act(world, action, data)
    world.settle()

    assert world.stage._held.get("BTC-USD", 0) == world.venue.position  # what it would let an exit close
    assert not [order for order in world.stage.open_orders if order.state is OrderState.WAITING]
    asked = {order.order_id for order in world.stage.open_orders}
    at_venue = {order.request.client_order_id for order in world.venue.orders.values() if order.is_open}
    assert asked == {ids.order_of_client_order_id(name) for name in at_venue}
    submitted = [event.order_id for event in world.said if isinstance(event, OrderSubmitted)]
    assert len(submitted) == len(set(submitted)), "an order is announced once"
    completed = world.stage.handle(Decisions(id="d", ts_ns=1, account="main", approved=0, refused=0))
    assert [type(event) for event in completed.events] == [OrdersComplete]
