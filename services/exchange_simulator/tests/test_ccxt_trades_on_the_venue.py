"""Unmodified ccxt against the venue: what execution and market_data will do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import ccxt.pro as ccxt_pro
import pytest
from ccxt.base.errors import (
    AuthenticationError,
    BadSymbol,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
)

# ccxt carries no types, hence Any. The fixtures come from conftest.py, which cannot be imported in importlib mode.
Client = Any


def config(url: str, key: str = "key-of-main", secret: str = "secret-of-main") -> dict[str, Any]:
    """Only configuration points ccxt at the venue."""
    socket = url.replace("http", "ws", 1)
    return {
        "apiKey": key,
        "secret": secret,
        "enableRateLimit": False,
        "number": str,
        "urls": {
            "api": {
                "public": f"{url}/api/v3",
                "private": f"{url}/api/v3",
                "v1": f"{url}/api/v1",
                "sapi": f"{url}/sapi/v1",
                "ws": {
                    "spot": f"{socket}/stream/ws",
                    "margin": f"{socket}/stream/ws",
                    "ws-api": {"spot": f"{socket}/ws-api/v3"},
                },
            }
        },
        "options": {
            "fetchMarkets": {"types": ["spot"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
            "createOrder": {"quoteOrderQty": False, "timeInForce": "GTC"},
            "fetchOpenOrders": {"warnWithoutSymbol": False},
        },
    }


@pytest.fixture
async def client(served: Any) -> AsyncIterator[Client]:
    exchange = ccxt_async.binance(config(served.url))
    yield exchange
    await exchange.close()


@pytest.fixture
async def streaming_client(served: Any) -> AsyncIterator[Client]:
    exchange = ccxt_pro.binance(config(served.url))
    yield exchange
    await exchange.close()


def advance(served: Any, steps: int = 1) -> None:
    for _ in range(steps):
        served.exchange.advance(served.exchange.step + 1)


async def test_markets_carry_the_grid_of_the_instruments(client: Client) -> None:
    markets = await client.load_markets()

    btc = markets["BTC/USD"]
    assert (btc["precision"]["price"], btc["precision"]["amount"]) == ("0.01000000", "0.00001000")
    assert btc["limits"]["cost"]["min"] == "10.00000000"
    assert btc["active"] is True
    assert sorted(markets) == ["BTC/USD", "ETH/USD"]


async def test_a_market_order_is_open_until_the_next_bar_and_then_filled_at_its_open(
    served: Any, client: Client
) -> None:
    advance(served)

    created = await client.create_order("BTC/USD", "market", "buy", "2", None, {"newClientOrderId": "first"})
    assert (created["status"], created["filled"]) == ("open", "0.00000000")
    advance(served)

    order = await client.fetch_order(None, "BTC/USD", {"origClientOrderId": "first"})
    assert order["status"] == "closed"
    assert float(order["average"]) == 101.0
    (trade,) = await client.fetch_my_trades("BTC/USD")
    assert (trade["price"], trade["amount"], trade["cost"]) == ("101.00000000", "2.00000000", "202.00000000")
    assert trade["fee"] == {"cost": "0.20200000", "currency": "USD"}
    assert trade["takerOrMaker"] == "taker"
    balance = await client.fetch_balance()
    assert balance["BTC"]["free"] == "2.00000000"
    assert balance["USD"]["free"] == "9797.79800000"


async def test_a_resting_limit_locks_cash_is_listed_and_can_be_cancelled(served: Any, client: Client) -> None:
    advance(served)
    await client.create_order("BTC/USD", "limit", "buy", "1", "50", {"newClientOrderId": "rest"})
    advance(served)

    assert (await client.fetch_balance())["USD"]["used"] == "50.05000000"
    (listed,) = await client.fetch_open_orders()
    assert (listed["clientOrderId"], listed["price"]) == ("rest", "50.00000000")

    cancelled = await client.cancel_order(listed["id"], "BTC/USD")
    assert cancelled["status"] == "canceled"
    assert await client.fetch_open_orders("BTC/USD") == []
    assert (await client.fetch_balance())["USD"]["used"] == "0.00000000"


async def test_all_open_orders_of_a_symbol_are_cancelled_at_once(served: Any, client: Client) -> None:
    advance(served)
    for price in ("50", "51"):
        await client.create_order("BTC/USD", "limit", "buy", "1", price)

    await client.cancel_all_orders("BTC/USD")

    assert [order["status"] for order in await client.fetch_orders("BTC/USD")] == ["canceled", "canceled"]
    with pytest.raises(OrderNotFound):
        await client.cancel_all_orders("BTC/USD")


async def test_own_trades_are_paged_from_an_id(served: Any, client: Client) -> None:
    advance(served)
    for _ in range(3):
        await client.create_order("BTC/USD", "market", "buy", "1")
        advance(served)

    later = await client.fetch_my_trades("BTC/USD", None, None, {"fromId": 2})
    assert [trade["id"] for trade in later] == ["2", "3"]
    assert [trade["id"] for trade in await client.fetch_my_trades("BTC/USD", None, 1)] == ["3"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("BTC/USD", "market", "buy", "1000"), InvalidOrder, "LOT_SIZE"),
        (("BTC/USD", "market", "buy", "200"), InsufficientFunds, "insufficient balance"),
        (("BTC/USD", "market", "sell", "1"), InsufficientFunds, "insufficient balance"),
        (("BTC/USD", "limit", "buy", "1", "2000000"), InvalidOrder, "PRICE_FILTER"),
    ],
)
async def test_a_rejection_arrives_as_the_error_ccxt_knows(
    served: Any, client: Client, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    advance(served)
    with pytest.raises(error, match=words):
        await client.create_order(*arguments)


async def test_a_second_order_of_one_name_is_a_duplicate_while_the_first_is_open(served: Any, client: Client) -> None:
    advance(served)
    await client.create_order("BTC/USD", "market", "buy", "1", None, {"newClientOrderId": "twin"})
    with pytest.raises(InvalidOrder, match="Duplicate order sent"):
        await client.create_order("BTC/USD", "market", "buy", "1", None, {"newClientOrderId": "twin"})


async def test_an_order_nobody_sent_is_not_found(served: Any, client: Client) -> None:
    advance(served)
    with pytest.raises(OrderNotFound):
        await client.fetch_order(None, "BTC/USD", {"origClientOrderId": "never"})


async def test_wrong_keys_and_unknown_symbols_are_told_apart(served: Any, client: Client) -> None:
    stranger = ccxt_async.binance(config(served.url, secret="wrong"))
    try:
        with pytest.raises(AuthenticationError, match="Signature"):
            await stranger.fetch_balance()
    finally:
        await stranger.close()
    with pytest.raises(BadSymbol):
        await client.public_get_klines({"symbol": "DOGEUSD", "interval": "4h"})


async def test_accounts_are_separate(served: Any) -> None:
    other = ccxt_async.binance(config(served.url, key="key-of-other", secret="secret-of-other"))
    try:
        assert (await other.fetch_balance())["USD"]["free"] == "500.00000000"
    finally:
        await other.close()


async def test_bars_tickers_and_the_book_can_be_fetched(served: Any, client: Client) -> None:
    advance(served, 3)

    rows = await client.fetch_ohlcv("BTC/USD", "4h")
    assert [[float(value) for value in row[1:5]] for row in rows] == [
        [100, 101, 99, 101],
        [101, 102, 100, 102],
        [102, 103, 101, 103],
    ]
    assert [row[0] for row in await client.fetch_ohlcv("BTC/USD", "4h", rows[1][0], 1)] == [rows[1][0]]
    assert (await client.fetch_ticker("BTC/USD"))["last"] == "103.00000000"
    assert set(await client.fetch_tickers()) == {"BTC/USD", "ETH/USD"}
    assert (await client.fetch_bids_asks())["ETH/USD"]["bid"] == "12.00000000"
    assert (await client.fetch_last_prices())["BTC/USD"]["price"] == "103.00000000"
    assert len((await client.fetch_order_book("BTC/USD"))["asks"]) == 1


async def test_the_blocking_ccxt_trades_too(served: Any) -> None:
    advance(served)
    blocking = ccxt.binance(config(served.url))

    def trade() -> Any:
        blocking.create_order("ETH/USD", "limit", "buy", "3", "11.5", {"timeInForce": "IOC"})
        return blocking.fetch_orders("ETH/USD")

    (order,) = await asyncio.to_thread(trade)
    assert (order["status"], order["timeInForce"], order["price"]) == ("open", "IOC", "11.50000000")
    advance(served)
    (trade_made,) = await asyncio.to_thread(blocking.fetch_my_trades, "ETH/USD")
    assert trade_made["price"] == "11.00000000", "the open is better than the limit"


async def test_closed_bars_are_pushed(served: Any, streaming_client: Client) -> None:
    await streaming_client.load_markets()
    watching = asyncio.create_task(streaming_client.watch_ohlcv("BTC/USD", "4h"))
    await until_heard(served)
    advance(served)

    async with asyncio.timeout(5):
        (row,) = await watching
    assert row[1:5] == [100.0, 101.0, 99.0, 101.0]


async def test_orders_fills_and_balances_are_pushed(served: Any, streaming_client: Client) -> None:
    await streaming_client.load_markets()
    advance(served)
    orders = asyncio.create_task(streaming_client.watch_orders("BTC/USD"))
    await until_heard(served)
    await streaming_client.create_order("BTC/USD", "market", "buy", "2", None, {"newClientOrderId": "seen"})
    async with asyncio.timeout(5):
        (order,) = await orders
        assert (order["clientOrderId"], order["status"]) == ("seen", "open")
        trades = asyncio.create_task(streaming_client.watch_my_trades("BTC/USD"))
        balances = asyncio.create_task(streaming_client.watch_balance())
        await asyncio.sleep(0)  # let both begin to listen
        advance(served)
        (trade,) = await trades
        balance = await balances
        while balance["BTC"]["free"] == "0.00000000":  # the change before: cash was locked for the order
            balance = await streaming_client.watch_balance()
    assert (trade["price"], trade["amount"], trade["fee"]["cost"]) == ("101.00000000", "2.00000000", "0.20200000")
    assert balance["BTC"]["free"] == "2.00000000"


async def until_heard(served: Any) -> None:
    """ccxt does not tell when a subscription stands; the venue knows."""
    async with asyncio.timeout(5):
        while served.streams.audience == 0:  # noqa: ASYNC110 - the venue has no event for it
            await asyncio.sleep(0.01)
