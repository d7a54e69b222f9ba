"""binance-connector: REST, a market stream, the WebSocket API with orders and user data."""

from __future__ import annotations

import json

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
from steps import KEY, REST, SECRET, SYMBOL, WS, end, refusal, step, until

client = Spot(api_key=KEY, api_secret=SECRET, base_url=REST)

with step("ping and time"):
    client.ping()
    assert client.time()["serverTime"] > 0
with step("exchange_info"):
    (symbol,) = client.exchange_info(symbol=SYMBOL)["symbols"]
    assert symbol["filters"][0]["filterType"] == "PRICE_FILTER"
with step("klines"):
    until(lambda: client.klines(SYMBOL, "1m", limit=5), "a kline")
with step("depth, trades, agg_trades"):
    assert set(client.depth(SYMBOL, limit=5)) >= {"lastUpdateId", "bids", "asks"}
    client.trades(SYMBOL)
    client.agg_trades(SYMBOL)
with step("avg_price, ticker_price, ticker_24hr, book_ticker, rolling_window_ticker"):
    price = float(client.ticker_price(SYMBOL)["price"])
    client.avg_price(SYMBOL)
    assert client.ticker_24hr(SYMBOL)["symbol"] == SYMBOL
    client.book_ticker(SYMBOL)
    client.rolling_window_ticker(SYMBOL)
with step("account"):
    assert {row["asset"] for row in client.account()["balances"]} >= {"BTC", "BUSD"}
with step("new_order_test"):
    assert client.new_order_test(SYMBOL, "BUY", "MARKET", quantity=0.01) == {}
with step("limit order: placed, found, listed, cancelled"):
    placed = client.new_order(
        SYMBOL, "BUY", "LIMIT", timeInForce="GTC", quantity=0.01, price=round(price * 0.9, 2), newClientOrderId="mine-1"
    )
    assert placed["clientOrderId"] == "mine-1"
    assert client.get_order(SYMBOL, orderId=placed["orderId"])["status"] == "NEW"
    assert [order["orderId"] for order in client.get_open_orders(SYMBOL)] == [placed["orderId"]]
    assert client.cancel_order(SYMBOL, origClientOrderId="mine-1")["status"] == "CANCELED"
with step("cancel of nothing is -2011"):
    refused = refusal(ClientError, lambda: client.cancel_order(SYMBOL, orderId=placed["orderId"]))
    assert refused.error_code == -2011, refused
with step("market order: filled, with its trades"):
    bought = client.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01)
    until(lambda: client.get_order(SYMBOL, orderId=bought["orderId"])["status"] == "FILLED", "the fill")
    assert client.my_trades(SYMBOL, orderId=bought["orderId"])
with step("new_oco_order, get_oco_order, cancel_oco_order"):
    listed = client.new_oco_order(
        SYMBOL,
        "SELL",
        quantity=0.01,
        aboveType="LIMIT_MAKER",
        abovePrice=round(price * 1.1, 2),
        belowType="STOP_LOSS_LIMIT",
        belowPrice=round(price * 0.9, 2),
        belowStopPrice=round(price * 0.91, 2),
        belowTimeInForce="GTC",
    )
    assert len(listed["orders"]) == 2
    client.get_oco_order(orderListId=listed["orderListId"])
    client.cancel_oco_order(SYMBOL, orderListId=listed["orderListId"])
with step("cancel_and_replace"):
    first = client.new_order(SYMBOL, "BUY", "LIMIT", timeInForce="GTC", quantity=0.01, price=round(price * 0.9, 2))
    replaced = client.cancel_and_replace(
        SYMBOL,
        "BUY",
        "LIMIT",
        "STOP_ON_FAILURE",
        timeInForce="GTC",
        quantity=0.01,
        price=round(price * 0.89, 2),
        cancelOrderId=first["orderId"],
    )
    assert replaced["newOrderResult"] == "SUCCESS"
    client.cancel_open_orders(SYMBOL)
with step("get_orders, get_order_rate_limit, commission"):
    assert client.get_orders(SYMBOL)
    client.get_order_rate_limit()
    client.query_commission_rates(symbol=SYMBOL)
with step("a wrong secret is -1022"):
    refused = refusal(ClientError, Spot(api_key=KEY, api_secret="wrong", base_url=REST).account)
    assert refused.error_code == -1022, refused

with step("kline stream"):
    heard = []
    streams = SpotWebsocketStreamClient(stream_url=WS, on_message=lambda _, text: heard.append(json.loads(text)))
    streams.kline(SYMBOL, "1m")
    until(lambda: any(message.get("e") == "kline" for message in heard), "a kline")
    streams.stop()
with step("WebSocket API: ping, account, order, user data"):
    told = []
    calls = SpotWebsocketAPIClient(
        stream_url=f"{WS}/ws-api/v3",
        api_key=KEY,
        api_secret=SECRET,
        on_message=lambda _, text: told.append(json.loads(text)),
    )
    calls.ping_connectivity(id="p")
    calls.account(id="a")
    calls.new_order(id="o", symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, newOrderRespType="FULL")
    by_id = lambda: {message.get("id"): message for message in told}  # noqa: E731
    until(lambda: {"p", "a", "o"} <= by_id().keys(), "the answers")
    assert all(by_id()[one]["status"] == 200 for one in "pao"), told
    calls.stop()
end()
