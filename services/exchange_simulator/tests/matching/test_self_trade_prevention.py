"""What happens instead of a trade with oneself: by the mode of the order that comes."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.values import TimeInForce
from n1v1_exchange_simulator.venue import OrderStatus, ReportKind, SelfTradePrevention

MODES = SelfTradePrevention


def meet(floor: Any, mode: SelfTradePrevention, taker_lots: int) -> tuple[Any, Any, Any, list[Any]]:
    """Ann's 10 at 100 of which 4 are filled, Bob's 5 behind them; then Ann comes from the other side."""
    maker = floor.place("ann", "SELL", 10, 100)
    floor.place("cat", "BUY", 4, 100)
    behind = floor.place("bob", "SELL", 5, 100)
    taker, reports = floor.placed("ann", "BUY", taker_lots, 100, self_trade_prevention=mode)
    return maker, behind, taker, reports


def test_none_trades_with_oneself(floor: Any) -> None:
    maker, behind, taker, _ = meet(floor, MODES.NONE, 8)
    assert (maker.status, taker.status, behind.filled_lots) == (OrderStatus.FILLED, OrderStatus.FILLED, 2)
    assert floor.venue.prevented("ann", "COIN-USD") == ()


def test_expire_maker_takes_the_rest_of_the_maker_away_and_goes_on(floor: Any) -> None:
    maker, behind, taker, reports = meet(floor, MODES.EXPIRE_MAKER, 8)
    assert (maker.status, maker.filled_lots, maker.prevented_lots) == (OrderStatus.EXPIRED_IN_MATCH, 4, 6)
    assert (taker.status, taker.filled_lots, taker.prevented_lots) == (OrderStatus.PARTIALLY_FILLED, 5, 0)
    assert behind.status is OrderStatus.FILLED
    assert [(report.kind, report.order.number) for report in reports[:2]] == [
        (ReportKind.NEW, taker.number),
        (ReportKind.TRADE_PREVENTION, maker.number),
    ]
    (match,) = floor.venue.prevented("ann", "COIN-USD")
    assert (match.number, match.taker_number, match.maker_number, match.ticks) == (1, taker.number, maker.number, 100)
    assert (match.taker_lots, match.maker_lots) == (0, 6)
    assert floor.coins("ann") == (1_001, 0)


def test_expire_taker_ends_the_taker_and_leaves_the_maker(floor: Any) -> None:
    maker, behind, taker, reports = meet(floor, MODES.EXPIRE_TAKER, 8)
    assert (maker.status, maker.prevented_lots) == (OrderStatus.PARTIALLY_FILLED, 0)
    assert (taker.status, taker.filled_lots, taker.prevented_lots) == (OrderStatus.EXPIRED_IN_MATCH, 0, 8)
    assert behind.filled_lots == 0
    assert (reports[-1].kind, reports[-1].prevented_lots) == (ReportKind.TRADE_PREVENTION, 8)
    assert floor.dollars("ann") == (100_400, 0)


def test_expire_taker_keeps_what_it_took_before(floor: Any) -> None:
    floor.place("bob", "SELL", 3, 99)
    _, _, taker, _ = meet(floor, MODES.EXPIRE_TAKER, 8)
    assert (taker.status, taker.filled_lots, taker.prevented_lots) == (OrderStatus.EXPIRED_IN_MATCH, 0, 8)
    floor.place("bob", "SELL", 3, 99)
    again = floor.place("ann", "BUY", 8, 100, self_trade_prevention=MODES.EXPIRE_TAKER)
    assert (again.filled_lots, again.prevented_lots) == (3, 5)


def test_expire_both_ends_both(floor: Any) -> None:
    maker, behind, taker, _ = meet(floor, MODES.EXPIRE_BOTH, 8)
    assert (maker.status, maker.prevented_lots) == (OrderStatus.EXPIRED_IN_MATCH, 6)
    assert (taker.status, taker.prevented_lots) == (OrderStatus.EXPIRED_IN_MATCH, 8)
    assert behind.filled_lots == 0
    assert floor.book() == ((), ((100, 5),))


@pytest.mark.parametrize(
    ("taker_lots", "maker_status", "taker_status", "taker_filled", "behind_filled", "prevented"),
    [
        (8, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.FILLED, 2, 2, 6),
        (6, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.EXPIRED_IN_MATCH, 0, 0, 6),
        (2, OrderStatus.PARTIALLY_FILLED, OrderStatus.EXPIRED_IN_MATCH, 0, 0, 2),
    ],
)
def test_decrement_makes_both_smaller_and_ends_the_smaller(
    floor: Any,
    taker_lots: int,
    maker_status: OrderStatus,
    taker_status: OrderStatus,
    taker_filled: int,
    behind_filled: int,
    prevented: int,
) -> None:
    maker, behind, taker, _ = meet(floor, MODES.DECREMENT, taker_lots)
    assert (maker.status, maker.prevented_lots) == (maker_status, prevented)
    assert (taker.status, taker.filled_lots, taker.prevented_lots) == (taker_status, taker_filled, prevented)
    assert behind.filled_lots == behind_filled
    left = 6 - prevented
    assert floor.coins("ann")[1] == left


def test_a_fok_order_does_not_count_its_own_orders_as_liquidity_and_leaves_them(floor: Any) -> None:
    maker = floor.place("ann", "SELL", 5, 100)
    floor.place("bob", "SELL", 5, 100)
    taker = floor.place("ann", "BUY", 6, 100, time_in_force=TimeInForce.FOK)
    assert (taker.status, taker.filled_lots, maker.status) == (OrderStatus.EXPIRED, 0, OrderStatus.NEW)
    taker = floor.place("ann", "BUY", 5, 100, time_in_force=TimeInForce.FOK)
    assert (taker.status, maker.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED_IN_MATCH)


def test_the_default_is_the_venues_and_modes_may_be_forbidden(new_floor: Any) -> None:
    floor = new_floor(
        self_trade_prevention=MODES.EXPIRE_TAKER, allowed_preventions=frozenset({MODES.NONE, MODES.EXPIRE_TAKER})
    )
    assert floor.place("ann", "SELL", 5, 100).self_trade_prevention is MODES.EXPIRE_TAKER
    assert floor.place("ann", "BUY", 5, 100).status is OrderStatus.EXPIRED_IN_MATCH
    refused = floor.refused("ann", "BUY", 5, 100, self_trade_prevention=MODES.DECREMENT)
    assert refused == (-1013, "This symbol does not allow the specified self-trade prevention mode.")


def test_an_iceberg_of_ones_own_expires_with_what_it_hides(floor: Any) -> None:
    iceberg = floor.place("ann", "SELL", 10, 100, iceberg_lots=2)
    taker = floor.place("ann", "BUY", 3, 100)
    assert (iceberg.prevented_lots, taker.open_lots) == (10, 3)
    assert floor.book() == (((100, 3),), ())


def test_a_purchase_by_amount_gives_up_the_value_that_was_prevented(floor: Any) -> None:
    floor.place("ann", "SELL", 2, 100)
    floor.place("bob", "SELL", 9, 100)
    order = floor.place("ann", "BUY", 0, spend_quanta=500, self_trade_prevention=MODES.DECREMENT)
    assert (order.status, order.filled_lots, order.prevented_lots) == (OrderStatus.FILLED, 3, 2)
