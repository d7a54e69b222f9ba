"""NATS, Valkey and PostgreSQL together, below one state folder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from n1v1_common.servers.folders import FolderLock, prepare_folder
from n1v1_common.servers.nats import USER as NATS_USER
from n1v1_common.servers.nats import NatsServer
from n1v1_common.servers.ports import LOOPBACK
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.servers.server import Durability, EmbeddedServer
from n1v1_common.servers.valkey import ValkeyServer


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the servers listen. They carry passwords, so they are left out of the printed form."""

    nats: str = field(repr=False)
    redis: str = field(repr=False)
    postgres: str = field(repr=False)
    nats_monitoring: str


class EmbeddedServers:
    """The three servers of one installation.

        async with EmbeddedServers(state_dir, durability=Durability.PROCESS) as servers:
            await nats.connect(servers.urls.nats)

    Below `state_dir`: servers/ (data, passwords) and logs/. Ports are on 127.0.0.1; 0 has a free one chosen,
    which is kept as long as this object lives.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        durability: Durability = Durability.POWER_CUT,
        nats_port: int = 0,
        nats_monitoring_port: int = 0,
        redis_port: int = 0,
        postgres_port: int = 0,
    ) -> None:
        """Raises StateFolderUnusable or WrongOwner: the folder is checked here, before anything starts."""
        folder = prepare_folder(state_dir) / "servers"
        logs = prepare_folder(state_dir / "logs")
        secrets = prepare_folder(folder)
        self._lock = FolderLock(folder, name="servers")
        self.nats = NatsServer(
            folder / "nats",
            secrets=secrets,
            log=logs / "nats.log",
            durability=durability,
            port=nats_port,
            monitoring_port=nats_monitoring_port,
        )
        self.valkey = ValkeyServer(
            folder / "valkey",
            secrets=secrets,
            log=logs / "valkey.log",
            durability=durability,
            port=redis_port,
        )
        self.postgres = PostgresServer(
            folder / "postgres",
            secrets=secrets,
            log=logs / "postgres.log",
            durability=durability,
            port=postgres_port,
        )

    @property
    def all(self) -> tuple[EmbeddedServer, ...]:
        return (self.nats, self.valkey, self.postgres)

    @property
    def urls(self) -> Urls:
        """Valid once started."""
        return Urls(
            nats=self.nats.url,
            redis=self.valkey.url,
            postgres=self.postgres.url,
            nats_monitoring=self.nats.monitoring_url,
        )

    @property
    def settings(self) -> dict[str, str]:
        """The same as settings, passwords included: what a service must be told to find them."""
        return {
            "bus.url": f"nats://{LOOPBACK}:{self.nats.port}",
            "bus.user": NATS_USER,
            "bus.password": self.nats.password,
            "redis.url": self.valkey.url,
            "postgres.dsn": self.postgres.url,
        }

    async def start(self) -> Self:
        """Start all three at the same time; when one fails, the others are stopped and its error is raised.

        Raises:
            FolderInUse: another program runs servers from this folder.
            ServerError: see errors.
        """
        self._lock.acquire()
        results = await asyncio.gather(*(server.start() for server in self.all), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        return self

    async def stop(self) -> None:
        """Stop all three; harmless when they are not running."""
        await asyncio.gather(*(server.stop() for server in self.all))
        self._lock.release()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
