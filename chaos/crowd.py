"""python -m chaos.crowd: a few of the workers of `chaos.races`, each with a connection of its own.

Every worker is one partition and one strategy. At each bar time it wants something on several symbols at once, drawn
from its number and the time, and then says that it is done: so a run can be repeated, with or without disturbances.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys

from n1v1.events import Action, BarsComplete, Event, ReplayEnded, SignalRaised, SignalsComplete
from n1v1.ids import signal_id
from n1v1_common.bus.api import ConsumerSpec, Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.settings.service import load_service_settings
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.streams import MARKET_DATA

CLOSES = 0.3
"""So much of what is wanted is to close, so that there is always room to fight for."""
PUBLISH_RETRY_S = 60.0


def wanted(worker: int, bars: BarsComplete, each: int) -> list[Event]:
    """What a worker says about a bar time."""
    chance = random.Random(f"{worker}:{bars.ts_ns}")
    instance = f"worker-{worker:03d}"
    said: list[Event] = [
        SignalRaised(
            id=signal_id(instance, symbol, bars.ts_ns),
            ts_ns=bars.ts_ns,
            cause_id=bars.id,
            correlation_id=bars.correlation_id,
            instance=instance,
            symbol=symbol,
            action=Action.CLOSE if chance.random() < CLOSES else Action.BUY,
            strength=1.0,
            reason="a race",
        )
        for symbol in chance.sample(bars.symbols, min(each, len(bars.symbols)))
    ]
    watermark = f"signals:{worker}:{bars.ts_ns}"
    return [*said, SignalsComplete(id=watermark, ts_ns=bars.ts_ns, partition=worker, signals=len(said))]


class Worker:
    def __init__(self, number: int, *, url: str, codec: Codec, each: int) -> None:
        self._number = number
        self._url = url
        self._codec = codec
        self._each = each

    async def run(self) -> None:
        """From the first bar time until the replay has ended."""
        bus = await NatsBus.connect(self._url, name=f"worker-{self._number}")
        subjects = (subject_filter(BarsComplete), subject_filter(ReplayEnded))
        spec = ConsumerSpec(MARKET_DATA.name, f"worker-{self._number}", subjects)
        subscription = await bus.consume(spec, start_seq=1)
        async for batch in subscription:
            heard = [self._codec.decode(delivery.subject, delivery.data)[0] for delivery in batch]
            said = [event for bars in heard if isinstance(bars, BarsComplete) for event in self._wanted(bars)]
            await bus.publish([self._outgoing(event) for event in said], retry_for_s=PUBLISH_RETRY_S)
            await subscription.ack(batch)
            if any(isinstance(event, ReplayEnded) for event in heard):
                break
        await bus.drain()

    def _wanted(self, bars: BarsComplete) -> list[Event]:
        return wanted(self._number, bars, self._each)

    def _outgoing(self, event: Event) -> Outgoing:
        subject, data = self._codec.encode(event)
        return Outgoing(subject, data, event.id)


async def crowd(first: int, count: int, each: int) -> None:
    settings = load_service_settings(os.environ)
    codec = codec_of(settings)
    workers = [Worker(number, url=bus_url(settings), codec=codec, each=each) for number in range(first, first + count)]
    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.crowd", description=__doc__)
    for name in ("first", "count", "each"):
        parser.add_argument(name, type=int)
    args = parser.parse_args()
    asyncio.run(crowd(args.first, args.count, args.each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
