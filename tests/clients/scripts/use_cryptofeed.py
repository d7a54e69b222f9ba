"""cryptofeed: books, trades, tickers and candles. It only speaks TLS, so it needs the venue's authority."""

from __future__ import annotations

import asyncio
import os

from steps import CA, TLS_REST, TLS_WS, WITHIN_S, end, step

os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = CA

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import Binance

Binance.websocket_endpoints = [WebsocketEndpoint(TLS_WS)]
Binance.rest_endpoints = [
    RestEndpoint(TLS_REST, routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"))
]
PAIR = "BTC-BUSD"
WANTED = {CANDLES, L2_BOOK, TICKER, TRADES}
heard: dict[str, object] = {}


def listener(channel: str):
    async def hear(update, receipt_s) -> None:
        heard.setdefault(channel, update)

    return hear


with step("symbols"):
    assert PAIR in Binance.symbols(), Binance.symbols()
with step("connections"):
    feeds = FeedHandler()
    for channel in WANTED:
        feeds.add_feed(
            Binance(symbols=[PAIR], channels=[channel], callbacks={channel: listener(channel)}, candle_interval="1m")
        )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    feeds.run(start_loop=False, install_signal_handlers=False)

    loop.run_until_complete(asyncio.sleep(WITHIN_S))
for channel in sorted(WANTED):
    with step(channel):
        assert channel in heard, "nothing came"
end()
