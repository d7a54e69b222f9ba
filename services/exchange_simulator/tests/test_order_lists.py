"""OTO, OTOCO and OCO over HTTP, in Binance's shapes. BTC opens at 100, 101, ... and closes one higher."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

PROTECTED = {
    "symbol": "BTCUSD",
    "listClientOrderId": "mine",
    "workingType": "MARKET",
    "workingSide": "BUY",
    "workingQuantity": "2",
    "workingClientOrderId": "entry",
    "pendingSide": "SELL",
    "pendingQuantity": "2",
    "pendingAboveType": "LIMIT",
    "pendingAboveTimeInForce": "GTC",
    "pendingAbovePrice": "103",
    "pendingAboveClientOrderId": "target",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "95",
    "pendingBelowClientOrderId": "stop",
    "reduceOnly": "true",
}


class Client:
    """Signed requests of one account, and the clock of the market."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, method: str, path: str, **parameters: Any) -> tuple[int, Any]:
        query = urlencode({"timestamp": time.time_ns() // 1_000_000, **parameters})
        signature = hmac.new(b"secret-of-main", query.encode(), hashlib.sha256).hexdigest()
        url = URL(f"{self._url}/api/v3/{path}?{query}&signature={signature}", encoded=True)
        headers = {"X-MBX-APIKEY": "key-of-main"}
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
            return answer.status, await answer.json()

    async def states(self) -> dict[str, tuple[str, str]]:
        """Status and executed quantity of every order, by its client id."""
        _, rows = await self("GET", "allOrders", symbol="BTCUSD")
        return {row["clientOrderId"]: (row["status"], row["executedQty"].rstrip("0").rstrip(".")) for row in rows}

    async def advance(self, step: int) -> None:
        url = f"{self._url}/simulation/v1/advance"
        async with aiohttp.ClientSession() as session, session.post(url, json={"step": step}) as answer:
            assert answer.status == 200, await answer.text()


@pytest.fixture
async def client(served: Any) -> Client:
    client = Client(served.url)
    await client.advance(1)
    return client


async def test_an_entry_and_its_legs_are_accepted_together_the_stop_before_the_target(client: Client) -> None:
    status, answer = await client("POST", "orderList/otoco", **PROTECTED)
    assert status == 200
    assert (answer["contingencyType"], answer["listOrderStatus"], answer["listClientOrderId"]) == (
        "OTO",
        "EXECUTING",
        "mine",
    )
    assert [(order["orderId"], order["clientOrderId"]) for order in answer["orders"]] == [
        (1, "entry"),
        (2, "stop"),
        (3, "target"),
    ]
    assert [(report["status"], report["type"]) for report in answer["orderReports"]] == [
        ("NEW", "MARKET"),
        ("PENDING_NEW", "STOP_LOSS"),
        ("PENDING_NEW", "LIMIT"),
    ]
    assert {report["orderListId"] for report in answer["orderReports"]} == {1}
    _, stop = await client("GET", "order", symbol="BTCUSD", origClientOrderId="stop")
    assert (stop["stopPrice"], stop["isWorking"]) == ("95.00000000", False)


async def test_the_target_ends_the_list(client: Client) -> None:
    await client("POST", "orderList/otoco", **PROTECTED)
    await client.advance(2)
    assert await client.states() == {"entry": ("FILLED", "2"), "stop": ("NEW", "0"), "target": ("NEW", "0")}
    await client.advance(3)
    await client.advance(4)
    assert await client.states() == {"entry": ("FILLED", "2"), "stop": ("CANCELED", "0"), "target": ("FILLED", "2")}
    _, found = await client("GET", "orderList", origClientOrderId="mine")
    assert (found["orderListId"], found["listStatusType"], found["listOrderStatus"]) == (1, "ALL_DONE", "ALL_DONE")


async def test_a_trailing_stop_follows_in_exact_steps(client: Client, served: Any) -> None:
    trailing = {
        name: value for name, value in PROTECTED.items() if not name.startswith(("pendingAbove", "pendingBelow"))
    } | {
        "pendingType": "STOP_LOSS",
        "pendingTrailingDelta": "150.5",
        "pendingTrailingStep": "0.00001",
        "pendingClientOrderId": "trail",
    }
    status, answer = await client("POST", "orderList/oto", **trailing)
    assert (status, len(answer["orders"])) == (200, 2)
    order = served.exchange.venue.named("main", "BTC-USD", "trail")
    assert (order.request.trail_ppb, order.request.trail_step_ppb) == (15_050_000, 1)


@pytest.mark.parametrize("by", [{"orderListId": 1}, {"listClientOrderId": "mine"}])
async def test_a_list_is_cancelled_whole(client: Client, by: dict[str, Any]) -> None:
    await client("POST", "orderList/otoco", **PROTECTED)
    status, answer = await client("DELETE", "orderList", symbol="BTCUSD", **by)
    assert (status, answer["listOrderStatus"]) == (200, "ALL_DONE")
    assert {report["status"] for report in answer["orderReports"]} == {"CANCELED"}
    status, answer = await client("DELETE", "orderList", symbol="BTCUSD", **by)
    assert (status, answer["code"]) == (400, -2011)


async def test_cancelling_one_leg_of_an_open_position_cancels_the_other(client: Client) -> None:
    await client("POST", "orderList/otoco", **PROTECTED)
    await client.advance(2)
    status, answer = await client("DELETE", "order", symbol="BTCUSD", origClientOrderId="stop")
    assert (status, answer["status"]) == (200, "CANCELED")
    assert await client.states() == {"entry": ("FILLED", "2"), "stop": ("CANCELED", "0"), "target": ("CANCELED", "0")}
    assert await client("GET", "openOrders", symbol="BTCUSD") == (200, [])


async def test_all_open_orders_are_cancelled_though_some_go_with_their_list(client: Client) -> None:
    await client("POST", "orderList/otoco", **PROTECTED)
    await client.advance(2)
    status, cancelled = await client("DELETE", "openOrders", symbol="BTCUSD")
    assert (status, len(cancelled)) == (200, 1)
    assert await client("GET", "openOrderList") == (200, [])


async def test_an_oco_protects_what_is_held_and_locks_it_once(client: Client) -> None:
    await client("POST", "order", symbol="BTCUSD", side="BUY", type="MARKET", quantity="2")
    await client.advance(2)
    legs = {
        "symbol": "BTCUSD",
        "side": "SELL",
        "quantity": "2",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": "95",
        "belowPrice": "94",
        "belowTimeInForce": "GTC",
    }
    status, answer = await client("POST", "orderList/oco", **legs)
    assert (status, answer["contingencyType"]) == (200, "OCO")
    assert [report["type"] for report in answer["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    _, account = await client("GET", "account")
    btc = next(row for row in account["balances"] if row["asset"] == "BTC")
    assert (btc["free"], btc["locked"]) == ("0.00000000", "2.00000000")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"workingQuantity": "200", "pendingQuantity": "200"}, -2010),
        ({"pendingQuantity": "1"}, -1165),
        ({"pendingBelowType": "SOMEHOW"}, -1116),
        ({"pendingBelowStopPrice": "0.001"}, -1013),
        ({"pendingAbovePrice": ""}, -1105),
        ({"pendingAboveClientOrderId": "stop"}, -2010),
        ({"listClientOrderId": "a b"}, -1100),
        ({"colour": "red"}, -1104),
    ],
)
async def test_a_list_with_something_wrong_is_refused_whole(client: Client, change: dict[str, str], code: int) -> None:
    status, answer = await client("POST", "orderList/otoco", **PROTECTED | change)
    assert (status, answer["code"]) == (400, code), answer
    assert await client("GET", "allOrders", symbol="BTCUSD") == (200, [])


async def test_a_list_that_nobody_placed_is_not_found(client: Client) -> None:
    assert (await client("GET", "orderList", orderListId=5))[1]["code"] == -2018
    assert (await client("GET", "orderList"))[1]["code"] == -1102
    assert (await client("DELETE", "orderList", symbol="BTCUSD", orderListId=5))[1]["code"] == -2018
