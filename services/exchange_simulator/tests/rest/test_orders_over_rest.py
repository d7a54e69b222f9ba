"""Orders at a venue with a book: placing, asking, cancelling, replacing, amending, and lists of them."""

from __future__ import annotations

from typing import Any

import pytest

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "90"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
REPLACE = LIMIT | {"cancelReplaceMode": "STOP_ON_FAILURE", "newClientOrderId": "new"}
OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "110",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "95",
    "belowPrice": "94",
    "belowTimeInForce": "GTC",
}


async def test_a_market_order_sweeps_the_book_and_its_fills_are_those_of_my_trades(venue: Any) -> None:
    placed = await venue.main("POST", "order", **MARKET, quantity="1.5", newClientOrderId="sweep")
    assert placed.status == 200
    assert (placed.body["status"], placed.body["price"], placed.body["executedQty"]) == (
        "FILLED",
        "0.00000000",
        "1.50000000",
    )
    assert placed.body["cummulativeQuoteQty"] == "152.00000000"  # 1 at 101 and half at 102
    assert [(fill["price"], fill["qty"], fill["commission"]) for fill in placed.body["fills"]] == [
        ("101.00000000", "1.00000000", "0.00100000"),
        ("102.00000000", "0.50000000", "0.00050000"),
    ]
    trades = (await venue.main("GET", "myTrades", symbol="BTCUSDT", orderId=placed.body["orderId"])).body
    kept = ("price", "qty", "commission", "commissionAsset")
    assert [{name: row[name] for name in kept} for row in trades] == [
        {name: fill[name] for name in kept} for fill in placed.body["fills"]
    ]
    assert [row["id"] for row in trades] == [fill["tradeId"] for fill in placed.body["fills"]]


async def test_an_order_by_quote_amount_buys_whole_steps_that_it_can_pay_for(venue: Any) -> None:
    placed = (await venue.main("POST", "order", **MARKET, quoteOrderQty="50")).body
    assert (placed["status"], placed["origQuoteOrderQty"]) == ("FILLED", "50.00000000")
    assert placed["executedQty"] == placed["origQty"] == "0.49504000"  # 50 / 101, down to a step of 0.00001


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"newOrderRespType": "ACK"}, {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}),
        ({"newOrderRespType": "RESULT"}, {"status", "executedQty", "workingTime"}),
        ({}, {"status", "executedQty", "fills"}),
    ],
)
async def test_the_answer_says_as_much_as_was_asked_for(venue: Any, more: dict[str, str], fields: set[str]) -> None:
    placed = (await venue.main("POST", "order", **LIMIT, **more)).body
    assert fields <= placed.keys()
    assert ("fills" in placed) == (more == {})
    assert ("status" in placed) == (more != {"newOrderRespType": "ACK"})


async def test_a_stop_is_acknowledged_and_not_working(venue: Any) -> None:
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "1", "stopPrice": "95"}
    placed = (await venue.main("POST", "order", **stop, newClientOrderId="stop")).body
    assert "status" not in placed, "only MARKET and LIMIT orders are answered in full by default"
    asked = (await venue.main("GET", "order", symbol="BTCUSDT", origClientOrderId="stop")).body
    assert (asked["status"], asked["isWorking"], asked["workingTime"], asked["stopPrice"]) == (
        "NEW",
        False,
        -1,
        "95.00000000",
    )


