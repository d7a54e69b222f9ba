"""Stops of every kind, and what they set off."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.values import OrderType
from n1v1_exchange_simulator.venue import OrderStatus, ReportKind

IMMEDIATELY = (-2010, "Stop price would trigger immediately.")


@pytest.fixture
def at_100(floor: Any) -> Any:
    """Last price 100; a recorded book around it."""
    floor.snapshot(bids=[(99, 50), (95, 50), (90, 50)], asks=[(101, 50), (105, 50), (110, 50)])
    floor.print(100, 1)
    return floor


@pytest.mark.parametrize(
    ("type_", "side", "stop", "price"),
    [
        (OrderType.STOP, "SELL", 95, 95),
        (OrderType.STOP, "BUY", 105, 105),
        (OrderType.TAKE_PROFIT, "SELL", 105, 105),
        (OrderType.TAKE_PROFIT, "BUY", 95, 95),
    ],
)
def test_a_stop_waits_with_its_funds_locked_and_becomes_a_market_order(
    at_100: Any, type_: OrderType, side: str, stop: int, price: int
) -> None:
    order = at_100.place("ann", side, 4, type=type_, stop_ticks=stop)
    assert (order.status, order.is_working, order.working_ns) == (OrderStatus.NEW, False, None)
    locked = at_100.dollars("ann")[1] if side == "BUY" else at_100.coins("ann")[1]
    assert locked == (4 * stop if side == "BUY" else 4)
    towards = 1 if price > 100 else -1
    assert at_100.print(price - towards, 1) == []
    new, trade = at_100.print(price, 1)
    assert (new.kind, new.is_working, new.order) == (ReportKind.NEW, True, order)
    assert (trade.kind, order.status, trade.trade.is_maker) == (ReportKind.TRADE, OrderStatus.FILLED, False)
    assert trade.trade.ticks == (101 if side == "BUY" else 99)
    assert at_100.dollars("ann")[1] == at_100.coins("ann")[1] == 0


@pytest.mark.parametrize(
    ("type_", "side", "stop"),
    [
        (OrderType.STOP, "SELL", 100),
        (OrderType.STOP, "BUY", 100),
        (OrderType.TAKE_PROFIT, "SELL", 99),
        (OrderType.TAKE_PROFIT, "BUY", 101),
    ],
)
def test_a_stop_that_the_price_has_reached_is_refused(at_100: Any, type_: OrderType, side: str, stop: int) -> None:
    assert at_100.refused("ann", side, 4, type=type_, stop_ticks=stop) == IMMEDIATELY


def test_a_stop_limit_rests_at_its_limit_once_triggered(at_100: Any) -> None:
    order = at_100.place("ann", "SELL", 4, 97, type=OrderType.STOP_LIMIT, stop_ticks=98)
    at_100.depth(bids=[(99, 0)])
    (report,) = at_100.print(98, 1)
    assert (order.status, order.is_working, report.kind) == (OrderStatus.NEW, True, ReportKind.NEW)
    assert at_100.book()[1][0] == (97, 4)


def test_stops_set_one_another_off_the_nearest_first(floor: Any) -> None:
    """Ann's stop sells into Cat's bid at 95, which prints 95 and sets off Bob's."""
    floor.place("cat", "BUY", 4, 98)
    floor.place("cat", "BUY", 4, 95)
    floor.place("cat", "BUY", 8, 90)
    floor.print(100, 1, seller_took=False)
    bobs = floor.place("bob", "SELL", 4, type=OrderType.STOP, stop_ticks=96)
    anns = floor.place("ann", "SELL", 6, type=OrderType.STOP, stop_ticks=99)
    floor.place("ann", "SELL", 1, 98)
    assert (anns.status, anns.value_quanta) == (OrderStatus.FILLED, 3 * 98 + 3 * 95)
    assert (bobs.status, bobs.value_quanta) == (OrderStatus.FILLED, 95 + 3 * 90)
    assert floor.venue.last_ticks("COIN-USD") == 90


def test_a_cancelled_stop_does_not_trigger(at_100: Any) -> None:
    order = at_100.place("ann", "SELL", 4, type=OrderType.STOP, stop_ticks=95)
    at_100.venue.cancel("ann", "COIN-USD", order.number)
    assert at_100.print(95, 1) == []
    assert at_100.coins("ann") == (1_000, 0)


def test_a_triggered_purchase_that_has_become_too_dear_buys_what_can_be_paid(new_floor: Any) -> None:
    floor = new_floor()
    floor.snapshot(asks=[(101, 1), (500, 1_000)])
    floor.print(100, 1)
    order = floor.place("ann", "BUY", 990, type=OrderType.STOP, stop_ticks=101)
    assert floor.dollars("ann") == (10, 99_990)
    floor.print(101, 1)
    # 1 at 101, then 199 at 500 out of the 99 899 that are left
    assert (order.status, order.filled_lots, order.value_quanta) == (OrderStatus.EXPIRED, 200, 101 + 199 * 500)
    assert floor.dollars("ann") == (399, 0)


def test_a_trailing_stop_follows_the_best_price_and_sells_when_it_turns(at_100: Any) -> None:
    order = at_100.place("ann", "SELL", 4, type=OrderType.TRAILING_STOP, trail_ppb=100_000_000)
    assert order.stop_ticks == 90
    at_100.print(110, 1)
    assert order.stop_ticks == 99
    at_100.print(105, 1)
    assert (order.stop_ticks, order.is_open) == (99, True)
    at_100.print(99, 1)
    assert order.status is OrderStatus.FILLED


def test_a_trailing_purchase_is_reckoned_at_its_stop_and_moves_in_steps(at_100: Any) -> None:
    order = at_100.place(
        "ann", "BUY", 4, type=OrderType.TRAILING_STOP, trail_ppb=100_000_000, trail_step_ppb=50_000_000
    )
    assert (order.stop_ticks, at_100.dollars("ann")[1]) == (110, 440)
    at_100.print(96, 1)
    assert order.stop_ticks == 110
    at_100.print(95, 1)
    assert order.stop_ticks == 105  # 104.5, rounded away from the price


def test_a_first_stop_of_its_own_holds_until_the_trail_is_nearer(at_100: Any) -> None:
    order = at_100.place("ann", "SELL", 4, type=OrderType.TRAILING_STOP, stop_ticks=97, trail_ppb=50_000_000)
    assert order.stop_ticks == 97
    at_100.print(104, 1)
    assert order.stop_ticks == 98


def test_a_take_profit_that_trails_begins_to_follow_at_its_stop(at_100: Any) -> None:
    order = at_100.place("ann", "SELL", 4, type=OrderType.TAKE_PROFIT, stop_ticks=110, trail_ppb=50_000_000)
    at_100.print(120, 1)
    assert (order.is_open, order.stop_ticks) == (True, 114)
    at_100.print(114, 1)
    assert order.status is OrderStatus.FILLED
