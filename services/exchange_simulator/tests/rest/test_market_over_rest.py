"""The public half of the REST API. The recording trades at 100 dollars at 2, 3 and 64 seconds past midnight."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1_exchange_simulator.binance.protocol import ProtocolRules

MIDNIGHT_MS = 1_577_836_800_000
LEVEL = "1.00000000"
FLAT = ["100.00000000"] * 4


async def test_the_rules_of_a_symbol_have_every_key_that_typed_clients_demand(venue: Any) -> None:
    info = (await venue.main.public("exchangeInfo", symbol="BTCUSDT")).body
    (symbol,) = info["symbols"]
    assert symbol.keys() >= {
        "symbol", "status", "baseAsset", "baseAssetPrecision", "quoteAsset", "quotePrecision", "quoteAssetPrecision",
        "baseCommissionPrecision", "quoteCommissionPrecision", "orderTypes", "icebergAllowed", "ocoAllowed",
        "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed", "allowTrailingStop", "cancelReplaceAllowed",
        "amendAllowed", "pegInstructionsAllowed", "isSpotTradingAllowed", "isMarginTradingAllowed", "filters",
        "permissions", "permissionSets", "defaultSelfTradePreventionMode", "allowedSelfTradePreventionModes",
    }  # fmt: skip
    assert symbol["filters"][0]["filterType"] == "PRICE_FILTER"
    assert symbol["permissionSets"] == [["SPOT"]]


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        ({}, 1),
        ({"symbols": '["BTCUSDT"]'}, 1),
        ({"permissions": "SPOT"}, 1),
        ({"permissions": '["MARGIN","SPOT"]'}, 1),
        ({"permissions": "MARGIN"}, 0),
        ({"symbolStatus": "TRADING"}, 1),
        ({"symbolStatus": "HALT"}, 0),
    ],
)
async def test_symbols_are_chosen_by_name_permission_or_status(venue: Any, choice: dict[str, str], count: int) -> None:
    assert len((await venue.main.public("exchangeInfo", **choice)).body["symbols"]) == count


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"symbol": "BTCUSDT", "permissions": "SPOT"}, -1128),
        ({"symbol": "BTCUSDT", "symbolStatus": "TRADING"}, -1128),
        ({"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}, -1128),
        ({"symbol": "DOGEUSDT"}, -1121),
        ({"symbols": "BTCUSDT"}, -1100),
        ({"symbols": "[]"}, -1100),
        ({"symbols": '["BTCUSDT","BTCUSDT"]'}, -1101),
        ({"symbolStatus": "OPEN"}, -1130),
        ({"colour": "red"}, -1104),
    ],
)
async def test_choices_that_contradict_each_other_are_refused(venue: Any, choice: dict[str, str], code: int) -> None:
    answer = await venue.main.public("exchangeInfo", **choice)
    assert (answer.status, answer.body["code"]) == (400, code)


async def test_the_book_is_told_as_deep_as_was_asked_for(venue: Any) -> None:
    book = (await venue.main.public("depth", symbol="BTCUSDT", limit=2)).body
    assert (book["bids"], book["asks"]) == (
        [["99.00000000", LEVEL], ["98.00000000", LEVEL]],
        [["101.00000000", LEVEL], ["102.00000000", LEVEL]],
    )
    await venue.main(
        "POST", "order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="99.5"
    )
    changed = (await venue.main.public("depth", symbol="BTCUSDT", limit=1)).body
    assert changed["bids"] == [["99.50000000", LEVEL]]
    assert changed["lastUpdateId"] > book["lastUpdateId"]


@pytest.mark.parametrize(
    ("path", "ask", "expected"),
    [
        ("trades", {"limit": 2}, [2, 3]),
        ("historicalTrades", {"limit": 2}, [2, 3]),
        ("historicalTrades", {"fromId": 1, "limit": 2}, [1, 2]),
        ("aggTrades", {"fromId": 2}, [2, 3]),
        ("aggTrades", {"startTime": MIDNIGHT_MS + 3_000}, [2, 3]),
        ("aggTrades", {"endTime": MIDNIGHT_MS + 3_000, "limit": 1}, [2]),
        ("aggTrades", {"startTime": MIDNIGHT_MS, "endTime": MIDNIGHT_MS + 2_999}, [1]),
    ],
)
async def test_trades_are_listed_by_number_and_time(
    venue: Any, path: str, ask: dict[str, int], expected: list[int]
) -> None:
    rows = (await venue.main.public(path, symbol="BTCUSDT", **ask)).body
    assert [row["a" if path == "aggTrades" else "id"] for row in rows] == expected


async def test_bars_are_rows_of_twelve_and_the_last_one_is_open(venue: Any) -> None:
    rows = (await venue.main.public("klines", symbol="BTCUSDT", interval="1m")).body
    traded, open_so_far = [2, "0.01000000", "1.00000000", "0"], [1, "0.01000000", "1.00000000", "0"]
    assert rows == [
        [MIDNIGHT_MS, *FLAT, "0.02000000", MIDNIGHT_MS + 59_999, "2.00000000", *traded],
        [MIDNIGHT_MS + 60_000, *FLAT, "0.01000000", MIDNIGHT_MS + 119_999, "1.00000000", *open_so_far],
    ]
    assert (await venue.main.public("uiKlines", symbol="BTCUSDT", interval="1m")).body == rows
    second = (await venue.main.public("klines", symbol="BTCUSDT", interval="1m", startTime=MIDNIGHT_MS + 1)).body
    assert second == rows[1:]
    wrong = await venue.main.public("klines", symbol="BTCUSDT", interval="7m")
    assert wrong.refusal == (400, -1120, "Invalid interval.")


async def test_times_can_be_had_in_microseconds(venue: Any) -> None:
    headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    (trade,) = (await venue.main.public("trades", headers, symbol="BTCUSDT", limit=1)).body
    assert trade["time"] == (MIDNIGHT_MS + 64_000) * 1_000
    rows = (await venue.main.public("klines", headers, symbol="BTCUSDT", interval="1m", limit=1)).body
    assert (rows[0][0], rows[0][6]) == ((MIDNIGHT_MS + 60_000) * 1_000, (MIDNIGHT_MS + 120_000) * 1_000 - 1)
    assert len(str((await venue.main.public("time", headers)).body["serverTime"])) == 16


async def test_tickers_tell_what_the_market_did(venue: Any) -> None:
    day = (await venue.main.public("ticker/24hr", symbol="BTCUSDT")).body
    assert (day["lastPrice"], day["bidPrice"], day["askPrice"], day["bidQty"]) == (
        "100.00000000",
        "99.00000000",
        "101.00000000",
        LEVEL,
    )
    assert (day["volume"], day["quoteVolume"], day["priceChange"], day["priceChangePercent"]) == (
        "0.03000000",
        "3.00000000",
        "0.00000000",
        "0.000",
    )
    mini = (await venue.main.public("ticker/24hr", symbols='["BTCUSDT"]', type="MINI")).body
    assert [each.keys() & {"volume", "bidPrice", "priceChange"} for each in mini] == [{"volume"}]
    minute = (await venue.main.public("ticker", symbol="BTCUSDT", windowSize="1m")).body
    assert minute["volume"] == "0.01000000", "the minute that is open began within the last one"
    assert (await venue.main.public("ticker/tradingDay", symbol="BTCUSDT", timeZone="0")).body["volume"] == "0.03000000"
    assert (await venue.main.public("ticker/price", symbol="BTCUSDT")).body["price"] == "100.00000000"
    assert (await venue.main.public("avgPrice", symbol="BTCUSDT")).body["price"] == "100.00000000"
    best = (await venue.main.public("ticker/bookTicker")).body
    assert [(each["bidPrice"], each["askPrice"]) for each in best] == [("99.00000000", "101.00000000")]


@pytest.mark.parametrize(
    ("path", "ask", "code"),
    [
        ("ticker", {"symbol": "BTCUSDT", "windowSize": "8d"}, -1100),
        ("ticker", {}, -1102),
        ("ticker/tradingDay", {"symbol": "BTCUSDT", "timeZone": "15"}, -1100),
        ("ticker/24hr", {"symbol": "BTCUSDT", "type": "LONG"}, -1102),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
        ("depth", {}, -1102),
        ("depth", {"symbol": "BTCUSDT", "symbolStatus": "HALT"}, -1220),
    ],
)
async def test_what_cannot_be_answered_is_explained(venue: Any, path: str, ask: dict[str, Any], code: int) -> None:
    answer = await venue.main.public(path, **ask)
    assert (answer.status, answer.body["code"]) == (400, code)


async def test_before_the_first_trade_there_is_no_price_and_nothing_fails(open_venue: Any) -> None:
    venue = await open_venue()
    for path in ("ticker/24hr", "ticker/price", "ticker/bookTicker"):
        assert (await venue.main.public(path)).status == 200
    assert (await venue.main.public("ticker/24hr")).body == []
    assert (await venue.main.public("avgPrice", symbol="BTCUSDT")).body["msg"] == "Market is closed."
    assert (await venue.main.public("depth", symbol="BTCUSDT")).body["bids"] == []


async def test_an_account_tells_its_balances_rates_and_filters(venue: Any) -> None:
    account = (await venue.main("GET", "account", omitZeroBalances="true")).body
    assert [row["asset"] for row in account["balances"]] == ["BTC", "USDT"]
    assert (account["makerCommission"], account["commissionRates"]["taker"], account["canWithdraw"]) == (
        10,
        "0.00100000",
        False,
    )
    commission = (await venue.main("GET", "account/commission", symbol="BTCUSDT")).body
    assert commission["standardCommission"] == account["commissionRates"]
    (fee,) = (await venue.main("GET", "/sapi/v1/asset/tradeFee", symbol="BTCUSDT")).body
    assert (fee["makerCommission"], fee["takerCommission"]) == ("0.00100000", "0.00100000")
    filters = (await venue.main("GET", "myFilters", symbol="BTCUSDT")).body["symbolFilters"]
    info = (await venue.main.public("exchangeInfo")).body["symbols"][0]
    assert filters == info["filters"]
    restrictions = (await venue.main("GET", "/sapi/v1/account/apiRestrictions")).body
    assert (restrictions["enableSpotAndMarginTrading"], restrictions["enableWithdrawals"]) == (True, False)


async def test_a_prevented_match_is_told_by_order_and_by_number(venue: Any) -> None:
    order = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    await venue.main("POST", "order", **order, side="SELL", price="100.5")
    taker = (
        await venue.main("POST", "order", **order, side="BUY", price="100.5", selfTradePreventionMode="EXPIRE_TAKER")
    ).body
    assert taker["status"] == "EXPIRED_IN_MATCH"
    by_order = (await venue.main("GET", "myPreventedMatches", symbol="BTCUSDT", orderId=taker["orderId"])).body
    by_number = (
        await venue.main("GET", "myPreventedMatches", symbol="BTCUSDT", preventedMatchId=taker["preventedMatchId"])
    ).body
    assert by_order == by_number
    assert (by_order[0]["price"], by_order[0]["selfTradePreventionMode"]) == ("100.50000000", "EXPIRE_TAKER")


async def test_listen_keys_are_gone_unless_a_venue_is_set_to_be_as_it_was(open_venue: Any, clock: Any) -> None:
    today = await open_venue()
    gone = await today.main.send("POST", "userDataStream")
    assert gone.status == 410


async def test_a_listen_key_is_good_for_an_hour_after_it_was_last_kept_alive(open_venue: Any, clock: Any) -> None:
    venue = await open_venue(protocol=ProtocolRules(serves_listen_keys=True), wall_ns=clock)
    key = (await venue.main.send("POST", "userDataStream")).body["listenKey"]
    assert (await venue.main.send("POST", "userDataStream")).body["listenKey"] == key
    clock.move(3_599)
    assert (await venue.main.send("PUT", f"userDataStream?listenKey={key}")).status == 200
    clock.move(3_599)
    assert (await venue.main.send("PUT", f"userDataStream?listenKey={key}")).status == 200
    stranger = await venue.other.send("PUT", f"userDataStream?listenKey={key}")
    assert stranger.refusal == (400, -1125, "This listenKey does not exist.")
    clock.move(3_600)
    late = await venue.main.send("DELETE", f"userDataStream?listenKey={key}")
    assert late.body["code"] == -1125
