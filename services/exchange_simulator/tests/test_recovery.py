"""What the venue knows after a restart, in process and after SIGKILL."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from n1v1.values import OrderType, Side
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.journal import JournalError
from n1v1_exchange_simulator.venue import ListKind, NewOrder, NewOrderList

KEY, SECRET = "key-of-main", "secret-of-main"

Signer = Callable[[bytes], str]


def market_order(name: str, side: Side = Side.BUY) -> NewOrder:
    return NewOrder(
        client_order_id=name,
        symbol="BTC-USD",
        side=side,
        type=OrderType.MARKET,
        lots=100_000_000,
    )


def limit_order(name: str, *, dollars: int) -> NewOrder:
    return NewOrder(
        client_order_id=name,
        symbol="ETH-USD",
        side=Side.BUY,
        type=OrderType.LIMIT,
        lots=200_000_000,
        limit_ticks=dollars * 100,
    )


def number_of(exchange: Exchange, symbol: str, name: str) -> int:
    order = exchange.venue.named("main", symbol, name)
    assert order is not None
    return order.number


def trade_a_little(exchange: Exchange) -> None:
    exchange.advance(1)
    exchange.place("main", market_order("a"))
    exchange.place("other", limit_order("b", dollars=9))
    exchange.place("main", market_order("too much", Side.SELL))  # rejected, so not journalled
    exchange.advance(2)
    exchange.place("main", limit_order("c", dollars=8))
    exchange.cancel("main", "ETH-USD", number_of(exchange, "ETH-USD", "c"))
    exchange.place("main", market_order("d", Side.SELL))


def protected_entry(name: str, listed_as: str, *, stop: int, target: int) -> NewOrderList:
    entry = market_order(name)
    leg = replace(market_order(f"{name}-stop", Side.SELL), reduces_only=True)
    return NewOrderList(
        kind=ListKind.OTOCO,
        name=listed_as,
        working=entry,
        pending=(
            replace(leg, type=OrderType.TRAILING_STOP, stop_ticks=stop * 100, trail_ppb=20_000_000, trail_step_ppb=1),
            replace(leg, client_order_id=f"{name}-target", type=OrderType.LIMIT, limit_ticks=target * 100),
        ),
    )


def trade_with_lists(exchange: Exchange) -> None:
    exchange.advance(1)
    exchange.place_list("main", protected_entry("e", "mine", stop=90, target=103))
    exchange.place_list("main", protected_entry("f", "its stop is above the market", stop=110, target=120))
    exchange.place_list("main", protected_entry("g", "", stop=90, target=120))
    exchange.cancel("main", "BTC-USD", number_of(exchange, "BTC-USD", "g-target"))
    exchange.advance(2)


@pytest.mark.parametrize("trade", [trade_a_little, trade_with_lists])
def test_a_restart_repeats_the_history_exactly(make_exchange: Any, trade: Callable[[Exchange], None]) -> None:
    exchange = make_exchange()
    trade(exchange)
    before = exchange.venue.state_hash()
    recent = list(exchange.market.bars("BTC-USD", "4h"))

    restarted = make_exchange()

    assert restarted.step == 2
    assert restarted.venue.state_hash() == before
    assert restarted.venue.lists("main") == exchange.venue.lists("main")
    assert list(restarted.market.bars("BTC-USD", "4h")) == recent
    exchange.venue.apply_step(exchange.source.bars_at(3))
    restarted.advance(3)
    assert restarted.venue.state_hash() == exchange.venue.state_hash(), "and the future is the same, too"


def test_a_report_keeps_its_number_over_a_restart(make_exchange: Any) -> None:
    exchange = make_exchange()
    trade_a_little(exchange)
    restarted = make_exchange()
    numbers: list[int] = []
    restarted.on_report.append(lambda happened: numbers.append(happened.number))
    restarted.advance(3)
    # Six before: a, b and c accepted, a filled, c cancelled, d accepted.
    assert numbers == [7]


def test_a_journal_that_the_venue_contradicts_is_refused(make_exchange: Any, tmp_path: Path) -> None:
    trade_a_little(make_exchange())
    path = tmp_path / "journal" / "commands.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"step":1,"reports":2', b'"step":1,"reports":7'))
    with pytest.raises(
        JournalError, match=r"line 6 of the journal cannot be repeated: it led to report 7 once, now to 2"
    ):
        make_exchange()


# --- a real process -----------------------------------------------------------------------------------------


def csv_of(*, first: int) -> str:
    rows = ["open_time,open,high,low,close,volume"]
    for number in range(20):
        price = first + number
        rows.append(
            f"2020-01-0{1 + number // 6}T{4 * (number % 6):02}:00:00Z,{price},{price + 1},{price - 1},{price},5"
        )
    return "\n".join(rows)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Settings of a venue over a dataset of twenty 4-hour bars, on any free port."""
    folder = tmp_path / "twenty-bars"
    folder.mkdir()
    (folder / "btc.csv").write_text(csv_of(first=100))
    (folder / "dataset.toml").write_text(
        'name = "twenty-bars"\ntimeframe = "4h"\n'
        '[[instruments]]\nsymbol = "BTC-USD"\nbase = "BTC"\nquote = "USD"\nfile = "btc.csv"\n'
    )
    settings = {
        "market": {"symbols": ["BTC-USD"], "dataset": str(folder)},
        "exchange": {"api_key": KEY, "api_secret": SECRET},
        "paths": {"state_dir": str(tmp_path / "state")},
        "telemetry": {"log_format": "json"},
    }
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def change(settings_file: Path, section: str, **values: str) -> None:
    settings = json.loads(settings_file.read_text())
    settings[section] = settings.get(section, {}) | values
    settings_file.write_text(json.dumps(settings))


