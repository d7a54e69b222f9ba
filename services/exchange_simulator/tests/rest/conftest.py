"""A venue over a hand-made book of BTC in dollars, with Binance's filters, and a client that signs what it sends."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.exchange import Exchange, history_identity
from n1v1_exchange_simulator.journal import Journal
from n1v1_exchange_simulator.market_events import DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_exchange_simulator.settings import exchange_over

START_NS = 1_577_836_800_000_000_000  # 2020-01-01
SECOND_NS = 1_000_000_000
USDT = 100_000_000
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
ONE = BTC.lots("1")
RULES = MatchingRules(maker_fee_ppb=1_000_000, taker_fee_ppb=1_000_000)
OPENING = {"USDT": 1_000_000 * USDT, "BTC": 100 * ONE}
SECRETS = {"main": "secret-of-main", "other": "secret-of-other"}


def book(second: int) -> DepthSnapshot:
    """Five levels a side around 100 dollars, a dollar apart, one coin each."""
    return DepthSnapshot(
        ts_ns=START_NS + second * SECOND_NS,
        symbol=BTC.symbol,
        last_id=1,
        bids=tuple(((99 - level) * 100, ONE) for level in range(5)),
        asks=tuple(((101 + level) * 100, ONE) for level in range(5)),
    )


def trade(second: int, number: int, price: int = 100) -> PublicTrade:
    return PublicTrade(
        ts_ns=START_NS + second * SECOND_NS,
        symbol=BTC.symbol,
        number=number,
        ticks=price * 100,
        lots=ONE // 100,
        is_buyer_maker=number % 2 == 0,
    )


@dataclass(frozen=True)
class HandMade:
    """A recording of the events that it is given."""

    events: tuple[MarketEvent, ...] = (book(1), trade(2, 1), trade(3, 2), trade(64, 3))
    quality: Quality = Quality.DEPTH
    instruments: tuple[Instrument, ...] = (BTC,)
    timeframe: str = "1m"
    identity: str = "hand-made"
    first_ns: int = START_NS
    total_steps: int | None = None

    def steps(self) -> Iterator[Step]:
        for event in self.events:
            yield (event,)


@dataclass
class Answer:
    status: int
    body: Any  # Any: JSON
    headers: Any = field(repr=False)

    @property
    def refusal(self) -> tuple[int, int, str]:
        return self.status, self.body["code"], self.body["msg"]


@dataclass
class Clock:
    """A wall clock that stands still until it is moved."""

    now_ns: int = 1_700_000_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns

    def move(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


class Client:
    """Requests of one account, or of nobody."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: str, clock: Callable[[], int]) -> None:
        self._session = session
        self._url = url
        self._account = account
        self._clock = clock

    async def __call__(self, method: str, path: str, **parameters: Any) -> Answer:
        """Signed. Every parameter in the query."""
        query = urlencode({"timestamp": self._clock() // 1_000_000, **parameters})
        secret = SECRETS[self._account].encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        return await self.send(method, f"{path}?{query}&signature={signature}")

    async def public(self, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Answer:
        return await self.send("GET", f"{path}?{urlencode(parameters)}", headers=headers)

    async def send(self, method: str, target: str, *, body: str = "", headers: dict[str, str] | None = None) -> Answer:
        prefix = "" if target.startswith("/") else "/api/v3/"
        url = URL(f"{self._url}{prefix}{target}", encoded=True)
        sent = {"X-MBX-APIKEY": f"key-of-{self._account}"} | (headers or {})
        async with self._session.request(method, url, data=body, headers=sent) as response:
            return Answer(response.status, await response.json(content_type=None), response.headers)


@dataclass
class Venue:
    exchange: Exchange
    url: str
    main: Client
    other: Client
    clock: Callable[[], int]

    def play(self) -> None:
        """All of the recording."""
        while not self.exchange.is_done:
            self.exchange.advance(self.exchange.step + 1)


OpenVenue = Callable[..., Any]


@pytest.fixture
async def open_venue(tmp_path: Path) -> AsyncIterator[OpenVenue]:
    """Serves a venue. protocol, wall_ns, accounts, events: as the test needs them."""
    async with AsyncExitStack() as opened:

        async def serve(
            *,
            protocol: ProtocolRules | None = None,
            wall_ns: Callable[[], int] = time.time_ns,
            accounts: Sequence[ApiAccount] = (),
            events: tuple[MarketEvent, ...] | None = None,
        ) -> Venue:
            source = HandMade() if events is None else HandMade(events)
            all_accounts = [ApiAccount(name, f"key-of-{name}", SECRETS[name], OPENING) for name in SECRETS]
            all_accounts += accounts
            opening = {account.name: account.balances for account in all_accounts}
            journal = Journal(tmp_path, identity=history_identity(source, RULES, opening), fsync=False)
            opened.callback(journal.close)
            exchange = exchange_over(source, RULES, journal, opening)
            application = web.Application()
            install_venue(
                application,
                exchange,
                all_accounts,
                mode="lockstep",
                metrics=Metrics(),
                broken=asyncio.get_running_loop().create_future(),
                wall_ns=wall_ns,
                protocol=protocol or ProtocolRules(has_all_filters=True),
            )
            server = await opened.enter_async_context(TestServer(application))
            session = await opened.enter_async_context(aiohttp.ClientSession())
            url = str(server.make_url("")).rstrip("/")
            clients = [Client(session, url, name, wall_ns) for name in SECRETS]
            return Venue(exchange, url, clients[0], clients[1], wall_ns)

        yield serve


@pytest.fixture
async def venue(open_venue: OpenVenue) -> Any:
    """The recording has been played: the book stands around 100, the last trade was at 100."""
    opened = await open_venue()
    opened.play()
    return opened


@pytest.fixture
def clock() -> Clock:
    return Clock()
