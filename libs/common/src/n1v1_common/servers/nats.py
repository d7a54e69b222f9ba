"""NATS with JetStream, as a child process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from n1v1_common.access.table import ADMIN, users_of_the_bus
from n1v1_common.servers import binaries
from n1v1_common.servers.passwords import password_for, write_private
from n1v1_common.servers.ports import LOOPBACK, claim_port
from n1v1_common.servers.process import ProcessSpec
from n1v1_common.servers.server import Durability, EmbeddedServer, NotYet

# max_payload stays at the default of 1 MB: our messages are under 1 kB.
CONFIG = """\
server_name: n1v1
listen: "{host}:{port}"
http: "{host}:{monitoring_port}"
jetstream {{ store_dir: {store_dir}, max_memory_store: 256MB, max_file_store: 16GB{sync} }}
{authorization}"""


class NatsServer(EmbeddedServer):
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
    ) -> None:
        """signal_partitions: so many durables a signals worker may have."""
        super().__init__(folder, secrets=secrets, log=log, durability=durability, port=port)
        self.monitoring_port = monitoring_port
        self._binary = Path()
        self._signal_partitions = signal_partitions
        self._passwords = {user: password_for(user, secrets) for user in users_of_the_bus()}

    @property
    def url(self) -> str:
        return f"nats://{ADMIN}:{self.password}@{LOOPBACK}:{self.port}"

    def settings_of(self, user: str) -> dict[str, str]:
        """What a user is told; nothing when the bus does not know it."""
        passwords = {**self._passwords, ADMIN: self.password}
        if user not in passwords:
            return {}
        return {
            "bus.url": f"nats://{LOOPBACK}:{self.port}",
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
            host=LOOPBACK,
            port=self.port,
            monitoring_port=self.monitoring_port,
            store_dir=json.dumps(str(self.folder / "jetstream")),
            # One fsync a message; the default syncs every two minutes.
            sync=", sync_interval: always" if self.durability is Durability.POWER_CUT else "",
            authorization=self._authorization(),
        )
        write_private(config, text)
        return ProcessSpec(name=self.name, argv=[str(self._binary), "-c", str(config)], log=self.log)

    def _authorization(self) -> str:
        from n1v1_common.access.bus import authorization  # loads every message, which only a start has to

        passwords = {**self._passwords, ADMIN: self.password}
        quoted = {user: json.dumps(password) for user, password in passwords.items()}
        return authorization(quoted, signal_partitions=self._signal_partitions)

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
