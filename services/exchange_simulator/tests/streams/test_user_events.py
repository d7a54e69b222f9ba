"""What an account hears of its orders, field for field and in order."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

PATIENCE_S = 10
OPENED_MS = 1_704_067_201_000
"""The venue's time at step 2."""


class Account:
    """One WebSocket API connection of the account `main`, which hears its own events."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.events: list[Any] = []

    async def call(self, method: str, **params: object) -> Any:
        """The result; what is heard before it is kept."""
        sent = {"apiKey": "key-of-main", "timestamp": time.time_ns() // 1_000_000} | params
        payload = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
        signature = hmac.new(b"secret-of-main", payload.encode(), hashlib.sha256).hexdigest()
        await self._socket.send_json({"id": 1, "method": method, "params": sent | {"signature": signature}})
        while "id" not in (answer := await self._hear()):
            self.events.append(answer["event"])
        assert answer["status"] == 200, answer
        return answer["result"]

    async def place(self, **order: object) -> Any:
        return await self.call("order.place", symbol="BTCUSDT", newOrderRespType="RESULT", **order)

    async def heard(self, count: int) -> list[Any]:
        """The next so many events."""
        while len(self.events) < count:
            self.events.append((await self._hear())["event"])
        taken, self.events = self.events[:count], self.events[count:]
        return taken

    async def _hear(self) -> Any:
        return orjson.loads(await self._socket.receive_str(timeout=PATIENCE_S))


@pytest.fixture
async def account(venue: Any) -> AsyncIterator[Account]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws-api/v3") as socket:
        account = Account(socket)
        await account.call("userDataStream.subscribe.signature")
        yield account


LIMIT = {"type": "LIMIT", "timeInForce": "GTC"}


async def test_a_resting_order_field_for_field(account: Account) -> None:
    placed = await account.place(
        side="BUY",
        **LIMIT,
        quantity="0.50",
        price="95.0",
        newClientOrderId="mine",
        strategyId=7,
        strategyType=1_000_001,
    )
    report, position = await account.heard(2)
    assert report == {
        "e": "executionReport",
        "E": OPENED_MS,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.50000000",
        "p": "95.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": placed["orderId"],
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": OPENED_MS,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": OPENED_MS,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": OPENED_MS,
        "V": "EXPIRE_MAKER",
        "j": 7,
        "J": 1_000_001,
    }
    assert (position["e"], position["E"], position["u"]) == ("outboundAccountPosition", OPENED_MS, OPENED_MS)
    usdt = next(row for row in position["B"] if row["a"] == "USDT")
    assert usdt == {"a": "USDT", "f": "99952.50000000", "l": "47.50000000"}


async def reports_of(account: Account, count: int) -> list[Any]:
    """The next so many executionReports."""
    found: list[Any] = []
    while len(found) < count:
        found += [event for event in await account.heard(1) if event["e"] == "executionReport"]
    return found


async def test_each_fill_is_an_event_with_its_own_amounts_and_the_totals_so_far(account: Account) -> None:
    await account.place(side="BUY", type="MARKET", quantity="1.5")
    new, first, second = await reports_of(account, 3)
    assert [(each["x"], each["X"], each["w"]) for each in (new, first, second)] == [
        ("NEW", "NEW", True),
        ("TRADE", "PARTIALLY_FILLED", True),
        ("TRADE", "FILLED", False),
    ]
    assert [(each["l"], each["L"], each["Y"]) for each in (first, second)] == [
        ("1.00000000", "101.00000000", "101.00000000"),
        ("0.50000000", "102.00000000", "51.00000000"),
    ]
    assert [(each["z"], each["Z"]) for each in (first, second)] == [
        ("1.00000000", "101.00000000"),
        ("1.50000000", "152.00000000"),
    ]
    assert [(each["n"], each["N"], each["m"]) for each in (first, second)] == [
        ("0.00100000", "BTC", False),
        ("0.00050000", "BTC", False),
    ]
    assert second["t"] == first["t"] + 1
    assert new["I"] < first["I"] < second["I"]


async def test_a_cancel_has_a_name_of_its_own_and_tells_the_orders(account: Account) -> None:
    await account.place(side="BUY", **LIMIT, quantity="0.5", price="95", newClientOrderId="mine")
    answer = await account.call(
        "order.cancel", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="the-cancel"
    )
    _, cancel = await reports_of(account, 2)
    assert (cancel["c"], cancel["C"], cancel["x"], cancel["X"]) == ("the-cancel", "mine", "CANCELED", "CANCELED")
    assert cancel["w"] is False
    assert (answer["clientOrderId"], answer["origClientOrderId"]) == ("the-cancel", "mine")


async def test_a_cancel_without_a_name_is_called_the_same_in_answer_and_event(account: Account) -> None:
    placed = await account.place(side="BUY", **LIMIT, quantity="0.5", price="95")
    answer = await account.call("order.cancel", symbol="BTCUSDT", orderId=placed["orderId"])
    _, cancel = await reports_of(account, 2)
    assert cancel["c"] == answer["clientOrderId"]
    assert cancel["C"] == placed["clientOrderId"]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"type": "MARKET", "quantity": "20"}, "INSUFFICIENT_LIQUIDITY"),
        ({"type": "LIMIT", "timeInForce": "IOC", "price": "101", "quantity": "2"}, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ({"type": "LIMIT", "timeInForce": "FOK", "price": "101", "quantity": "2"}, "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
async def test_what_expires_says_why(account: Account, order: dict[str, object], reason: str) -> None:
    await account.place(side="BUY", **order)
    last: Any = {}
    while last.get("x") != "EXPIRED":
        (last,) = await reports_of(account, 1)
    assert (last["X"], last["eR"], last["w"], last["C"]) == ("EXPIRED", reason, False, "")


async def test_a_stop_waits_outside_the_book_and_works_under_the_same_number(venue: Any, account: Account) -> None:
    placed = await account.place(side="SELL", type="STOP_LOSS", quantity="0.5", stopPrice="99.5")
    (waiting,) = await reports_of(account, 1)
    assert (waiting["o"], waiting["P"], waiting["w"]) == ("STOP_LOSS", "99.50000000", False)
    assert "W" not in waiting, "it has never been in the book"

    await account.place(side="SELL", type="MARKET", quantity="2")  # to 99, through the stop
    later = await reports_of(account, 5)
    mine = [event for event in later if event["i"] == placed["orderId"]]
    assert [(event["x"], event["X"]) for event in mine] == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert (mine[0]["w"], mine[0]["W"]) == (True, mine[0]["T"])


async def test_a_trailing_stop_tells_its_distance(account: Account) -> None:
    await account.place(side="SELL", type="STOP_LOSS", quantity="0.5", trailingDelta=100)
    (report,) = await reports_of(account, 1)
    assert (report["d"], report["D"]) == (100, OPENED_MS)


async def test_a_list_begins_and_ends_with_an_event_of_its_own(account: Account) -> None:
    sell = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5", "listClientOrderId": "pair"}
    above = {"aboveType": "LIMIT_MAKER", "abovePrice": "105", "aboveClientOrderId": "up"}
    below = {"belowType": "STOP_LOSS", "belowStopPrice": "95", "belowClientOrderId": "down"}
    placed = await account.call("orderList.place.oco", **sell, **above, **below)
    await account.call("orderList.cancel", symbol="BTCUSDT", orderListId=placed["orderListId"])
    statuses: list[Any] = []
    reports: list[Any] = []
    while len(statuses) < 2 or len(reports) < 4:
        (event,) = await account.heard(1)
        if event["e"] == "listStatus":
            statuses.append(event)
        elif event["e"] == "executionReport":
            reports.append(event)
    begun, ended = statuses
    assert begun | {"O": None} == {
        "e": "listStatus",
        "E": OPENED_MS,
        "s": "BTCUSDT",
        "g": placed["orderListId"],
        "c": "OCO",
        "l": "EXEC_STARTED",
        "L": "EXECUTING",
        "r": "NONE",
        "C": "pair",
        "T": OPENED_MS,
        "O": None,
    }
    assert sorted(order["c"] for order in begun["O"]) == ["down", "up"]
    assert (ended["l"], ended["L"]) == ("ALL_DONE", "ALL_DONE")
    assert {event["g"] for event in reports} == {placed["orderListId"]}


async def test_an_order_that_is_made_smaller_is_told_as_replaced(account: Account) -> None:
    placed = await account.place(side="BUY", **LIMIT, quantity="0.5", price="95", newClientOrderId="mine")
    await account.call(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=placed["orderId"], newQty="0.2", newClientOrderId="less"
    )
    _, amended = await reports_of(account, 2)
    assert (amended["x"], amended["X"], amended["q"]) == ("REPLACED", "NEW", "0.20000000")
    assert (amended["c"], amended["C"]) == ("less", "mine")


async def test_a_trade_with_oneself_that_did_not_happen(account: Account) -> None:
    resting = await account.place(side="SELL", **LIMIT, quantity="0.4", price="100.5")
    taking = await account.place(
        side="BUY", **LIMIT, quantity="0.1", price="100.5", selfTradePreventionMode="EXPIRE_TAKER"
    )
    _, _, prevented = await reports_of(account, 3)
    assert (prevented["x"], prevented["X"], prevented["i"]) == (
        "TRADE_PREVENTION",
        "EXPIRED_IN_MATCH",
        taking["orderId"],
    )
    assert (prevented["U"], prevented["Cs"], prevented["V"]) == (resting["orderId"], "BTCUSDT", "EXPIRE_TAKER")
    assert (prevented["A"], prevented["B"], prevented["pl"]) == ("0.10000000", "0.10000000", "0.10000000")
    assert (prevented["pL"], prevented["pY"]) == ("100.50000000", "10.05000000")


async def test_a_deposit_is_told_with_the_balance_after_it(venue: Any, account: Account) -> None:
    venue.exchange.deposit("main", "USDT", -250 * 10**8)
    update, position = await account.heard(2)
    assert update == {
        "e": "balanceUpdate",
        "E": OPENED_MS,
        "a": "USDT",
        "d": "-250.00000000",
        "T": OPENED_MS,
    }
    assert position["B"] == [{"a": "USDT", "f": "99750.00000000", "l": "0.00000000"}]


async def test_nobody_hears_of_anothers_orders(venue: Any, account: Account) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws-api/v3") as socket:
        stranger = Account(socket)
        await stranger.place(side="BUY", **LIMIT, quantity="0.5", price="95")
        await account.heard(2)
        assert stranger.events == [], "it placed the order, but did not ask to hear of it"
