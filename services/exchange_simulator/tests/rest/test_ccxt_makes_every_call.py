"""Every REST call that unmodified ccxt makes of a spot venue, blocking and asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest
from ccxt.base.errors import InsufficientFunds, InvalidOrder, OrderImmediatelyFillable, OrderNotFound

Caller = Callable[..., Awaitable[Any]]
"""(method, *arguments): one call of a client. ccxt carries no types."""

PAIR = "BTC/USDT"


def config(url: str) -> dict[str, Any]:
    return {
        "apiKey": "key-of-main",
        "secret": "secret-of-main",
        "enableRateLimit": False,
        "number": str,
        "urls": {
            "api": {
                "public": f"{url}/api/v3",
                "private": f"{url}/api/v3",
                "sapi": f"{url}/sapi/v1",
            }
        },
        "options": {
            "fetchMarkets": {"types": ["spot"]},
            "createOrder": {"quoteOrderQty": False, "timeInForce": "GTC"},
            "fetchOpenOrders": {"warnWithoutSymbol": False},
        },
    }


@pytest.fixture(params=["blocking", "asynchronous"])
async def call(venue: Any, request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    """With the calls of /sapi/v1 that ccxt makes unless told otherwise: currencies and margin pairs."""
    if request.param == "blocking":
        blocking = ccxt.binance(config(venue.url))

        async def in_a_thread(method: str, *arguments: Any) -> Any:
            return await asyncio.to_thread(getattr(blocking, method), *arguments)

        await in_a_thread("load_markets")
        yield in_a_thread
        return
    client = ccxt_async.binance(config(venue.url))

    async def awaited(method: str, *arguments: Any) -> Any:
        return await getattr(client, method)(*arguments)

    await awaited("load_markets")
    yield awaited
    await client.close()


async def test_markets_time_and_status(call: Caller) -> None:
    markets = await call("load_markets", True)
    market = markets[PAIR]
    assert (market["active"], market["precision"]["price"], market["precision"]["amount"]) == (
        True,
        "0.01000000",
        "0.00001000",
    )
    assert market["limits"]["cost"]["min"] == "10.00000000"
    assert set(await call("fetch_currencies")) == {"BTC", "USDT"}
    assert await call("fetch_time") > 0
    assert (await call("fetch_status"))["status"] == "ok"


async def test_prices_and_trades(call: Caller) -> None:
    bars = await call("fetch_ohlcv", PAIR, "1m")
    assert [[float(value) for value in bar[1:5]] for bar in bars] == [[100.0] * 4] * 2, "one closed and one open"
    assert [float(each["price"]) for each in await call("fetch_trades", PAIR)] == [100.0] * 3
    book = await call("fetch_order_book", PAIR, 5)
    assert [float(price) for price, _ in book["bids"]] == [99.0, 98.0, 97.0, 96.0, 95.0]
    assert [float(price) for price, _ in book["asks"]] == [101.0, 102.0, 103.0, 104.0, 105.0]
    ticker = await call("fetch_ticker", PAIR)
    assert [float(ticker[name]) for name in ("last", "bid", "ask", "baseVolume")] == [100.0, 99.0, 101.0, 0.03]
    assert set(await call("fetch_tickers", [PAIR])) == set(await call("fetch_tickers")) == {PAIR}
    assert float((await call("fetch_last_prices"))[PAIR]["price"]) == 100.0
    assert float((await call("fetch_bids_asks"))[PAIR]["bid"]) == 99.0


async def test_a_life_of_orders(call: Caller) -> None:
    bought = await call("create_order", PAIR, "market", "buy", 1.5)
    assert (bought["status"], float(bought["cost"]), len(bought["trades"])) == ("closed", 152.0, 2)
    assert [fee["currency"] for fee in bought["fees"]] == ["BTC"]
    by_cost = await call("create_order", PAIR, "market", "sell", 1, None, {"cost": 99})
    assert (by_cost["status"], float(by_cost["filled"])) == ("closed", 1.0)

    resting = await call("create_order", PAIR, "limit", "buy", 1, 90, {"clientOrderId": "mine"})
    assert (resting["status"], resting["clientOrderId"]) == ("open", "mine")
    maker = await call("create_order", PAIR, "limit", "buy", 1, 91, {"postOnly": True})
    assert maker["type"] == "limit"
    assert maker["postOnly"] is True
    nothing = await call("create_order", PAIR, "limit", "buy", 1, 90, {"timeInForce": "IOC"})
    assert nothing["status"] == "expired"
    assert (await call("create_order", PAIR, "limit", "buy", 1, 90, {"test": True}))["info"] == {}

    asked = await call("fetch_order", None, PAIR, {"origClientOrderId": "mine"})
    assert (asked["id"], asked["status"]) == (resting["id"], "open")
    assert {each["id"] for each in await call("fetch_open_orders", PAIR)} == {resting["id"], maker["id"]}
    assert len(await call("fetch_open_orders")) == 2
    assert len(await call("fetch_orders", PAIR)) == 5

    edited = await call("edit_order", resting["id"], PAIR, "limit", "buy", 2, 89)
    assert (float(edited["amount"]), float(edited["price"]), edited["status"]) == (2.0, 89.0, "open")
    assert (await call("cancel_order", edited["id"], PAIR))["status"] == "canceled"
    await call("cancel_all_orders", PAIR)
    with pytest.raises(OrderNotFound):
        await call("cancel_all_orders", PAIR)

    trades = await call("fetch_my_trades", PAIR)
    assert len(trades) == 3
    of_order = await call("fetch_order_trades", bought["id"], PAIR)
    assert [each["fee"] for each in of_order] == [each["fee"] for each in bought["trades"]]


@pytest.mark.parametrize(
    ("side", "kind", "price", "parameters", "expected"),
    [
        ("sell", "limit", 90, {"stopLossPrice": 95}, "STOP_LOSS_LIMIT"),
        ("sell", "market", None, {"stopLossPrice": 95}, "STOP_LOSS"),
        ("sell", "limit", 110, {"takeProfitPrice": 105}, "TAKE_PROFIT_LIMIT"),
        ("sell", "market", None, {"takeProfitPrice": 105}, "TAKE_PROFIT"),
        ("sell", "market", None, {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}, "STOP_LOSS"),
        ("sell", "limit", 110, {"icebergAmount": 0.1}, "LIMIT"),
        ("sell", "limit", 110, {"selfTradePrevention": "EXPIRE_BOTH"}, "LIMIT"),
    ],
)
async def test_orders_of_every_kind_wait(
    call: Caller, side: str, kind: str, price: float | None, parameters: dict[str, Any], expected: str
) -> None:
    created = await call("create_order", PAIR, kind, side, 1, price, parameters)
    found = await call("fetch_order", created["id"], PAIR)
    assert (found["status"], found["info"]["type"]) == ("open", expected)


async def test_an_oco(call: Caller) -> None:
    placed = await call(
        "private_post_orderlist_oco",
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "1",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "110",
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": "95",
            "belowPrice": "94",
            "belowTimeInForce": "GTC",
        },
    )
    assert placed["contingencyType"] == "OCO"
    assert len(await call("fetch_open_orders", PAIR)) == 2


async def test_balances_and_fees(call: Caller) -> None:
    balance = await call("fetch_balance")
    assert (float(balance["USDT"]["free"]), float(balance["BTC"]["total"])) == (1_000_000.0, 100.0)
    fee = await call("fetch_trading_fee", PAIR)
    assert (float(fee["maker"]), float(fee["taker"])) == (0.001, 0.001)
    assert set(await call("fetch_trading_fees")) == {PAIR}


async def test_refusals_become_the_errors_that_bots_catch(call: Caller) -> None:
    with pytest.raises(InsufficientFunds):
        await call("create_order", PAIR, "limit", "sell", 500, 110)
    with pytest.raises(OrderImmediatelyFillable):
        await call("create_order", PAIR, "limit", "buy", 1, 101, {"postOnly": True})
    with pytest.raises(OrderImmediatelyFillable):
        await call("create_order", PAIR, "market", "sell", 1, None, {"stopLossPrice": 105})
    with pytest.raises(InvalidOrder, match="PERCENT_PRICE_BY_SIDE"):
        await call("create_order", PAIR, "limit", "buy", 1, 900)
    with pytest.raises(OrderNotFound):
        await call("fetch_order", "77", PAIR)
    await call("create_order", PAIR, "limit", "buy", 1, 90, {"clientOrderId": "twice"})
    with pytest.raises(InvalidOrder, match=r"Duplicate order sent\."):
        await call("create_order", PAIR, "limit", "buy", 1, 90, {"clientOrderId": "twice"})
