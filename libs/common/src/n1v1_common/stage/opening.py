"""What every service opens: the bus, its schema, the codec. Each is closed when the service is done."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import structlog

from n1v1_common import config_lock
from n1v1_common.access import ACCESS
from n1v1_common.bus.api import Bus
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import ServiceContext
from n1v1_common.settings.model import Settings
from n1v1_common.stage.halt_watch import HaltWatch
from n1v1_common.state.hot_state import HotState
from n1v1_common.storage.database import connect, migrate
from n1v1_common.storage.journal import Journal
from n1v1_common.streams import CONFIG_LOCK, TRADING

log = structlog.get_logger()


def bus_url(settings: Settings) -> str:
    """The URLs of the bus, with commas, each with the user and password of the settings unless it names its own."""
    return ",".join(_node_url(settings, url.strip()) for url in settings.bus.url.split(","))


def _node_url(settings: Settings, url: str) -> str:
    parts = urlsplit(url)
    if settings.bus.user is None or "@" in parts.netloc:
        return url
    password = settings.bus.password.get_secret_value() if settings.bus.password else ""
    user = f"{quote(settings.bus.user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def codec_of(settings: Settings) -> Codec:
    return Codec(instruments_of(settings), signal_partitions=settings.signals.partitions)


@asynccontextmanager
async def opened_bus(context: ServiceContext) -> AsyncIterator[NatsBus]:
    """The bus, watched by the health check `nats`. Its streams are there already: see n1v1_common.install. The service
    has proved on it that its settings are those of the account, and hears of halts.

    Who ends well drains it. Who fails leaves it at once: nobody will finish what is in hand, and it comes again.

    Raises NotLocked, SettingsDiffer, BusError.
    """
    bus = await NatsBus.connect(bus_url(context.settings), name=context.instance)

    async def check() -> str | None:
        return None if bus.is_connected else "not connected"

    context.health.register("nats", check)
    may_look_up = TRADING in ACCESS[context.service].looks_up
    watch = HaltWatch(bus, account=context.settings.account.id, metrics=context.metrics, looks_up=may_look_up)
    try:
        bucket = await bus.key_value(CONFIG_LOCK)
        lock = await config_lock.prove(bucket, context.settings)
        log.info("the settings are those of the account", config_hash=lock.hash)
        proving = config_lock.go_on_proving(bucket, context.settings, context.drain)
        watching = [asyncio.create_task(_watching(context, work)) for work in (watch.run(), proving)]
        try:
            yield bus
        finally:
            for task in watching:
                task.cancel()
    except BaseException:
        await bus.close()
        raise
    await bus.drain()


async def _watching(context: ServiceContext, work: Coroutine[Any, Any, None]) -> None:
    """Beside the flow. A service whose watch has failed does not go on without it: it drains, and is started again."""
    try:
        await work
    except Exception:
        log.exception("a watch has failed")
        context.drain()


@asynccontextmanager
async def opened_schema(context: ServiceContext, folders: Sequence[Path]) -> AsyncIterator[asyncpg.Pool]:
    """A pool in the service's own schema, migrated first, watched by the health check `postgres`."""
    dsn = context.settings.postgres.dsn.get_secret_value()
    await migrate(dsn, context.service, folders)
    pool = await connect(dsn, context.service)

    async def check() -> str | None:
        await pool.fetchval("SELECT 1")
        return None

    context.health.register("postgres", check)
    try:
        yield pool
    finally:
        await pool.close()


async def taken_over(context: ServiceContext, pool: asyncpg.Pool, bus: Bus) -> Journal:
    """The journal of the service, with this process as its writer. A process that had it before has it no more."""
    journal = await Journal.take_over(
        pool, bus, writer=f"{context.instance} (process {os.getpid()} on {platform.node()})"
    )
    log.info("took over the journal", epoch=journal.epoch)
    return journal


@asynccontextmanager
async def opened_hot_state(context: ServiceContext) -> AsyncIterator[HotState]:
    """Redis, watched by the health check `redis`."""
    from n1v1_common.state.redis_state import connect as connect_redis  # 20 MB, only for those that open it

    async with connect_redis(context.settings.redis.url.get_secret_value()) as state:
        context.health.register("redis", state.check)
        yield state