@pytest.mark.parametrize(
    ("change", "code", "msg"),
    [
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
        ({"timeInForce": "NOW"}, -1115, "Invalid timeInForce."),
        ({"type": "MARKET", "price": None}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "LIMIT_MAKER"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "HIDDEN"}, -1116, "Invalid orderType."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"symbol": "DOGEUSDT"}, -1121, "Invalid symbol."),
        (
            {"symbol": "btcusdt"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.",
        ),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"price": "90.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"stopPrice": "95"}, -1106, "Parameter 'stopPrice' sent when not required."),
        (
            {"type": "STOP_LOSS_LIMIT"},
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        ),
        (
            {"colour": "red"},
            -1104,
            "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
        ),
        (
            {"selfTradePreventionMode": "SOMEHOW"},
            -1013,
            "This symbol does not allow the specified self-trade prevention mode.",
        ),
        (
            {"price": "101.00", "type": "LIMIT_MAKER", "timeInForce": None},
            -2010,
            "Order would immediately match and take.",
        ),
        ({"quantity": "90000"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "899", "price": "10000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"icebergQty": "0.1", "timeInForce": "IOC"}, -2010, "Unsupported order combination"),
    ],
)
async def test_what_is_wrong_with_an_order_is_said_in_binances_words(
    venue: Any, change: dict[str, str | None], code: int, msg: str
) -> None:
    order = {name: value for name, value in (LIMIT | change).items() if value is not None}
    answer = await venue.main("POST", "order", **order)
    assert answer.refusal == (400, code, msg)
    assert (await venue.main("GET", "allOrders", symbol="BTCUSDT")).body == []


async def test_a_parameter_sent_twice_is_refused(venue: Any) -> None:
    answer = await venue.main.send("GET", "depth?symbol=BTCUSDT&symbol=BTCUSDT")
    assert (answer.status, answer.body["code"]) == (400, -1101)


async def test_a_test_order_is_judged_and_never_placed(venue: Any) -> None:
    assert (await venue.main("POST", "order/test", **LIMIT)).body == {}
    rates = (await venue.main("POST", "order/test", **LIMIT, computeCommissionRates="true")).body
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    refused = await venue.main("POST", "order/test", **LIMIT | {"quantity": "90000"})
    assert refused.refusal == (400, -1013, "Filter failure: LOT_SIZE")
    assert (await venue.main("GET", "allOrders", symbol="BTCUSDT")).body == []


async def test_a_cancel_has_a_name_of_its_own_and_tells_the_orders(venue: Any) -> None:
    await venue.main("POST", "order", **LIMIT, newClientOrderId="mine")
    gone = await venue.main(
        "DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="the-cancel"
    )
    assert (gone.body["origClientOrderId"], gone.body["clientOrderId"], gone.body["status"]) == (
        "mine",
        "the-cancel",
        "CANCELED",
    )
    again = await venue.main("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine")
    assert again.refusal == (400, -2011, "Unknown order sent.")
    none = await venue.main("DELETE", "openOrders", symbol="BTCUSDT")
    assert none.refusal == (400, -2011, "Unknown order sent.")


async def test_a_cancel_can_be_for_orders_without_a_fill_only(venue: Any) -> None:
    await venue.main("POST", "order", **LIMIT, newClientOrderId="mine")
    by = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    kept = await venue.main("DELETE", "order", **by, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert kept.refusal == (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert (await venue.main("DELETE", "order", **by, cancelRestrictions="ONLY_NEW")).status == 200


async def test_another_accounts_order_does_not_exist(venue: Any) -> None:
    placed = (await venue.main("POST", "order", **LIMIT)).body
    answer = await venue.other("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert answer.refusal == (400, -2013, "Order does not exist.")
    neither = await venue.main("GET", "order", symbol="BTCUSDT")
    assert neither.body["msg"] == "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"


# --- cancelReplace -------------------------------------------------------------------------------------------------


async def test_a_replacement_tells_both_halves(venue: Any) -> None:
    await venue.main("POST", "order", **LIMIT, newClientOrderId="old")
    answer = await venue.main("POST", "order/cancelReplace", **REPLACE, cancelOrigClientOrderId="old")
    assert answer.status == 200
    assert (answer.body["cancelResult"], answer.body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer.body["cancelResponse"]["origClientOrderId"] == "old"
    assert answer.body["newOrderResponse"]["clientOrderId"] == "new"


async def test_without_a_cancel_nothing_is_attempted_unless_failure_is_allowed(venue: Any) -> None:
    stopped = await venue.main("POST", "order/cancelReplace", **REPLACE, cancelOrderId=77)
    assert stopped.refusal == (400, -2022, "Order cancel-replace failed.")
    assert stopped.body["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    allowed = await venue.main(
        "POST", "order/cancelReplace", **REPLACE | {"cancelReplaceMode": "ALLOW_FAILURE"}, cancelOrderId=77
    )
    assert allowed.refusal == (409, -2021, "Order cancel-replace partially failed.")
    assert (allowed.body["data"]["cancelResult"], allowed.body["data"]["newOrderResult"]) == ("FAILURE", "SUCCESS")
    assert allowed.body["data"]["newOrderResponse"]["status"] == "NEW"


async def test_a_replacement_that_the_account_cannot_pay_for_still_cancels(venue: Any) -> None:
    await venue.main("POST", "order", **LIMIT, newClientOrderId="old")
    dear = REPLACE | {"quantity": "89", "price": "400", "timeInForce": "GTC", "side": "SELL"}
    await venue.main("POST", "order", **LIMIT | {"side": "SELL", "quantity": "50", "price": "120"})
    answer = await venue.main("POST", "order/cancelReplace", **dear, cancelOrigClientOrderId="old")
    assert answer.refusal == (409, -2021, "Order cancel-replace partially failed.")
    assert answer.body["data"]["cancelResult"] == "SUCCESS"
    assert answer.body["data"]["newOrderResponse"] == {
        "code": -2010,
        "msg": "Account has insufficient balance for requested action.",
    }


async def test_filters_come_before_the_cancel(venue: Any) -> None:
    await venue.main("POST", "order", **LIMIT, newClientOrderId="old")
    answer = await venue.main(
        "POST", "order/cancelReplace", **REPLACE | {"price": "90.001"}, cancelOrigClientOrderId="old"
    )
    assert answer.refusal == (400, -1013, "Filter failure: PRICE_FILTER")
    assert len((await venue.main("GET", "openOrders", symbol="BTCUSDT")).body) == 1


# --- amendments ----------------------------------------------------------------------------------------------------


async def test_an_amended_order_is_smaller_and_may_be_renamed(venue: Any) -> None:
    placed = (await venue.main("POST", "order", **LIMIT, newClientOrderId="mine")).body
    answer = await venue.main(
        "PUT",
        "order/amend/keepPriority",
        symbol="BTCUSDT",
        orderId=placed["orderId"],
        newQty="0.5",
        newClientOrderId="less",
    )
    assert answer.status == 200, answer
    amended = answer.body["amendedOrder"]
    assert (amended["origClientOrderId"], amended["clientOrderId"], amended["qty"]) == ("mine", "less", "0.50000000")
    more = await venue.main("PUT", "order/amend/keepPriority", symbol="BTCUSDT", orderId=placed["orderId"], newQty="2")
    assert more.refusal == (400, -2038, "Order amend (quantity increase) is not supported.")


async def test_an_order_may_be_amended_ten_times(venue: Any) -> None:
    placed = (await venue.main("POST", "order", **LIMIT)).body
    by = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    for tenths in range(9, -1, -1):
        quantity = f"0.9{tenths}"
        answer = await venue.main("PUT", "order/amend/keepPriority", **by, newQty=quantity)
        assert answer.status == 200, (quantity, answer)
    answer = await venue.main("PUT", "order/amend/keepPriority", **by, newQty="0.5")
    assert answer.refusal == (400, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS")


# --- lists ---------------------------------------------------------------------------------------------------------


async def test_an_oco_is_one_list_with_two_reports(venue: Any) -> None:
    placed = (await venue.main("POST", "orderList/oco", **OCO, listClientOrderId="both")).body
    assert (placed["contingencyType"], placed["listStatusType"], placed["listOrderStatus"]) == (
        "OCO",
        "EXEC_STARTED",
        "EXECUTING",
    )
    assert {report["type"] for report in placed["orderReports"]} == {"STOP_LOSS_LIMIT", "LIMIT_MAKER"}
    assert {report["orderListId"] for report in placed["orderReports"]} == {placed["orderListId"]}
    asked = (await venue.main("GET", "orderList", orderListId=placed["orderListId"])).body
    assert asked == {name: value for name, value in placed.items() if name != "orderReports"}
    assert [each["orderListId"] for each in (await venue.main("GET", "openOrderList")).body] == [placed["orderListId"]]
    gone = (await venue.main("DELETE", "orderList", symbol="BTCUSDT", listClientOrderId="both")).body
    assert {report["status"] for report in gone["orderReports"]} == {"CANCELED"}
    assert (await venue.main("GET", "openOrderList")).body == []
    assert len((await venue.main("GET", "allOrderList")).body) == 1


async def test_the_old_way_to_place_an_oco_still_works(venue: Any) -> None:
    old = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "1",
        "price": "110",
        "stopPrice": "95",
        "stopLimitPrice": "94",
        "stopLimitTimeInForce": "GTC",
        "limitClientOrderId": "target",
        "stopClientOrderId": "stop",
    }
    placed = (await venue.main("POST", "order/oco", **old)).body
    assert {(each["type"], each["clientOrderId"]) for each in placed["orderReports"]} == {
        ("LIMIT_MAKER", "target"),
        ("STOP_LOSS_LIMIT", "stop"),
    }


async def test_prices_of_an_oco_stand_on_both_sides_of_the_market(venue: Any) -> None:
    answer = await venue.main("POST", "orderList/oco", **OCO | {"belowStopPrice": "105"})
    assert answer.status == 400
    assert answer.body["code"] == -2010


# --- lists by time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ({}, [4, 5, 6]),
        ({"limit": 2}, [5, 6]),
        ({"fromId": 5}, [5, 6]),
        ({"fromId": 1, "limit": 1}, [4]),
        ({"orderId": 1}, [4]),
        ({"orderId": 2, "fromId": 6}, []),
        ({"startTime": 1_577_836_800_000, "limit": 2}, [4, 5]),
        ({"endTime": 1_577_836_800_000}, []),
        ({"startTime": 1_577_836_800_000, "endTime": 1_577_923_200_000}, [4, 5, 6]),
    ],
)
async def test_which_of_an_accounts_trades_are_listed(venue: Any, ask: dict[str, int], expected: list[int]) -> None:
    """Three trades of the recording have been before them."""
    for _ in range(3):
        await venue.main("POST", "order", **MARKET, quantity="0.2")
    rows = (await venue.main("GET", "myTrades", symbol="BTCUSDT", **ask)).body
    assert [row["id"] for row in rows] == expected


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        ({"fromId": 1, "startTime": 1}, -1128),
        ({"orderId": 1, "endTime": 1}, -1128),
        ({"startTime": 0, "endTime": 86_400_001}, -1127),
        ({"startTime": "yesterday"}, -1100),
        ({"limit": 0}, -1100),
    ],
)
async def test_what_cannot_be_combined_is_refused(venue: Any, ask: dict[str, Any], code: int) -> None:
    answer = await venue.main("GET", "myTrades", symbol="BTCUSDT", **ask)
    assert (answer.status, answer.body["code"]) == (400, code)
