"""Unmodified ccxt.pro calls the WebSocket API: every call that it has, on the plain port and over TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ccxt.base.errors import BadRequest, InsufficientFunds, InvalidOrder, OrderNotFound

# ccxt carries no types; the fixtures' types cannot be imported in importlib mode.
Connect = Callable[..., Awaitable[Any]]
SYMBOL = "BTC/USDT"


async def test_an_order_is_placed_asked_for_changed_and_cancelled(connect: Connect) -> None:
    client = await connect()
    placed = await client.create_order_ws(SYMBOL, "limit", "buy", "0.5", "95", {"newClientOrderId": "mine"})
    assert (placed["clientOrderId"], placed["status"], placed["filled"]) == ("mine", "open", "0.00000000")

    asked = await client.fetch_order_ws(placed["id"], SYMBOL)
    assert (asked["price"], asked["amount"]) == ("95.00000000", "0.50000000")
    assert [order["id"] for order in await client.fetch_open_orders_ws(SYMBOL)] == [placed["id"]]

    edited = await client.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", "0.25", "96")
    assert (edited["price"], edited["amount"], edited["status"]) == ("96.00000000", "0.25000000", "open")
    assert (await client.fetch_order_ws(placed["id"], SYMBOL))["status"] == "canceled"

    cancelled = await client.cancel_order_ws(edited["id"], SYMBOL)
    assert (cancelled["id"], cancelled["status"]) == (edited["id"], "canceled")
    assert len(await client.fetch_orders_ws(SYMBOL)) == 2


async def test_all_open_orders_go_at_once(connect: Connect) -> None:
    client = await connect()
    for price in ("94", "95"):
        await client.create_order_ws(SYMBOL, "limit", "buy", "0.5", price)
    await client.cancel_all_orders_ws(SYMBOL)
    assert await client.fetch_open_orders_ws(SYMBOL) == []


async def test_an_execution_with_its_fee_and_what_is_left(connect: Connect) -> None:
    client = await connect()
    placed = await client.create_order_ws(SYMBOL, "market", "buy", "1.5")
    assert (placed["status"], placed["cost"]) == ("closed", "152.00000000")
    assert [fill["price"] for fill in placed["trades"]] == ["101.00000000", "102.00000000"]

    trades = await client.fetch_my_trades_ws(SYMBOL)
    assert [trade["fee"] for trade in trades] == [
        {"cost": "0.00100000", "currency": "BTC"},
        {"cost": "0.00050000", "currency": "BTC"},
    ]
    held = (await client.fetch_balance_ws())["info"]["balances"]  # ccxt itself reads futures' balances only
    assert {row["asset"]: row["free"] for row in held} == {
        "BTC": "51.49850000",
        "ETH": "0.00000000",
        "USDT": "99848.00000000",
    }


async def test_the_market_can_be_asked(venue: Any, connect: Connect) -> None:
    client = await connect()
    venue.advance(4)
    assert [trade["id"] for trade in await client.fetch_trades_ws(SYMBOL)] == ["1", "2"]
    (bar,) = await client.fetch_ohlcv_ws(SYMBOL, "1m")
    assert [float(price) for price in bar[1:5]] == [100.0, 101.0, 100.0, 101.0]


async def test_refusals_arrive_as_the_errors_that_ccxt_knows(connect: Connect) -> None:
    client = await connect()
    with pytest.raises(InsufficientFunds):
        await client.create_order_ws(SYMBOL, "limit", "sell", "60", "110")
    with pytest.raises(OrderNotFound):
        await client.cancel_order_ws("4711", SYMBOL)
    await client.create_order_ws(SYMBOL, "limit", "buy", "1", "95", {"newClientOrderId": "twin"})
    with pytest.raises(InvalidOrder, match="Duplicate order sent"):
        await client.create_order_ws(SYMBOL, "limit", "buy", "1", "95", {"newClientOrderId": "twin"})
    with pytest.raises(BadRequest, match=r"Not all sent parameters were read"):
        await client.create_order_ws(SYMBOL, "limit", "buy", "1", "95", {"clientOrderId": "sent-twice-by-ccxt"})
