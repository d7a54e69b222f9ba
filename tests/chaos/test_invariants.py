"""What the matrix checks, on books small enough to be read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from chaos.books import BookedOrder, Since, Statement, Trade
from chaos.invariants import differences, out_of_bounds, twice, unprotected

from n1v1.events import EquityMarked, OrderApproved, OrderFilled, OrderSubmitted
from n1v1.ids import ClientOrderId, FillId, OrderId, SignalId, TradeId
from n1v1.values import Instrument, Liquidity, OrderType, Purpose, Side, TimeInForce

ONE = Decimal(1)
TRADE = Trade("7", "BTCUSD", Decimal(1), Decimal(100), Decimal("0.1"))
STOP = BookedOrder("BTCUSD", True, True, False, True, Decimal(2), Decimal(1))
BOOKS = Statement((TRADE,), {"n1v1-stop": STOP}, {"BTC": Decimal(1), "USD": Decimal(900)})

BTC = Instrument("BTC-USD", "BTC", "USD", tick_size=ONE, lot_size=ONE, quantum=ONE, step_lots=1)
ABOUT: Any = {"account": "main", "symbol": "BTC-USD", "order_id": OrderId("o")}


def changed(**parts: Any) -> Statement:
    return Statement(**{"trades": BOOKS.trades, "orders": BOOKS.orders, "balances": BOOKS.balances} | parts)


def approved(lots: int) -> OrderApproved:
    return OrderApproved(
        id="approved",
        ts_ns=1,
        **ABOUT,
        signal_id=SignalId("s"),
        instance="i",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=lots,
        limit_ticks=None,
        time_in_force=TimeInForce.GTD,
        reduce_only=False,
        reference_ticks=10,
        valid_until_ns=2,
    )


def filled(lots: int) -> OrderFilled:
    return OrderFilled(
        id="filled",
        ts_ns=2,
        **ABOUT,
        fill_id=FillId("f"),
        trade_id=TradeId("t"),
        instance="i",
        side=Side.BUY,
        lots=lots,
        ticks=10,
        value=10 * lots,
        fee=0,
        liquidity=Liquidity.TAKER,
        is_final=True,
        purpose=Purpose.ENTRY,
    )


def submitted(lots: int) -> OrderSubmitted:
    return OrderSubmitted(
        id="submitted",
        ts_ns=1,
        **ABOUT,
        client_order_id=ClientOrderId("c"),
        signal_id=SignalId("s"),
        instance="i",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=lots,
    )


MARKED = EquityMarked(id="e", ts_ns=1, account="main", cash=1000, equity=1000, peak=1000, fees=0)


def breaches(*events: Any) -> list[str]:
    return list(out_of_bounds(events, [BTC], Decimal("0.4")))


def test_equal_books_do_not_differ() -> None:
    assert list(differences(BOOKS, BOOKS)) == []


def test_a_trade_that_only_the_venue_has_is_a_difference() -> None:
    (found,) = differences(changed(trades=()), BOOKS)
    assert found.startswith("trades: only the venue has 1: Trade(id='7'")


def test_an_order_that_is_open_on_one_side_only_is_a_difference() -> None:
    ended = BookedOrder("BTCUSD", True, True, False, False, Decimal(2), Decimal(1))
    assert list(differences(BOOKS, changed(orders={"n1v1-stop": ended}))) == [
        "order n1v1-stop: we say open with 1 filled, the venue ended with 1 filled"
    ]


def test_an_order_that_the_venue_has_under_a_name_of_its_own_is_a_difference() -> None:
    assert list(differences(changed(orders={}), BOOKS)) == ["orders: only the venue has 1: n1v1-stop"]


def test_money_that_is_missing_is_a_difference() -> None:
    assert list(differences(BOOKS, changed(balances={"BTC": Decimal(1)}))) == [
        "balances: we say 1 BTC, 900 USD, the venue 1 BTC"
    ]


def test_a_trade_that_is_booked_twice_is_found() -> None:
    assert list(twice(BOOKS)) == []
    assert list(twice(changed(trades=(TRADE, TRADE)))) == ["trade ('BTCUSD', '7') is booked 2 times"]


def test_a_position_without_a_stop_is_found_and_one_whose_stop_is_large_enough_is_not() -> None:
    assert list(unprotected(BOOKS, ["BTC"])) == []
    assert list(unprotected(changed(orders={}), ["BTC"])) == ["of 1 BTC only 0 have a stop or an exit"]


def test_an_exit_on_its_way_protects_and_two_of_them_do_not() -> None:
    exit_ = BookedOrder("BTCUSD", True, False, True, True, Decimal(1), Decimal(0))
    assert list(unprotected(changed(orders={"exit": exit_}), ["BTC"])) == []
    assert list(unprotected(changed(orders={"exit": exit_, "other": exit_}), ["BTC"])) == ["BTCUSD has 2 exits open"]


def test_an_entry_of_the_limit_is_allowed_and_one_lot_more_is_not() -> None:
    assert breaches(MARKED, approved(40)) == []
    assert breaches(MARKED, approved(41)) == ["entry o is worth 410, more than 0.4 of 1000"]


def test_more_filled_than_approved_is_found() -> None:
    assert breaches(MARKED, approved(40), submitted(40), filled(40)) == []
    assert breaches(MARKED, approved(40), submitted(40), filled(41)) == [
        "order o was approved for 40 lots and has filled 41"
    ]


def test_a_fill_of_an_order_that_was_never_submitted_is_found() -> None:
    assert breaches(MARKED, approved(40), filled(40)) == ["fill f of an order that was never submitted"]


def test_what_was_compared_and_can_change_no_more_is_not_compared_again() -> None:
    done = replace(STOP, is_open=False)
    orders = {"done": replace(done, number=4), "stop": replace(STOP, number=5), "later": replace(done, number=8)}
    first = Since().after(changed(trades=(TRADE, TRADE._replace(id="9")), orders=orders))
    assert first == Since(orders={"BTCUSD": 5}, trades={"BTCUSD": 10})  # the stop may still fill
    assert first.after(changed(trades=(), orders={})) == first
    then = first.after(changed(trades=(), orders={"stop": replace(done, number=5), "new": replace(done, number=11)}))
    assert then == Since(orders={"BTCUSD": 12}, trades={"BTCUSD": 10})
