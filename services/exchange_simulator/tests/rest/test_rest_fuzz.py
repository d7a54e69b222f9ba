"""Whatever is sent to whichever call: an answer or a refusal in Binance's form, never an error of the server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.calls import Calls
from n1v1_exchange_simulator.binance.limits import Limiter, RateLimits
from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.exchange import Exchange, history_identity
from n1v1_exchange_simulator.journal import Journal
from n1v1_exchange_simulator.market_events import DepthSnapshot, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_exchange_simulator.settings import exchange_over

BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
ACCOUNT = ApiAccount("main", "key-of-main", "secret-of-main", {"USDT": 10**14, "BTC": 10**10})
ASKED = 250
"""Requests of one run."""
REFUSALS = frozenset({400, 401, 404, 409, 410})
"""Limits are off, so nobody is refused for asking too often."""

NAMES = (
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice",
    "trailingDelta", "icebergQty", "newClientOrderId", "newOrderRespType", "selfTradePreventionMode", "strategyId",
    "strategyType", "orderId", "origClientOrderId", "cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId",
    "cancelRestrictions", "newQty", "startTime", "endTime", "fromId", "limit", "interval", "windowSize", "timeZone",
    "permissions", "symbolStatus", "showPermissionSets", "omitZeroBalances", "orderListId", "listClientOrderId",
    "preventedMatchId", "fromPreventedMatchId", "listenKey", "reduceOnly", "goodTillDate", "recvWindow",
    "workingType", "workingSide", "workingQuantity", "workingPrice", "workingTimeInForce", "pendingType",
    "pendingSide", "pendingQuantity", "pendingPrice", "pendingStopPrice", "pendingAboveType", "pendingAbovePrice",
    "pendingBelowType", "pendingBelowStopPrice", "aboveType", "abovePrice", "belowType", "belowStopPrice",
    "belowPrice", "belowTimeInForce", "stopLimitPrice", "stopLimitTimeInForce", "computeCommissionRates",
)  # fmt: skip

LIKELY = {
    "symbol": ("BTCUSDT", "ETHUSDT", "btcusdt"),
    "symbols": ('["BTCUSDT"]', "[]", "[1]", "BTCUSDT", '["BTCUSDT","BTCUSDT"]', "{}", "[[]]"),
    "side": ("BUY", "SELL"),
    "type": ("LIMIT", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "LIMIT_MAKER"),
    "timeInForce": ("GTC", "IOC", "FOK", "GTD"),
    "newOrderRespType": ("ACK", "RESULT", "FULL"),
    "selfTradePreventionMode": ("NONE", "EXPIRE_TAKER", "DECREMENT"),
    "cancelReplaceMode": ("STOP_ON_FAILURE", "ALLOW_FAILURE"),
    "cancelRestrictions": ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
    "interval": ("1s", "1m", "4h", "1w", "1M", "7m"),
    "windowSize": ("1m", "59m", "1h", "7d", "8d", "0m"),
    "timeZone": ("0", "-1:00", "05:45", "14:00", "14:01", "-12"),
    "permissions": ("SPOT", '["SPOT","MARGIN"]', "[1]"),
    "symbolStatus": ("TRADING", "HALT"),
}
NUMBERS = (
    "0", "1", "2", "0.00001", "0.5", "1.00", "89", "99", "100", "101.01", "100000000", "0.000000001", "1e5", "-1",
    "99999999999999999999", "9223372036854775808", "1577836801000", "18446744073709551616", "123456789012345678901",
)  # fmt: skip
FLAGS = ("true", "false", "TRUE")


def likely(name: str) -> tuple[str, ...]:
    kind = next((key for key in LIKELY if name.lower().endswith(key.lower())), "")
    return LIKELY.get(kind, (*NUMBERS, *FLAGS))


def values(name: str) -> st.SearchStrategy[str]:
    wild = st.text(max_size=12) | st.sampled_from(NUMBERS)
    return st.one_of(st.sampled_from(likely(name)), st.sampled_from(likely(name)), st.sampled_from(likely(name)), wild)


@st.composite
def sent(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=12))
    parameters = {name: draw(values(name)) for name in names}
    if draw(st.integers(0, 3)):
        parameters["symbol"] = "BTCUSDT"
    return parameters


PRICES = st.sampled_from(["60", "95", "98.5", "99", "100", "101", "101.5", "105", "140"])
QUANTITIES = st.sampled_from(["0.1", "0.5", "1", "2.5", "40", "899"])
LIVES = st.sampled_from(["GTC", "IOC", "FOK"])
SIDES = st.sampled_from(["BUY", "SELL"])
MODES = st.sampled_from(["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"])
ORDER_NUMBERS = st.integers(1, 200).map(str)
BY_TYPE: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "LIMIT": {"price": PRICES, "timeInForce": LIVES},
    "LIMIT_MAKER": {"price": PRICES},
    "MARKET": {},
    "STOP_LOSS": {"stopPrice": PRICES},
    "STOP_LOSS_LIMIT": {"stopPrice": PRICES, "price": PRICES, "timeInForce": LIVES},
    "TAKE_PROFIT": {"stopPrice": PRICES},
    "TAKE_PROFIT_LIMIT": {"stopPrice": PRICES, "price": PRICES, "timeInForce": LIVES},
}


@st.composite
def leg(draw: st.DrawFn, prefix: str = "", types: tuple[str, ...] = tuple(BY_TYPE)) -> dict[str, str]:
    """Type, prices and lifetime of one order, under the names that they have in a list."""
    kind = draw(st.sampled_from(types))
    fields = {"type": kind} | {name: draw(strategy) for name, strategy in BY_TYPE[kind].items()}
    return {prefix + name[0].upper() + name[1:] if prefix else name: value for name, value in fields.items()}


@st.composite
def single(draw: st.DrawFn) -> dict[str, str]:
    """An order that reads well; now and then with something more, which may not belong there."""
    asked = {"side": draw(SIDES), "quantity": draw(QUANTITIES)} | draw(leg())
    if asked["type"] == "MARKET" and draw(st.booleans()):
        asked["quoteOrderQty"] = asked.pop("quantity")
    if draw(st.booleans()):
        asked["selfTradePreventionMode"] = draw(MODES)
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(["icebergQty", "trailingDelta", "newClientOrderId", "strategyId"]))
        asked[name] = draw(st.sampled_from(["0.1", "10", "100", "mine"]))
    return asked


@st.composite
def replacement(draw: st.DrawFn) -> dict[str, str]:
    mode = draw(st.sampled_from(LIKELY["cancelReplaceMode"]))
    return {"cancelReplaceMode": mode, "cancelOrderId": draw(ORDER_NUMBERS)} | draw(single())


@st.composite
def amendment(draw: st.DrawFn) -> dict[str, str]:
    return {"orderId": draw(ORDER_NUMBERS), "newQty": draw(QUANTITIES)}


@st.composite
def one_cancels_other(draw: st.DrawFn) -> dict[str, str]:
    above, below = draw(leg("above", ("LIMIT_MAKER", "STOP_LOSS"))), draw(leg("below", ("STOP_LOSS", "LIMIT_MAKER")))
    return {"side": draw(SIDES), "quantity": draw(QUANTITIES)} | above | below


@st.composite
def one_triggers_another(draw: st.DrawFn) -> dict[str, str]:
    sides = {"workingSide": draw(SIDES), "pendingSide": draw(SIDES)}
    quantities = {"workingQuantity": draw(QUANTITIES), "pendingQuantity": draw(QUANTITIES)}
    return sides | quantities | draw(leg("working", ("LIMIT", "LIMIT_MAKER"))) | draw(leg("pending"))


COMMANDS: dict[tuple[str, str], st.SearchStrategy[dict[str, str]]] = {
    ("POST", "order"): single(),
    ("POST", "order/test"): single(),
    ("POST", "order/cancelReplace"): replacement(),
    ("DELETE", "order"): st.fixed_dictionaries({"orderId": ORDER_NUMBERS}),
    ("PUT", "order/amend/keepPriority"): amendment(),
    ("DELETE", "openOrders"): st.just({}),
    ("POST", "orderList/oco"): one_cancels_other(),
    ("POST", "orderList/oto"): one_triggers_another(),
    ("GET", "myTrades"): st.just({}),
    ("GET", "allOrders"): st.just({}),
    ("GET", "allOrderList"): st.just({}),
    ("GET", "myPreventedMatches"): st.fixed_dictionaries({"orderId": ORDER_NUMBERS}),
}


@st.composite
def command(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """Placing is the likeliest."""
    method, path = draw(st.one_of(st.just(("POST", "order")), st.sampled_from(list(COMMANDS))))
    symbol = {} if path == "allOrderList" else {"symbol": "BTCUSDT"}
    return method, path, symbol | draw(COMMANDS[method, path])


@dataclass(frozen=True)
class BookOnce:
    """A recording of one book around 100 dollars, and one trade."""

    quality: Quality = Quality.DEPTH
    instruments: tuple[Instrument, ...] = (BTC,)
    timeframe: str = "1m"
    identity: str = "one book"
    first_ns: int = 1_577_836_800_000_000_000
    total_steps: int | None = 2

    def steps(self) -> Iterator[Step]:
        ts_ns = self.first_ns + 1_000_000_000
        bids, asks = (
            tuple((9_900 - n * 100, 10**8) for n in range(9)),
            tuple((10_100 + n * 100, 10**8) for n in range(9)),
        )
        yield (DepthSnapshot(ts_ns=ts_ns, symbol=BTC.symbol, last_id=1, bids=bids, asks=asks),)
        yield (PublicTrade(ts_ns=ts_ns, symbol=BTC.symbol, number=1, ticks=10_000, lots=10**6, is_buyer_maker=True),)


@dataclass(frozen=True)
class Fuzzed:
    """A venue in a loop of its own, because hypothesis runs a test many times."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    url: str
    exchange: Exchange

    def ask(self, method: str, path: str, query: str, body: str) -> tuple[int, str]:
        async def asked() -> tuple[int, str]:
            url = URL(f"{self.url}{path}?{query}", encoded=True)
            headers = {"X-MBX-APIKEY": ACCOUNT.api_key, "Content-Type": "application/x-www-form-urlencoded"}
            async with self.session.request(method, url, data=body.encode(), headers=headers) as response:
                return response.status, await response.text()

        return self.loop.run_until_complete(asked())

    def balances(self) -> dict[str, Any]:
        return dict(self.exchange.venue.balances(ACCOUNT.name))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    loop = asyncio.new_event_loop()
    journal, exchange = opened_exchange(tmp_path_factory.mktemp("journal"))

    async def start() -> tuple[TestServer, aiohttp.ClientSession]:
        application = web.Application()
        install_venue(
            application,
            exchange,
            [ACCOUNT],
            mode="lockstep",
            metrics=Metrics(),
            broken=loop.create_future(),
            protocol=ProtocolRules(has_all_filters=True, serves_listen_keys=True),
        )
        server = TestServer(application)
        await server.start_server()
        return server, aiohttp.ClientSession()

    server, session = loop.run_until_complete(start())
    yield Fuzzed(loop, session, str(server.make_url("")).rstrip("/"), exchange)

    async def stop() -> None:
        await session.close()
        await server.close()

    loop.run_until_complete(stop())
    loop.close()
    journal.close()


