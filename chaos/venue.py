"""What the venue has booked, in its own words: nothing of ours stands between this question and its answer."""

from __future__ import annotations

import hashlib
import hmac
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp

from n1v1_common.settings.model import Settings

MOST_ROWS = 1000


async def trades(settings: Settings) -> list[tuple[str, int]]:
    """(trade id, fee in quanta) of everything on our account. Raises ValueError when the venue refuses to say."""
    found = []
    async with aiohttp.ClientSession() as session:
        for symbol in settings.market.symbols:
            rows = await _asked(session, settings, symbol.replace("-", ""))
            found += [(str(row["id"]), int(Decimal(row["commission"]).scaleb(8))) for row in rows]
    return found


async def _asked(session: aiohttp.ClientSession, settings: Settings, symbol: str) -> list[dict[str, Any]]:
    exchange = settings.exchange
    if exchange.api_key is None or exchange.api_secret is None:
        raise ValueError("the stack has no keys for the venue")
    query = urlencode({"symbol": symbol, "limit": MOST_ROWS, "timestamp": time.time_ns() // 1_000_000})
    secret = exchange.api_secret.get_secret_value().encode()
    signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
    url = f"{exchange.rest_url}/api/v3/myTrades?{query}&signature={signature}"
    async with session.get(url, headers={"X-MBX-APIKEY": exchange.api_key.get_secret_value()}) as response:
        rows: list[dict[str, Any]] = await response.json()
        if response.status != 200:
            raise ValueError(f"myTrades of {symbol}: {response.status} {rows}")
        return rows
