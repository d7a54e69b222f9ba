"""The market_data service: what it is made of."""

from __future__ import annotations

import aiohttp

from n1v1.events import OrdersComplete
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec.codec import subject_filter
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import CannotStart, Service, ServiceContext, run_service
from n1v1_common.stage.opening import codec_of, opened_bus
from n1v1_market_data.adapters.binance_bars import BinanceBars
from n1v1_market_data.adapters.simulation import SimulationClock
from n1v1_market_data.lockstep import Replayer, Settlement
from n1v1_market_data.paced import follow
from n1v1_market_data.publisher import Publisher


async def work(context: ServiceContext) -> None:
    async with opened_bus(context) as bus, aiohttp.ClientSession() as session:
        context.ready()
        await context.run_tasks(background=(_source(context, bus, session),))


async def _source(context: ServiceContext, bus: NatsBus, session: aiohttp.ClientSession) -> None:
    settings = context.settings
    codec, instruments = codec_of(settings), instruments_of(settings)
    publisher = Publisher(bus=bus, codec=codec, tracing=context.tracing, metrics=context.metrics)
    rest_url = settings.exchange.rest_url
    if not rest_url:
        raise CannotStart("exchange.rest_url is not set: where is the venue?")
    if settings.is_lockstep:
        settlement = Settlement(bus, codec, await bus.tap(subject_filter(OrdersComplete)))
        clock = SimulationClock(session, rest_url, instruments)
        symbols = settings.market.symbols
        await Replayer(venue=clock, publisher=publisher, settlement=settlement, symbols=symbols).run()
        return
    feed = BinanceBars(
        session,
        rest_url=rest_url,
        ws_url=settings.exchange.ws_url or rest_url.replace("http", "ws", 1),
        instruments=instruments,
        timeframe=settings.market.timeframe,
        serves_open_bar=not settings.is_simulated,
    )
    await follow(feed=feed, publisher=publisher, symbols=settings.market.symbols, bus=bus, codec=codec)


def main() -> int:
    return run_service(Service("market_data", work))
