"""Everything that speaks over WebSocket, put together: market streams, user data and the WebSocket API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import orjson
from aiohttp import WSCloseCode, web

from n1v1_exchange_simulator.binance.calls import Calls
from n1v1_exchange_simulator.binance.market_publisher import BEAT_S, MarketPublisher
from n1v1_exchange_simulator.binance.market_streams import MarketStreams
from n1v1_exchange_simulator.binance.signing import Authentication, WallClock
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.user_events import UserEvents
from n1v1_exchange_simulator.binance.user_streams import EventTiming, ListenKeyStreams, UserStreams
from n1v1_exchange_simulator.binance.websocket_api import WebSocketApi
from n1v1_exchange_simulator.binance.wire import asset_places
from n1v1_exchange_simulator.conversations import ConversationLimits, Conversations, text_frame
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.journal import JournalError


@dataclass(frozen=True, slots=True)
class Streams:
    market: MarketPublisher
    users: UserStreams
    api: WebSocketApi
    conversations: Conversations

    @property
    def audience(self) -> int:
        """Subscriptions that stand at this moment."""
        return self.market.audience + self.users.audience


def install_streams(
    application: web.Application,
    exchange: Exchange,
    calls: Calls,
    authentication: Authentication,
    *,
    wall_ns: WallClock,
    broken: asyncio.Future[JournalError],
    limits: ConversationLimits,
    timing: EventTiming,
    is_stepped: bool,
) -> Streams:
    """Serve them from `application`, and let them hear of the exchange from now on.

    broken: gets the error when the journal fails. timing: of user events against answers. is_stepped: nothing is pushed
    by the wall clock.
    """
    conversations = Conversations(limits)
    market = MarketPublisher(calls.symbols, exchange.market, calls.statistics, lambda: exchange.clock_ns)
    events = UserEvents(calls.symbols, asset_places(exchange.instruments), exchange.venue.order)
    users = UserStreams(events, timing)
    api = WebSocketApi(calls, users, authentication, conversations, wall_ns, broken)
    exchange.on_market.append(market.on_market)
    exchange.on_report.append(users.publish)
    sources = (market, ListenKeyStreams(calls.listen_keys, users))
    application.add_routes([*MarketStreams(sources, conversations).routes(), *api.routes()])
    if is_stepped:
        market.stirred = _Turn(market.catch_up).stir
    else:
        application.cleanup_ctx.append(_beating(market))
    application.on_shutdown.append(_saying_goodbye(conversations, wall_ns))
    return Streams(market, users, api, conversations)


class _Turn:
    """Once in a turn of the loop, after whatever stirred it has been answered."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._is_due = False

    def stir(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_due = False
        self._do()


def _beating(market: MarketPublisher) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(application: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_beat(market))
        task.add_done_callback(_tell_if_broken)
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return context


def _tell_if_broken(task: asyncio.Task[None]) -> None:
    """Streams that fell silent by our mistake must not look like a quiet market."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": "the streams have stopped", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


async def _beat(market: MarketPublisher) -> None:
    """On the grid of the loop's clock: a late beat does not make the next one later."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + BEAT_S, loop.time())
        await asyncio.sleep(due - loop.time())
        market.beat()


def _saying_goodbye(conversations: Conversations, wall_ns: WallClock) -> Callable[[web.Application], Awaitable[None]]:
    async def say(application: web.Application) -> None:
        now_ms = TimeUnit.MILLISECOND.of(wall_ns())
        notice = text_frame(orjson.dumps({"e": "serverShutdown", "E": now_ms}))
        await conversations.close_all(WSCloseCode.GOING_AWAY, "the venue stops", notice=notice)

    return say
