"""unicorn-binance-websocket-api: many streams on one connection."""

from __future__ import annotations

import json

from steps import SYMBOL, WS, end, step, until
from unicorn_binance_websocket_api import BinanceWebSocketApiManager

WANTED = {"kline", "trade", "aggTrade", "depthUpdate", "24hrMiniTicker"}
heard: set[str] = set()


def hear(text: str) -> None:
    message = json.loads(text)
    heard.add(message.get("data", message).get("e", ""))


with step("streams"):
    manager = BinanceWebSocketApiManager(
        exchange="binance.com", websocket_base_uri=f"{WS}/", process_stream_data=hear, output_default="raw_data"
    )
    manager.create_stream(["kline_1m", "trade", "aggTrade", "depth", "miniTicker"], [SYMBOL.lower()])
for event in sorted(WANTED):
    with step(event):
        until(lambda event=event: event in heard, event)
end()
