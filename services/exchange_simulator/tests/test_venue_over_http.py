"""The lockstep clock, signatures and refusals over HTTP, without any client library."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

START_NS = 1_577_836_800_000_000_000
FOUR_HOURS = 4 * 3_600_000_000_000


async def get(served: Any, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(served.url + path) as response:
        return response.status, await response.json(content_type=None)


async def advance(served: Any, body: Any) -> tuple[int, Any]:
    url = f"{served.url}/simulation/v1/advance"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, await response.json()


def signed(parameters: dict[str, Any], secret: str = "secret-of-main") -> str:
    query = urlencode({"timestamp": time.time_ns() // 1_000_000, **parameters})
    return f"{query}&signature={hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"


async def call(served: Any, method: str, path: str, query: str, key: str | None = "key-of-main") -> tuple[int, Any]:
    headers = {} if key is None else {"X-MBX-APIKEY": key}
    url = URL(f"{served.url}/api/v3/{path}?{query}", encoded=True)
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as response:
        return response.status, await response.json()


async def test_before_the_first_step_the_clock_stands_at_the_first_open(served: Any) -> None:
    assert await get(served, "/simulation/v1/clock") == (
        200,
        {
            "step": 0,
            "close_ns": START_NS,
            "clock_ns": START_NS,
            "next_ns": START_NS + FOUR_HOURS,
            "events": 0,
            "total_steps": 12,
            "done": False,
            "mode": "lockstep",
            "quality": "bars",
        },
    )


async def test_a_step_answers_its_bars_as_exact_texts(served: Any) -> None:
    status, answer = await advance(served, {"step": 1})
    assert status == 200
    assert answer == {
        "step": 1,
        "close_ns": START_NS + FOUR_HOURS,
        "done": False,
        "total_steps": 12,
        "bars": [
            {
                "symbol": symbol,
                "timeframe": "4h",
                "open_ns": START_NS,
                "close_ns": START_NS + FOUR_HOURS,
                "open": f"{price}.00",
                "high": f"{price + 1}.00",
                "low": f"{price - 1}.00",
                "close": f"{price + 1}.00",
                "volume": "12.50000000",
            }
            for symbol, price in (("BTC-USD", 100), ("ETH-USD", 10))
        ],
    }


async def test_asking_for_the_current_step_again_answers_the_same_and_moves_nothing(served: Any) -> None:
    first = await advance(served, {"step": 1})
    assert await advance(served, {"step": 1}) == first
    assert served.exchange.step == 1


@pytest.mark.parametrize("step", [0, 2, 3])
async def test_any_other_step_is_a_conflict(served: Any, step: int) -> None:
    await advance(served, {"step": 1})
    await advance(served, {"step": 2})
    await advance(served, {"step": 3})
    status, answer = await advance(served, {"step": {0: 0, 2: 2, 3: 5}[step]})
    assert status == 409
    assert "the venue is at step 3" in answer["error"]


async def test_past_the_last_step_there_is_nothing(served: Any) -> None:
    for step in range(1, 13):
        _, answer = await advance(served, {"step": step})
    assert answer["done"] is True
    status, refusal = await advance(served, {"step": 13})
    assert (status, refusal["error"]) == (409, "the data ends at step 12; there is no step 13")


@pytest.mark.parametrize("body", [[], {}, {"step": "1"}, {"step": True}, {"step": -1}])
async def test_a_body_that_names_no_step_is_refused(served: Any, body: Any) -> None:
    status, answer = await advance(served, body)
    assert status == 400
    assert "expected a body such as" in answer["error"]


async def test_a_step_without_a_bar_of_a_symbol_has_the_others_only(served: Any) -> None:
    for step in (1, 2, 3):
        _, answer = await advance(served, {"step": step})
    assert [bar["symbol"] for bar in answer["bars"]] == ["BTC-USD"]


async def test_unsigned_and_unknown_callers_get_401(served: Any) -> None:
    query = signed({})
    assert await call(served, "GET", "account", query, key=None) == (
        401,
        {"code": -2014, "msg": "API-key format invalid."},
    )
    status, answer = await call(served, "GET", "account", query, key="nobody")
    assert (status, answer["code"]) == (401, -2015)


async def test_a_parameter_nobody_reads_is_refused_before_anything_happens(served: Any) -> None:
    await advance(served, {"step": 1})
    query = signed({"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1", "colour": "red"})
    status, answer = await call(served, "POST", "order", query)
    assert (status, answer["code"]) == (400, -1104)
    assert served.exchange.venue.orders("main", "BTC-USD") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "STOP_LOSS"}, -1102),
        ({"type": "STOP_LOSS", "stopPrice": "99"}, -2010),
        ({"type": "STOP_LOSS", "trailingDelta": "ten"}, -1100),
        ({"type": "TAKE_PROFIT", "stopPrice": "99", "trailingDelta": "10"}, -1106),
        ({"stopPrice": "99"}, -1106),
        ({"reduceOnly": "perhaps"}, -1100),
        ({"quantity": "1e3"}, -1100),
        ({"quantity": "0.000000001"}, -1111),
        ({"quantity": ""}, -1105),
        ({"quantity": "0.000001"}, -1013),
        ({"price": "100"}, -1106),
        ({"symbol": "BTC-USD"}, -1121),
        ({"newClientOrderId": "a b"}, -1100),
        ({"timestamp": "yesterday"}, -1100),
        ({"recvWindow": "60001"}, -1131),
    ],
)
async def test_what_is_wrong_with_an_order_has_binances_code(served: Any, change: dict[str, str], code: int) -> None:
    await advance(served, {"step": 1})
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1"}
    status, answer = await call(served, "POST", "order", signed(order | change))
    assert (status, answer["code"]) == (400, code)


async def test_an_order_without_a_client_id_gets_one(served: Any) -> None:
    await advance(served, {"step": 1})
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1", "newOrderRespType": "ACK"}
    status, answer = await call(served, "POST", "order", signed(order))
    assert status == 200
    assert sorted(answer) == ["clientOrderId", "orderId", "orderListId", "symbol", "transactTime"]
    assert answer["clientOrderId"] == "unnamed-1"


async def test_a_journal_that_cannot_be_written_answers_unknown_and_nothing_more(served: Any) -> None:
    await advance(served, {"step": 1})
    served.exchange._journal.close()  # as if the disk had failed: every further write is an error
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1"}
    status, answer = await call(served, "POST", "order", signed(order))
    assert (status, answer["code"]) == (503, -1006)
    assert "cannot be written" in str(served.broken.result())
    status, _ = await call(served, "GET", "openOrders", signed({}))
    assert status == 503, "the order that was not journalled must not be seen"


async def test_a_client_can_ask_for_one_raw_stream_or_for_combined_ones(served: Any) -> None:
    async with aiohttp.ClientSession() as session:
        raw = await session.ws_connect(f"{served.url}/ws/btcusd@kline_4h")
        combined = await session.ws_connect(f"{served.url}/stream?streams=btcusd@kline_4h/ethusd@kline_4h")
        await advance(served, {"step": 1})
        event = await raw.receive_json(timeout=5)
        assert (event["e"], event["s"], event["k"]["x"], event["k"]["c"]) == ("kline", "BTCUSD", True, "101.00000000")
        assert [(await combined.receive_json(timeout=5))["stream"] for _ in range(2)] == [
            "btcusd@kline_4h",
            "ethusd@kline_4h",
        ]
        await raw.close()
        await combined.close()


async def test_stream_requests_are_answered_by_id_and_wrong_ones_explained(served: Any) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{served.url}/ws")
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusd@kline_4h"], "id": 1})
        assert await socket.receive_json(timeout=5) == {"result": None, "id": 1}
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": "b"})
        assert await socket.receive_json(timeout=5) == {"result": ["btcusd@kline_4h"], "id": "b"}
        await socket.send_json({"method": "SUBSCRIBE", "params": ["dogeusd@trade"], "id": 2})
        refusal = await socket.receive_json(timeout=5)
        assert (refusal["id"], refusal["error"]["code"]) == (2, 2)
        assert "dogeusd@trade" in refusal["error"]["msg"]
        await socket.send_str("{")
        assert (await socket.receive_json(timeout=5))["error"]["code"] == 3
        await socket.close()
