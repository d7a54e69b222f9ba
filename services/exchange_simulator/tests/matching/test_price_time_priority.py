"""Who trades with whom, at what price, and what is left. A tick is a dollar, a lot a coin."""

from __future__ import annotations

from typing import Any

from n1v1.values import TimeInForce
from n1v1_exchange_simulator.market_events import DepthChange, PublicTrade
from n1v1_exchange_simulator.venue import ExpiryReason, OrderStatus, ReportKind, Venue


def test_it_is_a_venue(floor: Any) -> None:
    venue: Venue = floor.venue
    assert venue.accounts() == ("ann", "bob", "cat")


def test_the_best_price_trades_first_and_at_one_price_the_first_that_came(floor: Any) -> None:
    late = floor.place("ann", "SELL", 5, 101)
    first = floor.place("ann", "SELL", 5, 100)
    second = floor.place("bob", "SELL", 5, 100)
    taker, reports = floor.placed("cat", "BUY", 7, 101)
    assert (first.filled_lots, second.filled_lots, late.filled_lots) == (5, 2, 0)
    assert taker.status is OrderStatus.FILLED
    assert taker.value_quanta == 700
    assert [(report.account, report.kind) for report in reports] == [
        ("cat", ReportKind.NEW),
        ("cat", ReportKind.TRADE),
        ("ann", ReportKind.TRADE),
        ("cat", ReportKind.TRADE),
        ("bob", ReportKind.TRADE),
    ]
    assert floor.book() == ((), ((100, 3), (101, 5)))


