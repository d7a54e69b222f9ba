"""An entry and its legs go out together; an exit and the legs are never at the venue together."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from n1v1 import ids
from n1v1.events import (
    Bracket,
    BreakerChanged,
    CancelOrder,
    DecisionsComplete,
    Event,
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
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
)
from n1v1.execution.orders import OrderState
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.pipeline import bars_complete
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce

HOUR = 3_600_000_000_000
LOTS = 10_000
NOW = 5 * HOUR
ENTRY = ids.order_id("main", SignalId("cross:BTC-USD:1"))
STOP, TARGET = ids.leg_order_id(ENTRY, "stop"), ids.leg_order_id(ENTRY, "target")
EXIT = ids.order_id("main", SignalId("cross:BTC-USD:2"))
BRACKET = Bracket(stop_ticks=950_000, target_ticks=1_100_000)
S = OrderState


def approval(
    order_id: OrderId = ENTRY, *, bracket: Bracket | None = BRACKET, side: Side = Side.BUY, hour: int = 5
) -> OrderApproved:
    return OrderApproved(
        id=f"approved:{order_id}",
        ts_ns=hour * HOUR,
        correlation_id=f"BTC-USD@{hour}",
        order_id=order_id,
        signal_id=SignalId("cross:BTC-USD:1"),
        account="main",
        instance="cross",
        symbol="BTC-USD",
        side=side,
        type=OrderType.MARKET,
        lots=LOTS,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        reference_ticks=1_000_000,
        valid_until_ns=(hour + 1) * HOUR,
        bracket=bracket,
    )


def exit_approval(order_id: OrderId = EXIT, *, hour: int = 6) -> OrderApproved:
    entry = approval(order_id, bracket=None, side=Side.SELL, hour=hour)
    return replace(entry, reduce_only=True, purpose=Purpose.EXIT)


def decisions(hour: int = 6) -> DecisionsComplete:
    return DecisionsComplete(id=f"decisions:{hour}", ts_ns=hour * HOUR, account="main", approved=1, refused=0)


def breaker(*, is_open: bool = True) -> BreakerChanged:
    return BreakerChanged(id="breaker", ts_ns=NOW, account="main", is_open=is_open, reason="drill", actor="test")


def client(order_id: OrderId, attempt: int = 1) -> ClientOrderId:
    return ids.client_order_id(order_id, attempt)


def accepted(order_id: OrderId, attempt: int = 1) -> VenueAccepted:
    return VenueAccepted(
        ts_ns=NOW, client_order_id=client(order_id, attempt), symbol="BTC-USD", venue_order_id=VenueOrderId("7")
    )


def filled(order_id: OrderId, lots: int = LOTS, *, remaining: int = 0, trade: str = "") -> VenueFilled:
    return VenueFilled(
        ts_ns=NOW,
        client_order_id=client(order_id),
        symbol="BTC-USD",
        trade_id=TradeId(trade or order_id),
        side=Side.BUY if order_id == ENTRY else Side.SELL,
        lots=lots,
        ticks=1_000_000,
        value=lots * 10_000,
        fee=7,
        liquidity=Liquidity.TAKER,
        remaining_lots=remaining,
    )


def closed(order_id: OrderId, *, expired: bool = False, remaining: int = LOTS) -> VenueClosed:
    return VenueClosed(
        ts_ns=NOW,
        client_order_id=client(order_id),
        symbol="BTC-USD",
        remaining_lots=remaining,
        expired=expired,
        reason="so it goes",
    )


def refused(order_id: OrderId) -> VenueRejected:
    return VenueRejected(ts_ns=NOW, client_order_id=client(order_id), symbol="BTC-USD", code=-2010, reason="no money")


def submitted(bracket: Bracket | None = BRACKET) -> Execution:
    stage = Execution(account="main", venue="sim")
    stage.handle(approval(bracket=bracket))
    return stage


def protected() -> Execution:
    """The entry has filled, its stop and its target wait at the venue."""
    stage = submitted()
    stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET), filled(ENTRY))
    return stage


def leaving() -> Execution:
    """An exit waits for the legs."""
    stage = protected()
    stage.handle(bars_complete(6 * HOUR, (), 6))
    stage.handle(exit_approval())
    stage.handle(decisions())
    return stage


def states(stage: Execution) -> dict[OrderId, OrderState]:
    return {each: order.state for each in (ENTRY, STOP, TARGET, EXIT) if (order := stage.order(each)) is not None}


def kinds(events: Sequence[Event]) -> list[tuple[type[Event], OrderId | None]]:
    return [(type(event), getattr(event, "order_id", None)) for event in events]


def restarted(stage: Execution) -> Execution:
    fresh = Execution(account="main", venue="sim")
    fresh.restore(json.loads(json.dumps(stage.snapshot())))
    return fresh


class TestSending:
    def test_the_entry_and_its_legs_are_announced_and_sent_as_one_list(self) -> None:
        outcome = Execution(account="main", venue="sim").handle(approval())
        said = [event for event in outcome.events if isinstance(event, OrderSubmitted)]
        assert [(event.order_id, event.purpose, event.side, event.lots) for event in said] == [
            (ENTRY, Purpose.ENTRY, Side.BUY, LOTS),
            (STOP, Purpose.STOP_LOSS, Side.SELL, LOTS),
            (TARGET, Purpose.TAKE_PROFIT, Side.SELL, LOTS),
        ]
        assert {event.cause_id for event in said} == {f"approved:{ENTRY}"}
        (command,) = outcome.commands
        leg = SubmitOrder(
            client_order_id=client(STOP),
            symbol="BTC-USD",
            side=Side.SELL,
            type=OrderType.STOP,
            lots=LOTS,
            stop_ticks=950_000,
            reduces_only=True,
        )
        assert command == SubmitOrderList(
            working=SubmitOrder(
                client_order_id=client(ENTRY), symbol="BTC-USD", side=Side.BUY, type=OrderType.MARKET, lots=LOTS
            ),
            pending=(
                leg,
                replace(
                    leg,
                    client_order_id=client(TARGET),
                    type=OrderType.LIMIT,
                    stop_ticks=None,
                    limit_ticks=1_100_000,
                ),
            ),
        )

    def test_a_trailing_stop_takes_the_place_of_the_stop_and_keeps_its_first_price(self) -> None:
        bracket = Bracket(stop_ticks=950_000, trail_ppb=30_000_000, trail_step_ppb=1_000_000)
        (command,) = Execution(account="main", venue="sim").handle(approval(bracket=bracket)).commands
        assert isinstance(command, SubmitOrderList)
        (leg,) = command.pending
        assert (leg.type, leg.stop_ticks, leg.trail_ppb, leg.trail_step_ppb) == (
            OrderType.TRAILING_STOP,
            950_000,
            30_000_000,
            1_000_000,
        )
        order = submitted(bracket).order(STOP)
        assert order is not None
        assert order.purpose is Purpose.TRAILING_STOP

    def test_the_legs_of_a_short_entry_buy_it_back(self) -> None:
        (command,) = Execution(account="main", venue="sim").handle(approval(side=Side.SELL)).commands
        assert isinstance(command, SubmitOrderList)
        assert {leg.side for leg in command.pending} == {Side.BUY}

    def test_client_order_ids_of_legs_lead_back_to_them_and_fit_the_venues_limit(self) -> None:
        for leg in (STOP, TARGET):
            assert ids.order_of_client_order_id(client(leg, 999)) == leg
            assert len(client(leg, 999)) <= 36

    def test_a_list_is_accepted_order_by_order(self) -> None:
        outcome = submitted().report(accepted(ENTRY), accepted(STOP), accepted(TARGET))
        assert kinds(outcome.events) == [(OrderAccepted, ENTRY), (OrderAccepted, STOP), (OrderAccepted, TARGET)]

    @pytest.mark.parametrize("named", [[ENTRY], [ENTRY, STOP, TARGET], [TARGET]])
    def test_a_list_is_refused_as_a_whole_whichever_of_it_the_venue_names(self, named: list[OrderId]) -> None:
        stage = submitted()
        stage.handle(decisions(5))
        outcome = stage.report(*(refused(order_id) for order_id in named))
        assert kinds(outcome.events) == [
            (OrderRejected, ENTRY),
            (OrderRejected, STOP),
            (OrderRejected, TARGET),
            (OrdersComplete, None),
        ]

    def test_an_entry_that_is_too_late_takes_its_legs_with_it(self) -> None:
        stage = Execution(account="main", venue="sim")
        stage.handle(bars_complete(9 * HOUR, (), 9))
        outcome = stage.handle(approval())
        assert outcome.commands == ()
        assert kinds(outcome.events) == [(OrderRejected, ENTRY), (OrderRejected, STOP), (OrderRejected, TARGET)]


class TestLegs:
    def test_a_stop_that_fills_says_what_it_was_for_and_ends_the_target(self) -> None:
        stage = protected()
        filled_, cancelled = stage.report(filled(STOP), closed(TARGET)).events
        assert isinstance(filled_, OrderFilled)
        assert (filled_.purpose, filled_.is_final, filled_.side) == (Purpose.STOP_LOSS, True, Side.SELL)
        assert isinstance(cancelled, OrderCancelled)
        assert states(stage) == {ENTRY: S.FILLED, STOP: S.FILLED, TARGET: S.CANCELLED}

    def test_an_entry_can_be_stopped_within_the_bar_that_fills_it(self) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET))
        said = stage.report(filled(ENTRY), filled(STOP), closed(TARGET)).events
        assert kinds(said) == [(OrderFilled, ENTRY), (OrderFilled, STOP), (OrderCancelled, TARGET)]

    def test_a_leg_is_done_when_it_has_closed_what_its_entry_had_filled(self) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET), filled(ENTRY, 4_000, remaining=6_000))
        stage.report(closed(ENTRY, expired=True, remaining=6_000), filled(STOP, 4_000), closed(TARGET))
        assert states(stage) == {ENTRY: S.EXPIRED, STOP: S.FILLED, TARGET: S.CANCELLED}

    def test_a_leg_that_fills_partly_stays_open_beside_the_other(self) -> None:
        stage = protected()
        (event,) = stage.report(filled(TARGET, 4_000, remaining=6_000)).events
        assert isinstance(event, OrderFilled)
        assert not event.is_final
        assert [order.order_id for order in stage.open_orders] == [STOP, TARGET]

    def test_without_a_fill_of_the_entry_its_legs_expire_with_it(self) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET))
        said = stage.report(*(closed(order_id, expired=True) for order_id in (ENTRY, STOP, TARGET))).events
        assert kinds(said) == [(OrderExpired, ENTRY), (OrderExpired, STOP), (OrderExpired, TARGET)]


class TestAnExitWhileLegsLive:
    def test_first_the_list_is_cancelled_and_nothing_is_sent(self) -> None:
        stage = protected()
        outcome = stage.handle(exit_approval())
        assert outcome == Outcome((), (CancelOrder(client_order_id=client(STOP), symbol="BTC-USD"),))
        assert states(stage)[EXIT] is S.WAITING

    def test_it_goes_out_once_both_legs_are_reported_closed_and_completes_its_bar_time_when_answered(self) -> None:
        stage = leaving()
        outcome = stage.report(closed(STOP), closed(TARGET))
        assert kinds(outcome.events) == [(OrderCancelled, STOP), (OrderCancelled, TARGET), (OrderSubmitted, EXIT)]
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        assert (command.side, command.lots, command.reduces_only) == (Side.SELL, LOTS, True)
        assert kinds(stage.report(accepted(EXIT)).events) == [(OrderAccepted, EXIT), (OrdersComplete, None)]

    @pytest.mark.parametrize("first", [STOP, TARGET])
    def test_one_leg_closed_is_not_enough(self, first: OrderId) -> None:
        stage = leaving()
        outcome = stage.report(closed(first))
        assert kinds(outcome.events) == [(OrderCancelled, first)]
        assert all(isinstance(command, CancelOrder) for command in outcome.commands)
        second = TARGET if first is STOP else STOP
        assert kinds(stage.report(closed(second)).events)[-1] == (OrderSubmitted, EXIT)

    @pytest.mark.parametrize(
        ("leg", "other", "words"), [(STOP, TARGET, "its stop loss"), (TARGET, STOP, "its take profit")]
    )
    def test_a_leg_that_was_faster_makes_it_superfluous(self, leg: OrderId, other: OrderId, words: str) -> None:
        stage = leaving()
        outcome = stage.report(filled(leg), closed(other))
        assert outcome.commands == ()
        assert kinds(outcome.events) == [
            (OrderFilled, leg),
            (OrderCancelled, other),
            (OrderRejected, EXIT),
            (OrdersComplete, None),
        ]
        given_up = outcome.events[2]
        assert isinstance(given_up, OrderRejected)
        assert given_up.reason == f"the position was closed by {words}"

    def test_a_leg_that_was_partly_faster_leaves_it_the_rest(self) -> None:
        stage = leaving()
        stage.report(filled(STOP, 4_000, remaining=6_000))
        outcome = stage.report(closed(STOP, remaining=6_000), closed(TARGET))
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        assert command.lots == 6_000
        announced = outcome.events[-1]
        assert isinstance(announced, OrderSubmitted)
        assert announced.lots == 6_000

    def test_a_fill_that_is_known_only_after_the_cancel_counts_before_it_is_sent(self) -> None:
        stage = leaving()
        stage.report(closed(STOP))
        outcome = stage.report(filled(STOP), closed(TARGET))
        assert outcome.commands == ()
        assert states(stage)[EXIT] is S.REJECTED

    def test_a_fill_that_is_known_only_when_it_is_out_sends_nothing_more(self) -> None:
        stage = leaving()
        stage.report(closed(STOP), closed(TARGET))
        outcome = stage.report(filled(STOP))
        assert (kinds(outcome.events), outcome.commands) == ([(OrderFilled, STOP)], ())
        assert stage.report(refused(EXIT)).commands == ()

    def test_reports_that_are_repeated_send_it_once(self) -> None:
        stage = leaving()
        reports = [closed(STOP), closed(TARGET)] * 2
        assert len(stage.report(*reports).commands) == 1
        assert stage.report(*reports).commands == ()

    def test_a_venue_that_refuses_the_cancel_is_asked_again(self) -> None:
        stage = leaving()
        outcome = stage.report(refused(STOP))
        assert outcome.events == ()
        assert outcome.commands == (CancelOrder(client_order_id=client(STOP), symbol="BTC-USD"),)

    def test_once_its_protection_is_gone_it_is_sent_however_late_it_has_become(self) -> None:
        stage = leaving()
        stage.handle(bars_complete(20 * HOUR, (), 20))
        assert len(stage.report(closed(STOP), closed(TARGET)).commands) == 1
        stage.no_answer(EXIT, "timeout")
        (again,) = stage.never_arrived(EXIT).commands
        assert isinstance(again, SubmitOrder)
        assert again.client_order_id == client(EXIT, 2)

    def test_one_that_is_too_late_already_leaves_the_legs_where_they_are(self) -> None:
        stage = protected()
        stage.handle(bars_complete(20 * HOUR, (), 20))
        outcome = stage.handle(exit_approval())
        assert (kinds(outcome.events), outcome.commands) == ([(OrderRejected, EXIT)], ())
        assert stage.cancels_due == []

    def test_legs_in_doubt_are_resolved_before_they_are_cancelled(self) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), filled(ENTRY))
        assert stage.handle(exit_approval()).commands == ()
        outcome = stage.report(accepted(STOP), accepted(TARGET))
        assert outcome.commands == (CancelOrder(client_order_id=client(STOP), symbol="BTC-USD"),)

    def test_an_entry_that_still_fills_is_taken_back_as_well(self) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET), filled(ENTRY, 4_000, remaining=6_000))
        outcome = stage.handle(exit_approval())
        assert outcome.commands == (CancelOrder(client_order_id=client(ENTRY), symbol="BTC-USD"),)
        outcome = stage.report(closed(ENTRY, remaining=6_000))
        assert outcome.commands == (CancelOrder(client_order_id=client(STOP), symbol="BTC-USD"),)
        outcome = stage.report(closed(STOP), closed(TARGET))
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        assert command.lots == 4_000

    def test_legs_of_another_symbol_are_none_of_its_business(self) -> None:
        stage = protected()
        outcome = stage.handle(replace(exit_approval(), symbol="ETH-USD"))
        assert (kinds(outcome.events), outcome.commands) == ([(OrderRejected, EXIT)], ())
        assert stage.cancels_due == []

    def test_a_second_exit_finds_nothing_left_to_close(self) -> None:
        stage = leaving()
        other = ids.order_id("main", SignalId("cross:BTC-USD:3"))
        stage.handle(exit_approval(other))
        outcome = stage.report(closed(STOP), closed(TARGET))
        assert len(outcome.commands) == 1
        assert (OrderRejected, other) in kinds(outcome.events)

    def test_what_it_waits_for_survives_a_restart(self) -> None:
        stage = restarted(leaving())
        assert stage.cancels_due == [CancelOrder(client_order_id=client(STOP), symbol="BTC-USD")]
        assert len(restarted(stage).report(closed(STOP), closed(TARGET)).commands) == 1


MOVED = ids.order_id("main", SignalId("cross:BTC-USD:3"))
ITS_TARGET = ids.leg_order_id(MOVED, "target")


def move_approval(order_id: OrderId = MOVED, *, target: int | None = 1_100_000) -> OrderApproved:
    moved = replace(exit_approval(order_id), purpose=Purpose.STOP_LOSS, type=OrderType.STOP, trigger_ticks=980_000)
    return replace(moved, bracket=None if target is None else Bracket(target_ticks=target))


def moving(*, target: int | None = 1_100_000) -> Execution:
    """The legs of the entry are gone, and what takes their place is on its way."""
    stage = protected()
    stage.handle(bars_complete(6 * HOUR, (), 6))
    stage.handle(move_approval(target=target))
    stage.handle(decisions())
    stage.report(closed(STOP), closed(TARGET))
    return stage


class TestAMovedStop:
    def test_first_what_protects_now_is_cancelled(self) -> None:
        stage = protected()
        outcome = stage.handle(move_approval())
        assert outcome == Outcome((), (CancelOrder(client_order_id=client(STOP), symbol="BTC-USD"),))
        assert stage.report(closed(STOP)).commands == (
            CancelOrder(client_order_id=client(TARGET), symbol="BTC-USD"),
        ), "one leg closed is not enough"

    def test_then_it_goes_out_with_the_target_as_a_pair_that_ends_one_another(self) -> None:
        stage = protected()
        stage.handle(move_approval())
        outcome = stage.report(closed(STOP), closed(TARGET))
        assert kinds(outcome.events)[2:] == [(OrderSubmitted, MOVED), (OrderSubmitted, ITS_TARGET)]
        (pair,) = outcome.commands
        assert isinstance(pair, SubmitOrderList)
        assert pair.working is None
        assert [(leg.type, leg.stop_ticks, leg.limit_ticks, leg.side, leg.lots) for leg in pair.pending] == [
            (OrderType.STOP, 980_000, None, Side.SELL, LOTS),
            (OrderType.LIMIT, None, 1_100_000, Side.SELL, LOTS),
        ]

    def test_without_a_target_it_goes_alone(self) -> None:
        stage = protected()
        stage.handle(move_approval(target=None))
        (alone,) = stage.report(closed(STOP), closed(TARGET)).commands
        assert isinstance(alone, SubmitOrder)
        assert alone.stop_ticks == 980_000

    @pytest.mark.parametrize("leg", [STOP, TARGET])
    def test_a_leg_that_was_faster_makes_it_superfluous(self, leg: OrderId) -> None:
        stage = protected()
        stage.handle(move_approval())
        outcome = stage.report(filled(leg), closed(TARGET if leg == STOP else STOP))
        assert outcome.commands == ()
        assert kinds(outcome.events)[2:] == [(OrderRejected, MOVED), (OrderRejected, ITS_TARGET)]

    def test_a_leg_that_was_partly_faster_leaves_it_the_rest(self) -> None:
        stage = protected()
        stage.handle(move_approval())
        stage.report(filled(STOP, 4_000, remaining=6_000))
        (pair,) = stage.report(closed(STOP, remaining=6_000), closed(TARGET)).commands
        assert isinstance(pair, SubmitOrderList)
        assert [leg.lots for leg in pair.pending] == [6_000, 6_000]

    def test_when_the_venue_refuses_it_the_position_is_left_at_the_market(self) -> None:
        """The market has passed it meanwhile, and nothing else protects the position any more."""
        outcome = moving().report(refused(MOVED))
        assert kinds(outcome.events) == [(OrderRejected, ITS_TARGET)]
        (instead,) = outcome.commands
        assert isinstance(instead, SubmitOrder)
        assert (instead.type, instead.client_order_id, instead.lots) == (OrderType.MARKET, client(MOVED, 2), LOTS)

    def test_what_the_venue_refuses_again_is_refused(self) -> None:
        stage = moving(target=None)
        stage.report(refused(MOVED))
        again = replace(refused(MOVED), client_order_id=client(MOVED, 2))
        assert kinds(stage.report(again).events)[0] == (OrderRejected, MOVED)

    def test_an_exit_takes_its_place(self) -> None:
        stage = moving()
        stage.report(accepted(MOVED), accepted(ITS_TARGET))
        outcome = stage.handle(exit_approval())
        assert outcome.commands == (CancelOrder(client_order_id=client(MOVED), symbol="BTC-USD"),)
        (leaving,) = stage.report(closed(MOVED), closed(ITS_TARGET)).commands
        assert isinstance(leaving, SubmitOrder)
        assert leaving.client_order_id == client(EXIT)

    def test_one_that_still_waits_gives_way_to_an_exit_and_is_never_sent(self) -> None:
        stage = protected()
        stage.handle(move_approval())
        outcome = stage.handle(exit_approval())
        assert kinds(outcome.events) == [(OrderRejected, MOVED), (OrderRejected, ITS_TARGET)]
        (command,) = stage.report(closed(STOP), closed(TARGET)).commands
        assert isinstance(command, SubmitOrder)
        assert command.client_order_id == client(EXIT)

    def test_one_that_is_refused_while_an_exit_waits_for_it_leaves_the_exit_to_go(self) -> None:
        stage = moving()
        stage.handle(exit_approval())
        outcome = stage.report(refused(MOVED))
        (command,) = outcome.commands
        assert isinstance(command, SubmitOrder)
        assert command.client_order_id == client(EXIT)

    def test_a_pair_that_never_arrived_is_sent_again_whole(self) -> None:
        stage = moving()
        stage.no_answer(MOVED, "timeout")
        (again,) = stage.never_arrived(MOVED).commands
        assert isinstance(again, SubmitOrderList)
        assert again.working is None
        assert [leg.client_order_id for leg in again.pending] == [client(MOVED, 2), client(ITS_TARGET, 2)]

    def test_what_it_waits_for_survives_a_restart(self) -> None:
        stage = protected()
        stage.handle(move_approval())
        stage = restarted(stage)
        assert stage.cancels_due == [CancelOrder(client_order_id=client(STOP), symbol="BTC-USD")]
        (pair,) = restarted(stage).report(closed(STOP), closed(TARGET)).commands
        assert isinstance(pair, SubmitOrderList)

    def test_one_that_is_too_late_leaves_the_legs_where_they_are(self) -> None:
        stage = protected()
        stage.handle(bars_complete(20 * HOUR, (), 20))
        outcome = stage.handle(move_approval())
        assert kinds(outcome.events) == [(OrderRejected, MOVED), (OrderRejected, ITS_TARGET)]
        assert (outcome.commands, stage.cancels_due) == ((), [])


class TestAListInDoubt:
    def test_all_of_it_is_unknown(self) -> None:
        stage = submitted()
        said = stage.no_answer(ENTRY, "timeout")
        assert kinds(said) == [(OrderUnknown, ENTRY), (OrderUnknown, STOP), (OrderUnknown, TARGET)]
        assert stage.no_answer(STOP, "timeout") == []

    @pytest.mark.parametrize("named", [ENTRY, STOP, TARGET])
    def test_one_that_never_arrived_is_sent_again_whole(self, named: OrderId) -> None:
        stage = submitted()
        stage.no_answer(ENTRY, "timeout")
        (command,) = stage.never_arrived(named).commands
        assert isinstance(command, SubmitOrderList)
        assert command.working is not None
        assert command.working.client_order_id == client(ENTRY, 2)
        assert [leg.client_order_id for leg in command.pending] == [client(STOP, 2), client(TARGET, 2)]
        said = stage.report(*(accepted(order_id, 2) for order_id in (ENTRY, STOP, TARGET))).events
        assert [type(event) for event in said] == [OrderAccepted] * 3

    def test_one_that_is_no_longer_valid_is_given_up_whole(self) -> None:
        stage = submitted()
        stage.handle(decisions(5))
        stage.handle(bars_complete(9 * HOUR, (), 9))
        stage.no_answer(ENTRY, "timeout")
        outcome = stage.never_arrived(ENTRY)
        assert outcome.commands == ()
        assert [kind for kind, _ in kinds(outcome.events)] == [*[OrderRejected] * 3, OrdersComplete]

    def test_a_leg_that_the_venue_lost_is_not_sent_alone(self) -> None:
        stage = submitted()
        stage.no_answer(ENTRY, "timeout")
        stage.report(accepted(ENTRY), accepted(TARGET))
        (event,) = stage.never_arrived(STOP).events
        assert isinstance(event, OrderRejected)
        assert (event.order_id, event.reason) == (STOP, "the venue has others of its list, but not this one")


class TestTheBreaker:
    def test_an_open_breaker_takes_back_entries(self) -> None:
        stage = submitted(bracket=None)
        stage.report(accepted(ENTRY))
        assert stage.handle(breaker()).commands == (CancelOrder(client_order_id=client(ENTRY), symbol="BTC-USD"),)
        stage.handle(decisions(5))
        assert kinds(stage.report(closed(ENTRY)).events) == [(OrderCancelled, ENTRY), (OrdersComplete, None)]

    def test_what_protects_or_ends_a_position_stays(self) -> None:
        stage = leaving()
        stage.report(closed(STOP), closed(TARGET))
        stage.report(accepted(EXIT))
        assert stage.handle(breaker()).commands == ()
        assert protected().handle(breaker()).commands == ()

    def test_an_entry_in_doubt_is_taken_back_as_soon_as_it_is_known(self) -> None:
        stage = submitted()
        stage.no_answer(ENTRY, "timeout")
        assert stage.handle(breaker()).commands == ()
        outcome = restarted(stage).report(accepted(ENTRY), accepted(STOP), accepted(TARGET))
        assert outcome.commands == (CancelOrder(client_order_id=client(ENTRY), symbol="BTC-USD"),)

    def test_an_entry_that_never_arrived_is_not_sent_again(self) -> None:
        stage = submitted()
        stage.no_answer(ENTRY, "timeout")
        stage.handle(breaker())
        outcome = stage.never_arrived(ENTRY)
        assert outcome.commands == ()
        assert [kind for kind, _ in kinds(outcome.events)] == [OrderRejected] * 3

    @pytest.mark.parametrize("event", [breaker(is_open=False), replace(breaker(), account="other")])
    def test_a_closed_breaker_and_that_of_another_account_change_nothing(self, event: Event) -> None:
        stage = submitted()
        stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET))
        assert stage.handle(event).commands == ()


@pytest.mark.parametrize("cut", range(9))
def test_a_restart_at_any_point_of_a_protected_trade_changes_nothing(cut: int) -> None:
    steps: list[Callable[[Execution], Outcome]] = [
        lambda stage: stage.handle(approval()),
        lambda stage: Outcome(tuple(stage.no_answer(ENTRY, "timeout"))),
        lambda stage: stage.report(accepted(ENTRY), accepted(STOP), accepted(TARGET)),
        lambda stage: stage.report(filled(ENTRY)),
        lambda stage: stage.handle(exit_approval()),
        lambda stage: stage.handle(decisions()),
        lambda stage: stage.report(filled(STOP, 4_000, remaining=6_000)),
        lambda stage: stage.report(closed(STOP, remaining=6_000), closed(TARGET)),
        lambda stage: stage.report(accepted(EXIT)),
    ]
    stage, reference = Execution(account="main", venue="sim"), Execution(account="main", venue="sim")
    for position, step in enumerate(steps):
        if position == cut:
            stage = restarted(stage)
        assert step(stage) == step(reference)
    assert stage.snapshot() == reference.snapshot()
