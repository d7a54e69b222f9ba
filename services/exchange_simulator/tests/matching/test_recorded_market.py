"""Orders among recorded ones: the queue, trades through a price, and what our own takers consume."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.errors import InvalidData
from n1v1_exchange_simulator.market_events import PublicTrade
from n1v1_exchange_simulator.venue import OrderStatus, ReportKind


def test_the_book_is_what_was_recorded_and_what_clients_have_resting(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10), (99, 20)], asks=[(101, 5)])
    floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(99, 0), (98, 7)], asks=[(101, 6)])
    assert floor.book() == (((100, 14), (98, 7)), ((101, 6),))
    floor.snapshot(bids=[(97, 1)], asks=[])
    assert floor.book() == (((100, 4), (97, 1)), ())


def test_what_a_taker_consumed_stays_gone_until_the_next_word_about_that_level(floor: Any) -> None:
    floor.snapshot(asks=[(101, 5), (102, 5)])
    taker = floor.place("ann", "BUY", 7)
    assert (taker.status, taker.value_quanta) == (OrderStatus.FILLED, 5 * 101 + 2 * 102)
    floor.depth(bids=[(99, 3)])
    assert floor.book()[1] == ((102, 3),)
    floor.depth(asks=[(101, 4)])
    assert floor.book()[1] == ((101, 4), (102, 3))


def test_a_resting_order_fills_once_recorded_trades_have_passed_the_queue_ahead_of_it(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    assert floor.print(100, 7) == []
    reports = floor.print(100, 5)  # 3 were still ahead
    assert [(report.kind, report.trade.lots, report.trade.is_maker) for report in reports] == [
        (ReportKind.TRADE, 2, True)
    ]
    floor.print(100, 9)
    assert (order.status, order.value_quanta) == (OrderStatus.FILLED, 400)


def test_a_taker_on_the_other_side_of_the_same_price_does_not_fill_it(floor: Any) -> None:
    order = floor.place("ann", "BUY", 4, 100)
    floor.print(100, 9, seller_took=False)
    assert order.filled_lots == 0


def test_a_trade_through_the_price_fills_it_whole_at_its_own_price(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    (report,) = floor.print(99, 1)
    assert (order.status, report.trade.ticks, report.trade.lots) == (OrderStatus.FILLED, 100, 4)
    assert floor.venue.last_ticks("COIN-USD") == 99


def test_cancels_shorten_the_queue_before_and_behind_in_proportion(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(100, 20)])  # ten more behind
    floor.depth(bids=[(100, 10)])  # half of twenty cancelled: five of the ten ahead
    assert floor.print(100, 5) == []
    floor.print(100, 4)
    assert order.status is OrderStatus.FILLED


def test_what_recorded_trades_explain_was_not_cancelled(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(100, 20)])
    floor.print(100, 6)  # 4 ahead, 10 behind
    floor.depth(bids=[(100, 14)])  # the same six again
    assert floor.print(100, 4) == []
    floor.print(100, 1)
    assert order.filled_lots == 1


def test_what_our_own_taker_had_was_not_cancelled_either(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.place("bob", "SELL", 4)  # six are left ahead of Ann
    floor.depth(bids=[(100, 5)])  # the market knows nothing of Bob: half of its ten was cancelled
    assert floor.print(100, 3) == []
    floor.print(100, 1)
    assert order.filled_lots == 1


def test_cancels_can_be_ignored(new_floor: Any) -> None:
    floor = new_floor(queue_shrinks_by_cancels=False)
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(100, 20)])
    floor.depth(bids=[(100, 15)])
    assert floor.print(100, 10) == []
    floor.depth(bids=[(100, 2)])
    floor.print(100, 1)
    assert order.filled_lots == 1


def test_nobody_stands_ahead_of_an_order_in_a_level_that_has_gone(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(100, 0)])
    floor.print(100, 3)
    assert order.filled_lots == 3


def test_a_client_takes_recorded_lots_and_other_clients_in_the_order_in_which_they_came(floor: Any) -> None:
    floor.snapshot(bids=[(100, 10)])
    order = floor.place("ann", "BUY", 4, 100)
    floor.depth(bids=[(100, 16)])  # six more behind Ann
    floor.place("bob", "SELL", 9)
    assert order.filled_lots == 0
    floor.place("bob", "SELL", 3)
    assert order.filled_lots == 2
    taker = floor.place("bob", "SELL", 9)
    assert (order.filled_lots, taker.filled_lots, taker.status) == (4, 8, OrderStatus.EXPIRED)


def test_recorded_orders_that_come_to_where_ours_rests_trade_with_it_at_its_price(floor: Any) -> None:
    floor.snapshot(asks=[(105, 9)])
    order = floor.place("ann", "BUY", 10, 100)
    (report,) = floor.depth(asks=[(99, 4), (105, 0), (101, 2)])
    assert (order.filled_lots, report.trade.ticks, report.trade.is_maker) == (4, 100, True)
    assert floor.book() == (((100, 6),), ((101, 2),))


def test_a_recorded_trade_is_printed_less_what_a_client_had_of_it(floor: Any) -> None:
    floor.place("ann", "BUY", 4, 100)
    floor.print(100, 9)
    trades = [event for event in floor.public if isinstance(event, PublicTrade)]
    assert [(trade.number, trade.lots, trade.is_buyer_maker) for trade in trades] == [(1, 4, True), (2, 5, True)]
    assert floor.venue.recent_trades("COIN-USD") == tuple(trades)


def test_an_iceberg_waits_again_behind_the_recorded_lots_with_each_slice(floor: Any) -> None:
    order = floor.place("ann", "BUY", 4, 100, iceberg_lots=2)
    floor.depth(bids=[(100, 5)])
    floor.print(100, 4)  # two of ours, and two of the five behind
    assert order.filled_lots == 2
    floor.print(100, 3)
    assert order.filled_lots == 2
    floor.print(100, 2)
    assert order.filled_lots == 4


def test_without_a_recorded_book_takers_meet_what_the_last_trades_had(new_floor: Any) -> None:
    floor = new_floor(tape_trades=2)
    for lots in (9, 5, 3):
        floor.print(100, lots)
    assert floor.book() == (((100, 8),), ((101, 8),))
    floor.print(102, 1, seller_took=False)
    assert floor.book() == (((101, 4),), ((102, 4),))
    taker = floor.place("ann", "BUY", 3)
    assert (taker.status, taker.value_quanta) == (OrderStatus.FILLED, 306)
    assert floor.book() == (((101, 4),), ((102, 1),))


def test_nobody_queues_behind_what_was_made_of_trades(new_floor: Any) -> None:
    floor = new_floor(tape_trades=2)
    floor.print(100, 9)
    order = floor.place("ann", "BUY", 4, 100)
    floor.print(100, 3)
    assert order.filled_lots == 3


def test_the_first_recorded_depth_takes_the_place_of_what_was_made_of_trades(new_floor: Any) -> None:
    floor = new_floor(tape_trades=2)
    floor.print(100, 9)
    floor.depth(bids=[(98, 2)])
    floor.print(97, 1)
    assert floor.book() == (((98, 2),), ())


def test_bars_and_other_symbols_are_no_words_about_this_book(floor: Any) -> None:
    with pytest.raises(InvalidData, match="expected trades or depth of COIN-USD"):
        floor.venue.apply(PublicTrade(ts_ns=1, symbol="ELSE", number=1, ticks=1, lots=1, is_buyer_maker=True))


def test_the_clock_is_that_of_the_latest_event_and_never_goes_back(floor: Any) -> None:
    for ts_ns in (5, 9, 7):
        floor.venue.apply(PublicTrade(ts_ns=ts_ns, symbol="COIN-USD", number=1, ticks=9, lots=1, is_buyer_maker=True))
    assert floor.venue.clock_ns == 9
