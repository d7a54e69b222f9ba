"""The signals service: what it is made of."""

from __future__ import annotations

import asyncio

from n1v1.signals.stage import Signals
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.partition import partition_of
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.settings.core import instances_of
from n1v1_common.stage.opening import codec_of, opened_bus
from n1v1_common.streams import STRATEGY_STATE
from n1v1_signals.settings import owned_partitions
from n1v1_signals.worker import Worker


async def work(context: ServiceContext) -> None:
    async with opened_bus(context) as bus:
        workers = [await _worker(context, bus, partition) for partition in owned_partitions(context.settings)]
        context.ready()
        async with asyncio.TaskGroup() as tasks:
            for worker in workers:
                tasks.create_task(worker.run())
            await context.draining.wait()
            await bus.drain()


async def _worker(context: ServiceContext, bus: NatsBus, partition: int) -> Worker:
    settings = context.settings
    instances = instances_of(settings)
    instruments = [
        instrument
        for instrument in instruments_of(settings)
        if partition_of(instrument.symbol, settings.signals.partitions) == partition
    ]

    def stage() -> Signals:
        return Signals(
            instances=instances, instruments=instruments, timeframe=settings.market.timeframe, partition=partition
        )

    worker = Worker(
        partition=partition,
        make_stage=stage,
        bus=bus,
        codec=codec_of(settings),
        snapshots=await bus.key_value(STRATEGY_STATE),
        tracing=context.tracing,
        metrics=context.metrics,
        identity=repr((instances, [instrument.symbol for instrument in instruments])),
    )
    await worker.start()
    return worker


def main() -> int:
    return run_service(Service("signals", work))