def opened_exchange(folder: Path) -> tuple[Journal, Exchange]:
    source = BookOnce()
    opening = {ACCOUNT.name: ACCOUNT.balances}
    journal = Journal(folder, identity=history_identity(source, RULES, opening), fsync=False)
    exchange = exchange_over(source, RULES, journal, opening)
    while not exchange.is_done:
        exchange.advance(exchange.step + 1)
    return journal, exchange


RULES = MatchingRules(maker_fee_ppb=1_000_000, taker_fee_ppb=1_000_000)


@pytest.fixture(scope="module")
def every_call(fuzzed: Fuzzed) -> list[tuple[str, str]]:
    limiter = Limiter(RateLimits(), time.time_ns)
    rulebook = ProtocolRules().rulebook(fuzzed.exchange.instruments)
    calls = Calls(fuzzed.exchange, rulebook=rulebook, limiter=limiter, wall_ns=time.time_ns)
    return [(call.method, call.path) for call in calls.all]


def signed(parameters: dict[str, str], *, splits: bool) -> tuple[str, str]:
    """Query and body; splits: half of the parameters in each, as the API allows."""
    stamped = {"timestamp": str(time.time_ns() // 1_000_000), **parameters}
    pairs = list(stamped.items())
    half = len(pairs) // 2 if splits else len(pairs)
    query, body = urlencode(pairs[:half], quote_via=quote), urlencode(pairs[half:], quote_via=quote)
    signature = hmac.new(ACCOUNT.api_secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    return (query, f"{body}&signature={signature}") if body else (f"{query}&signature={signature}", body)


QUICK = settings(max_examples=ASKED, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(parameters=sent(), chosen=st.integers(0, 10_000), is_signed=st.booleans(), splits=st.booleans())
def test_no_request_makes_the_server_fail(
    fuzzed: Fuzzed,
    every_call: list[tuple[str, str]],
    parameters: dict[str, str],
    chosen: int,
    is_signed: bool,
    splits: bool,
) -> None:
    method, path = every_call[chosen % len(every_call)]
    query, body = signed(parameters, splits=splits) if is_signed else (urlencode(parameters, quote_via=quote), "")
    status, answer = fuzzed.ask(method, path, query, body)
    assert status == 200 or status in REFUSALS, (status, answer)
    if status in REFUSALS:
        assert '"code":-' in answer
        assert '"msg":"' in answer


def test_nothing_that_is_ordered_makes_the_server_fail_or_loses_money(fuzzed: Fuzzed) -> None:
    """Every run goes on with the orders of those before it."""
    statuses: set[int] = set()

    @QUICK
    @given(asked=st.lists(command(), min_size=1, max_size=8))
    def order(asked: list[tuple[str, str, dict[str, str]]]) -> None:
        for method, path, parameters in asked:
            status, answer = fuzzed.ask(method, f"/api/v3/{path}", *signed(parameters, splits=False))
            assert status == 200 or status in REFUSALS, (status, answer)
            statuses.add(status)
            for balance in fuzzed.balances().values():
                assert balance.free >= 0
                assert balance.locked >= 0

    order()
    assert statuses >= {200, 400}


@QUICK
@given(raw=st.text(alphabet="symbol=&%+BTCUSDT[]\"'\\{}0123456789.;\u00e9", max_size=60), body=st.binary(max_size=60))
def test_bytes_that_are_no_parameters_are_refused(fuzzed: Fuzzed, raw: str, body: bytes) -> None:
    for method, path in (("GET", "/api/v3/depth"), ("POST", "/api/v3/order")):
        status, answer = fuzzed.ask(method, path, quote(raw, safe="=&%+[]"), body.decode("latin-1"))
        assert status == 200 or status in REFUSALS, (status, answer)
