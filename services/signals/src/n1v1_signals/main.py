"""The signals service: what it is made of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from n1v1.signals.stage import Instance, Signals
from n1v1_common import crash_points
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.partition import partition_of
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.settings.core import instances_of
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import codec_of, opened_bus
from n1v1_common.streams import STRATEGY_STATE
from n1v1_signals.at_work import AtWork
from n1v1_signals.confinement import allowed_by, confine, limit_memory
from n1v1_signals.settings import owned_partitions
from n1v1_signals.worker import Worker

log = structlog.get_logger()


async def work(context: ServiceContext) -> None:
    settings = context.settings
    at_work = AtWork(settings.paths.state_dir / "signals", context.instance, limit_s=settings.signals.bar_time_limit_s)
    _confine(settings)
    instances = instances_of(settings)
    quarantined = at_work.quarantined(instances)
    for instance, why in quarantined.items():
        log.error("a strategy is not run any more", instance=instance, reason=why)
    async with opened_bus(context) as bus:
        workers = [
            await _worker(context, bus, partition, instances, quarantined, at_work)
            for partition in owned_partitions(settings)
        ]
        context.ready()
        async with asyncio.TaskGroup() as tasks:
            for worker in workers:
                tasks.create_task(worker.run())
            await context.draining.wait()
            await bus.drain()


def _confine(settings: Settings) -> None:
    """Before the first strategy is loaded, which runs its code."""
    limit_memory(settings.signals.memory_limit_mb)
    if not settings.signals.confined:
        return
    settings.spans_dir.mkdir(parents=True, exist_ok=True)
    points = os.environ.get(crash_points.FOLDER_VARIABLE)
    missing = confine(allowed_by(settings, writes=[Path(points)] if points else []))
    if missing:
        log.warning("this kernel cannot keep strategies from everything", not_kept_from=missing)


async def _worker(
    context: ServiceContext,
    bus: NatsBus,
    partition: int,
    instances: Sequence[Instance],
    quarantined: Mapping[str, str],
    at_work: AtWork,
) -> Worker:
    settings = context.settings
    instruments = [
        instrument
        for instrument in instruments_of(settings)
        if partition_of(instrument.symbol, settings.signals.partitions) == partition
    ]

    def stage() -> Signals:
        return Signals(
            instances=instances,
            instruments=instruments,
            timeframe=settings.market.timeframe,
            partition=partition,
            quarantined=quarantined,
            guard=at_work,
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
