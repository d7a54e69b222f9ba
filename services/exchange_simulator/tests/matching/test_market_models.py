"""What is assumed of a recorded market where it does not say it: impact, latency, a cap on our share, the least fee;
and what happens while it is closed or its fees change. Worked by hand: a tick is a dollar, a lot a coin."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.simulation.rules import SlippageModel
from n1v1.values import OrderType, TimeInForce
from n1v1_exchange_simulator.matching import Commission, MatchingRules
from n1v1_exchange_simulator.venue import OrderStatus

TENTH = 100_000_000
IOC = TimeInForce.IOC


def paid(floor: Any, account: str) -> list[tuple[int, int]]:
    """(price, quantity) of each execution."""
    return [(trade.ticks, trade.lots) for trade in floor.venue.trades(account, "COIN-USD")]


def fees(floor: Any, account: str) -> list[tuple[int, str]]:
    return [(trade.commission, trade.commission_asset) for trade in floor.venue.trades(account, "COIN-USD")]


# --- impact ------------------------------------------------------------------------------------------------------


def test_a_tenth_of_the_minutes_volume_moves_the_price_by_a_tenth_of_the_impact(new_floor: Any) -> None:
    floor = new_floor(impact_model=SlippageModel.LINEAR, impact_ppb=TENTH)
    floor.print(990, 100)
    floor.depth(asks=[(1_000, 50)])
    floor.place("ann", "BUY", 10)
    assert paid(floor, "ann") == [(1_010, 10)]
    assert floor.book() == ((), ((1_000, 40),)), "what he took stood at its own price"


def test_impact_grows_with_the_root_where_the_rules_say_so(new_floor: Any) -> None:
    floor = new_floor(impact_model=SlippageModel.SQUARE_ROOT, impact_ppb=TENTH)
    floor.print(1_000, 100)
    floor.depth(bids=[(1_000, 50)])
    floor.place("ann", "SELL", 25)
    assert paid(floor, "ann") == [(950, 25)]


def test_impact_never_goes_beyond_a_limit_and_clients_pay_each_other_the_price_in_the_book(new_floor: Any) -> None:
    floor = new_floor(impact_model=SlippageModel.LINEAR, impact_ppb=TENTH)
    floor.print(990, 100)
    floor.depth(asks=[(1_000, 5)])
    floor.place("bob", "SELL", 5, 1_001)
    floor.place("ann", "BUY", 10, 1_004)
    assert paid(floor, "ann") == [(1_004, 5), (1_001, 5)]


# --- participation -----------------------------------------------------------------------------------------------


def test_a_taker_gets_his_share_and_waits_for_more_volume(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    floor.print(50, 100)
    floor.depth(asks=[(60, 100)])
    order = floor.place("ann", "BUY", 15, 60)
    assert (order.status, order.filled_lots) == (OrderStatus.PARTIALLY_FILLED, 10)
    assert floor.book() == ((), ((60, 90),)), "the rest is not in the book: it would stand across it"
    floor.print(60, 50, seller_took=False)
    assert (order.status, order.filled_lots) == (OrderStatus.FILLED, 15)


def test_an_order_that_cannot_wait_ends_with_its_share(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    floor.print(50, 100)
    floor.depth(asks=[(60, 100)])
    order = floor.place("ann", "BUY", 15, 60, time_in_force=IOC)
    assert (order.status, order.filled_lots) == (OrderStatus.EXPIRED, 10)


def test_the_share_is_of_the_last_minute_and_all_clients_have_it_together(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    floor.depth(asks=[(60, 100)])
    floor.print(50, 100)
    floor.place("ann", "BUY", 6, 60, time_in_force=IOC)
    assert floor.place("bob", "BUY", 6, 60, time_in_force=IOC).filled_lots == 4
    floor.venue.pass_time(60_000_000_001)
    assert floor.place("cat", "BUY", 6, 60, time_in_force=IOC).filled_lots == 0


def test_resting_orders_get_their_share_of_a_trade_that_went_through_them(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    order = floor.place("ann", "BUY", 30, 50)
    floor.print(49, 100)
    assert order.filled_lots == 10
    floor.depth(asks=[(50, 100)])
    assert floor.book() == ((), ((50, 100),)), "the market has come to its price: it waits outside"
    floor.print(50, 200)
    assert order.status is OrderStatus.FILLED


def test_a_sale_that_waits_for_volume_keeps_its_coins(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    floor.depth(bids=[(60, 2_000)])
    floor.place("ann", "SELL", 800)
    assert floor.coins("ann") == (200, 800)
    assert floor.refused("ann", "SELL", 300)[0] == -2010
    floor.print(60, 9_000)
    assert floor.coins("ann") == (200, 0)


def test_what_waits_for_volume_can_be_cancelled(new_floor: Any) -> None:
    floor = new_floor(participation_ppb=TENTH)
    floor.depth(asks=[(60, 100)])
    order = floor.place("ann", "BUY", 15, 60)
    floor.venue.cancel("ann", "COIN-USD", order.number)
    floor.print(60, 500, seller_took=False)
    assert (order.status, order.filled_lots) == (OrderStatus.CANCELED, 0)
    assert floor.dollars("ann") == (100_000, 0)


# --- latency -----------------------------------------------------------------------------------------------------


def test_an_order_comes_to_the_book_when_its_latency_is_over(new_floor: Any) -> None:
    floor = new_floor(latency_ns=1_000)
    floor.depth(asks=[(50, 10)])
    order = floor.place("ann", "BUY", 10, 55)
    assert (order.status, order.is_working, floor.dollars("ann")) == (OrderStatus.NEW, False, (99_450, 550))
    floor.venue.pass_time(1_000)
    assert order.filled_lots == 0
    floor.venue.pass_time(1_001)
    assert (order.status, order.working_ns) == (OrderStatus.FILLED, 1_001)


def test_meanwhile_others_are_faster_and_a_cancel_is_in_time(new_floor: Any) -> None:
    floor = new_floor(latency_ns=1_000)
    floor.depth(asks=[(50, 10)])
    late, gone = floor.place("ann", "BUY", 10, 50), floor.place("bob", "BUY", 10, 60)
    floor.venue.cancel("bob", "COIN-USD", gone.number)
    floor.depth(asks=[(50, 0), (60, 10)])
    floor.venue.pass_time(2_000)
    assert (late.status, gone.status) == (OrderStatus.NEW, OrderStatus.CANCELED)
    assert floor.book() == (((50, 10),), ((60, 10),))


def test_a_stop_that_the_price_has_passed_on_the_way_triggers_where_it_arrives(new_floor: Any) -> None:
    floor = new_floor(latency_ns=1_000)
    floor.depth(bids=[(40, 10)])
    floor.print(50, 1)
    order = floor.place("ann", "SELL", 5, type=OrderType.STOP, stop_ticks=45)
    floor.print(44, 1)
    assert order.filled_lots == 0
    floor.venue.pass_time(1_001)
    assert paid(floor, "ann") == [(40, 5)]


# --- fees --------------------------------------------------------------------------------------------------------


def test_an_execution_costs_the_least_fee_and_never_more_than_was_traded(new_floor: Any) -> None:
    floor = new_floor(commission=Commission.QUOTE, taker_fee_ppb=10_000_000, min_fee=7)
    floor.depth(asks=[(5, 1), (100, 10)])
    floor.place("ann", "BUY", 11, 100)
    assert fees(floor, "ann") == [(5, "USD"), (10, "USD")]


def test_where_the_base_pays_the_least_fee_is_what_it_buys_of_it(new_floor: Any) -> None:
    floor = new_floor(min_fee=200)
    floor.depth(asks=[(100, 10)])
    floor.place("ann", "BUY", 10, 100)
    assert fees(floor, "ann") == [(2, "COIN")]


def test_new_fees_hold_from_the_next_execution_on(new_floor: Any) -> None:
    floor = new_floor(commission=Commission.QUOTE, taker_fee_ppb=10_000_000)
    floor.depth(asks=[(100, 20)])
    floor.place("ann", "BUY", 10, 100)
    floor.venue.set_fees("COIN-USD", maker_ppb=0, taker_ppb=30_000_000)
    floor.place("ann", "BUY", 10, 100)
    assert fees(floor, "ann") == [(10, "USD"), (30, "USD")]
    assert floor.venue.fee_rates_ppb("COIN-USD") == (0, 30_000_000)


def test_for_orders_that_rest_more_is_set_aside_when_fees_rise(new_floor: Any) -> None:
    floor = new_floor(commission=Commission.QUOTE)
    floor.place("ann", "BUY", 10, 100)
    floor.venue.set_fees("COIN-USD", maker_ppb=50_000_000, taker_ppb=0)
    assert floor.dollars("ann") == (98_950, 1_050)
    floor.print(99, 10)
    assert floor.dollars("ann") == (98_950, 0)


def test_other_fees_are_another_state(new_floor: Any) -> None:
    one, other = new_floor(), new_floor()
    one.venue.set_fees("COIN-USD", maker_ppb=1, taker_ppb=2)
    assert one.venue.state_hash() != other.venue.state_hash()


# --- a closed market -----------------------------------------------------------------------------------------------


def test_nothing_trades_while_the_market_is_closed(floor: Any) -> None:
    order = floor.place("ann", "BUY", 5, 50)
    floor.venue.set_trading("COIN-USD", is_open=False)
    floor.print(40, 100)
    floor.depth(asks=[(45, 10)])
    assert (order.filled_lots, floor.venue.last_ticks("COIN-USD")) == (0, None)


def test_when_it_opens_orders_meet_the_book_as_it_is_then(floor: Any) -> None:
    order = floor.place("ann", "BUY", 5, 50)
    floor.venue.set_trading("COIN-USD", is_open=False)
    floor.depth(asks=[(45, 10)])
    floor.venue.set_trading("COIN-USD", is_open=True)
    assert order.status is OrderStatus.FILLED
    assert floor.book() == ((), ((45, 5),))


def test_what_arrives_while_it_is_closed_waits(new_floor: Any) -> None:
    floor = new_floor(latency_ns=10)
    floor.depth(asks=[(45, 10)])
    order = floor.place("ann", "BUY", 5, 50)
    floor.venue.set_trading("COIN-USD", is_open=False)
    floor.venue.pass_time(20)
    assert order.filled_lots == 0
    floor.venue.set_trading("COIN-USD", is_open=True)
    assert paid(floor, "ann") == [(45, 5)]


@pytest.mark.parametrize(
    "rules",
    [
        {"min_fee": -1},
        {"latency_ns": -1},
        {"participation_ppb": 0},
        {"impact_ppb": 5},
    ],
)
def test_rules_that_mean_nothing_are_refused(rules: dict[str, int]) -> None:
    with pytest.raises(InvalidValue):
        MatchingRules(**rules)  # type: ignore[arg-type]  # all of them are numbers
