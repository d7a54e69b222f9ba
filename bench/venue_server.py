"""The venue of `bench.venue`, in a process of its own: an order book, and trades as fast as its clients read them.

With a recording of depth as its argument it replays that instead, as far as its clients let it. Writes its port to
standard output, and ends when standard input does.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop
from aiohttp import web

from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.streams import Streams
from n1v1_exchange_simulator.exchange import Exchange, history_identity
from n1v1_exchange_simulator.journal import Journal, JournalError
from n1v1_exchange_simulator.market_events import DepthSnapshot, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.depth import DepthRecording
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality, Source, Step
from n1v1_exchange_simulator.settings import exchange_over

BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
LOT = BTC.lots("1")
START_NS = 1_704_067_200_000_000_000
MILLISECOND_NS = 1_000_000
LEVELS = 1_000
TRADES = 10_000_000
KEY, SECRET = "key", "secret"
ACCOUNT = ApiAccount("bench", KEY, SECRET, {"USDT": 10**18, "BTC": 10**15})
TRADES_A_TURN = 20
WAITING_BYTES = 256 * 1024
"""Of a client: no more trades before it has read."""


class Trades:
    """A `Source`: a book, then a trade every millisecond."""

    quality = Quality.DEPTH
    instruments = (BTC,)
    timeframe = "1m"
    identity = "bench"
    first_ns = START_NS
    total_steps = 1 + TRADES

    def steps(self) -> Iterator[Step]:
        bids = tuple((10_000 - number, LOT) for number in range(LEVELS))
        asks = tuple((10_001 + number, LOT) for number in range(LEVELS))
        yield (DepthSnapshot(ts_ns=START_NS, symbol=BTC.symbol, last_id=1, bids=bids, asks=asks),)
        for number in range(1, TRADES + 1):
            yield (
                PublicTrade(
                    ts_ns=START_NS + number * MILLISECOND_NS,
                    symbol=BTC.symbol,
                    number=number,
                    ticks=10_000 + number % 2,
                    lots=LOT // 1_000,
                    is_buyer_maker=number % 2 == 0,
                ),
            )


async def serve(folder: Path, recording: Path | None) -> None:
    source, rules = _source(recording), MatchingRules(taker_fee_ppb=1_000_000, maker_fee_ppb=1_000_000)
    opening = {ACCOUNT.name: ACCOUNT.balances}
    journal = Journal(folder / "journal", identity=history_identity(source, rules, opening), fsync=False)
    exchange = exchange_over(source, rules, journal, opening)
    exchange.advance(1)
    broken: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
    application = web.Application()
    streams = install_venue(application, exchange, [ACCOUNT], mode="lockstep", metrics=Metrics(), broken=broken)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gc.collect()
    gc.freeze()  # as the service does
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    trading = asyncio.create_task(_trade(exchange, streams)) if recording is None else None
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if trading is not None:
        trading.cancel()
    await runner.cleanup()
    journal.close()


def _source(recording: Path | None) -> Source:
    if recording is None:
        return Trades()
    return DepthRecording(find_recording(recording, Quality.DEPTH, [BTC.symbol]), timeframe="1m")


async def _trade(exchange: Exchange, streams: Streams) -> None:
    """While somebody hears them, and everybody keeps up."""
    while True:
        if streams.market.audience == 0:
            await asyncio.sleep(0.01)
        elif any(connection.waiting_bytes > WAITING_BYTES for connection in streams.conversations.all()):
            await asyncio.sleep(0.001)
        else:
            exchange.advance(exchange.step + TRADES_A_TURN)
            await asyncio.sleep(0)


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="n1v1-bench-") as folder:
        uvloop.run(serve(Path(folder), recording))


if __name__ == "__main__":
    main()
