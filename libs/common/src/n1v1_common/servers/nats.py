"""NATS with JetStream, as a child process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n1v1_common.access.table import ADMIN, users_of_the_bus
from n1v1_common.servers import binaries
from n1v1_common.servers.passwords import password_for, write_private
from n1v1_common.servers.ports import LOOPBACK, claim_port, free_port
from n1v1_common.servers.process import ProcessSpec
from n1v1_common.servers.server import Durability, EmbeddedServer, NotYet

# max_payload stays at the default of 1 MB: our messages are under 1 kB.
CONFIG = """\
server_name: {name}
listen: "{host}:{port}"
http: "{host}:{monitoring_port}"
jetstream {{ store_dir: {store_dir}, max_memory_store: 256MB, max_file_store: 16GB{sync} }}
{authorization}{cluster}"""

# no_advertise: clients have the addresses of all nodes, and what nodes say of each other carries no password.
CLUSTER = """\
cluster {{
  name: n1v1
  listen: "{host}:{port}"
  authorization {{ user: {user}, password: {password} }}
  routes: [{routes}]
  no_advertise: true
}}
"""


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node among several. ports: where each of them hears the others; ours is ports[index]."""

    index: int
    ports: Sequence[int]


class NatsServer(EmbeddedServer):
    """Alone, or a node of a cluster, which it forms with the others by itself."""

    name = "nats"
    program = "nats-server"

    def __init__(
        self,
        folder: Path,
        *,
        secrets: Path,
        log: Path,
        durability: Durability,
        port: int = 0,
        monitoring_port: int = 0,
        signal_partitions: int = 1,
        node: ClusterNode | None = None,
    ) -> None:
        """signal_partitions: so many durables a signals worker may have."""
        if node is not None:
            self.name = f"nats-{node.index}"
        super().__init__(folder, secrets=secrets, log=log, durability=durability, port=port)
        self.password = password_for("nats", secrets)  # one for all nodes
        self.monitoring_port = monitoring_port
        self._node = node
        self._binary = Path()
        self._signal_partitions = signal_partitions
        self._passwords = {user: password_for(user, secrets) for user in users_of_the_bus()}

    @property
    def address(self) -> str:
        """The URL without a user."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"nats://{ADMIN}:{self.password}@{LOOPBACK}:{self.port}"

    def settings_of(self, user: str) -> dict[str, str]:
        """What a user is told; nothing when the bus does not know it."""
        passwords = {**self._passwords, ADMIN: self.password}
        if user not in passwords:
            return {}
        return {
            "bus.url": self.address,
            "bus.user": user,
            "bus.password": passwords[user],
        }

    @property
    def monitoring_url(self) -> str:
        """/healthz, /varz, /jsz: no password, loopback only."""
        return f"http://{LOOPBACK}:{self.monitoring_port}"

    async def prepare(self) -> None:
        self._binary = binaries.nats_server()

    def spec(self) -> ProcessSpec:
        self.monitoring_port = claim_port("nats monitoring", self.monitoring_port)
        config = self.folder / "nats.conf"
        text = CONFIG.format(
            name="n1v1" if self._node is None else self.name,
            host=LOOPBACK,
            port=self.port,
            monitoring_port=self.monitoring_port,
            store_dir=json.dumps(str(self.folder / "jetstream")),
            # One fsync a message; the default syncs every two minutes.
            sync=", sync_interval: always" if self.durability is Durability.POWER_CUT else "",
            authorization=self._authorization(),
            cluster="" if self._node is None else self._cluster(self._node),
        )
        write_private(config, text)
        return ProcessSpec(name=self.name, argv=[str(self._binary), "-c", str(config)], log=self.log)

    def _authorization(self) -> str:
        from n1v1_common.access.bus import authorization  # loads every message, which only a start has to

        passwords = {**self._passwords, ADMIN: self.password}
        quoted = {user: json.dumps(password) for user, password in passwords.items()}
        return authorization(quoted, signal_partitions=self._signal_partitions)

    def _cluster(self, node: ClusterNode) -> str:
        routes = (f"nats-route://{ADMIN}:{self.password}@{LOOPBACK}:{port}" for port in node.ports)
        return CLUSTER.format(
            host=LOOPBACK,
            port=node.ports[node.index],
            user=ADMIN,
            password=json.dumps(self.password),
            routes=", ".join(json.dumps(route) for route in routes),
        )

    async def ping(self) -> bool:
        """CONNECT with our password, wait for PONG, then ask whether JetStream has recovered."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            options = {
                "verbose": False,
                "pedantic": False,
                "user": ADMIN,
                "pass": self.password,
                "name": "ready?",
            }
            writer.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
            await reader.readline()  # INFO
            answered = await reader.readline() == b"PONG\r\n"
        finally:
            writer.close()
        return answered and await self._is_healthy()

    async def _is_healthy(self) -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.monitoring_port)
        try:
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
        finally:
            writer.close()
        if b" 200 " not in status:
            raise NotYet(status.decode(errors="replace"))
        return True


def nats_nodes(
    folder: Path,
    *,
    count: int,
    secrets: Path,
    logs: Path,
    durability: Durability,
    port: int,
    monitoring_port: int,
    signal_partitions: int,
) -> tuple[NatsServer, ...]:
    """The server in `folder`, or so many of them as a cluster, each in a folder of its own beside it.

    port, monitoring_port: of the first.
    """
    ports = [free_port() for _ in range(count)]
    names = [f"nats-{index}" for index in range(count)] if count > 1 else ["nats"]
    return tuple(
        NatsServer(
            folder.with_name(name),
            secrets=secrets,
            log=logs / f"{name}.log",
            durability=durability,
            port=0 if index else port,
            monitoring_port=0 if index else monitoring_port,
            signal_partitions=signal_partitions,
            node=ClusterNode(index, ports) if count > 1 else None,
        )
        for index, name in enumerate(names)
    )
