"""binance-sdk-spot: Binance's own typed client, whose models refuse answers that are not as documented."""

from __future__ import annotations

import asyncio

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot
from steps import KEY, REST, SECRET, SYMBOL, WITHIN_S, WS, end, step

client = Spot(
    config_rest_api=ConfigurationRestAPI(api_key=KEY, api_secret=SECRET, base_path=REST),
    config_ws_api=ConfigurationWebSocketAPI(api_key=KEY, api_secret=SECRET, stream_url=f"{WS}/ws-api/v3"),
    config_ws_streams=ConfigurationWebSocketStreams(stream_url=WS),
)
rest = client.rest_api

with step("exchange_info"):
    assert rest.exchange_info(symbol=SYMBOL).data().symbols[0].symbol == SYMBOL
with step("depth, get_trades, agg_trades, klines, avg_price"):
    assert rest.depth(SYMBOL).data().last_update_id is not None
    rest.get_trades(SYMBOL).data()
    rest.agg_trades(SYMBOL).data()
    rest.klines(SYMBOL, "1m").data()
    rest.avg_price(SYMBOL).data()
with step("ticker24hr, ticker_price, ticker_book_ticker"):
    rest.ticker24hr(symbol=SYMBOL).data()
    rest.ticker_book_ticker(symbol=SYMBOL).data()
    price = float(rest.ticker_price(symbol=SYMBOL).data().actual_instance.price)
with step("get_account"):
    assert rest.get_account().data().balances
with step("limit order: placed, found, listed, cancelled"):
    placed = rest.new_order(
        SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.01, price=round(price * 0.9, 2)
    ).data()
    assert rest.get_order(SYMBOL, order_id=placed.order_id).data().status == "NEW"
    assert rest.get_open_orders(symbol=SYMBOL).data()
    assert rest.delete_order(SYMBOL, order_id=placed.order_id).data().status == "CANCELED"
with step("market order and its trades"):
    bought = rest.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01).data()
    assert rest.my_trades(SYMBOL, order_id=bought.order_id).data()


async def live() -> None:
    with step("kline stream"):
        heard = asyncio.Event()
        connection = await client.websocket_streams.create_connection()
        stream = await connection.kline(symbol=SYMBOL.lower(), interval="1m")
        stream.on("message", lambda _: heard.set())
        async with asyncio.timeout(WITHIN_S):
            await heard.wait()
        await connection.close_connection(close_session=True)
    with step("WebSocket API: account_status, order_place"):
        api = await client.websocket_api.create_connection()
        assert (await api.account_status()).data().result.balances
        await api.order_place(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        await api.close_connection(close_session=True)


asyncio.run(live())
end()
