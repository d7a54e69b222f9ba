"""What market_data asks of Binance's REST interface, within the budget that all processes share."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson

from n1v1_common.state.errors import StateError
from n1v1_common.state.rate_budget import Banned, RateBudget
from n1v1_market_data.ports import VenueTrouble

KLINES_MAX = 1000
TRADES_MAX = 1000
BOOK_MAX = 1000
"""A book that is kept by its changes needs all levels that may come into play."""
KLINES_WEIGHT, BOOK_WEIGHT, TRADES_WEIGHT, CONNECT_WEIGHT = 2, 50, 25, 2
"""As the venue publishes them."""
TIMEOUT = aiohttp.ClientTimeout(total=10.0)
MS_NS = 1_000_000


class BinanceRest:
    """Every call raises VenueTrouble when there is no answer, or none that says what was asked."""

    def __init__(self, session: aiohttp.ClientSession, url: str, budget: RateBudget) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._budget = budget

    async def klines(self, wire: str, timeframe: str, after_ns: int) -> list[list[Any]]:
        """The oldest that opened at a time or later, at most KLINES_MAX."""
        return await self._list(
            "klines", KLINES_WEIGHT, symbol=wire, interval=timeframe, startTime=after_ns // MS_NS, limit=KLINES_MAX
        )

    async def book(self, wire: str) -> dict[str, Any]:
        answer = await self._get("depth", BOOK_WEIGHT, symbol=wire, limit=BOOK_MAX)
        if not isinstance(answer, dict) or "lastUpdateId" not in answer:
            raise VenueTrouble(f"depth: expected a book, got {answer!r:.200}")
        return answer

    async def trades(self, wire: str, first: int) -> list[dict[str, Any]]:
        """From a number on, at most TRADES_MAX."""
        return await self._list("historicalTrades", TRADES_WEIGHT, symbol=wire, fromId=first, limit=TRADES_MAX)

    async def allow_connect(self) -> None:
        """Before every connection: a banned address does not even knock."""
        await self._take(CONNECT_WEIGHT)

    async def _list(self, path: str, weight: int, **parameters: str | int) -> list[Any]:
        answer = await self._get(path, weight, **parameters)
        if not isinstance(answer, list):
            raise VenueTrouble(f"{path}: expected a list, got {answer!r:.200}")
        return answer

    async def _get(self, path: str, weight: int, **parameters: str | int) -> Any:
        taken = await self._take(weight)
        url = f"{self._url}/api/v3/{path}"
        try:
            async with self._session.get(url, params=parameters, timeout=TIMEOUT) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueTrouble(f"{path}: {type(error).__name__}: {error}") from error
        await self._told(taken, response)
        if response.status != 200:
            raise VenueTrouble(f"{path}: {response.status} {body.decode(errors='replace'):.200}")
        try:
            return orjson.loads(body)
        except ValueError as error:
            raise VenueTrouble(f"{path}: not JSON: {error}") from error

    async def _take(self, weight: int) -> Any:
        try:
            return await self._budget.take(weight)
        except (Banned, StateError) as error:
            raise VenueTrouble(str(error)) from error

    async def _told(self, taken: Any, response: aiohttp.ClientResponse) -> None:
        try:
            await self._budget.answered(taken, status=response.status, headers=response.headers)
        except StateError as error:
            raise VenueTrouble(str(error)) from error
