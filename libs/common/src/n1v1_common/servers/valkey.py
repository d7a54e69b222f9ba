"""Valkey, which speaks the Redis protocol, as a child process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from n1v1_common.access.hot_state import acl_users
from n1v1_common.access.table import ADMIN, users_of_hot_state
from n1v1_common.servers import binaries
from n1v1_common.servers.passwords import password_for, write_private
from n1v1_common.servers.ports import LOOPBACK
from n1v1_common.servers.process import ProcessSpec
from n1v1_common.servers.server import Durability, EmbeddedServer

# The append-only file is written before a command is answered, so it survives kill -9 under either setting.
# What is in Valkey can be rebuilt from the streams: a second lost with the machine's power is acceptable.
CONFIG = """\
bind {host}
port {port}
dir "{folder}"
requirepass {password}
appendonly yes
appendfsync {fsync}
save ""
daemonize no
{users}
"""


class ValkeyServer(EmbeddedServer):
    name = "valkey"
    program = "valkey-server"

    def __init__(self, folder: Path, *, secrets: Path, log: Path, durability: Durability, port: int = 0) -> None:
        super().__init__(folder, secrets=secrets, log=log, durability=durability, port=port)
        self._binary = Path()
        self._passwords = {user: password_for(user, secrets) for user in users_of_hot_state()}

    @property
    def url(self) -> str:
        """Of the administrator, whom Redis calls the default user."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def settings_of(self, user: str) -> dict[str, str]:
        """What a user is told; nothing when it has nothing to do here."""
        if user == ADMIN:
            return {"redis.url": self.url}
        if user not in self._passwords:
            return {}
        return {"redis.url": f"redis://{user}:{self._passwords[user]}@{LOOPBACK}:{self.port}/0"}

    async def prepare(self) -> None:
        self._binary = binaries.valkey_server()

    def spec(self) -> ProcessSpec:
        config = self.folder / "valkey.conf"
        fsync = "everysec" if self.durability is Durability.POWER_CUT else "no"
        text = CONFIG.format(
            host=LOOPBACK,
            port=self.port,
            folder=self.folder,
            password=self.password,
            fsync=fsync,
            users="\n".join(acl_users(self._passwords)),
        )
        write_private(config, text)
        return ProcessSpec(name=self.name, argv=[str(self._binary), str(config)], log=self.log)

    async def ping(self) -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
            answers = [await reader.readline(), await reader.readline()]
        finally:
            writer.close()
        return answers == [b"+OK\r\n", b"+PONG\r\n"]  # -LOADING while it reads its file
