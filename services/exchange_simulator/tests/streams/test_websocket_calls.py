"""The WebSocket API's own rules: requests, signatures, sessions, subscriptions and rate limits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.binance.user_streams import EventOrder, EventTiming

PATIENCE_S = 10
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Of the account `signer`; the venue's fixture knows the same one."""


class Client:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def hear(self) -> Any:
        return orjson.loads(await self.socket.receive_str(timeout=PATIENCE_S))

    async def say(self, text: str) -> Any:
        await self.socket.send_str(text)
        return await self.hear()

    async def ask(self, method: str, **params: object) -> Any:
        return await self.say(orjson.dumps({"id": 1, "method": method, "params": params}).decode())

    async def result(self, method: str, **params: object) -> Any:
        answer = await self.ask(method, **params)
        assert answer["status"] == 200, answer
        return answer["result"]


@asynccontextmanager
async def connected(venue: Any, query: str = "") -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws-api/v3{query}") as socket:
        yield Client(socket)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def payload_of(params: dict[str, object]) -> str:
    return "&".join(f"{name}={params[name]}" for name in sorted(params))


def signed(account: str = "main", **params: object) -> dict[str, object]:
    sent = {"apiKey": f"key-of-{account}", "timestamp": now_ms()} | params
    secret = f"secret-of-{account}".encode()
    return sent | {"signature": hmac.new(secret, payload_of(sent).encode(), hashlib.sha256).hexdigest()}


def signed_by_key(**params: object) -> dict[str, object]:
    """By the account that has an Ed25519 key."""
    sent = {"apiKey": "key-of-signer", "timestamp": now_ms()} | params
    return sent | {"signature": base64.b64encode(ED25519.sign(payload_of(sent).encode())).decode()}


@pytest.mark.parametrize(
    ("text", "status", "code", "answered_id"),
    [
        ("{", 400, -1135, None),
        ("[]", 400, -1135, None),
        ('{"method": "ping"}', 400, -1135, None),
        ('{"id": 7}', 400, -1135, 7),
        ('{"id": 7, "method": "ping", "params": []}', 400, -1135, 7),
        ('{"id": 7, "method": "nothing.of.that.name"}', 400, -1020, 7),
        ('{"id": 7, "method": "time", "params": {"symbol": "BTCUSDT"}}', 400, -1104, 7),
        ('{"id": 7, "method": "depth", "params": {"symbol": "BTCUSDT", "symbol": "X"}}', 400, -1101, None),
        ('{"id": "x", "method": "depth"}', 400, -1102, "x"),
        ('{"id": 7, "method": "depth", "params": {"symbol": "DOGEUSDT"}}', 400, -1121, 7),
        ('{"id": 7, "method": "order.place", "params": {"symbol": "BTCUSDT"}}', 400, -1102, 7),
        ('{"id": 7, "method": "account.status", "params": {"apiKey": "nobody", "timestamp": 1}}', 401, -2015, 7),
        ('{"id": 7, "method": "userDataStream.subscribe"}', 401, -1002, 7),
        ('{"id": 7, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 3}}', 400, -2036, 7),
    ],
)
async def test_a_wrong_request_is_answered_with_a_status_and_a_code(
    venue: Any, text: str, status: int, code: int, answered_id: object
) -> None:
    async with connected(venue) as client:
        answer = await client.say(text)
        assert (answer["status"], answer["error"]["code"], answer["id"]) == (status, code, answered_id)
        assert await client.result("ping") == {}, "the connection goes on"


async def test_methods_may_carry_their_version(venue: Any) -> None:
    async with connected(venue) as client:
        assert await client.result("v3/ping") == {}


