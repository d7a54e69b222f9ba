"""NATS, Valkey and PostgreSQL together, below one state folder. NATS may be a cluster of several nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from n1v1_common.access.table import ADMIN
from n1v1_common.servers.folders import FolderLock, prepare_folder
from n1v1_common.servers.nats import NatsServer, nats_nodes
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.servers.server import Durability, EmbeddedServer
from n1v1_common.servers.valkey import ValkeyServer


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the servers listen. They carry passwords, so they are left out of the printed form.

    nats: of every node, with commas. nats_monitoring: of the first.
    """

    nats: str = field(repr=False)
    redis: str = field(repr=False)
    postgres: str = field(repr=False)
    nats_monitoring: str


class EmbeddedServers:
    """The servers of one installation.

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
        nodes: int = 1,
        nats_port: int = 0,
        nats_monitoring_port: int = 0,
        redis_port: int = 0,
        postgres_port: int = 0,
        signal_partitions: int = 1,
        without: Collection[str] = (),
    ) -> None:
        """nodes: how many NATS servers; three of them keep three copies of every stream, and lose nothing with one.
        It belongs to the state folder: its streams are not moved when it changes.
        signal_partitions: into how many the symbols are divided; each has a consumer of its own.
        without: names (nats, valkey, postgres) of those that are not started here, because yours run elsewhere.

        Raises StateFolderUnusable or WrongOwner: the folder is checked here, before anything starts.
        """
        folder = prepare_folder(state_dir) / "servers"
        logs = prepare_folder(state_dir / "logs")
        secrets = prepare_folder(folder)
        self._without = frozenset(without)
        self._lock = FolderLock(folder, name="servers")
        self.nats_nodes = nats_nodes(
            folder / "nats",
            count=nodes,
            secrets=secrets,
            logs=logs,
            durability=durability,
            port=nats_port,
            monitoring_port=nats_monitoring_port,
            signal_partitions=signal_partitions,
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
        """Those that are started here."""
        return tuple(server for servers in self._by_name.values() for server in servers)

    @property
    def nats(self) -> NatsServer:
        """The only one, or the first of its cluster."""
        return self.nats_nodes[0]

    @property
    def _by_name(self) -> dict[str, tuple[EmbeddedServer, ...]]:
        every: dict[str, tuple[EmbeddedServer, ...]] = {
            "nats": self.nats_nodes,
            "valkey": (self.valkey,),
            "postgres": (self.postgres,),
        }
        return {name: servers for name, servers in every.items() if name not in self._without}

    @property
    def urls(self) -> Urls:
        """Valid once started."""
        return Urls(
            nats=",".join(node.url for node in self.nats_nodes),
            redis=self.valkey.url,
            postgres=self.postgres.url,
            nats_monitoring=self.nats.monitoring_url,
        )

    def settings_of(self, user: str) -> dict[str, str]:
        """How a user of access.table finds the servers that are started here and know it; passwords included."""
        told = {key: value for server in self.all for key, value in server.settings_of(user).items()}
        if "bus.url" in told:
            told["bus.url"] = ",".join(node.address for node in self.nats_nodes)
        if "bus.url" in told and user == ADMIN:  # who declares the streams
            told["bus.replicas"] = str(len(self.nats_nodes))
        return told

    async def start(self) -> Self:
        """Start all at the same time; when one fails, the others are stopped and its error is raised.

        Raises:
            FolderInUse: another program runs servers from this folder.
            ServerError: see errors.
        """
        self._lock.acquire()
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start_all(self) -> None:
        # All are heard before one error is raised: stopping while another is starting would miss it.
        results = await asyncio.gather(*(server.start() for server in self.all), return_exceptions=True)
        failure = next((result for result in results if isinstance(result, BaseException)), None)
        if failure is not None:
            raise failure

    async def stop(self) -> None:
        """Stop all; harmless when they are not running."""
        await asyncio.gather(*(server.stop() for server in self.all))
        self._lock.release()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
