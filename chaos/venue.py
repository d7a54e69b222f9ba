"""What the venue has booked, in its own words: nothing of ours stands between this question and its answer."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp

from chaos.books import EVERYTHING, BookedOrder, Since, Statement, Trade
from n1v1_common.settings.model import Settings

PAGE = 1000
Row = Mapping[str, Any]
ENDED = {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"}
STOPS = {"STOP_LOSS", "STOP_LOSS_LIMIT"}


async def statement(settings: Settings, *, since: Since = EVERYTHING) -> Statement:
    """Of our account. Raises ValueError when the venue refuses to say."""
    async with aiohttp.ClientSession() as session:
        venue = _Venue(session, settings)
        symbols = [symbol.replace("-", "") for symbol in settings.market.symbols]
        trades = [row for name in symbols for row in await venue.all_of("myTrades", "id", name, since.trades)]
        orders = [row for name in symbols for row in await venue.all_of("allOrders", "orderId", name, since.orders)]
        account = await venue.ask("account", {})
    return Statement(
        trades=tuple(sorted(_trade(row) for row in trades)),
        orders={row["clientOrderId"]: _order(row) for row in orders},
        balances={
            row["asset"]: total
            for row in account["balances"]
            if (total := Decimal(row["free"]) + Decimal(row["locked"]))
        },
    )


async def trades(settings: Settings) -> list[tuple[str, int]]:
    """(trade id, fee in quanta) of everything on our account. Raises ValueError when the venue refuses to say."""
    return [(trade.id, int(trade.fee.scaleb(8))) for trade in (await statement(settings)).trades]


async def clock_ns(settings: Settings) -> int:
    """The bar time up to which the market has moved."""
    url = f"{settings.exchange.rest_url}/simulation/v1/clock"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return int((await response.json())["close_ns"])


@asynccontextmanager
async def faulty(
    settings: Settings, faults: Sequence[Mapping[str, object]]
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """The venue misbehaves in each of these ways. Gives the question whether it has in all."""
    url = f"http://127.0.0.1:{settings.simulator.admin_port}/admin/v1/faults"
    async with aiohttp.ClientSession() as session:
        for fault in faults:
            async with session.post(url, json={"count": 1, **fault}) as response:
                if response.status != 201:
                    raise ValueError(f"{fault}: {response.status} {await response.text()}")

        async def have_fired() -> bool:
            async with session.get(url) as response:
                return all(active["firings"] for active in (await response.json())["faults"])

        try:
            yield have_fired
        finally:
            async with session.delete(url):
                pass


def _trade(row: Row) -> Trade:
    return Trade(str(row["id"]), row["symbol"], Decimal(row["qty"]), Decimal(row["price"]), Decimal(row["commission"]))


def _order(row: Row) -> BookedOrder:
    return BookedOrder(
        symbol=row["symbol"],
        is_sale=row["side"] == "SELL",
        is_stop=row["type"] in STOPS or "trailingDelta" in row,
        is_market=row["type"] == "MARKET",
        is_open=row["status"] not in ENDED,
        quantity=Decimal(row["origQty"]),
        filled=Decimal(row["executedQty"]),
        number=int(row["orderId"]),
    )


@dataclass(frozen=True)
class _Venue:
    session: aiohttp.ClientSession
    settings: Settings

    async def all_of(self, what: str, number: str, symbol: str, since: Mapping[str, int]) -> list[Row]:
        """Every row of a list that is asked for page by page: by the number of its rows, from 1 or the one named."""
        first_by = {"myTrades": "fromId", "allOrders": "orderId"}[what]
        rows: list[Row] = []
        while True:
            first = int(rows[-1][number]) + 1 if rows else since.get(symbol, 1)
            page: Sequence[Row] = await self.ask(what, {"symbol": symbol, "limit": PAGE, first_by: first})
            rows += page
            if len(page) < PAGE:
                return rows

    async def ask(self, what: str, parameters: Mapping[str, object]) -> Any:
        """Any: whatever JSON it answers."""
        exchange = self.settings.exchange
        if exchange.api_key is None or exchange.api_secret is None:
            raise ValueError("the stack has no keys for the venue")
        query = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
        secret = exchange.api_secret.get_secret_value().encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        url = f"{exchange.rest_url}/api/v3/{what}?{query}&signature={signature}"
        async with self.session.get(url, headers={"X-MBX-APIKEY": exchange.api_key.get_secret_value()}) as response:
            answer = await response.json()
            if response.status != 200:
                raise ValueError(f"{what}: {response.status} {answer}")
            return answer
