"""The market_data service: what it is made of."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import aiohttp

from n1v1.events import MarketDataLost, OrdersComplete, TradeSeen
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import CannotStart, Service, ServiceContext, run_service
from n1v1_common.settings.model import Market, Settings
from n1v1_common.stage.opening import codec_of, opened_bus
from n1v1_common.state.rate_budget import BINANCE, shared_budget
from n1v1_common.telemetry.metrics import Metrics
from n1v1_market_data.adapters.binance_market import BinanceMarket
from n1v1_market_data.adapters.binance_rest import BinanceRest
from n1v1_market_data.adapters.simulation import SimulationClock
from n1v1_market_data.archive import Archive
from n1v1_market_data.flow import Flow
from n1v1_market_data.flow_publisher import FlowPublisher, last_trades
from n1v1_market_data.lockstep import Replayer, Settlement
from n1v1_market_data.paced import follow
from n1v1_market_data.ports import Venue
from n1v1_market_data.publisher import Publisher
from n1v1_market_data.silence import Silence
from n1v1_market_data.venue_parts import VenueParts

BINANCE_URLS = {
    "binance": ("https://api.binance.com", "wss://stream.binance.com:9443"),
    "testnet": ("https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
}
"""REST and WebSocket, as the venue publishes them."""


async def work(context: ServiceContext) -> None:
    settings = context.settings
    async with opened_bus(context) as bus:
        codec = codec_of(settings)
        archive = _archive(settings)
        publisher = Publisher(bus=bus, codec=codec, tracing=context.tracing, metrics=context.metrics, keeper=archive)
        keeping = () if archive is None else (archive.run(),)
        if settings.is_lockstep:
            context.ready()
            await context.run_tasks(background=(_replay(settings, bus, codec, publisher), *keeping))
            return
        flow = Flow(settings.market.queue_size, on_loss=_counted(context.metrics))
        saying = FlowPublisher(flow=flow, bus=bus, codec=codec, metrics=context.metrics, keeper=archive)
        async with _venue(context, flow, await last_trades(bus, codec, settings.market.symbols)) as venue:
            context.ready()
            symbols = settings.market.symbols
            bars = follow(feed=venue, publisher=publisher, symbols=symbols, bus=bus, codec=codec)
            await context.run_tasks(background=(venue.run(), bars, saying.run(), *keeping))


async def _replay(settings: Settings, bus: NatsBus, codec: Codec, publisher: Publisher) -> None:
    if settings.market.channels != ("bars",):
        raise CannotStart("in lockstep only bars are played: market.channels=bars, or replay.mode=scaled")
    async with aiohttp.ClientSession() as session:
        settlement = Settlement(bus, codec, await bus.tap(subject_filter(OrdersComplete)))
        clock = SimulationClock(session, _rest_url(settings), instruments_of(settings))
        symbols = settings.market.symbols
        await Replayer(venue=clock, publisher=publisher, settlement=settlement, symbols=symbols).run()


@asynccontextmanager
async def _venue(context: ServiceContext, flow: Flow, before: dict[str, TradeSeen]) -> AsyncIterator[Venue]:
    settings = context.settings
    silence = Silence(
        _limits_s(settings.market),
        on_disconnected=context.metrics.counter("market_data_connections_lost_total").inc,
        clock=time.monotonic,
    )
    parts = VenueParts(
        instruments=instruments_of(settings),
        timeframe=settings.market.timeframe,
        channels=settings.market.channels,
        flow=flow,
        silence=silence,
        last_trades=before,
    )
    opened = _raw(settings, parts) if _is_raw(settings) else _through_ccxt(settings, parts)
    async with opened as venue:
        yield venue


def _is_raw(settings: Settings) -> bool:
    speaks_binance = settings.venue in BINANCE_URLS or settings.is_simulated
    if settings.market.path == "raw" and not speaks_binance:
        raise CannotStart(f"market.path=raw is for venues that speak Binance's protocol; {settings.venue} does not")
    return speaks_binance and settings.market.path != "ccxt"


@asynccontextmanager
async def _raw(settings: Settings, parts: VenueParts) -> AsyncIterator[Venue]:
    if settings.is_simulated:
        rest_url = _rest_url(settings)
        ws_url = settings.exchange.ws_url or rest_url.replace("http", "ws", 1)
    else:
        theirs = BINANCE_URLS["testnet" if settings.exchange.testnet else settings.venue]
        rest_url, ws_url = settings.exchange.rest_url or theirs[0], settings.exchange.ws_url or theirs[1]
    redis_url = settings.redis.url.get_secret_value()
    async with (
        aiohttp.ClientSession() as session,
        shared_budget(redis_url, BINANCE, venue=settings.venue) as budget,
    ):
        rest = BinanceRest(session, rest_url, budget)
        serves_open_bar = not settings.is_simulated or settings.simulator.quality != "bars"
        yield BinanceMarket(session, parts, rest=rest, ws_url=ws_url, serves_open_bar=serves_open_bar)


@asynccontextmanager
async def _through_ccxt(settings: Settings, parts: VenueParts) -> AsyncIterator[Venue]:
    from n1v1_market_data.adapters.ccxt_exchange import exchange_maker  # a second and 100 MB, only where it is used
    from n1v1_market_data.adapters.ccxt_market import CcxtMarket

    exchange, venue = settings.exchange, settings.venue
    rest_url = _rest_url(settings) if settings.is_simulated else exchange.rest_url
    ccxt_id = "binance" if settings.is_simulated else venue
    make_exchange, limit = exchange_maker(
        ccxt_id, rest_url=rest_url, ws_url=exchange.ws_url, is_testnet=exchange.testnet and not settings.is_simulated
    )
    async with shared_budget(settings.redis.url.get_secret_value(), limit, venue=venue) as budget:
        yield CcxtMarket(partial(make_exchange, budget), parts, book_levels=settings.market.book_levels)


def _rest_url(settings: Settings) -> str:
    if not settings.exchange.rest_url:
        raise CannotStart("exchange.rest_url is not set: where is the venue?")
    return settings.exchange.rest_url


def _archive(settings: Settings) -> Archive | None:
    if not settings.market.archive:
        return None
    folder = settings.paths.state_dir / "archive" / settings.venue
    return Archive(folder, instruments_of(settings), now_ns=time.time_ns)


def _limits_s(market: Market) -> dict[str, float]:
    by_channel = {
        "bars": market.bars_silence_s,
        "trades": market.trades_silence_s,
        "book": market.book_silence_s,
        "ticker": market.ticker_silence_s,
    }
    return {channel: limit for channel, limit in by_channel.items() if channel in market.channels}


def _counted(metrics: Metrics) -> Callable[[MarketDataLost], None]:
    """Every loss is counted when it is known. One of unknown size counts for one."""

    def count(loss: MarketDataLost) -> None:
        metrics.counter("market_data_lost_total", channel=loss.channel, symbol=loss.symbol).inc(loss.lost or 1)

    return count


def main() -> int:
    return run_service(Service("market_data", work))
