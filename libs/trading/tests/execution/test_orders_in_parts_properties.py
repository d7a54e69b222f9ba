"""Whatever is filled, refused, cancelled or restarted on the way: the parts of an order are the order, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1 import ids
from n1v1.bars import BarRow
from n1v1.events import (
    Bracket,
    BreakerChanged,
    CancelOrder,
    DecisionsComplete,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
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
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.pipeline import bars_complete
from n1v1.styles import Method, Plan, StyleRules
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce

MINUTE = 60_000_000_000
RULES = StyleRules(watches_market=True)
ENTRY = ids.order_id("main", SignalId("cross:BTC-USD:1"))
EXIT = ids.order_id("main", SignalId("cross:BTC-USD:2"))
OPENED = BreakerChanged(id="b", ts_ns=1, account="main", is_open=True, reason="drill", actor="test")

PLANS = st.builds(
    Plan,
    method=st.sampled_from(list(Method)),
    parts=st.integers(2, 6),
    interval_ns=st.sampled_from([MINUTE, 2 * MINUTE]),
    step_lots=st.just(1),
    least_lots=st.integers(1, 8),
)
BRACKETS = st.sampled_from([Bracket(stop_ticks=90, target_ticks=110), Bracket(stop_ticks=90), None])


@dataclass
class Resting:
    request: SubmitOrder
    entry: Resting | None
    open_lots: int
    is_open: bool = True


@dataclass
class Venue:
    """Orders by name. Legs live for what their entry has filled, and share it."""

    orders: dict[ClientOrderId, Resting] = field(default_factory=dict)
    position: int = 0
    trades: int = 0

    def take(self, command: VenueCommand) -> list[VenueReport]:
        match command:
            case CancelOrder():
                return self._cancel(command)
            case SubmitOrderList():
                assert command.working is not None
                entry = self._accept(command.working, None)
                orders = [entry, *(self._accept(leg, entry) for leg in command.pending)]
            case SubmitOrder():
                orders = [self._accept(command, None)]
        return [VenueAccepted(**_about(o.request), venue_order_id=VenueOrderId(str(len(self.orders)))) for o in orders]

    def _accept(self, request: SubmitOrder, entry: Resting | None) -> Resting:
        assert request.client_order_id not in self.orders, "nothing is sent twice under one name"
        assert len(request.client_order_id) <= 36
        if request.reduces_only and entry is None:
            assert not any(order.is_open for order in self.orders.values() if order.entry), "an exit beside legs"
            open_exits = [o for o in self.orders.values() if o.is_open and o.request.reduces_only]
            assert request.lots + sum(order.open_lots for order in open_exits) <= self.position, "more than is held"
        order = Resting(request, entry, request.lots if entry is None else 0)
        self.orders[request.client_order_id] = order
        return order

    def fill(self, order: Resting, lots: int) -> list[VenueReport]:
        lots = min(lots, order.open_lots)
        order.open_lots -= lots
        self.position += order.request.side.sign * lots
        assert self.position >= 0, "oversold"
        self.trades += 1
        reports: list[VenueReport] = [
            VenueFilled(
                **_about(order.request),
                trade_id=TradeId(str(self.trades)),
                side=order.request.side,
                lots=lots,
                ticks=100,
                value=100 * lots,
                fee=0,
                liquidity=Liquidity.TAKER,
                remaining_lots=order.open_lots,
            )
        ]
        for leg in self._legs_of(order):
            leg.open_lots += lots
        if order.entry:
            reports += self._end(order.entry)
            for other in self._legs_of(order.entry):
                other.open_lots = order.open_lots
        if not order.open_lots:
            order.is_open = False
            for leg in self._legs_of(order.entry) if order.entry else []:
                reports += self._end(leg)
        return reports

    def _cancel(self, command: CancelOrder) -> list[VenueReport]:
        order = self.orders[command.client_order_id]
        if not order.is_open:
            return [VenueRejected(**_about(order.request), code=-2011, reason="Unknown order sent.")]
        return self.end(order)

    def end(self, order: Resting) -> list[VenueReport]:
        """A leg ends with its list; an entry that has filled something leaves its legs."""
        entry = order.entry
        if entry is not None:
            return [report for each in (order, entry, *self._legs_of(entry)) for report in self._end(each)]
        untouched = order.open_lots == order.request.lots
        legs = self._legs_of(order) if untouched else []
        return [report for each in (order, *legs) for report in self._end(each)]

    def _end(self, order: Resting) -> list[VenueReport]:
        if not order.is_open:
            return []
        order.is_open = False
        return [VenueClosed(**_about(order.request), remaining_lots=order.open_lots, expired=False, reason="")]

    def _legs_of(self, entry: Resting) -> list[Resting]:
        return [order for order in self.orders.values() if order.entry is entry]


def _about(request: SubmitOrder) -> dict[str, Any]:  # Any: fields of several types, by name
    return {"ts_ns": 1, "client_order_id": request.client_order_id, "symbol": request.symbol}


@dataclass
class World:
    """restarts: after every step, the stage goes through its snapshot."""

    restarts: bool
    refuses: bool = False
    stage: Execution = field(default_factory=lambda: Execution(account="main", venue="sim", rules=RULES))
    venue: Venue = field(default_factory=Venue)
    said: list[Event] = field(default_factory=list)
    sent: list[VenueCommand] = field(default_factory=list)
    minute: int = 0

    def do(self, outcome: Outcome) -> None:
        self.said += outcome.events
        if self.restarts:
            saved = json.loads(json.dumps(self.stage.snapshot()))
            self.stage = Execution(account="main", venue="sim", rules=RULES)
            self.stage.restore(saved)
        for command in outcome.commands:
            self.sent.append(command)
            self.do(self.stage.report(*self._answers(command)))

    def _answers(self, command: VenueCommand) -> list[VenueReport]:
        if isinstance(command, CancelOrder) or not self.refuses:
            return self.venue.take(command)
        self.refuses = False
        first = command.working if isinstance(command, SubmitOrderList) else command
        assert first is not None
        return [VenueRejected(**_about(first), code=-2010, reason="too poor")]

    def approve(self, approved: OrderApproved) -> None:
        self.do(self.stage.handle(approved))

    def next_minute(self) -> None:
        self.minute += 1
        now = self.minute * MINUTE
        close = 100 + self.minute % 3
        bar = BarRow("BTC-USD", "1m", now - MINUTE, now, close, close + 2, close - 2, close, self.minute % 4)
        self.stage.observe((bar,))
        self.do(self.stage.handle(bars_complete(now, [bar], self.minute)))
        self.do(
            self.stage.handle(
                DecisionsComplete(id=f"d:{self.minute}", ts_ns=now, account="main", approved=0, refused=0)
            )
        )

    def fill(self, place: int, lots: int) -> None:
        fillable = [order for order in self.venue.orders.values() if order.is_open and order.open_lots]
        if fillable:
            self.do(self.stage.report(*self.venue.fill(fillable[place % len(fillable)], lots)))

    def expire(self, place: int) -> None:
        alone = [order for order in self.venue.orders.values() if order.is_open and order.entry is None]
        if alone:
            self.do(self.stage.report(*self.venue.end(alone[place % len(alone)])))

    def told(self, order_id: OrderId) -> tuple[int, list[type[Event]]]:
        """Lots that were told to be filled, and the ends that were told."""
        fills = [event for event in self.said if isinstance(event, OrderFilled) and event.order_id == order_id]
        ends: list[type[Event]] = [OrderFilled for fill in fills if fill.is_final]
        closings = (OrderCancelled, OrderExpired, OrderRejected)
        ends += [type(event) for event in self.said if isinstance(event, closings) and event.order_id == order_id]
        return sum(fill.lots for fill in fills), ends


def approval(lots: int, plan: Plan | None, bracket: Bracket | None) -> OrderApproved:
    return OrderApproved(
        id=f"approved:{ENTRY}",
        ts_ns=0,
        order_id=ENTRY,
        signal_id=SignalId("cross:BTC-USD:1"),
        account="main",
        instance="cross",
        symbol="BTC-USD",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=lots,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        reference_ticks=100,
        valid_until_ns=15 * MINUTE,
        bracket=bracket,
        plan=plan,
    )


def exit_of(world: World, plan: Plan | None) -> OrderApproved:
    entry = approval(max(1, world.venue.position), plan, None)
    return replace(
        entry,
        id=f"approved:{EXIT}",
        order_id=EXIT,
        side=Side.SELL,
        reduce_only=True,
        purpose=Purpose.EXIT,
        ts_ns=world.minute * MINUTE,
        valid_until_ns=(world.minute + 1) * MINUTE,
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("minute"), st.just(0), st.just(0)),
        st.tuples(st.just("fill"), st.integers(0, 5), st.integers(1, 60)),
        st.tuples(st.sampled_from(["expire", "refuse", "breaker", "exit"]), st.integers(0, 5), st.just(0)),
    ),
    max_size=30,
)


def played(
    *, restarts: bool, lots: int, plan: Plan, bracket: Bracket | None, steps: list[tuple[str, int, int]], out: Plan
) -> World:
    world = World(restarts=restarts)
    world.approve(approval(lots, plan, bracket))
    deeds: dict[str, Callable[[int, int], None]] = {
        "minute": lambda place, size: world.next_minute(),
        "fill": world.fill,
        "expire": lambda place, size: world.expire(place),
        "refuse": lambda place, size: setattr(world, "refuses", True),
        "breaker": lambda place, size: world.do(world.stage.handle(OPENED)),
        "exit": lambda place, size: world.approve(exit_of(world, out if place % 2 else None)),
    }
    for deed, place, size in steps:
        deeds[deed](place, size)
    for _ in range(30):
        world.next_minute()
    return world


@settings(max_examples=300, deadline=None)
@given(lots=st.integers(1, 200), plan=PLANS, bracket=BRACKETS, steps=STEPS, out=PLANS)
def test_the_parts_of_an_order_are_the_order_and_it_ends_once(
    lots: int, plan: Plan, bracket: Bracket | None, steps: list[tuple[str, int, int]], out: Plan
) -> None:
    world = played(restarts=False, lots=lots, plan=plan, bracket=bracket, steps=steps, out=out)
    children = [o for o in world.venue.orders.values() if o.request.side is Side.BUY]
    bought = sum(order.request.lots - order.open_lots for order in children)
    told, ends = world.told(ENTRY)
    assert told == bought <= lots
    assert len(ends) <= 1
    still_open = [order for order in children if order.is_open]
    assert bool(ends) is not bool(still_open)
    assert bought + sum(order.open_lots for order in still_open) <= lots
    assert world.stage._held.get("BTC-USD", 0) == world.venue.position
    sold = world.told(EXIT)[0] + world.told(OrderId(f"{ENTRY}-stop"))[0] + world.told(OrderId(f"{ENTRY}-target"))[0]
    assert bought - sold == world.venue.position
    fillable = {name for name, order in world.venue.orders.items() if order.is_open}
    believed = {order.client_order_id for order in world.stage.open_orders if order.state.is_at_venue}
    assert believed == fillable


@settings(max_examples=150, deadline=None)
@given(lots=st.integers(1, 200), plan=PLANS, bracket=BRACKETS, steps=STEPS, out=PLANS)
def test_a_restart_after_every_step_gives_the_same_commands_and_events(
    lots: int, plan: Plan, bracket: Bracket | None, steps: list[tuple[str, int, int]], out: Plan
) -> None:
    straight, restarted = (
        played(restarts=restarts, lots=lots, plan=plan, bracket=bracket, steps=steps, out=out)
        for restarts in (False, True)
    )
    assert restarted.sent == straight.sent
    assert restarted.said == straight.said


@settings(max_examples=100, deadline=None)
@given(lots=st.integers(1, 500), plan=PLANS)
def test_left_alone_every_order_is_filled_by_its_last_part(lots: int, plan: Plan) -> None:
    world = World(restarts=False)
    world.approve(approval(lots, plan, None))
    for _ in range(13):
        for place in range(3):
            if plan.method is not Method.ADAPTIVE or world.minute >= 11:
                world.fill(place, lots)
        world.next_minute()
    assert world.told(ENTRY) == (lots, [OrderFilled])
    assert len([c for c in world.sent if not isinstance(c, CancelOrder)]) <= plan.parts
