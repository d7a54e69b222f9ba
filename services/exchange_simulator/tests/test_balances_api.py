"""POST /admin/v1/balances moves an asset into an account or out of it, and says what is wrong with a wish."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from n1v1_exchange_simulator.balances_api import BalancesApi


async def moved(exchange: Any, body: Any) -> tuple[int, dict[str, str]]:
    application = web.Application()
    application.add_routes(BalancesApi(exchange).routes())
    async with TestClient(TestServer(application)) as client:
        answer = await client.post("/admin/v1/balances", json=body)
        return answer.status, await answer.json()


async def test_what_is_moved_is_on_the_account_and_stays_after_a_restart(make_exchange: Any) -> None:
    exchange = make_exchange()
    assert await moved(exchange, {"account": "main", "asset": "BTC", "change": "0.5"}) == (
        200,
        {"asset": "BTC", "free": "0.50000000"},
    )
    assert await moved(exchange, {"account": "main", "asset": "USD", "change": "-2500"}) == (
        200,
        {"asset": "USD", "free": "7500.00000000"},
    )
    balances = make_exchange().venue.balances("main")
    assert (balances["BTC"].free, balances["USD"].free) == (50_000_000, 7_500 * 100_000_000)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"account": "main", "asset": "BTC", "change": "-0.5"}, "insufficient balance"),
        ({"account": "nobody", "asset": "BTC", "change": "1"}, "no account 'nobody'; there are main, other"),
        ({"account": "main", "asset": "DOGE", "change": "1"}, "no asset 'DOGE'; there are BTC, ETH, USD"),
        ({"account": "main", "asset": "BTC", "change": "0.000000001"}, "is not a multiple of"),
        ({"account": "main", "asset": "BTC"}, 'expected {"account": "main"'),
    ],
)
async def test_what_cannot_be_moved_is_said(make_exchange: Any, body: dict[str, str], said: str) -> None:
    status, answer = await moved(make_exchange(), body)
    assert status == 400
    assert said in answer["error"]
