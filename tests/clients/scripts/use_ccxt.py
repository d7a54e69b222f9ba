"""ccxt, its asynchronous twin and ccxt.pro, with the configuration that `n1v1 venue` prints."""

from __future__ import annotations

import asyncio

import ccxt
import ccxt.pro
from steps import KEY, REST, SECRET, WITHIN_S, WS, end, step, until

PAIR = "BTC/BUSD"
CONFIG = {
    "apiKey": KEY,
    "secret": SECRET,
    "urls": {
        "api": {
            "public": f"{REST}/api/v3",
            "private": f"{REST}/api/v3",
            "v1": f"{REST}/api/v1",
            "sapi": f"{REST}/sapi/v1",
            "ws": {"spot": f"{WS}/stream/ws", "margin": f"{WS}/stream/ws", "ws-api": {"spot": f"{WS}/ws-api/v3"}},
        }
    },
    "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
}
exchange = ccxt.binance(CONFIG)

with step("load_markets, fetch_status, fetch_time"):
    assert PAIR in exchange.load_markets()
    assert exchange.fetch_status()["status"] == "ok"
    exchange.fetch_time()
with step("fetch_ticker, fetch_tickers, fetch_bids_asks, fetch_last_prices"):
    price = until(lambda: exchange.fetch_ticker(PAIR)["last"], "a price")
    exchange.fetch_tickers([PAIR])
    exchange.fetch_bids_asks([PAIR])
    exchange.fetch_last_prices([PAIR])
with step("fetch_order_book, fetch_trades, fetch_ohlcv"):
    assert exchange.fetch_order_book(PAIR)["bids"]
    assert exchange.fetch_trades(PAIR)
    until(lambda: exchange.fetch_ohlcv(PAIR, "1m"), "a candle")
with step("fetch_balance, fetch_trading_fee"):
    assert exchange.fetch_balance()["BTC"]["free"] >= 1
    exchange.fetch_trading_fee(PAIR)
with step("limit order: placed, fetched, listed, edited, cancelled"):
    order = exchange.create_order(PAIR, "limit", "buy", 0.01, round(price * 0.9, 2))
    assert exchange.fetch_order(order["id"], PAIR)["status"] == "open"
    assert exchange.fetch_open_orders(PAIR)
    order = exchange.edit_order(order["id"], PAIR, "limit", "buy", 0.01, round(price * 0.89, 2))
    assert exchange.cancel_order(order["id"], PAIR)["status"] == "canceled"
with step("market order, its trades, all orders"):
    bought = exchange.create_order(PAIR, "market", "buy", 0.01)
    assert exchange.fetch_order(bought["id"], PAIR)["status"] == "closed"
    assert exchange.fetch_order_trades(bought["id"], PAIR)
    assert exchange.fetch_orders(PAIR)
with step("stop loss and take profit"):
    stop = exchange.create_order(PAIR, "limit", "sell", 0.01, round(price * 0.9, 2), {"stopLossPrice": price * 0.91})
    profit = exchange.create_order(PAIR, "market", "sell", 0.01, None, {"takeProfitPrice": round(price * 1.1, 2)})
    exchange.cancel_order(stop["id"], PAIR)
    exchange.cancel_order(profit["id"], PAIR)
with step("an order that does not exist is OrderNotFound, too much is InsufficientFunds"):
    for call, wanted in (
        (lambda: exchange.fetch_order("999999", PAIR), ccxt.OrderNotFound),
        (lambda: exchange.create_order(PAIR, "limit", "buy", 100, round(price * 0.9, 2)), ccxt.InsufficientFunds),
    ):
        try:
            call()
        except wanted:
            continue
        raise AssertionError(f"{wanted.__name__} did not come")


async def live() -> None:
    online = ccxt.pro.binance(CONFIG)
    try:
        for name in ("watch_ticker", "watch_trades", "watch_order_book", "watch_bids_asks", "watch_ohlcv"):
            with step(name):
                argument = [PAIR] if name == "watch_bids_asks" else PAIR
                assert await asyncio.wait_for(getattr(online, name)(argument), WITHIN_S)
        with step("watch_orders, watch_my_trades, watch_balance: an order is heard of"):
            watching = [asyncio.ensure_future(getattr(online, name)()) for name in ("watch_orders", "watch_my_trades")]
            balance = asyncio.ensure_future(online.watch_balance())
            await asyncio.sleep(1)  # until the stream is open, which this client does not say
            await online.create_order(PAIR, "market", "buy", 0.01)
            await asyncio.wait_for(asyncio.gather(*watching, balance), WITHIN_S)
        with step("create_order_ws, cancel_order_ws"):
            order = await online.create_order_ws(PAIR, "limit", "buy", 0.01, round(price * 0.9, 2))
            await online.cancel_order_ws(order["id"], PAIR)
    finally:
        await online.close()


asyncio.run(live())
end()
