"""Locks, fees, refusals for want of funds, names, and orders that become smaller."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.errors import InvalidValue, UnknownName
from n1v1.values import OrderType
from n1v1_exchange_simulator.matching import Commission, FeeToken
from n1v1_exchange_simulator.venue import BalanceReport, OrderStatus, Refused, ReportKind

INSUFFICIENT = (-2010, "Account has insufficient balance for requested action.")
TEN_PERCENT, FIVE_PERCENT = 100_000_000, 50_000_000


def test_what_is_locked_cannot_be_spent_twice(floor: Any) -> None:
    order = floor.place("ann", "BUY", 900, 100)
    assert floor.dollars("ann") == (10_000, 90_000)
    assert floor.refused("ann", "BUY", 101, 100) == INSUFFICIENT
    assert floor.venue.deposit("ann", "USD", -10_001) == Refused(code=INSUFFICIENT[0], reason=INSUFFICIENT[1])
    floor.venue.cancel("ann", "COIN-USD", order.number)
    assert floor.place("ann", "BUY", 101, 100).is_open


def test_a_market_purchase_is_refused_when_the_sweep_would_cost_too_much(floor: Any) -> None:
    floor.snapshot(asks=[(100, 500), (200, 1_000)])
    assert floor.refused("ann", "BUY", 751) == INSUFFICIENT
    assert floor.place("ann", "BUY", 750).status is OrderStatus.FILLED
    assert floor.dollars("ann") == (0, 0)


def test_a_sale_of_more_than_is_there_is_refused(floor: Any) -> None:
    assert floor.refused("ann", "SELL", 1_001, 100) == INSUFFICIENT
    assert floor.refused("ann", "SELL", 1_001) == INSUFFICIENT


def test_fees_are_taken_out_of_what_is_received_and_rounded_down(new_floor: Any) -> None:
    floor = new_floor(maker_fee_ppb=FIVE_PERCENT, taker_fee_ppb=TEN_PERCENT)
    floor.place("ann", "SELL", 15, 101)
    floor.place("bob", "BUY", 15, 101)
    (taker,), (maker,) = (floor.venue.trades(account, "COIN-USD") for account in ("bob", "ann"))
    assert (taker.commission, taker.commission_asset) == (1, "COIN")  # 1.5
    assert (maker.commission, maker.commission_asset) == (75, "USD")  # 5 % of 1515 are 75.75
    assert (floor.coins("bob"), floor.dollars("ann")) == ((1_014, 0), (101_440, 0))
    assert floor.venue.fees() == {"COIN": 1, "USD": 75}


def test_fees_in_the_quote_are_locked_with_the_order_at_the_dearer_rate(new_floor: Any) -> None:
    floor = new_floor(maker_fee_ppb=FIVE_PERCENT, taker_fee_ppb=TEN_PERCENT, commission=Commission.QUOTE)
    floor.place("ann", "BUY", 15, 101)
    assert floor.dollars("ann") == (100_000 - 1_515 - 151, 1_666)
    floor.place("bob", "SELL", 5, 101)
    floor.place("bob", "SELL", 10, 101)
    assert floor.dollars("ann") == (100_000 - 1_515 - 25 - 50, 0)
    assert floor.coins("ann") == (1_015, 0)
    assert floor.dollars("bob") == (100_000 + 1_515 - 50 - 101, 0)


def test_a_token_pays_fees_at_a_discount_while_it_lasts(new_floor: Any) -> None:
    token = FeeToken(asset="TOK", price_quanta=50, discount_ppb=250_000_000)
    floor = new_floor(taker_fee_ppb=TEN_PERCENT, fee_token=token)
    floor.venue.deposit("bob", "TOK", 200_000_000)
    floor.place("ann", "SELL", 20, 100)
    floor.place("bob", "BUY", 10, 100)
    # 10 % of 1000 less a quarter are 75 dollars, or one and a half tokens
    assert floor.venue.balances("bob")["TOK"] == (50_000_000, 0)
    assert floor.coins("bob") == (1_010, 0)
    floor.place("bob", "BUY", 10, 100)
    assert floor.venue.trades("bob", "COIN-USD")[-1].commission_asset == "COIN"
    assert floor.coins("bob") == (1_019, 0)


def test_an_order_that_only_reduces_is_cut_to_what_is_held(floor: Any) -> None:
    floor.place("ann", "SELL", 990, 100)
    order = floor.place("ann", "SELL", 50, 100, reduces_only=True)
    assert order.lots == 10
    nothing = (-2022, "ReduceOnly Order is rejected.")
    assert floor.refused("ann", "SELL", 50, 100, reduces_only=True) == nothing
    assert floor.refused("ann", "BUY", 50, 90, reduces_only=True) == nothing


def test_a_name_is_free_again_once_its_order_is_closed(floor: Any) -> None:
    first = floor.place("ann", "BUY", 1, 100, client_order_id="same")
    assert floor.refused("ann", "BUY", 1, 100, client_order_id="same") == (-2010, "Duplicate order sent.")
    assert floor.place("bob", "BUY", 1, 100, client_order_id="same").is_open
    floor.venue.cancel("ann", "COIN-USD", first.number)
    second = floor.place("ann", "BUY", 1, 100, client_order_id="same")
    assert floor.venue.named("ann", "COIN-USD", "same") is second
    assert floor.venue.order("ann", "COIN-USD", first.number) is first


def test_a_closed_or_foreign_order_cannot_be_cancelled(floor: Any) -> None:
    order = floor.place("ann", "BUY", 1, 100)
    unknown = Refused(code=-2011, reason="Unknown order sent.")
    assert floor.venue.cancel("bob", "COIN-USD", order.number) == unknown
    assert floor.venue.cancel("ann", "ELSE", order.number) == unknown
    assert floor.venue.cancel("ann", "COIN-USD", 99) == unknown
    assert floor.venue.cancel("ann", "COIN-USD", order.number) != unknown
    assert floor.venue.cancel("ann", "COIN-USD", order.number) == unknown


def test_a_smaller_order_keeps_its_place_in_the_queue_and_frees_the_rest(floor: Any) -> None:
    first = floor.place("ann", "SELL", 10, 100)
    floor.place("bob", "SELL", 10, 100)
    (report,) = floor.venue.amend("ann", "COIN-USD", first.number, lots=4, client_order_id="smaller")
    assert (report.kind, report.previous_name, report.order.request.client_order_id) == (
        ReportKind.REPLACED,
        "order-1",
        "smaller",
    )
    assert floor.book() == ((), ((100, 14),))
    assert floor.coins("ann") == (996, 4)
    floor.place("cat", "BUY", 4, 100)
    assert first.status is OrderStatus.FILLED
    assert floor.venue.named("ann", "COIN-USD", "order-1") is None
    assert floor.venue.named("ann", "COIN-USD", "smaller") is first


def test_an_iceberg_shows_less_only_when_it_becomes_smaller_than_its_slice(floor: Any) -> None:
    order = floor.place("ann", "SELL", 10, 100, iceberg_lots=4)
    floor.venue.amend("ann", "COIN-USD", order.number, lots=6, client_order_id="")
    assert floor.book() == ((), ((100, 4),))
    floor.venue.amend("ann", "COIN-USD", order.number, lots=3, client_order_id="")
    assert floor.book() == ((), ((100, 3),))


@pytest.mark.parametrize(
    ("lots", "code", "reason"),
    [
        (10, -2038, "The requested action would change no state; rejecting"),
        (11, -2038, "Order amend (quantity increase) is not supported."),
        (4, -1013, "Filter failure: LOT_SIZE"),
    ],
)
def test_an_amendment_only_makes_smaller_and_not_less_than_what_is_filled(
    floor: Any, lots: int, code: int, reason: str
) -> None:
    order = floor.place("ann", "SELL", 10, 100)
    floor.place("bob", "BUY", 4, 100)
    refused = floor.venue.amend("ann", "COIN-USD", order.number, lots=lots, client_order_id="new")
    assert refused == Refused(code=code, reason=reason)


def test_amending_one_leg_of_an_oco_makes_both_smaller(floor: Any) -> None:
    floor.print(100, 1)
    below = floor.order("SELL", 10, type=OrderType.STOP, stop_ticks=90)
    (first, second), _ = floor.place_list("ann", "OCO", None, below, floor.order("SELL", 10, 110))
    floor.venue.amend("ann", "COIN-USD", second.number, lots=6, client_order_id="")
    assert (first.lots, second.lots, floor.coins("ann")) == (6, 6, (994, 6))


def test_a_leg_that_lives_in_part_is_amended_as_a_whole(floor: Any) -> None:
    """The entry has filled 4 of 10; the leg, made smaller to 5, goes on with its 4 and grows by one at most."""
    (entry, leg), _ = floor.place_list("ann", "OTO", floor.order("BUY", 10, 100), floor.order("SELL", 10, 110))
    floor.print(100, 4)
    floor.venue.amend("ann", "COIN-USD", leg.number, lots=5, client_order_id="")
    assert floor.book() == (((100, 6),), ((110, 4),))
    floor.print(100, 6)
    assert (entry.status, floor.book()) == (OrderStatus.FILLED, ((), ((110, 5),)))


def test_an_amendment_cannot_take_the_name_of_another_open_order(floor: Any) -> None:
    order = floor.place("ann", "SELL", 10, 100)
    floor.place("ann", "SELL", 10, 100, client_order_id="other")
    refused = floor.venue.amend("ann", "COIN-USD", order.number, lots=5, client_order_id="other")
    assert refused == Refused(code=-2010, reason="Duplicate order sent.")


def test_deposits_and_withdrawals_are_reported(floor: Any) -> None:
    (report,) = floor.venue.deposit("ann", "USD", 500)
    assert isinstance(report, BalanceReport)
    assert (report.asset, report.change, report.balance) == ("USD", 500, (100_500, 0))


def test_an_account_is_opened_once_and_asked_for_by_its_name(floor: Any) -> None:
    with pytest.raises(InvalidValue, match="already open"):
        floor.venue.open_account("ann", {})
    with pytest.raises(InvalidValue, match="cannot open with -1 of USD"):
        floor.venue.open_account("dan", {"USD": -1})
    with pytest.raises(UnknownName, match="did you mean 'ann'"):
        floor.venue.balances("amn")


def test_a_new_order_can_be_hidden_for_a_while(new_floor: Any) -> None:
    floor = new_floor(visible_after_ns=10)
    order = floor.place("ann", "BUY", 1, 100)
    assert floor.venue.order("ann", "COIN-USD", order.number) is None
    assert floor.refused("ann", "BUY", 1, 100, client_order_id="order-1") == (-2010, "Duplicate order sent.")
    floor.venue.pass_time(11)
    assert floor.venue.named("ann", "COIN-USD", "order-1") is order


@pytest.mark.parametrize(
    ("lots", "price", "more", "code"),
    [
        (0, 100, {}, -1013),
        (1, 0, {}, -1013),
        (1, None, {"type": OrderType.LIMIT}, -1013),
        (1, 100, {"type": OrderType.MARKET}, -1013),
        (1, None, {"type": OrderType.STOP}, -1013),
        (1, 100, {"stop_ticks": 90}, -1013),
        (1_000_001, 100, {}, -1013),
        (1, None, {"type": OrderType.TRAILING_STOP}, -2010),
        (1, 100, {"iceberg_lots": 2}, -2010),
        (1, 100, {"trail_ppb": 5}, -2010),
        (1, 100, {"expires_ns": 5}, -2010),
        (0, 100, {"spend_quanta": 5}, -2010),
    ],
)
def test_what_the_engine_cannot_compute_with_is_refused(
    floor: Any, lots: int, price: int | None, more: dict[str, Any], code: int
) -> None:
    assert floor.refused("ann", "BUY", lots, price, **more)[0] == code
