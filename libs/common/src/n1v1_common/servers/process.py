"""A child process that cannot outlive us: started with a log, asked to stop, ended when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from n1v1_common.servers.errors import folder_error

LOGS_KEPT = 3
TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Farewell:
    """One step of asking a process to end: the signal, and how long it may take to obey."""

    signal: signal.Signals
    deadline_s: float


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run and how to end it.

    wrapper: a command put before `argv` (it must exec, so that the process id stays the same).
    farewells: tried in order; SIGKILL is always the last.
    dies_with_parent: the signal the kernel sends the process when we die without stopping it (Linux).
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    wrapper: Sequence[str] = ()
    farewells: Sequence[Farewell] = (Farewell(signal.SIGTERM, 10.0),)
    dies_with_parent: signal.Signals = signal.SIGTERM
    setpriv_options: Sequence[str] = ()


class ChildProcess:
    """The process of a spec. Start it from the thread that lives longest: on Linux the kernel takes the end
    of the starting *thread* for the end of the parent."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs or until it is waited for; None before the first start."""
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """None while it runs (and before the first start); negative is the signal that ended it."""
        return self._process.returncode if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, appending to its log. It leads a session of its own, so that Ctrl-C in the terminal
        reaches only us and the order of stopping stays ours."""
        try:
            self.spec.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            log_fd = os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise folder_error(self.spec.log.parent, error) from error
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                env=self.spec.env,
                cwd=self.spec.cwd,
                start_new_session=True,
            )
        finally:
            os.close(log_fd)

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        if self._process is None:
            raise RuntimeError(f"{self.spec.name} was never started")
        return await self._process.wait()

    async def stop(self) -> int | None:
        """Ask, wait, ask harder, end. Returns the exit code; None when it was never started."""
        for farewell in (*self.spec.farewells, Farewell(signal.SIGKILL, 10.0)):
            if not self.is_running:
                break
            self.send(farewell.signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), farewell.deadline_s)
        return self.returncode

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; harmless when the process has ended."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _command(self) -> list[str]:
        # setpriv stands after the wrapper: entering a user namespace clears the signal it sets.
        return [*self.spec.wrapper, *self._setpriv(), *self.spec.argv]

    def _setpriv(self) -> list[str]:
        setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
        if setpriv is None:
            return []
        name = self.spec.dies_with_parent.name.removeprefix("SIG")
        return [setpriv, *self.spec.setpriv_options, "--pdeathsig", name]


def rotate_log(log: Path) -> None:
    """Move log to log.1, log.1 to log.2 and so on, and forget the oldest: a new run starts a new file."""
    for age in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{age}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{age + 1}"))
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, lines: int = 40) -> str:
    """The last lines of a log; empty when there is none yet."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def describe_exit(returncode: int | None) -> str:
    """In words: 'ended with exit code 1', 'was ended by SIGKILL'."""
    if returncode is None:
        return "is running"
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
