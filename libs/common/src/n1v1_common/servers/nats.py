"""NATS with JetStream, as a child process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from n1v1_common.servers import binaries
from n1v1_common.servers.passwords import write_private
from n1v1_common.servers.ports import LOOPBACK, claim_port
from n1v1_common.servers.process import ProcessSpec
from n1v1_common.servers.server import Durability, EmbeddedServer, NotYet

USER = "n1v1"

# max_payload stays at the default of 1 MB: our messages are under 1 kB.
CONFIG = """\
server_name: n1v1
listen: "{host}:{port}"
http: "{host}:{monitoring_port}"
authorization {{ user: {user}, password: {password} }}
jetstream {{ store_dir: {store_dir}, max_memory_store: 256MB, max_file_store: 16GB{sync} }}
"""


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
    ) -> None:
        super().__init__(folder, secrets=secrets, log=log, durability=durability, port=port)
        self.monitoring_port = monitoring_port
        self._binary = Path()

    @property
    def url(self) -> str:
        return f"nats://{USER}:{self.password}@{LOOPBACK}:{self.port}"

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
            user=USER,
            password=json.dumps(self.password),
            store_dir=json.dumps(str(self.folder / "jetstream")),
            # One fsync a message; the default syncs every two minutes.
            sync=", sync_interval: always" if self.durability is Durability.POWER_CUT else "",
        )
        write_private(config, text)
        return ProcessSpec(name=self.name, argv=[str(self._binary), "-c", str(config)], log=self.log)

    async def ping(self) -> bool:
        """CONNECT with our password, wait for PONG, then ask whether JetStream has recovered."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            options = {
                "verbose": False,
                "pedantic": False,
                "user": USER,
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
