"""An approved order that is carried out in parts: what is sent when, by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

import pytest

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
from n1v1.execution.orders import OrderState
from n1v1.execution.parents import Quote
from n1v1.execution.stage import Execution
from n1v1.ids import OrderId, SignalId, TradeId, VenueOrderId
from n1v1.pipeline import bars_complete
from n1v1.styles import SECOND_NS, Method, Plan, StyleRules
from n1v1.values import INT64_MAX, Liquidity, OrderType, Purpose, Side, TimeInForce

MINUTE = 60_000_000_000
NOW = 100 * MINUTE
ENTRY = ids.order_id("main", SignalId("cross:BTC-USD:1"))
EXIT = ids.order_id("main", SignalId("cross:BTC-USD:2"))
FLATTEN = ids.order_id("main", SignalId("flatten:BTC-USD:3"))
PLAN = Plan(method=Method.TWAP, parts=4, interval_ns=MINUTE, step_lots=10, least_lots=10)
BRACKET = Bracket(stop_ticks=90, target_ticks=110)


def approval(
    *, order_id: OrderId = ENTRY, lots: int = 100, plan: Plan | None = PLAN, bracket: Bracket | None = None
) -> OrderApproved:
    return OrderApproved(
        id=f"approved:{order_id}",
        ts_ns=NOW,
        order_id=order_id,
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
        valid_until_ns=NOW + 10 * MINUTE,
        bracket=bracket,
        plan=plan,
    )


def exit_approval(order_id: OrderId = EXIT, *, lots: int, plan: Plan | None = None, at: int) -> OrderApproved:
    purpose = Purpose.FLATTEN if order_id == FLATTEN else Purpose.EXIT
    entry = approval(order_id=order_id, lots=lots, plan=plan)
    return replace(
        entry,
        ts_ns=at,
        valid_until_ns=at + MINUTE,
        side=Side.SELL,
        reduce_only=True,
        purpose=purpose,
    )


def bar(minute: int, close: int, *, high: int = 0, low: int = 0, volume: int = 1) -> BarRow:
    ts_ns = NOW + minute * MINUTE
    return BarRow("BTC-USD", "1m", ts_ns - MINUTE, ts_ns, close, high or close, low or close, close, volume)


@dataclass
class Desk:
    """The stage, and a venue that accepts everything and fills when the test says so."""

    stage: Execution = field(default_factory=lambda: Execution(account="main", venue="sim"))
    sent: list[SubmitOrder] = field(default_factory=list)
    said: list[Event] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    trades: int = 0

    def do(self, outcome: Outcome) -> None:
        self.said += outcome.events
        for command in outcome.commands:
            self.do(self.stage.report(*self._answers(command)))

    def _answers(self, command: VenueCommand) -> list[VenueReport]:
        match command:
            case SubmitOrder():
                return self._accept(command)
            case SubmitOrderList():
                assert command.working is not None
                return [report for order in (command.working, *command.pending) for report in self._accept(order)]
            case CancelOrder():
                return self._cancel(command)

    def _accept(self, order: SubmitOrder) -> list[VenueReport]:
        assert order.client_order_id not in {known.client_order_id for known in self.sent}, "sent twice"
        self.sent.append(order)
        return [
            VenueAccepted(
                ts_ns=NOW,
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                venue_order_id=VenueOrderId(str(len(self.sent))),
            )
        ]

    def _cancel(self, command: CancelOrder) -> list[VenueReport]:
        """As the venue does: an unfilled entry takes its legs with it, a leg its list."""
        by_name = {order.client_order_id: order for order in self.stage.open_orders}
        named = by_name.get(command.client_order_id)
        if named is None:
            unknown = "Unknown order sent."
            return [VenueRejected(ts_ns=NOW, **asdict(command), code=-2011, reason=unknown)]
        takes_all = named.entry_id is not None or named.filled_lots == 0
        gone = [order for order in self.stage.listed_with(named) if order.state.is_open and takes_all] or [named]
        self.cancelled += [order.client_order_id for order in gone]
        return [
            VenueClosed(
                ts_ns=NOW,
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                remaining_lots=order.remaining_lots,
                expired=False,
                reason="cancelled by the client",
            )
            for order in gone
        ]

    def at(self, minute: int) -> None:
        """The bars of a minute are over, and risk has decided."""
        now = NOW + minute * MINUTE
        self.do(self.stage.handle(bars_complete(now, [bar(minute, 100)], minute)))
        decided = DecisionsComplete(id=f"d:{minute}", ts_ns=now, account="main", approved=0, refused=0)
        self.do(self.stage.handle(decided))

    def fill(self, order: SubmitOrder, lots: int | None = None, *, remaining: int = 0) -> None:
        self.trades += 1
        lots = order.lots if lots is None else lots
        self.filled[order.client_order_id] = self.filled.get(order.client_order_id, 0) + lots
        self.do(
            self.stage.report(
                VenueFilled(
                    ts_ns=NOW,
                    client_order_id=order.client_order_id,
                    symbol=order.symbol,
                    trade_id=TradeId(str(self.trades)),
                    side=order.side,
                    lots=lots,
                    ticks=100,
                    value=lots * 100,
                    fee=1,
                    liquidity=Liquidity.TAKER,
                    remaining_lots=remaining,
                )
            )
        )

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.said if isinstance(event, kind)]

    def restart(self) -> None:
        saved = json.loads(json.dumps(self.stage.snapshot()))
        self.stage = Execution(account="main", venue="sim", rules=self.stage.rules)
        self.stage.restore(saved)


def lots_sent(desk: Desk) -> list[int]:
    return [order.lots for order in desk.sent]


class TestEqualParts:
    def test_a_hundred_lots_in_four_parts_are_whole_steps_a_minute_apart(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        assert lots_sent(desk) == [20]  # a quarter of 100, in steps of 10: 25 is 20, 50 is 50, 75 is 70
        for minute in (1, 2, 3, 4):
            desk.fill(desk.sent[-1])
            desk.at(minute)
        assert lots_sent(desk) == [20, 30, 20, 30]
        assert [order.client_order_id for order in desk.sent] == [f"n1v1-{ENTRY}-{number}-1" for number in (1, 2, 3, 4)]

    def test_everybody_else_hears_of_one_order(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        for minute in (1, 2, 3, 4):
            desk.fill(desk.sent[-1])
            desk.at(minute)
        assert [event.order_id for event in desk.of(OrderSubmitted) if isinstance(event, OrderSubmitted)] == [ENTRY]
        fills = [event for event in desk.of(OrderFilled) if isinstance(event, OrderFilled)]
        assert [(fill.order_id, fill.lots, fill.is_final) for fill in fills] == [
            (ENTRY, 20, False),
            (ENTRY, 30, False),
            (ENTRY, 20, False),
            (ENTRY, 30, True),
        ]
        assert desk.stage.open_orders == []
        assert len(desk.of(OrdersComplete)) == 4

    def test_parts_whose_time_was_slept_through_are_sent_as_one(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        desk.fill(desk.sent[0])
        desk.at(2)
        assert lots_sent(desk) == [20, 50]

    def test_what_a_part_has_missed_goes_along_with_the_next(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        desk.fill(desk.sent[0], 10, remaining=10)
        desk.do(
            desk.stage.report(
                VenueClosed(
                    ts_ns=NOW,
                    client_order_id=desk.sent[0].client_order_id,
                    symbol="BTC-USD",
                    remaining_lots=10,
                    expired=True,
                    reason="unaffordable",
                )
            )
        )
        desk.at(1)
        assert lots_sent(desk) == [20, 40]

    def test_a_part_that_the_venue_would_refuse_as_too_small_waits_for_the_next(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(plan=replace(PLAN, least_lots=40))))
        assert desk.sent == []
        desk.at(1)
        assert lots_sent(desk) == [50]
        desk.at(2)
        desk.at(3)
        assert lots_sent(desk) == [50, 50]

    def test_a_restart_between_two_parts_changes_nothing(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(bracket=BRACKET)))
        for minute in (1, 2, 3, 4):
            desk.fill([order for order in desk.sent if order.side is Side.BUY][-1])
            desk.restart()
            desk.at(minute)
            desk.restart()
            desk.at(minute)
        assert [order.lots for order in desk.sent if order.side is Side.BUY] == [20, 30, 20, 30]


class TestProtection:
    def test_every_part_brings_its_own_stop_and_target(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(bracket=BRACKET)))
        assert [(order.type, order.lots, order.stop_ticks, order.limit_ticks) for order in desk.sent] == [
            (OrderType.MARKET, 20, None, None),
            (OrderType.STOP, 20, 90, None),
            (OrderType.LIMIT, 20, None, 110),
        ]

    def test_once_a_stop_is_reached_no_further_part_is_bought(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(bracket=BRACKET)))
        entry, stop, target = desk.sent
        desk.fill(entry)
        desk.fill(stop)
        desk.do(
            desk.stage.report(
                VenueClosed(
                    ts_ns=NOW,
                    client_order_id=target.client_order_id,
                    symbol="BTC-USD",
                    remaining_lots=20,
                    expired=False,
                    reason="another order of its list is done",
                )
            )
        )
        desk.at(1)
        assert len(desk.sent) == 3
        told = [
            (type(event), event.order_id) for event in desk.said if isinstance(event, (OrderFilled, OrderCancelled))
        ]
        assert told == [
            (OrderFilled, ENTRY),
            (OrderFilled, f"{ENTRY}-stop"),
            (OrderCancelled, ENTRY),
            (OrderCancelled, f"{ENTRY}-stop"),
            (OrderCancelled, f"{ENTRY}-target"),
        ]
        assert desk.stage.open_orders == []

    def test_the_breaker_takes_back_what_is_not_bought_and_leaves_what_protects(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(bracket=BRACKET)))
        desk.fill(desk.sent[0])
        opened = BreakerChanged(id="b", ts_ns=NOW, account="main", is_open=True, reason="drill", actor="test")
        desk.do(desk.stage.handle(opened))
        (end,) = desk.of(OrderCancelled)
        assert isinstance(end, OrderCancelled)
        assert (end.order_id, end.remaining_lots) == (ENTRY, 80)
        at_venue = [order.order_id for order in desk.stage.open_orders if order.state.is_at_venue]
        assert at_venue == [f"{ENTRY}-1-stop", f"{ENTRY}-1-target"]
        desk.at(1)
        assert len(desk.sent) == 3


class TestExits:
    def test_an_exit_stops_the_entry_and_its_legs_first_and_sells_what_was_bought(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(bracket=BRACKET)))
        desk.fill(desk.sent[0])
        desk.at(1)
        second = desk.sent[3]
        desk.do(desk.stage.handle(exit_approval(lots=20, at=NOW + MINUTE)))
        assert second.client_order_id in desk.cancelled
        assert (desk.sent[-1].side, desk.sent[-1].lots, desk.sent[-1].type) == (Side.SELL, 20, OrderType.MARKET)
        (order,) = desk.stage.open_orders
        assert order.order_id == EXIT
        desk.at(2)
        assert desk.sent[-1].side is Side.SELL

    def test_what_was_bought_while_the_exit_was_decided_is_sold_with_it(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        desk.fill(desk.sent[0], 10, remaining=10)
        desk.fill(desk.sent[0], 10)
        desk.do(desk.stage.handle(exit_approval(lots=10, at=NOW + MINUTE)))
        assert desk.sent[-1].lots == 20

    def test_an_exit_in_parts_begins_when_its_protection_is_gone(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(plan=None, bracket=BRACKET)))
        desk.fill(desk.sent[0])
        desk.do(desk.stage.handle(exit_approval(lots=100, plan=PLAN, at=NOW)))
        assert sorted(desk.cancelled) == [f"n1v1-{ENTRY}-stop-1", f"n1v1-{ENTRY}-target-1"]
        for minute in (1, 2, 3, 4):
            desk.fill(desk.sent[-1])
            desk.at(minute)
        assert lots_sent(desk)[3:] == [20, 30, 20, 30]
        assert all(order.reduces_only for order in desk.sent[3:])
        assert desk.stage.open_orders == []

    def test_an_emergency_takes_the_place_of_an_exit_in_parts(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval(plan=None)))
        desk.fill(desk.sent[0])
        desk.do(desk.stage.handle(exit_approval(lots=100, plan=PLAN, at=NOW)))
        desk.fill(desk.sent[-1])
        desk.do(desk.stage.handle(exit_approval(FLATTEN, lots=80, at=NOW + MINUTE)))
        assert (desk.sent[-1].client_order_id, desk.sent[-1].lots) == (f"n1v1-{FLATTEN}-1", 80)
        desk.at(1)
        assert len(desk.sent) == 3


class TestItsEnd:
    def test_a_part_that_is_refused_ends_the_order(self) -> None:
        desk = Desk()
        outcome = desk.stage.handle(approval())
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        refused = VenueRejected(
            ts_ns=NOW, client_order_id=command.client_order_id, symbol="BTC-USD", code=-2010, reason="too poor"
        )
        desk.do(desk.stage.report(refused))
        (end,) = desk.of(OrderRejected)
        assert isinstance(end, OrderRejected)
        assert (end.order_id, end.reason) == (ENTRY, "too poor (-2010)")
        desk.at(1)
        assert desk.sent == []

    def test_an_order_at_a_limit_ends_with_its_validity(self) -> None:
        desk = Desk()
        limited = replace(approval(), type=OrderType.LIMIT, limit_ticks=99, time_in_force=TimeInForce.GTD)
        desk.do(desk.stage.handle(limited))
        for minute in range(1, 11):
            desk.at(minute)
        assert [(order.lots, order.limit_ticks, order.expires_ns) for order in desk.sent] == [
            (lots, 99, limited.valid_until_ns) for lots in (20, 30, 20, 30)
        ]
        assert desk.of(OrderExpired) == []
        desk.at(11)
        (end,) = desk.of(OrderExpired)
        assert isinstance(end, OrderExpired)
        assert (end.order_id, end.remaining_lots) == (ENTRY, 100)
        assert desk.stage.open_orders == []


class TestWhatFollowsTheMarket:
    RULES = StyleRules(watches_market=True)

    def desk(self) -> Desk:
        return Desk(stage=Execution(account="main", venue="sim", rules=self.RULES))

    def test_parts_are_as_large_as_the_volume_was(self) -> None:
        desk = self.desk()
        for minute, volume in ((-3, 1), (-2, 2), (-1, 3), (0, 4)):
            desk.stage.observe((bar(minute, 100, volume=volume),))
        desk.do(desk.stage.handle(approval(plan=replace(PLAN, method=Method.VWAP))))
        for minute in (1, 2, 3, 4):
            desk.fill(desk.sent[-1])
            desk.at(minute)
        assert lots_sent(desk) == [10, 20, 30, 40]

    def test_without_any_volume_parts_are_equal(self) -> None:
        desk = self.desk()
        desk.do(desk.stage.handle(approval(plan=replace(PLAN, method=Method.VWAP))))
        desk.at(3)
        assert lots_sent(desk) == [20, 80]

    def test_a_bid_is_moved_with_the_market_and_goes_to_the_market_at_last(self) -> None:
        """The true range is 8, half of it 4, and a twentieth of the close allows 5 and more."""
        desk = self.desk()
        for minute in (-1, 0):
            desk.stage.observe((bar(minute, 100, high=104, low=96),))
        desk.do(desk.stage.handle(approval(plan=replace(PLAN, method=Method.ADAPTIVE, parts=3))))
        assert [(order.type, order.limit_ticks, order.lots) for order in desk.sent] == [(OrderType.LIMIT, 96, 100)]
        desk.fill(desk.sent[0], 30, remaining=70)
        desk.stage.observe((bar(1, 106, high=110, low=102),))  # true ranges 8 and 10: the mean is 9, half of it 4
        desk.at(1)
        assert desk.cancelled == [desk.sent[0].client_order_id]
        assert (desk.sent[1].limit_ticks, desk.sent[1].lots) == (102, 70)
        desk.at(2)
        assert (desk.sent[2].type, desk.sent[2].limit_ticks, desk.sent[2].lots) == (OrderType.MARKET, None, 70)
        desk.fill(desk.sent[2])
        assert desk.stage.open_orders == []

    @pytest.mark.parametrize(("side", "prices"), [(Side.BUY, [99, 103]), (Side.SELL, [101, 105])])
    def test_where_the_book_is_heard_it_waits_at_the_best_price_of_its_side(
        self, side: Side, prices: list[int]
    ) -> None:
        desk = self.desk()
        plan = replace(PLAN, method=Method.ADAPTIVE, parts=3)
        desk.stage.see_quote("BTC-USD", Quote(NOW, 99, 101))
        desk.do(desk.stage.handle(replace(approval(plan=plan), side=side)))
        assert desk.stage.symbols_to_bid(NOW) == set()
        assert desk.stage.symbols_to_bid(NOW + MINUTE) == {"BTC-USD"}
        desk.stage.see_quote("BTC-USD", Quote(NOW + MINUTE - 4 * SECOND_NS, 103, 105))
        desk.at(1)
        assert [order.limit_ticks for order in desk.sent] == prices
        desk.at(2)
        assert desk.sent[2].type is OrderType.MARKET

    def test_best_prices_that_are_old_or_of_another_life_are_not_gone_by(self) -> None:
        desk = self.desk()
        for minute in (-1, 0):
            desk.stage.observe((bar(minute, 100, high=104, low=96),))
        desk.stage.see_quote("BTC-USD", Quote(NOW, 99, 101))
        plan = replace(PLAN, method=Method.ADAPTIVE, parts=3)
        desk.do(desk.stage.handle(approval(plan=plan)))
        desk.at(1)
        assert [order.limit_ticks for order in desk.sent] == [99, 96], "the second goes by the bars"
        desk.stage.see_quote("BTC-USD", Quote(NOW, 99, 101))
        desk.restart()
        assert "quotes" not in desk.stage.snapshot()["watch"]

    def test_a_bid_is_never_worse_than_the_limit_of_the_strategy(self) -> None:
        desk = self.desk()
        for minute in (-1, 0):
            desk.stage.observe((bar(minute, 100, high=104, low=96),))
        plan = replace(PLAN, method=Method.ADAPTIVE, parts=2)
        limited = replace(approval(plan=plan), limit_ticks=95, type=OrderType.LIMIT, time_in_force=TimeInForce.GTD)
        desk.do(desk.stage.handle(limited))
        desk.at(1)
        assert [(order.type, order.limit_ticks) for order in desk.sent] == [(OrderType.LIMIT, 95)] * 2


class TestWaking:
    def test_nothing_is_due_without_orders_in_parts(self) -> None:
        assert Execution(account="main", venue="sim").wake_ns == INT64_MAX

    def test_the_next_part_is_when_there_is_something_to_do(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        assert desk.stage.wake_ns == NOW + MINUTE

    @pytest.mark.parametrize("minute", [0, 1, 2])
    def test_being_woken_too_early_does_nothing(self, minute: int) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        desk.at(minute)
        sent = len(desk.sent)
        assert desk.stage.work(NOW + minute * MINUTE + 1) == Outcome()
        assert len(desk.sent) == sent

    def test_a_parent_is_neither_asked_for_nor_in_doubt(self) -> None:
        desk = Desk()
        desk.do(desk.stage.handle(approval()))
        parent = desk.stage.order(ENTRY)
        assert parent is not None
        assert parent.state is OrderState.WORKING
        assert not parent.state.is_at_venue
        assert desk.stage.orders_in_doubt == []