@asynccontextmanager
async def venue_process(settings_file: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The service as its supervisor starts it, and its address; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "n1v1_exchange_simulator",
        env=os.environ | {"N1V1_SETTINGS": str(settings_file)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process, await address_of(process, settings_file)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address_of(process: asyncio.subprocess.Process, settings_file: Path) -> str:
    run_file = settings_file.parent / "state" / "run" / "exchange_simulator.json"
    async with asyncio.timeout(20):
        while True:
            if process.returncode is not None:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
            if run_file.exists() and (found := json.loads(run_file.read_text()))["pid"] == process.pid:
                return str(found["url"])
            await asyncio.sleep(0.02)


def hmac_signature(payload: bytes) -> str:
    return hmac.new(SECRET.encode(), payload, hashlib.sha256).hexdigest()


async def ask(
    method: str, url: str, parameters: dict[str, Any], *, key: str = KEY, sign: Signer = hmac_signature
) -> Any:
    query = urlencode({"timestamp": time.time_ns() // 1_000_000, **parameters})
    signature = quote(sign(query.encode()))
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}?{query}&signature={signature}", headers={"X-MBX-APIKEY": key}) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.json()


async def advance_to(url: str, step: int) -> None:
    await advance(url, step=step)


async def advance(url: str, **how: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/simulation/v1/advance", json=how) as response,
    ):
        assert response.status == 200, await response.text()


async def everything_known(url: str) -> list[Any]:
    return [
        await ask("GET", f"{url}/api/v3/account", {}),
        await ask("GET", f"{url}/api/v3/allOrders", {"symbol": "BTCUSD"}),
        await ask("GET", f"{url}/api/v3/myTrades", {"symbol": "BTCUSD"}),
    ]


async def test_a_killed_venue_comes_back_with_the_same_trades_balances_and_ids(settings_file: Path) -> None:
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1"}
    async with venue_process(settings_file) as (process, url):
        for step in range(1, 6):
            await advance_to(url, step)
            await ask("POST", f"{url}/api/v3/order", order | {"newClientOrderId": f"order-{step}"})
        before = await everything_known(url)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async with venue_process(settings_file) as (_, url):
        assert await everything_known(url) == before
        await advance_to(url, 5)
        await advance_to(url, 6)
        trades = await ask("GET", f"{url}/api/v3/myTrades", {"symbol": "BTCUSD", "fromId": 5})
        assert [(trade["id"], trade["orderId"]) for trade in trades] == [(5, 5)]


async def test_the_venue_can_live_by_the_time_of_its_market(settings_file: Path) -> None:
    change(settings_file, "simulator", clock="market")
    new_year = 1_577_836_800_000
    async with venue_process(settings_file) as (_, url), aiohttp.ClientSession() as session:
        for step in (0, 1):
            await advance_to(url, step)
            async with session.get(f"{url}/api/v3/time") as response:
                assert await response.json() == {"serverTime": new_year + step * 4 * 3_600_000}
        assert await ask("GET", f"{url}/api/v3/openOrders", {"timestamp": new_year + 4 * 3_600_000}) == []


async def test_a_venue_asked_to_stop_ends_well(settings_file: Path) -> None:
    async with venue_process(settings_file) as (process, url):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
            assert (await response.json())["ready"] is True
        async with aiohttp.ClientSession() as session:
            await session.ws_connect(f"{url}/ws")
            process.terminate()
            async with asyncio.timeout(5):
                assert await process.wait() == 0


async def test_a_journal_of_another_configuration_stops_the_start_with_one_sentence(
    settings_file: Path,
) -> None:
    async with venue_process(settings_file) as (process, _):
        process.terminate()
        await process.wait()
    change(settings_file, "exchange", fee_rate_bps="20")
    with pytest.raises(AssertionError, match="was written for another configuration"):
        async with venue_process(settings_file):
            pass


# --- a real process over depth --------------------------------------------------------------------------------


def write_capture(path: Path) -> None:
    """A book of one level a side that goes up by a dollar a second, with a trade at each new ask."""
    lines: list[object] = [{"lastUpdateId": 0, "E": 1_000, "bids": [["99.0", "9.00"]], "asks": [["101.0", "9.00"]]}]
    for number in range(1, 40):
        now, ms = 100 + number, 1_000 * (1 + number)
        change = {
            "e": "depthUpdate",
            "E": ms,
            "U": number,
            "u": number,
            "b": [[f"{now - 2}.0", "0.00"], [f"{now - 1}.0", "9.00"]],
            "a": [[f"{now}.0", "0.00"], [f"{now + 1}.0", "9.00"]],
        }
        trade = {"e": "trade", "E": ms, "T": ms, "t": number, "p": f"{now + 1}.0", "q": "1.00", "m": False}
        lines += [{"stream": "btcusd@depth", "data": change}, {"stream": "btcusd@trade", "data": trade}]
    path.write_bytes(gzip.compress("\n".join(f"1 {json.dumps(line)}" for line in lines).encode()))


@pytest.fixture
def depth_settings(tmp_path: Path) -> tuple[Path, Signer]:
    """Settings of a venue over depth with a second account, and what that one signs with."""
    write_capture(tmp_path / "BTC-USD-20240808.ws.gz")
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings = {
        "market": {"symbols": ["BTC-USD"], "dataset": str(tmp_path)},
        "simulator": {
            "quality": "depth",
            "balances": {"BTC": "5"},
            "accounts": {"second": {"api_key": "key-of-second", "api_secret": public, "balances": {"USD": "5000"}}},
        },
        "exchange": {"api_key": KEY, "api_secret": SECRET},
        "paths": {"state_dir": str(tmp_path / "state")},
        "telemetry": {"log_format": "json"},
    }
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings))
    return path, lambda payload: base64.b64encode(private.sign(payload)).decode()


async def test_a_killed_venue_over_depth_comes_back_with_its_book_and_its_accounts(
    depth_settings: tuple[Path, Signer],
) -> None:
    settings_file, sign = depth_settings
    buy = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "1"}
    sell = {"symbol": "BTCUSD", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "2", "price": "110"}

    async def second(url: str, method: str, path: str, parameters: dict[str, Any]) -> Any:
        return await ask(method, f"{url}/api/v3/{path}", parameters, key="key-of-second", sign=sign)

    async def known(url: str) -> list[Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v3/depth?symbol=BTCUSD") as response:
            book = await response.json()
        mine = await everything_known(url)
        theirs = [await second(url, "GET", "account", {}), await second(url, "GET", "myTrades", {"symbol": "BTCUSD"})]
        return [book, *mine, *theirs]

    async with venue_process(settings_file) as (process, url):
        await advance(url, events=5)
        await ask("POST", f"{url}/api/v3/order", sell)
        await second(url, "POST", "order", buy)
        await advance(url, events=20)
        before = await known(url)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async with venue_process(settings_file) as (_, url):
        assert await known(url) == before
        fill = (await ask("GET", f"{url}/api/v3/myTrades", {"symbol": "BTCUSD"}))[-1]
        assert (fill["price"], fill["isMaker"]) == ("110.00000000", True)
        await advance(url, until_ns=16_000_000_000)
        placed = await second(url, "POST", "order", buy)
        assert placed["orderId"] == 3
        assert placed["fills"][0]["tradeId"] > fill["id"]