async def test_a_signature_is_over_numbers_as_they_are_written(venue: Any) -> None:
    async with connected(venue) as client:
        timestamp = now_ms()
        payload = (
            "apiKey=key-of-main&price=95.10&quantity=0.50&side=BUY&symbol=BTCUSDT&timeInForce=GTC"
            f"&timestamp={timestamp}&type=LIMIT"
        )
        signature = hmac.new(b"secret-of-main", payload.encode(), hashlib.sha256).hexdigest()
        answer = await client.say(
            '{"id": "o", "method": "order.place", "params": {"apiKey": "key-of-main", "price": 95.10, '
            '"quantity": 0.50, "side": "BUY", "symbol": "BTCUSDT", "timeInForce": "GTC", '
            f'"timestamp": {timestamp}, "type": "LIMIT", "signature": "{signature}"}}}}'
        )
        assert (answer["status"], answer["id"]) == (200, "o")
        assert answer["result"]["price"] == "95.10000000"


async def test_a_wrong_signature_is_refused(venue: Any) -> None:
    async with connected(venue) as client:
        answer = await client.ask("account.status", **(signed() | {"recvWindow": 5000}))
        assert (answer["status"], answer["error"]["code"]) == (400, -1022)


async def test_answers_count_weight_and_orders_unless_nobody_wants_to_know(venue: Any) -> None:
    async with connected(venue) as client:
        answer = await client.ask("ping")
        assert answer["rateLimits"] == [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000, "count": 3}
        ], "two for the connection"
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        answer = await client.ask("order.place", **signed(**order, quantity="1", price="95"))
        assert [(row["rateLimitType"], row["intervalNum"], row["count"]) for row in answer["rateLimits"]] == [
            ("ORDERS", 10, 1),
            ("ORDERS", 1, 1),
            ("REQUEST_WEIGHT", 1, 4),
        ]
        assert "rateLimits" not in await client.ask("ping", returnRateLimits=False)
    async with connected(venue, "?returnRateLimits=false") as client:
        assert "rateLimits" not in await client.ask("ping")
        assert "rateLimits" in await client.ask("ping", returnRateLimits=True)


async def test_times_in_microseconds_for_who_asks_for_them(venue: Any) -> None:
    async with connected(venue, "?timeUnit=microsecond") as client:
        assert (await client.result("time"))["serverTime"] > 10**15


async def test_an_account_is_heard_once_on_a_connection_and_several_may_be(venue: Any) -> None:
    async with connected(venue) as client:
        assert await client.result("userDataStream.subscribe.signature", **signed()) == {"subscriptionId": 0}
        answer = await client.ask("userDataStream.subscribe.signature", **signed())
        assert answer["error"] == {"code": -2035, "msg": "User Data Stream subscription already active."}
        assert await client.result("userDataStream.subscribe.signature", **signed("other")) == {"subscriptionId": 1}
        assert await client.result("session.subscriptions") == [{"subscriptionId": 0}, {"subscriptionId": 1}]


async def test_a_subscription_that_is_taken_back_ends_with_an_event(venue: Any) -> None:
    async with connected(venue) as client:
        await client.result("userDataStream.subscribe.signature", **signed())
        await client.result("userDataStream.subscribe.signature", **signed("other"))
        ended = await client.ask("userDataStream.unsubscribe", subscriptionId=1)
        assert (ended["subscriptionId"], ended["event"]["e"]) == (1, "eventStreamTerminated")
        assert (await client.hear())["result"] == {}
        assert await client.result("session.subscriptions") == [{"subscriptionId": 0}]
        assert venue.streams.audience == 1
        assert (await client.ask("userDataStream.unsubscribe"))["event"]["e"] == "eventStreamTerminated"
        assert (await client.hear())["result"] == {}
        assert venue.streams.audience == 0


