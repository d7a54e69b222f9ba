"""OCO, OTO and OTOCO: what one order of a list does to the others. Nobody pays fees unless it is said."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.values import OrderType, TimeInForce
from n1v1_exchange_simulator.venue import (
    ExpiryReason,
    ListKind,
    ListReport,
    NewOrderList,
    OrderReport,
    OrderStatus,
    Refused,
    ReportKind,
    SelfTradePrevention,
)


def stop(floor: Any, lots: int, ticks: int, **more: Any) -> Any:
    return floor.order("SELL", lots, type=OrderType.STOP, stop_ticks=ticks, **more)


def placed_oco(floor: Any) -> tuple[Any, Any]:
    floor.print(100, 1)
    (below, above), _ = floor.place_list(
        "ann", "OCO", None, stop(floor, 10, 90), floor.order("SELL", 10, 110, is_post_only=True)
    )
    return below, above


def placed_otoco(floor: Any, lots: int = 10) -> tuple[Any, Any, Any]:
    """Buy at 100, stop at 90, target at 110."""
    floor.print(101, 1)
    (entry, below, above), _ = floor.place_list(
        "ann",
        "OTOCO",
        floor.order("BUY", lots, 100),
        stop(floor, lots, 90, reduces_only=True),
        floor.order("SELL", lots, 110, reduces_only=True),
    )
    return entry, below, above


def test_the_legs_of_an_oco_lock_their_quantity_once(floor: Any) -> None:
    below, above = placed_oco(floor)
    assert floor.coins("ann") == (990, 10)
    assert (below.is_working, above.is_working) == (False, True)
    (order_list,) = floor.venue.lists("ann")
    assert (order_list.number, order_list.order_numbers, order_list.is_done) == (1, (1, 2), False)
    assert below.list_number == above.list_number == 1


def test_the_first_fill_of_an_oco_expires_the_stop(floor: Any) -> None:
    below, above = placed_oco(floor)
    reports = floor.print(110, 4, seller_took=False)
    assert (above.status, above.filled_lots) == (OrderStatus.PARTIALLY_FILLED, 4)
    assert (below.status, reports[-1].expiry) == (OrderStatus.EXPIRED, ExpiryReason.OCO_TRIGGER)
    assert below.lots == 10
    assert floor.coins("ann") == (990, 6)
    assert not floor.venue.lists("ann")[0].is_done


def test_the_legs_of_an_oco_may_share_instead(new_floor: Any) -> None:
    floor = new_floor(oco_legs_share=True)
    below, above = placed_oco(floor)
    floor.print(110, 4, seller_took=False)
    assert (below.status, below.open_lots, below.lots) == (OrderStatus.NEW, 6, 6)
    assert floor.coins("ann") == (990, 6)
    assert above.is_open


def test_the_stop_of_an_oco_expires_the_limit_before_it_sells(floor: Any) -> None:
    below, above = placed_oco(floor)
    floor.snapshot(bids=[(89, 10)])
    reports = floor.print(90, 1)
    assert [(report.order, report.kind) for report in reports] == [
        (above, ReportKind.EXPIRED),
        (below, ReportKind.NEW),
        (below, ReportKind.TRADE),
    ]
    assert (below.status, below.value_quanta) == (OrderStatus.FILLED, 890)
    assert floor.coins("ann") == (990, 0)
    assert floor.venue.lists("ann")[0].is_done


def test_cancelling_one_leg_cancels_the_list_and_names_the_asked_for_order_first(floor: Any) -> None:
    _, above = placed_oco(floor)
    reports = floor.venue.cancel("ann", "COIN-USD", above.number, name="away")
    of_orders = [report for report in reports if isinstance(report, OrderReport)]
    assert [(report.order.number, report.status, report.cancel_name) for report in of_orders] == [
        (2, OrderStatus.CANCELED, "away"),
        (1, OrderStatus.CANCELED, "away"),
    ]
    assert isinstance(reports[-1], ListReport)
    assert reports[-1].order_list.is_done
    assert floor.coins("ann") == (1_000, 0)
    assert isinstance(floor.venue.cancel_list("ann", "COIN-USD", 1), Refused)


@pytest.mark.parametrize(("stop_at", "limit_at"), [(100, 110), (90, 100), (110, 90), (95, 90)])
def test_the_last_price_is_between_the_legs_of_an_oco(floor: Any, stop_at: int, limit_at: int) -> None:
    floor.print(100, 1)
    pending = (stop(floor, 10, stop_at), floor.order("SELL", 10, limit_at))
    refused = floor.venue.place_list("ann", NewOrderList(kind=ListKind.OCO, name="", working=None, pending=pending))
    assert refused == Refused(code=-2010, reason="The relationship of the prices for the orders is not correct.")


def test_a_buyers_oco_has_its_stop_above(floor: Any) -> None:
    floor.print(100, 1)
    floor.place_list(
        "ann",
        "OCO",
        None,
        floor.order("BUY", 10, 112, type=OrderType.STOP_LIMIT, stop_ticks=110),
        floor.order("BUY", 10, 90),
    )
    assert floor.dollars("ann") == (100_000 - 1_120, 1_120)  # the dearer of both


def test_pending_legs_wait_without_funds_and_live_for_what_the_entry_fills(floor: Any) -> None:
    entry, below, above = placed_otoco(floor)
    assert [order.status for order in (entry, below, above)] == [
        OrderStatus.NEW,
        OrderStatus.PENDING_NEW,
        OrderStatus.PENDING_NEW,
    ]
    assert (floor.dollars("ann")[1], floor.coins("ann")[1]) == (1_000, 0)
    floor.print(100, 4)
    assert (below.status, below.open_lots, above.open_lots) == (OrderStatus.NEW, 4, 4)
    assert floor.book()[1] == ((110, 4),)
    assert floor.coins("ann") == (1_000, 4)
    floor.print(100, 6)
    assert (entry.status, below.open_lots) == (OrderStatus.FILLED, 10)
    assert floor.book()[1] == ((110, 10),)
    assert floor.coins("ann") == (1_000, 10)


def test_what_one_leg_fills_the_other_gives_up_and_when_it_is_done_the_other_is_too(floor: Any) -> None:
    _, below, above = placed_otoco(floor)
    floor.print(100, 10)
    floor.print(110, 3, seller_took=False)
    assert (above.filled_lots, below.status, below.open_lots) == (3, OrderStatus.NEW, 7)
    floor.print(110, 7, seller_took=False)
    assert (above.status, below.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)
    assert floor.coins("ann") == (1_000, 0)
    assert floor.dollars("ann") == (100_100, 0)


def test_a_leg_that_fills_or_triggers_cuts_the_rest_of_the_entry_short(floor: Any) -> None:
    entry, below, above = placed_otoco(floor)
    floor.print(100, 4)
    floor.print(110, 1, seller_took=False)
    assert (entry.status, entry.filled_lots) == (OrderStatus.EXPIRED, 4)
    assert (above.lots, above.filled_lots, below.open_lots) == (4, 1, 3)
    floor.snapshot(bids=[(89, 10)])
    floor.print(90, 1)
    assert (below.status, below.filled_lots, above.status) == (OrderStatus.FILLED, 3, OrderStatus.EXPIRED)
    assert floor.coins("ann") == (1_000, 0)


def test_a_leg_does_not_trade_with_its_own_entry(floor: Any) -> None:
    none = {"self_trade_prevention": SelfTradePrevention.NONE}
    (entry, leg), _ = floor.place_list(
        "ann", "OTO", floor.order("BUY", 10, 100, **none), floor.order("SELL", 10, 99, **none)
    )
    floor.print(100, 4)
    assert (entry.status, entry.filled_lots) == (OrderStatus.EXPIRED, 4)
    assert (leg.status, leg.lots, leg.filled_lots) == (OrderStatus.NEW, 4, 0)
    assert floor.book() == ((), ((99, 4),))


def test_an_entry_that_ends_unfilled_takes_its_legs_with_it(floor: Any) -> None:
    entry, below, above = placed_otoco(floor)
    reports = floor.venue.cancel("ann", "COIN-USD", entry.number)
    assert entry.status is OrderStatus.CANCELED
    assert (below.status, above.status) == (OrderStatus.EXPIRED, OrderStatus.EXPIRED)
    assert [report.expiry for report in reports if isinstance(report, OrderReport)] == [
        ExpiryReason.NONE,
        ExpiryReason.OTO_PHASE_ONE_EXPIRED,
        ExpiryReason.OTO_PHASE_ONE_EXPIRED,
    ]
    assert floor.venue.open_orders("ann") == []


def test_an_entry_that_is_cancelled_half_filled_leaves_its_legs_to_protect_that(floor: Any) -> None:
    entry, below, above = placed_otoco(floor)
    floor.print(100, 4)
    floor.venue.cancel("ann", "COIN-USD", entry.number)
    assert (below.is_open, below.lots, above.lots) == (True, 4, 4)
    floor.print(110, 4, seller_took=False)
    assert (above.status, below.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)


def test_legs_of_a_market_entry_live_within_the_same_call(floor: Any) -> None:
    floor.snapshot(bids=[(99, 5)], asks=[(101, 20)])
    floor.print(100, 1)
    (entry, leg), reports = floor.place_list("ann", "OTO", floor.order("BUY", 10), stop(floor, 10, 90))
    assert (entry.status, leg.status, leg.open_lots) == (OrderStatus.FILLED, OrderStatus.NEW, 10)
    kinds = [(report.order.number, report.kind) for report in reports if isinstance(report, OrderReport)]
    assert kinds == [
        (2, ReportKind.NEW),
        (1, ReportKind.NEW),
        (1, ReportKind.TRADE),
        (2, ReportKind.NEW),
    ]


def test_a_leg_whose_stop_is_already_reached_sells_at_once(floor: Any) -> None:
    floor.snapshot(bids=[(94, 50)], asks=[(100, 20)])
    floor.print(95, 1)
    (entry, leg), _ = floor.place_list(
        "ann", "OTO", floor.order("BUY", 10, 100), floor.order("SELL", 10, type=OrderType.TAKE_PROFIT, stop_ticks=98)
    )
    assert (entry.status, leg.status, leg.value_quanta) == (OrderStatus.FILLED, OrderStatus.FILLED, 940)


def test_a_leg_that_may_only_reduce_is_cut_to_what_the_fee_has_left(new_floor: Any) -> None:
    floor = new_floor(maker_fee_ppb=100_000_000)
    floor.venue.deposit("ann", "COIN", -1_000)
    _, below, above = placed_otoco(floor)
    floor.print(100, 10)
    assert (below.open_lots, above.lots, floor.coins("ann")) == (9, 9, (0, 9))


def test_a_leg_that_cannot_be_funded_ends_with_its_list(new_floor: Any) -> None:
    floor = new_floor(maker_fee_ppb=100_000_000)
    floor.venue.deposit("ann", "COIN", -1_000)
    floor.print(101, 1)
    (entry, leg), _ = floor.place_list("ann", "OTO", floor.order("BUY", 10, 100), stop(floor, 10, 90))
    floor.print(100, 10)
    assert (entry.status, leg.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)
    assert floor.venue.lists("ann")[0].is_done


def test_a_working_order_that_expires_unfilled_ends_the_list_in_the_same_call(floor: Any) -> None:
    (entry, leg), reports = floor.place_list(
        "ann", "OTO", floor.order("BUY", 10, 100, time_in_force=TimeInForce.IOC), stop(floor, 10, 90)
    )
    assert (entry.status, leg.status) == (OrderStatus.EXPIRED, OrderStatus.EXPIRED)
    told = [report.order_list.is_done for report in reports if isinstance(report, ListReport)]
    assert told == [False, True]


def test_lists_that_make_no_sense_are_refused_and_change_nothing(floor: Any) -> None:
    floor.print(100, 1)
    before = floor.venue.state_hash()
    one, other = stop(floor, 10, 90), floor.order("SELL", 10, 110)
    same_name = floor.order("SELL", 10, 110, client_order_id=one.client_order_id)
    uneven = floor.order("SELL", 9, 110)
    buyer = floor.order("BUY", 10, 95)
    refusals = {
        (kind, pending): floor.venue.place_list(
            "ann", NewOrderList(kind=kind, name="", working=working, pending=pending)
        )
        for kind, working, pending in (
            (ListKind.OCO, None, (one,)),
            (ListKind.OTO, None, (one,)),
            (ListKind.OCO, None, (one, same_name)),
            (ListKind.OCO, None, (one, uneven)),
            (ListKind.OCO, None, (one, buyer)),
            (ListKind.OCO, None, (other, floor.order("SELL", 10, 111))),
        )
    }
    codes = [refused.code for refused in refusals.values() if isinstance(refused, Refused)]
    assert codes == [-1165, -1165, -2010, -1165, -1165, -1165]
    assert floor.venue.state_hash() == before