def test_the_price_of_a_trade_is_the_makers_and_what_the_taker_saves_is_released(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    taker = floor.place("bob", "BUY", 10, 110)
    assert (taker.status, taker.filled_lots, taker.value_quanta) == (OrderStatus.PARTIALLY_FILLED, 4, 400)
    assert floor.dollars("bob") == (100_000 - 400 - 660, 660)
    assert floor.coins("bob") == (1_004, 0)
    assert floor.dollars("ann") == (100_400, 0)
    assert floor.coins("ann") == (996, 0)


def test_both_sides_of_a_trade_have_its_number_and_the_public_sees_it_once(floor: Any) -> None:
    floor.place("ann", "BUY", 3, 100)
    floor.place("bob", "SELL", 3, 100)
    (maker,), (taker,) = (floor.venue.trades(account, "COIN-USD") for account in ("ann", "bob"))
    assert (maker.number, maker.is_maker, taker.number, taker.is_maker) == (1, True, 1, False)
    trades = [event for event in floor.public if isinstance(event, PublicTrade)]
    assert [(trade.number, trade.ticks, trade.lots, trade.is_buyer_maker) for trade in trades] == [(1, 100, 3, True)]


def test_depth_changes_leave_no_update_id_out_and_say_what_the_book_is(floor: Any) -> None:
    floor.place("ann", "BUY", 3, 100)
    floor.place("ann", "BUY", 3, 99)
    floor.place("bob", "SELL", 4, 99)
    changes = [event for event in floor.public if isinstance(event, DepthChange)]
    assert [(change.first_id, change.last_id, change.bids) for change in changes] == [
        (1, 1, ((100, 3),)),
        (2, 2, ((99, 3),)),
        (3, 4, ((100, 0), (99, 2))),
    ]
    assert floor.venue.book("COIN-USD", 5).last_id == 4


def test_an_ioc_order_takes_what_is_there_and_the_rest_expires(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    taker, reports = floor.placed("bob", "BUY", 10, 100, time_in_force=TimeInForce.IOC)
    assert (taker.status, taker.filled_lots) == (OrderStatus.EXPIRED, 4)
    assert reports[-1].expiry is ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED
    assert floor.dollars("bob") == (99_600, 0)
    assert floor.book() == ((), ())


def test_a_fok_order_fills_whole_over_several_levels_or_not_at_all(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    floor.place("ann", "SELL", 4, 101)
    whole = floor.place("bob", "BUY", 8, 101, time_in_force=TimeInForce.FOK)
    assert (whole.status, whole.value_quanta) == (OrderStatus.FILLED, 804)
    floor.place("ann", "SELL", 4, 100)
    not_whole, reports = floor.placed("bob", "BUY", 5, 101, time_in_force=TimeInForce.FOK)
    assert (not_whole.status, not_whole.filled_lots) == (OrderStatus.EXPIRED, 0)
    assert reports[-1].expiry is ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED
    assert floor.book() == ((), ((100, 4),))


def test_a_post_only_order_that_would_take_is_refused_and_one_that_would_not_rests(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    refused = floor.refused("bob", "BUY", 1, 100, is_post_only=True)
    assert refused == (-2010, "Order would immediately match and take.")
    assert floor.place("bob", "BUY", 1, 99, is_post_only=True).is_working


def test_a_market_order_sweeps_the_book_and_expires_with_what_it_cannot_get(floor: Any) -> None:
    floor.place("ann", "BUY", 4, 100)
    floor.place("ann", "BUY", 4, 90)
    taker, reports = floor.placed("bob", "SELL", 10)
    assert (taker.status, taker.filled_lots, taker.value_quanta) == (OrderStatus.EXPIRED, 8, 760)
    assert [report.status for report in reports if report.account == "bob"] == [
        OrderStatus.NEW,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.EXPIRED,
    ]
    assert reports[-1].expiry is ExpiryReason.INSUFFICIENT_LIQUIDITY


def test_a_market_order_in_an_empty_book_expires_unfilled(floor: Any) -> None:
    order = floor.place("bob", "SELL", 10)
    assert (order.status, order.filled_lots) == (OrderStatus.EXPIRED, 0)


def test_a_purchase_by_amount_spends_as_much_as_whole_steps_allow(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    floor.place("ann", "SELL", 4, 110)
    order = floor.place("bob", "BUY", 0, spend_quanta=650)
    # 4 at 100, and with the 250 that are left 2 at 110
    assert (order.status, order.filled_lots, order.lots, order.value_quanta) == (OrderStatus.FILLED, 6, 6, 620)
    assert floor.dollars("bob") == (99_380, 0)


def test_a_purchase_by_amount_expires_when_the_book_ends_first(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    order, reports = floor.placed("bob", "BUY", 0, spend_quanta=650)
    assert (order.status, order.filled_lots, order.lots) == (OrderStatus.EXPIRED, 4, 4)
    assert reports[-1].expiry is ExpiryReason.INSUFFICIENT_LIQUIDITY


def test_a_purchase_that_spends_exactly_the_last_of_the_book_is_filled(floor: Any) -> None:
    floor.place("ann", "SELL", 4, 100)
    assert floor.place("bob", "BUY", 0, spend_quanta=400).status is OrderStatus.FILLED


def test_a_sale_by_amount_sells_no_more_than_brings_it(floor: Any) -> None:
    floor.place("ann", "BUY", 4, 100)
    floor.place("ann", "BUY", 4, 90)
    order = floor.place("bob", "SELL", 0, spend_quanta=500)
    assert (order.status, order.filled_lots, order.value_quanta) == (OrderStatus.FILLED, 5, 490)


def test_an_order_by_amount_is_refused_where_the_book_has_nothing_for_it(floor: Any) -> None:
    answer = (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity.")
    assert floor.refused("bob", "BUY", 0, spend_quanta=650) == answer
    floor.place("ann", "SELL", 4, 100)
    assert floor.refused("bob", "BUY", 0, spend_quanta=99) == answer


def test_an_iceberg_shows_a_slice_and_goes_to_the_end_of_the_queue_with_the_next(floor: Any) -> None:
    iceberg = floor.place("ann", "SELL", 10, 100, iceberg_lots=3)
    other = floor.place("bob", "SELL", 5, 100)
    assert floor.book() == ((), ((100, 8),))
    floor.place("cat", "BUY", 5, 100)
    assert (iceberg.filled_lots, other.filled_lots) == (3, 2)
    assert floor.book() == ((), ((100, 6),))
    floor.place("cat", "BUY", 7, 100)
    assert (iceberg.filled_lots, other.filled_lots) == (7, 5)
    assert floor.book() == ((), ((100, 2),))
    floor.place("cat", "BUY", 3, 100, time_in_force=TimeInForce.FOK)
    assert iceberg.status is OrderStatus.FILLED
    assert floor.book() == ((), ())


def test_an_order_by_date_expires_at_its_moment_and_frees_what_it_held(floor: Any) -> None:
    order = floor.place("ann", "BUY", 5, 100, time_in_force=TimeInForce.GTD, expires_ns=50)
    assert floor.venue.pass_time(49) == []
    (report,) = floor.venue.pass_time(60)
    assert (report.order, report.status, report.expiry, report.ts_ns) == (
        order,
        OrderStatus.EXPIRED,
        ExpiryReason.GOOD_TILL_DATE,
        50,
    )
    assert floor.dollars("ann") == (100_000, 0)
    assert floor.venue.clock_ns == 60
    again = floor.refused("ann", "BUY", 5, 100, time_in_force=TimeInForce.GTD, expires_ns=60)
    assert again == (-2010, "Order would expire immediately.")


def test_a_closed_market_takes_no_orders_and_lets_go_those_it_has(floor: Any) -> None:
    order = floor.place("ann", "BUY", 5, 100)
    floor.venue.set_trading("COIN-USD", is_open=False)
    assert floor.refused("ann", "BUY", 5, 100) == (-1013, "Market is closed.")
    floor.venue.cancel("ann", "COIN-USD", order.number)
    assert order.status is OrderStatus.CANCELED
    floor.venue.set_trading("COIN-USD", is_open=True)
    assert floor.place("ann", "BUY", 5, 100).is_open