async def test_only_an_ed25519_key_can_log_on(venue: Any) -> None:
    async with connected(venue) as client:
        answer = await client.ask("session.logon", **signed())
        assert answer["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}


async def test_a_session_signs_once_and_then_only_says_when(venue: Any) -> None:
    async with connected(venue) as client:
        status = await client.result("session.status")
        assert (status["apiKey"], status["authorizedSince"], status["userDataStream"]) == (None, None, False)

        logged_on = await client.result("session.logon", **signed_by_key())
        assert logged_on["apiKey"] == "key-of-signer"
        assert logged_on["connectedSince"] <= logged_on["authorizedSince"] <= logged_on["serverTime"]

        assert await client.result("userDataStream.subscribe") == {"subscriptionId": 0}
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "95"}
        event = await client.ask("order.place", **order, quantity="1", timestamp=now_ms())
        assert event["event"]["e"] == "executionReport"
        assert (await client.hear())["event"]["e"] == "outboundAccountPosition"
        assert (await client.hear())["result"]["status"] == "NEW"
        assert (await client.ask("openOrders.status", timestamp=1))["error"]["code"] == -1021

        answer = await client.result("account.status", **signed())
        assert answer["balances"][0]["free"] == "50.00000000", "one may still sign for another account"

        assert (await client.result("session.logout"))["apiKey"] is None
        assert (await client.ask("openOrders.status", timestamp=now_ms()))["error"]["code"] == -1102


async def test_rest_and_websocket_api_share_their_counters(venue: Any) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{venue.url}/api/v3/exchangeInfo") as answer:
        used = int(answer.headers["X-MBX-USED-WEIGHT-1M"])
    async with connected(venue) as client:
        assert (await client.ask("ping"))["rateLimits"][0]["count"] == used + 3


def ordered(order: EventOrder) -> ProtocolRules:
    return ProtocolRules(event_timing=EventTiming(order=order, seed=7))


RESTING = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.2"}


@pytest.mark.parametrize(
    ("venue", "is_answer"),
    [
        (ordered(EventOrder.EVENT_FIRST), [False, False, True]),
        (ordered(EventOrder.ANSWER_FIRST), [True, False, False]),
    ],
    indirect=["venue"],
)
async def test_events_come_before_or_after_the_answer(venue: Any, is_answer: list[bool]) -> None:
    async with connected(venue) as client:
        await client.result("userDataStream.subscribe.signature", **signed())
        await client.socket.send_json({"id": 2, "method": "order.place", "params": signed(**RESTING, price="95")})
        assert ["id" in await client.hear() for _ in range(3)] == is_answer


@pytest.mark.parametrize("venue", [ordered(EventOrder.JITTERED)], indirect=True)
async def test_events_that_come_late_are_in_order(venue: Any) -> None:
    async with connected(venue) as client, connected(venue) as trader:
        await client.result("userDataStream.subscribe.signature", **signed())
        for number in range(20):
            await trader.result("order.place", **signed(**RESTING, price=str(70 + number)))
        reports = [event for event in [(await client.hear())["event"] for _ in range(40)] if "I" in event]
    assert [report["I"] for report in reports] == list(range(1, 21))


@pytest.mark.parametrize("venue", [ProtocolRules(serves_listen_keys=True)], indirect=True)
@pytest.mark.parametrize("is_combined", [False, True])
async def test_a_listen_key_is_a_stream_of_bare_events(venue: Any, is_combined: bool) -> None:
    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": "key-of-main"}) as session, connected(venue) as trader:
        async with session.post(f"{venue.url}/api/v3/userDataStream") as answer:
            key = (await answer.json())["listenKey"]
        path = f"/stream?streams={key}" if is_combined else f"/ws/{key}"
        async with session.ws_connect(venue.url + path) as socket:
            await trader.result("order.place", **signed(**RESTING, price="95"))
            heard = orjson.loads(await socket.receive_str(timeout=PATIENCE_S))
    assert not is_combined or heard["stream"] == key
    assert (heard["data"] if is_combined else heard)["e"] == "executionReport"


async def test_listen_keys_are_gone_unless_the_venue_is_set_to_have_them(venue: Any) -> None:
    async with (
        aiohttp.ClientSession(headers={"X-MBX-APIKEY": "key-of-main"}) as session,
        session.post(f"{venue.url}/api/v3/userDataStream") as answer,
    ):
        assert answer.status == 410
