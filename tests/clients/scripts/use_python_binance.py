"""python-binance: REST, a depth cache, market streams and user data."""

from __future__ import annotations

import asyncio

from binance import AsyncClient, BinanceSocketManager, Client, DepthCacheManager
from binance.exceptions import BinanceAPIException
from steps import KEY, REST, SECRET, SYMBOL, WITHIN_S, WS, end, refusal, step, until

for kind in (Client, AsyncClient):
    kind.API_URL = f"{REST}/api"
    kind.MARGIN_API_URL = f"{REST}/sapi"
    kind.WS_API_URL = f"{WS}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"{WS}/"

client = Client(KEY, SECRET)

with step("exchange info, symbol info"):
    assert client.get_symbol_info(SYMBOL)["status"] == "TRADING"
    assert client.get_exchange_info()["rateLimits"]
with step("klines, historical klines"):
    until(lambda: client.get_klines(symbol=SYMBOL, interval="1m"), "a kline")
    assert client.get_historical_klines(SYMBOL, "1m", "1 Dec, 2022", limit=10)
with step("order book, trades, tickers"):
    client.get_order_book(symbol=SYMBOL)
    client.get_recent_trades(symbol=SYMBOL)
    client.get_aggregate_trades(symbol=SYMBOL)
    price = float(client.get_symbol_ticker(symbol=SYMBOL)["price"])
    client.get_ticker(symbol=SYMBOL)
    client.get_orderbook_ticker(symbol=SYMBOL)
    client.get_avg_price(symbol=SYMBOL)
with step("account, balance, fees"):
    client.get_account()
    assert float(client.get_asset_balance(asset="BTC")["free"]) >= 1
    client.get_trade_fee(symbol=SYMBOL)
with step("system status, account status"):
    assert client.get_system_status()["status"] == 0
    client.get_account_status()
with step("limit order: placed, found, cancelled"):
    order = client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=f"{price * 0.9:.2f}")
    assert client.get_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "NEW"
    assert client.get_open_orders(symbol=SYMBOL)
    assert client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "CANCELED"
with step("market order by quote amount"):
    bought = client.order_market_buy(symbol=SYMBOL, quoteOrderQty="500")
    until(lambda: client.get_order(symbol=SYMBOL, orderId=bought["orderId"])["status"] == "FILLED", "the fill")
    assert client.get_my_trades(symbol=SYMBOL)
with step("stop loss limit order"):
    stop = client.create_order(
        symbol=SYMBOL,
        side="SELL",
        type="STOP_LOSS_LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=f"{price * 0.9:.2f}",
        stopPrice=f"{price * 0.91:.2f}",
    )
    client.cancel_order(symbol=SYMBOL, orderId=stop["orderId"])
with step("create_test_order, get_all_orders"):
    client.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
    assert client.get_all_orders(symbol=SYMBOL)
with step("a price off the grid is -1013"):
    off_the_grid = f"{price * 0.9:.2f}1"
    refused = refusal(
        BinanceAPIException, lambda: client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=off_the_grid)
    )
    assert refused.code in (-1013, -1111), refused


async def heard_on(socket, wanted: str):
    async with socket as messages, asyncio.timeout(WITHIN_S):
        while True:
            message = await messages.recv()
            data = message.get("data", message)
            if data.get("e") == wanted or wanted in data:
                return data


async def streams() -> None:
    online = await AsyncClient.create(KEY, SECRET)
    sockets = BinanceSocketManager(online)
    with step("kline stream"):
        assert (await heard_on(sockets.kline_socket(SYMBOL), "kline"))["s"] == SYMBOL
    with step("combined stream"):
        await heard_on(sockets.multiplex_socket([f"{SYMBOL.lower()}@kline_1m"]), "kline")
    with step("depth cache"):
        async with DepthCacheManager(online, symbol=SYMBOL, ws_interval=100) as cache, asyncio.timeout(WITHIN_S):
            assert await cache.recv() is not None
    with step("user data: an order is heard of"):

        async def buy() -> None:
            await asyncio.sleep(1)  # until the stream is open, which this client does not say
            await online.order_market_buy(symbol=SYMBOL, quantity="0.01")

        buying = asyncio.create_task(buy())
        report = await heard_on(sockets.user_socket(), "executionReport")
        assert report["s"] == SYMBOL
        await buying
    with step("orders over the WebSocket API"):
        order = await online.ws_create_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=f"{price * 0.9:.2f}"
        )
        await online.ws_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    await online.close_connection()


asyncio.run(streams())
end()
