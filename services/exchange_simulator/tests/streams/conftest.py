"""An order book over hand-made depth, served with and without TLS, and ccxt's clients for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro as ccxt_pro
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.binance.streams import Streams
from n1v1_exchange_simulator.exchange import Exchange, history_identity
from n1v1_exchange_simulator.journal import Journal, JournalError
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_exchange_simulator.settings import exchange_over
from n1v1_exchange_simulator.tls import server_context, tls_files

START_NS = 1_704_067_200_000_000_000  # 2024-01-01
SECOND_NS = 1_000_000_000
USDT = 100_000_000
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
ETH = Instrument(symbol="ETH-USDT", base="ETH", quote="USDT")
LOT = BTC.lots("1")
RULES = MatchingRules(taker_fee_ppb=1_000_000, maker_fee_ppb=500_000)
MAIN = ApiAccount("main", "key-of-main", "secret-of-main", {"USDT": 100_000 * USDT, "BTC": 50 * LOT})
OTHER = ApiAccount("other", "key-of-other", "secret-of-other", {"USDT": 100_000 * USDT, "BTC": 50 * LOT})
SIGNER = ApiAccount(
    "signer",
    "key-of-signer",
    Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode(),
    {"USDT": 100_000 * USDT},
)
"""Its key is an Ed25519 one: the venue has the public half."""
ACCOUNTS = (MAIN, OTHER, SIGNER)


class HandMadeDepth:
    """A `Source` of the steps that it is given."""

    quality = Quality.DEPTH
    instruments = (BTC, ETH)
    timeframe = "1m"
    identity = "hand-made"
    first_ns = START_NS

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps

    @property
    def total_steps(self) -> int:
        return len(self._steps)

    def steps(self) -> Iterator[Step]:
        return iter(self._steps)


def opening_book(symbol: str) -> DepthSnapshot:
    """One lot at each of 100, 99, ..., 91 and of 101, 102, ..., 110 dollars."""
    return DepthSnapshot(
        ts_ns=START_NS + SECOND_NS,
        symbol=symbol,
        last_id=1_000,
        bids=tuple((dollars * 100, LOT) for dollars in range(100, 90, -1)),
        asks=tuple((dollars * 100, LOT) for dollars in range(101, 111)),
    )


def steps() -> list[Step]:
    """Step 1 and 2 are the books; then every second a level of BTC changes or a trade prints, by turns."""
    made: list[Step] = [(opening_book("BTC-USDT"),), (opening_book("ETH-USDT"),)]
    for number in range(400):
        ts_ns = START_NS + (2 + number) * SECOND_NS
        event: MarketEvent
        if number % 2:
            event = PublicTrade(
                ts_ns=ts_ns,
                symbol="BTC-USDT",
                number=1 + number // 2,
                ticks=10_000 if number % 4 == 1 else 10_100,
                lots=LOT // 100,
                is_buyer_maker=number % 4 == 1,
            )
        else:
            last_id = 1_001 + number // 2
            dollars = 91 + number % 5
            lots = (number % 3) * LOT
            event = DepthChange(
                ts_ns=ts_ns,
                symbol="BTC-USDT",
                first_id=last_id,
                last_id=last_id,
                bids=((dollars * 100, lots),),
                asks=(((dollars + 15) * 100, LOT + lots),),
            )
        made.append((event,))
    return made


@dataclass(frozen=True)
class Venue:
    exchange: Exchange
    streams: Streams
    url: str
    tls_port: int
    ca: Path

    def advance(self, steps: int = 1) -> None:
        self.exchange.advance(self.exchange.step + steps)

    def beat(self, seconds: float) -> None:
        """As if so much time had gone by for the streams."""
        for _ in range(round(10 * seconds)):
            self.streams.market.beat()


@pytest.fixture
async def venue(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """At step 2: both books are there. Its protocol may be given as the fixture's parameter."""
    async with serving(tmp_path, getattr(request, "param", None)) as served:
        served.advance(2)
        yield served


@asynccontextmanager
async def serving(folder: Path, protocol: ProtocolRules | None) -> AsyncIterator[Venue]:
    source = HandMadeDepth(steps())
    opening = {account.name: account.balances for account in ACCOUNTS}
    identity = history_identity(source, RULES, opening)
    journal = Journal(folder / "journal", identity=identity, fsync=False)
    exchange = exchange_over(source, RULES, journal, opening)
    broken: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
    application = web.Application()
    streams = install_venue(
        application, exchange, ACCOUNTS, mode="lockstep", metrics=Metrics(), broken=broken, protocol=protocol
    )
    files = tls_files(folder / "tls")
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(files)).start()
        port, tls_port = (address[1] for address in runner.addresses)
        yield Venue(exchange, streams, f"http://127.0.0.1:{port}", tls_port, files.ca)
    finally:
        await runner.cleanup()
        journal.close()


# ccxt carries no types, hence Any.
OPTIONS: dict[str, Any] = {
    "fetchMarkets": {"types": ["spot"]},
    "fetchMargins": False,
    "fetchCurrencies": False,
    "createOrder": {"quoteOrderQty": False, "timeInForce": "GTC"},
    "fetchOpenOrders": {"warnWithoutSymbol": False},
    "ws": {"cost": 0.2},
}


def plain_client(venue: Venue, account: ApiAccount) -> Any:
    """Only configuration points ccxt at the venue."""
    ws = venue.url.replace("http", "ws", 1)
    urls = {
        "public": f"{venue.url}/api/v3",
        "private": f"{venue.url}/api/v3",
        "v1": f"{venue.url}/api/v1",
        "sapi": f"{venue.url}/sapi/v1",
        "ws": {"spot": f"{ws}/stream/ws", "margin": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
    }
    return ccxt_pro.binance(_config(account) | {"urls": {"api": urls}})


class EverywhereIsHere(aiohttp.abc.AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None: ...


def _config(account: ApiAccount) -> dict[str, Any]:
    return {
        "apiKey": account.api_key,
        "secret": account.api_secret,
        "enableRateLimit": False,
        "number": str,
        "options": OPTIONS,
    }


Connect = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["plain", "tls"])
async def connect(venue: Venue, request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes ccxt clients: at the plain port by their addresses, at the TLS port with Binance's own ones."""
    opened: list[Any] = []
    sessions: list[aiohttp.ClientSession] = []

    async def make(account: str = "main") -> Any:
        known = {each.name: each for each in (MAIN, OTHER)}[account]
        if request.param == "plain":
            client = plain_client(venue, known)
        else:
            connector = aiohttp.TCPConnector(
                resolver=EverywhereIsHere(venue.tls_port), ssl=ssl.create_default_context(cafile=venue.ca)
            )
            sessions.append(aiohttp.ClientSession(connector=connector))
            client = ccxt_pro.binance(_config(known) | {"session": sessions[-1]})
        opened.append(client)
        await client.load_markets()
        return client

    yield make
    for client in opened:
        await client.close()
    for session in sessions:
        await session.close()
