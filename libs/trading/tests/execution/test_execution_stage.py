"""Execution: every row of the order's table, and what the stage says and sends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1 import ids
from n1v1.errors import InvalidTransition
from n1v1.events import (
    BarsComplete,
    BreakerCommand,
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
    SubmitOrder,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import TRANSITIONS, Happening, Order, OrderState
from n1v1.execution.stage import CLOSED_KEPT, Execution
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.pipeline import bars_complete
from n1v1.risk.halts import Scope
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce

HOUR = 3_600_000_000_000
LOTS = 10_000
S, H = OrderState, Happening


def approval(number: int = 1, *, hour: int = 5, time_in_force: TimeInForce = TimeInForce.GTC) -> OrderApproved:
    signal = SignalId(f"cross:BTC-USD:{number}")
    order = ids.order_id("main", signal)
    return OrderApproved(
        id=f"approved:{order}",
        ts_ns=hour * HOUR,
        correlation_id=f"BTC-USD@{hour}",
        order_id=order,
        signal_id=signal,
        account="main",
        instance="cross",
        symbol="BTC-USD",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=LOTS,
        limit_ticks=None,
        time_in_force=time_in_force,
        reduce_only=False,
        reference_ticks=1_000_000,
        valid_until_ns=(hour + 1) * HOUR,
    )


def decisions(hour: int = 5, *, account: str = "main") -> DecisionsComplete:
    return DecisionsComplete(id=f"decisions:{hour}", ts_ns=hour * HOUR, account=account, approved=1, refused=0)


def bars(hour: int) -> BarsComplete:
    return bars_complete(hour * HOUR, (), hour)


ORDER_ID = approval().order_id
CLIENT = ids.client_order_id(ORDER_ID, 1)
NOW = 5 * HOUR + 7


def accepted(client: ClientOrderId = CLIENT) -> VenueAccepted:
    return VenueAccepted(ts_ns=NOW, client_order_id=client, symbol="BTC-USD", venue_order_id=VenueOrderId("77"))


def rejected(client: ClientOrderId = CLIENT) -> VenueRejected:
    return VenueRejected(ts_ns=NOW, client_order_id=client, symbol="BTC-USD", code=-2010, reason="no money")


def filled(lots: int = LOTS, trade: str = "1", client: ClientOrderId = CLIENT) -> VenueFilled:
    return VenueFilled(
        ts_ns=NOW,
        client_order_id=client,
        symbol="BTC-USD",
        trade_id=TradeId(trade),
        side=Side.BUY,
        lots=lots,
        ticks=1_000_100,
        value=lots * 10_001,
        fee=7,
        liquidity=Liquidity.TAKER,
        remaining_lots=LOTS - lots if trade == "1" else 0,
    )


def closed(*, expired: bool = False, client: ClientOrderId = CLIENT) -> VenueClosed:
    return VenueClosed(
        ts_ns=NOW,
        client_order_id=client,
        symbol="BTC-USD",
        remaining_lots=LOTS,
        expired=expired,
        reason="so it goes",
    )


def execution() -> Execution:
    return Execution(account="main", venue="sim")


def submitted(number: int = 1) -> Execution:
    stage = execution()
    stage.handle(approval(number))
    return stage


def told(stage: Execution, *reports: VenueReport) -> list[Event]:
    return list(stage.report(*reports).events)


def state_of(stage: Execution, order_id: OrderId = ORDER_ID) -> OrderState:
    order = stage.order(order_id)
    assert order is not None
    return order.state


def order_in(state: OrderState) -> Order:
    order = Order.from_approval(approval())
    order.state = state
    return order


class TestTheTable:
    @pytest.mark.parametrize(("state", "happening"), TRANSITIONS)
    def test_every_row_moves_the_order(self, state: OrderState, happening: Happening) -> None:
        order = order_in(state)
        assert order.happens(happening) is TRANSITIONS[state, happening]
        assert order.state is TRANSITIONS[state, happening]

    @pytest.mark.parametrize(
        ("state", "happening"), [pair for pair in itertools.product(S, H) if pair not in TRANSITIONS]
    )
    def test_what_is_not_in_it_raises_and_changes_nothing(self, state: OrderState, happening: Happening) -> None:
        order = order_in(state)
        with pytest.raises(InvalidTransition, match=f"order {ORDER_ID} is {state} and cannot {happening}"):
            order.happens(happening)
        assert order.state is state

    def test_every_state_can_be_reached_from_those_of_a_new_order(self) -> None:
        reached = {S.SUBMITTED, S.WAITING}
        while new := {to for (state, _), to in TRANSITIONS.items() if state in reached} - reached:
            reached |= new
        assert reached == set(S)

    def test_what_is_closed_never_opens_again(self) -> None:
        assert not [row for row, to in TRANSITIONS.items() if to.is_open and not row[0].is_open]

    def test_only_what_the_venue_has_answered_is_out_of_doubt(self) -> None:
        assert {state for state in S if state.is_in_doubt} == {S.SUBMITTED, S.UNKNOWN}


class TestSubmitting:
    def test_the_intent_is_said_before_the_command_is_given(self) -> None:
        outcome = execution().handle(approval())
        (event,) = outcome.events
        assert event == OrderSubmitted(
            id=f"submitted:{ORDER_ID}",
            ts_ns=5 * HOUR,
            cause_id=f"approved:{ORDER_ID}",
            correlation_id="BTC-USD@5",
            order_id=ORDER_ID,
            account="main",
            symbol="BTC-USD",
            client_order_id=CLIENT,
            signal_id=SignalId("cross:BTC-USD:1"),
            instance="cross",
            side=Side.BUY,
            type=OrderType.MARKET,
            lots=LOTS,
        )
        (command,) = outcome.commands
        assert command == SubmitOrder(
            client_order_id=CLIENT, symbol="BTC-USD", side=Side.BUY, type=OrderType.MARKET, lots=LOTS
        )

    @pytest.mark.parametrize("time_in_force", TimeInForce)
    def test_the_venue_is_told_how_long_the_order_lives(self, time_in_force: TimeInForce) -> None:
        stage = execution()
        (command,) = stage.handle(approval(time_in_force=time_in_force)).commands
        assert isinstance(command, SubmitOrder)
        assert command.time_in_force is time_in_force
        stage.restore(json.loads(json.dumps(stage.snapshot())))
        stage.no_answer(ORDER_ID, "timeout")
        (again,) = stage.never_arrived(ORDER_ID).commands
        assert isinstance(again, SubmitOrder)
        assert again.time_in_force is time_in_force

    def test_an_approval_heard_twice_is_sent_once(self) -> None:
        stage = submitted()
        outcome = stage.handle(approval())
        assert (outcome.events, outcome.commands) == ((), ())

    def test_an_approval_of_another_account_is_not_ours(self) -> None:
        stage = execution()
        outcome = stage.handle(replace(approval(), account="other"))
        assert (outcome.events, outcome.commands, stage.open_orders) == ((), (), [])

    def test_an_approval_that_is_no_longer_valid_is_rejected_unsent(self) -> None:
        stage = execution()
        stage.handle(bars(7))
        outcome = stage.handle(approval(hour=5))
        (event,) = outcome.events
        assert outcome.commands == ()
        assert isinstance(event, OrderRejected)
        assert (event.reason, event.ts_ns) == ("its validity ended before it could be sent", 7 * HOUR)
        assert state_of(stage) is S.REJECTED

    def test_at_the_end_of_its_validity_it_is_still_sent(self) -> None:
        stage = execution()
        stage.handle(bars(6))
        assert stage.handle(approval(hour=5)).commands


class TestReports:
    def test_accepted_and_filled(self) -> None:
        stage = submitted()
        (first,) = told(stage, accepted())
        assert isinstance(first, OrderAccepted)
        assert (first.venue_order_id, first.ts_ns, first.correlation_id) == ("77", NOW, "BTC-USD@5")
        (second,) = told(stage, filled())
        assert second == OrderFilled(
            id="filled:sim:BTC-USD:1",
            ts_ns=NOW,
            cause_id=f"submitted:{ORDER_ID}",
            correlation_id="BTC-USD@5",
            order_id=ORDER_ID,
            account="main",
            symbol="BTC-USD",
            fill_id=ids.fill_id("sim", "BTC-USD", TradeId("1")),
            trade_id=TradeId("1"),
            instance="cross",
            side=Side.BUY,
            lots=LOTS,
            ticks=1_000_100,
            value=LOTS * 10_001,
            fee=7,
            liquidity=Liquidity.TAKER,
            is_final=True,
        )
        assert state_of(stage) is S.FILLED

    def test_rejected(self) -> None:
        stage = submitted()
        (event,) = told(stage, rejected())
        assert isinstance(event, OrderRejected)
        assert event.reason == "no money (-2010)"
        assert state_of(stage) is S.REJECTED

    @pytest.mark.parametrize(
        ("expired", "kind", "state"), [(False, OrderCancelled, S.CANCELLED), (True, OrderExpired, S.EXPIRED)]
    )
    def test_closed_with_a_remainder(self, expired: bool, kind: type[Event], state: OrderState) -> None:
        stage = submitted()
        told(stage, accepted())
        (event,) = told(stage, closed(expired=expired))
        assert isinstance(event, kind)
        assert state_of(stage) is state
        assert told(stage, closed(expired=expired)) == [], "the answer and the user stream both say so"

    def test_a_trade_reported_twice_counts_once(self) -> None:
        stage = submitted()
        assert len(told(stage, filled(4_000))) == 1
        assert told(stage, filled(4_000)) == []
        (last,) = told(stage, filled(6_000, trade="2"))
        assert isinstance(last, OrderFilled)
        assert last.is_final
        assert told(stage, filled(6_000, trade="2")) == []

    def test_a_fill_can_come_before_the_answer_to_the_request(self) -> None:
        stage = submitted()
        (event,) = told(stage, filled(4_000))
        assert isinstance(event, OrderFilled)
        assert not event.is_final
        assert told(stage, accepted()) == []
        order = stage.order(ORDER_ID)
        assert order is not None
        assert (order.state, order.venue_order_id, order.remaining_lots) == (S.PARTIALLY_FILLED, "77", 6_000)

    @pytest.mark.parametrize("expired", [False, True])
    def test_the_end_can_come_before_the_answer_to_the_request(self, expired: bool) -> None:
        stage = submitted()
        assert len(told(stage, closed(expired=expired))) == 1
        assert told(stage, accepted()) == []
        assert not state_of(stage).is_open

    @pytest.mark.parametrize("expired", [False, True])
    def test_a_fill_after_the_end_is_still_a_fill(self, expired: bool) -> None:
        stage = submitted()
        told(stage, closed(expired=expired))
        (some,) = told(stage, filled(4_000))
        assert isinstance(some, OrderFilled)
        assert state_of(stage) is (S.EXPIRED if expired else S.CANCELLED)
        (rest,) = told(stage, filled(6_000, trade="2"))
        assert isinstance(rest, OrderFilled)
        assert (rest.is_final, state_of(stage)) == (True, S.FILLED)

    def test_a_fill_beyond_the_order_is_our_own_mistake_and_changes_nothing(self) -> None:
        stage = submitted()
        told(stage, filled())
        before = stage.snapshot()
        with pytest.raises(InvalidTransition):
            told(stage, filled(1, trade="2"))
        assert stage.snapshot() == before

    @pytest.mark.parametrize("client", ["web_1", "n1v1-o-aaaaaaaaaaaaaaaa-1"])
    def test_a_report_about_an_order_that_is_not_ours_says_nothing(self, client: str) -> None:
        stage = submitted()
        assert told(stage, filled(client=ClientOrderId(client))) == []
        assert state_of(stage) is S.SUBMITTED

    def test_a_report_that_says_nothing_new_says_nothing(self) -> None:
        stage = submitted()
        assert told(stage, VenueReport(ts_ns=NOW, client_order_id=CLIENT, symbol="BTC-USD")) == []


class TestAnOrderInDoubt:
    def test_without_an_answer_it_is_unknown_and_said_so_once(self) -> None:
        stage = submitted()
        (event,) = stage.no_answer(ORDER_ID, "timeout")
        assert isinstance(event, OrderUnknown)
        assert (event.id, event.reason, event.client_order_id) == (f"unknown:{ORDER_ID}:1", "timeout", CLIENT)
        assert stage.no_answer(ORDER_ID, "timeout") == []
        assert [order.order_id for order in stage.orders_in_doubt] == [ORDER_ID]

    def test_an_answered_order_cannot_get_lost(self) -> None:
        stage = submitted()
        told(stage, accepted())
        assert stage.no_answer(ORDER_ID, "timeout") == []
        assert state_of(stage) is S.ACCEPTED

    @pytest.mark.parametrize(
        ("report", "state"),
        [
            (accepted, S.ACCEPTED),
            (rejected, S.REJECTED),
            (filled, S.FILLED),
            (closed, S.CANCELLED),
        ],
    )
    def test_what_the_venue_says_when_asked_resolves_it(
        self, report: Callable[[], VenueReport], state: OrderState
    ) -> None:
        stage = submitted()
        stage.no_answer(ORDER_ID, "timeout")
        assert len(told(stage, report())) == 1
        assert state_of(stage) is state
        assert stage.orders_in_doubt == []

    def test_one_that_never_arrived_is_sent_under_a_new_attempt(self) -> None:
        stage = submitted()
        stage.no_answer(ORDER_ID, "timeout")
        outcome = stage.never_arrived(ORDER_ID)
        assert outcome.events == ()
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        second = ids.client_order_id(ORDER_ID, 2)
        assert command.client_order_id == second
        assert second != CLIENT
        assert state_of(stage) is S.SUBMITTED
        (event,) = told(stage, accepted(second))
        assert isinstance(event, OrderAccepted)

    def test_a_second_loss_is_said_again(self) -> None:
        stage = submitted()
        stage.no_answer(ORDER_ID, "timeout")
        stage.never_arrived(ORDER_ID)
        (event,) = stage.no_answer(ORDER_ID, "timeout")
        assert event.id == f"unknown:{ORDER_ID}:2"

    def test_one_that_never_arrived_and_is_no_longer_valid_is_given_up(self) -> None:
        stage = submitted()
        stage.handle(decisions())
        stage.handle(bars(7))
        stage.no_answer(ORDER_ID, "timeout")
        outcome = stage.never_arrived(ORDER_ID)
        assert outcome.commands == ()
        given_up, complete = outcome.events
        assert isinstance(given_up, OrderRejected)
        assert given_up.reason == "never reached the venue and is no longer valid"
        assert isinstance(complete, OrdersComplete)

    def test_one_that_was_answered_cannot_be_sent_again(self) -> None:
        stage = submitted()
        told(stage, accepted())
        with pytest.raises(InvalidTransition, match="cannot send again"):
            stage.never_arrived(ORDER_ID)


class TestWatermarks:
    def test_fills_are_complete_with_the_bars_of_their_time(self) -> None:
        stage = execution()
        (mark,) = stage.handle(bars(5)).events
        assert mark == FillsComplete(
            id=f"fills:main:{5 * HOUR}",
            ts_ns=5 * HOUR,
            cause_id=bars(5).id,
            correlation_id=bars(5).correlation_id,
            account="main",
        )
        assert stage.handle(bars(5)).events == ()
        assert stage.handle(bars(4)).events == ()

    def test_without_orders_a_bar_time_is_complete_at_once(self) -> None:
        (mark,) = execution().handle(decisions()).events
        assert mark == OrdersComplete(
            id=f"orders:main:{5 * HOUR}", ts_ns=5 * HOUR, cause_id="decisions:5", account="main", open_orders=0
        )

    def test_orders_are_complete_only_when_the_last_is_answered(self) -> None:
        stage = submitted(1)
        stage.handle(approval(2))
        assert stage.handle(decisions()).events == ()
        (first,) = told(stage, accepted())
        assert isinstance(first, OrderAccepted)
        second_client = ids.client_order_id(approval(2).order_id, 1)
        said = told(stage, rejected(second_client))
        assert [type(event) for event in said] == [OrderRejected, OrdersComplete]
        assert isinstance(said[1], OrdersComplete)
        assert said[1].open_orders == 1

    def test_an_order_in_doubt_holds_its_bar_time(self) -> None:
        stage = submitted()
        stage.handle(decisions())
        stage.no_answer(ORDER_ID, "timeout")
        assert stage.handle(bars(6)).events[0].id == f"fills:main:{6 * HOUR}"
        stage.never_arrived(ORDER_ID)
        said = told(stage, accepted(ids.client_order_id(ORDER_ID, 2)))
        assert [type(event) for event in said] == [OrderAccepted, OrdersComplete]
        assert told(stage, filled(client=ids.client_order_id(ORDER_ID, 2)))[1:] == [], "it is said once"

    def test_the_decisions_of_another_account_are_not_ours(self) -> None:
        assert execution().handle(decisions(account="other")).events == ()


class TestRemembering:
    def test_closed_orders_are_kept_for_a_while(self) -> None:
        stage = execution()
        for number in range(CLOSED_KEPT + 5):
            stage.handle(approval(number))
            told(stage, rejected(ids.client_order_id(approval(number).order_id, 1)))
            stage.handle(decisions())
        kept = [number for number in range(CLOSED_KEPT + 5) if stage.order(approval(number).order_id)]
        assert kept == list(range(5, CLOSED_KEPT + 5))

    def test_open_orders_are_never_forgotten(self) -> None:
        stage = submitted(0)
        told(stage, accepted(ids.client_order_id(approval(0).order_id, 1)))
        for number in range(1, CLOSED_KEPT + 5):
            stage.handle(approval(number))
            told(stage, rejected(ids.client_order_id(approval(number).order_id, 1)))
            stage.handle(decisions())
        assert [order.order_id for order in stage.open_orders] == [approval(0).order_id]

    @settings(max_examples=40)
    @given(st.integers(0, 8), st.integers(0, 8))
    def test_a_restart_at_any_point_changes_nothing(self, first: int, second: int) -> None:
        steps: list[Callable[[Execution], list[Event]]] = [
            lambda stage: list(stage.handle(bars(5)).events),
            lambda stage: list(stage.handle(approval()).events),
            lambda stage: list(stage.handle(decisions()).events),
            lambda stage: stage.no_answer(ORDER_ID, "timeout"),
            lambda stage: list(stage.never_arrived(ORDER_ID).events),
            lambda stage: told(stage, filled(4_000, client=ids.client_order_id(ORDER_ID, 2))),
            lambda stage: told(stage, accepted(ids.client_order_id(ORDER_ID, 2))),
            lambda stage: told(stage, closed(client=ids.client_order_id(ORDER_ID, 2))),
            lambda stage: told(stage, filled(6_000, trade="2", client=ids.client_order_id(ORDER_ID, 2))),
        ]
        reference, restarted = execution(), execution()
        said: list[Event] = []
        for position, step in enumerate(steps):
            if position in (first, second):
                saved = json.loads(json.dumps(restarted.snapshot()))
                restarted = execution()
                restarted.restore(saved)
            said += step(restarted)
        assert said == [event for step in steps for event in step(reference)]
        assert restarted.snapshot() == reference.snapshot()

    def test_what_a_later_release_saved_of_the_decisions_that_wait_is_left_out(self) -> None:
        later, taken_back = submitted(), execution()
        later.handle(decisions())
        saved = later.snapshot()
        saved["decisions"]["release"] = "next"
        taken_back.restore(saved)
        said = told(taken_back, accepted())
        assert [type(event) for event in said] == [OrderAccepted, OrdersComplete]
        assert said == told(later, accepted())

    def test_a_snapshot_is_not_changed_by_what_comes_after(self) -> None:
        stage, again = submitted(), execution()
        taken = stage.snapshot()
        kept = json.dumps(taken)
        again.restore(taken)
        for one in (stage, again):
            told(one, filled(1))
        assert json.dumps(taken) == kept


def test_a_second_exit_on_one_position_is_refused_and_halts_its_symbol() -> None:
    """Risk approves one order on a position at a time. Here it has approved half of it, and half again."""
    stage = Execution(account="main", venue="sim")
    stage.handle(approval())
    stage.report(accepted(), filled())
    first, second = (
        replace(approval(number), side=Side.SELL, lots=LOTS // 2, reduce_only=True, purpose=Purpose.EXIT)
        for number in (2, 3)
    )
    assert len(stage.handle(first).commands) == 1
    outcome = stage.handle(second)
    assert outcome.commands == ()
    refused, halt = outcome.events
    assert isinstance(refused, OrderRejected)
    assert refused.order_id == second.order_id
    assert isinstance(halt, BreakerCommand)
    assert (halt.open, halt.scope) == (True, Scope(symbol="BTC-USD"))
    assert halt.reason == (
        f"{second.order_id} is a second exit: {first.order_id} is at the venue already, "
        "to close the position in BTC-USD"
    )
