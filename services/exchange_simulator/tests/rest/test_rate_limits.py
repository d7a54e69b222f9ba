"""Weights, order counts, refusals and bans: by hand with a clock that stands still, and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.limits import Limiter, RateLimits, Window
from n1v1_exchange_simulator.binance.protocol import ProtocolRules

SMALL = RateLimits(
    weight_per_minute=100,
    raw_per_5_minutes=1_000,
    orders_per_10_seconds=3,
    orders_per_day=5,
    ban_after_refusals=2,
    ban_at_weight=1_000,
    first_ban_s=120,
    longest_ban_s=400,
)
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "90"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}


def refusal(limiter: Limiter, weight: int = 1, client: str = "here") -> ApiError | None:
    try:
        limiter.admit(client, weight)
    except ApiError as refused:
        return refused
    return None


def test_windows_begin_on_the_clock() -> None:
    window, second = Window(10), 1_000_000_000
    assert window.add("a", 3, 19 * second) == 3
    assert window.add("a", 1, 20 * second - 1) == 4
    assert window.count("b", 19 * second) == 0
    assert window.count("a", 20 * second) == 0
    assert window.add("a", -5, 20 * second) == 0, "never below nothing"
    assert window.end_ns(20 * second) == 30 * second


def test_the_last_unit_of_weight_is_served_and_the_next_refused_until_the_minute_ends(clock: Any) -> None:
    """The clock stands at 20 seconds past the minute."""
    limiter = Limiter(SMALL, clock)
    assert refusal(limiter, 100) is None
    refused = refusal(limiter)
    assert refused is not None
    assert (refused.status, refused.code, refused.retry_after_s) == (429, -1003, 40)
    assert refused.retry_at_ms == (clock.now_ns + 40_000_000_000) // 1_000_000
    assert "current limit is 100 request weight per 1 MINUTE" in refused.msg
    assert refusal(limiter, client="elsewhere") is None
    clock.move(40)
    assert refusal(limiter) is None


def test_who_goes_on_after_refusals_is_banned_and_each_time_for_twice_as_long(clock: Any) -> None:
    limiter = Limiter(SMALL, clock)
    lengths = []
    for _ in range(4):
        answers = [refusal(limiter, 100), *(refusal(limiter) for _ in range(3))]
        assert [None if each is None else each.status for each in answers] == [None, 429, 429, 418]
        banned = answers[-1]
        assert banned is not None
        assert banned.msg.startswith(f"Way too much request weight used; IP banned until {banned.retry_at_ms}.")
        lengths.append(banned.retry_after_s)
        clock.move((banned.retry_after_s or 0) - 1)
        last_second = refusal(limiter)
        assert last_second is not None
        assert (last_second.status, last_second.retry_after_s) == (418, 1)
        clock.move(61)
    assert lengths == [120, 240, 400, 400]


def test_far_too_much_weight_at_once_is_a_ban_at_once(clock: Any) -> None:
    limiter = Limiter(SMALL, clock)
    refused = refusal(limiter, 1_001)
    assert refused is not None
    assert refused.status == 418


def test_requests_are_counted_whatever_they_weigh(clock: Any) -> None:
    limiter = Limiter(RateLimits(raw_per_5_minutes=3), clock)
    assert [refusal(limiter, 0) for _ in range(3)] == [None, None, None]
    refused = refusal(limiter, 0)
    assert refused is not None
    assert (refused.status, refused.code) == (429, -1003)


def test_switched_off_it_counts_and_refuses_nothing(clock: Any) -> None:
    limiter = Limiter(RateLimits(is_enforced=False), clock)
    assert refusal(limiter, 1_000_000) is None
    limiter.check_orders("main", 1_000_000)
    assert limiter.used_weight("here") == 1_000_000
    assert limiter.described() == []


def test_orders_are_counted_by_ten_seconds_and_by_day(clock: Any) -> None:
    limiter = Limiter(SMALL, clock)
    limiter.count_orders("main", 3)
    with pytest.raises(ApiError, match="current limit is 3 orders per 10 SECOND") as refused:
        limiter.check_orders("main", 1)
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (429, -1015, 10)
    limiter.check_orders("other", 1)
    clock.move(10)
    limiter.check_orders("main", 2)
    limiter.count_orders("main", 2)
    with pytest.raises(ApiError, match="current limit is 5 orders per 1 DAY"):
        limiter.check_orders("main", 1)


# --- over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def limited(open_venue: Any, clock: Any) -> Any:
    venue = await open_venue(protocol=ProtocolRules(rate_limits=SMALL), wall_ns=clock)
    venue.play()
    return venue


WEIGHTS: list[tuple[str, dict[str, Any], int]] = [
    ("ping", {}, 1),
    ("time", {}, 1),
    ("exchangeInfo", {}, 20),
    ("executionRules", {"symbol": "BTCUSDT"}, 2),
    ("executionRules", {}, 40),
    ("referencePrice", {"symbol": "BTCUSDT"}, 2),
    ("depth", {"symbol": "BTCUSDT"}, 5),
    ("depth", {"symbol": "BTCUSDT", "limit": 100}, 5),
    ("depth", {"symbol": "BTCUSDT", "limit": 101}, 25),
    ("depth", {"symbol": "BTCUSDT", "limit": 500}, 25),
    ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
    ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
    ("trades", {"symbol": "BTCUSDT"}, 25),
    ("historicalTrades", {"symbol": "BTCUSDT"}, 25),
    ("aggTrades", {"symbol": "BTCUSDT"}, 4),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
    ("uiKlines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
    ("avgPrice", {"symbol": "BTCUSDT"}, 2),
    ("ticker/24hr", {"symbol": "BTCUSDT"}, 2),
    ("ticker/24hr", {"symbols": '["BTCUSDT"]'}, 2),
    ("ticker/24hr", {}, 80),
    ("ticker/tradingDay", {"symbol": "BTCUSDT"}, 4),
    ("ticker", {"symbols": '["BTCUSDT"]'}, 4),
    ("ticker/price", {"symbol": "BTCUSDT"}, 2),
    ("ticker/price", {}, 4),
    ("ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
    ("ticker/bookTicker", {}, 4),
]


@pytest.mark.parametrize(("path", "parameters", "weight"), WEIGHTS)
async def test_a_public_call_weighs_what_binance_says(
    venue: Any, path: str, parameters: dict[str, Any], weight: int
) -> None:
    answer = await venue.main.public(path, **parameters)
    assert answer.status == 200, answer
    assert answer.headers["X-MBX-USED-WEIGHT"] == answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
    assert answer.headers["x-mbx-uuid"]


@pytest.mark.parametrize(
    ("path", "parameters", "weight"),
    [
        ("account", {}, 20),
        ("account/commission", {"symbol": "BTCUSDT"}, 20),
        ("openOrders", {"symbol": "BTCUSDT"}, 6),
        ("openOrders", {}, 80),
        ("allOrders", {"symbol": "BTCUSDT"}, 20),
        ("myTrades", {"symbol": "BTCUSDT"}, 20),
        ("myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("openOrderList", {}, 6),
        ("allOrderList", {}, 20),
        ("rateLimit/order", {}, 40),
        ("myPreventedMatches", {"symbol": "BTCUSDT", "preventedMatchId": 1}, 2),
        ("myPreventedMatches", {"symbol": "BTCUSDT", "orderId": 1}, 20),
        ("myFilters", {"symbol": "BTCUSDT"}, 40),
    ],
)
async def test_an_accounts_call_weighs_what_binance_says(
    venue: Any, path: str, parameters: dict[str, Any], weight: int
) -> None:
    answer = await venue.main("GET", path, **parameters)
    assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(weight))


async def test_a_client_that_names_itself_has_limits_of_its_own(limited: Any) -> None:
    for _ in range(2):
        await limited.main.public("depth", symbol="BTCUSDT", limit=1000)
    refused = await limited.main.public("ping")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
    assert refused.headers["X-MBX-USED-WEIGHT-1M"] == "101"
    other = await limited.main.public("ping", headers={"X-Sim-Client": "data"})
    assert (other.status, other.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "1")


async def test_a_client_that_waits_as_it_is_told_is_never_banned(limited: Any, clock: Any) -> None:
    statuses = []
    for _ in range(300):
        answer = await limited.main.public("depth", symbol="BTCUSDT", limit=500)
        statuses.append(answer.status)
        if answer.status == 429:
            clock.move(int(answer.headers["Retry-After"]))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == 240


async def test_one_that_hammers_is_banned_whatever_it_asks(limited: Any) -> None:
    for _ in range(2):
        await limited.main.public("depth", symbol="BTCUSDT", limit=1000)
    statuses = [(await limited.main.public("ping")).status for _ in range(3)]
    assert statuses == [429, 429, 418]
    banned = await limited.main("POST", "order", **LIMIT)
    assert (banned.status, banned.body["code"], banned.headers["Retry-After"]) == (418, -1003, "120")


async def test_placed_orders_are_counted_in_the_headers_and_first_fills_give_some_back(limited: Any) -> None:
    def counts(answer: Any) -> tuple[str, str]:
        return answer.headers["X-MBX-ORDER-COUNT-10S"], answer.headers["X-MBX-ORDER-COUNT-1D"]

    taker = await limited.main("POST", "order", **MARKET)
    assert counts(taker) == ("0", "0"), "its fill took back what it cost"
    resting = await limited.main("POST", "order", **LIMIT)
    assert counts(resting) == ("1", "1")
    refused = await limited.main("POST", "order", **LIMIT | {"quantity": "899", "side": "SELL", "price": "110"})
    assert refused.body["code"] == -2010
    rows = (await limited.main("GET", "rateLimit/order")).body
    assert [(row["interval"], row["intervalNum"], row["limit"], row["count"]) for row in rows] == [
        ("SECOND", 10, 3, 1),
        ("DAY", 1, 5, 1),
    ]


async def test_a_makers_first_fill_gives_five_back_and_never_below_nothing(limited: Any) -> None:
    for price in ("99.5", "99.4", "99.3"):
        await limited.main("POST", "order", **LIMIT | {"price": price})
    refused = await limited.main("POST", "order", **LIMIT)
    assert (refused.status, refused.body["code"]) == (429, -1015)
    await limited.other("POST", "order", **MARKET | {"side": "SELL"})
    rows = (await limited.main("GET", "rateLimit/order")).body
    assert [row["count"] for row in rows] == [0, 0]


async def test_a_list_counts_every_order_and_a_replacement_that_was_not_attempted_too(limited: Any) -> None:
    oco = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "95",
    }
    placed = await limited.main("POST", "orderList/oco", **oco)
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "2"
    await limited.main("POST", "order/cancelReplace", **LIMIT, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=77)
    assert [row["count"] for row in (await limited.main("GET", "rateLimit/order")).body] == [3, 3]


@pytest.mark.parametrize(("mode", "is_cancelled"), [("DO_NOTHING", False), ("CANCEL_ONLY", True)])
async def test_beyond_the_order_limit_a_replacement_cancels_only_if_told_to(
    limited: Any, mode: str, is_cancelled: bool
) -> None:
    for price in ("90", "89", "88"):
        placed = await limited.main("POST", "order", **LIMIT | {"price": price})
    answer = await limited.main(
        "POST",
        "order/cancelReplace",
        **LIMIT,
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=placed.body["orderId"],
        orderRateLimitExceededMode=mode,
    )
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "10"
    assert len((await limited.main("GET", "openOrders", symbol="BTCUSDT")).body) == (2 if is_cancelled else 3)
    if is_cancelled:
        assert answer.body["data"]["newOrderResponse"]["code"] == -1015


async def test_the_limits_are_told_with_the_exchanges_rules(limited: Any) -> None:
    told = (await limited.main.public("exchangeInfo")).body["rateLimits"]
    assert [(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in told] == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 100),
        ("ORDERS", "SECOND", 10, 3),
        ("ORDERS", "DAY", 1, 5),
        ("RAW_REQUESTS", "MINUTE", 5, 1_000),
    ]
