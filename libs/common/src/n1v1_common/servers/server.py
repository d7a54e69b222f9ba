"""What the three servers have in common: claim a port, start, wait until it really answers, stop."""

from __future__ import annotations

import asyncio
import enum
from abc import ABC, abstractmethod
from pathlib import Path

from n1v1_common.servers.errors import NotReadyInTime, PortTaken, ServerFailed, folder_error
from n1v1_common.servers.leftovers import wait_for_leftover
from n1v1_common.servers.passwords import password_for
from n1v1_common.servers.ports import claim_port
from n1v1_common.servers.process import ChildProcess, ProcessSpec, describe_exit, rotate_log, tail

READY_WITHIN_S = 30.0
POLL_S = 0.01
# Somebody else can take a free port between our look and the server's bind; three times is no accident.
PORT_ATTEMPTS = 3


class Durability(enum.StrEnum):
    """What an acknowledged write survives."""

    POWER_CUT = "power_cut"
    """Synced to the disk before it is acknowledged."""
    PROCESS = "process"
    """Handed to the operating system: survives kill -9 of anything, not the loss of the machine. For replays,
    whose result can be computed again and whose speed should not hang on the disk."""


class EmbeddedServer(ABC):
    """One server below `folder`. It keeps its port over restarts, so that clients find it again."""

    name: str
    program: str

    def __init__(self, folder: Path, *, secrets: Path, log: Path, durability: Durability, port: int = 0) -> None:
        self.folder = folder
        self.durability = durability
        self.log = log
        self.password = password_for(self.name, secrets)
        self.port = 0
        self._asked_port = port
        self._process: ChildProcess | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included: never print it."""

    @abstractmethod
    def settings_of(self, user: str) -> dict[str, str]:
        """How a user of access.table connects, as settings with its password; empty for whom the server does not know.

        Valid once started.
        """

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    async def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            PortTaken: the port asked for is in use.
            ServerFailed: it ended, or did not answer within READY_WITHIN_S; with the end of its log.
            StateFolderUnusable, WrongOwner, ServerMissing: see errors.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            await wait_for_leftover(self._pid_file, program=self.program)
            rotate_log(self.log)
            await self.prepare()
        except OSError as error:
            raise folder_error(self.folder, error) from error
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                await self._start_once()
            except PortTaken:
                if self._asked_port or attempt == PORT_ATTEMPTS:
                    raise
                self.port = 0
            else:
                return

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._process.wait()

    async def stop(self) -> int | None:
        """Clean stop within the deadlines of its spec; harmless when not running."""
        if self._process is None:
            return None
        returncode = await self._process.stop()
        self._pid_file.unlink(missing_ok=True)
        return returncode

    def kill(self) -> None:
        """SIGKILL, as a crash would be; `start` brings it back with its data and port."""
        if self._process is not None:
            self._process.kill()

    @abstractmethod
    async def prepare(self) -> None:
        """Once per start, before a port is claimed: find the binary, make the data folder."""

    @abstractmethod
    def spec(self) -> ProcessSpec:
        """Write the configuration for `self.port` and say what to run."""

    @abstractmethod
    async def ping(self) -> bool:
        """Whether it answers an authenticated request. May raise OSError or ServerBusy while it is not up."""

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    async def _start_once(self) -> None:
        # After a crash the old port is ours again: clients are already reconnecting to it.
        self.port = claim_port(self.name, self._asked_port or self.port)
        self._process = ChildProcess(self.spec())
        await self._process.start()
        self._pid_file.write_text(f"{self._process.pid}\n")
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._answers(self._process)
        except BaseException as error:
            await self._process.stop()
            if isinstance(error, TimeoutError):
                what = f"did not answer within {READY_WITHIN_S:.0f} s"
                raise NotReadyInTime(self.name, what, self.log, tail(self.log)) from error
            raise

    async def _answers(self, process: ChildProcess) -> None:
        while not await self._ping_or_not_yet():
            if not process.is_running:
                raise self._death(process)
            await asyncio.sleep(POLL_S)

    async def _ping_or_not_yet(self) -> bool:
        try:
            return await self.ping()
        except (OSError, NotYet):
            return False

    def _death(self, process: ChildProcess) -> PortTaken | ServerFailed:
        if "address already in use" in tail(self.log).lower():
            return PortTaken(self.name, self.port)
        return self._failed(describe_exit(process.returncode))

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(self.name, what, self.log, tail(self.log))


class NotYet(Exception):
    """The server is up but does not serve yet (recovering, loading)."""
