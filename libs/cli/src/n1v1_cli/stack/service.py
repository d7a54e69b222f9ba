"""One service as a child process: started, waited for until /readyz says yes, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from n1v1_cli.stack import http
from n1v1_cli.stack.readiness import explain
from n1v1_common.servers.errors import NotReadyInTime, ServerFailed
from n1v1_common.servers.leftovers import wait_for_leftover
from n1v1_common.servers.process import ChildProcess, Farewell, ProcessSpec, describe_exit, rotate_log, tail

POLL_S = 0.02
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0  # services drain for up to 10 s


# What a process needs of its surroundings. Settings come by a file; whatever else is in the environment of whoever
# typed `n1v1 up` (tokens, keys, N1V1__EXCHANGE__API_KEY) is nobody's business.
INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"}
    | {
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
INHERITED_PREFIXES = (
    "PYTHON", "LC_", "LD_LIBRARY_", "DYLD_", "XDG_", "N1V1_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "COVERAGE_",
)  # fmt: skip
SETTINGS_PREFIX = "N1V1__"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment what a service gets to see."""
    return {
        name: value
        for name, value in environment.items()
        if name in INHERITED or (name.startswith(INHERITED_PREFIXES) and not name.startswith(SETTINGS_PREFIX))
    }


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What runs as `name`, and with what.

    name: of the process. A service with several workers has one spec each: signals-0, signals-1.
    module: run as `python -m module`.
    env: added to what it inherits of our own environment.
    after: names of those that must be ready before this one is started.
    """

    name: str
    module: str
    env: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()


class Service:
    """The process of a spec, below `state_dir`: logs/<name>.log is its output, and run/<name>.json, which it
    writes itself, says where it listens: {"url": ..., "pid": ...}."""

    def __init__(
        self,
        spec: ServiceSpec,
        state_dir: Path,
        *,
        ready_within_s: float = READY_WITHIN_S,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        self.spec = spec
        self.log = state_dir / "logs" / f"{spec.name}.log"
        self.url: str | None = None
        self._run_file = state_dir / "run" / f"{spec.name}.json"
        self._pid_file = state_dir / "run" / f"{spec.name}.pid"
        self._ready_within_s = ready_within_s
        self._stop_within_s = stop_within_s
        self._process: ChildProcess | None = None
        self._unready_because = "its run file is not there yet"

    @property
    def name(self) -> str:
        return self.spec.name

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
        """Start and wait until it is ready. The first start of this object begins a new log.

        Raises:
            ServerFailed: it ended before it was ready.
            NotReadyInTime: it was stopped, because it did not become ready.
        """
        await self._make_way()
        self._process = ChildProcess(self._process_spec())
        await self._process.start()
        self._pid_file.write_text(f"{self._process.pid}\n")
        try:
            async with asyncio.timeout(self._ready_within_s):
                await self._until_ready(self._process)
        except TimeoutError as error:
            await self._process.stop()
            what = f"was not ready within {self._ready_within_s:.0f} s: {self._unready_because}"
            raise NotReadyInTime(self.name, what, self.log, tail(self.log)) from error

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._process.wait()

    async def stop(self) -> int | None:
        """SIGTERM, which makes it drain; SIGKILL when it takes longer than its deadline."""
        if self._process is None:
            return None
        returncode = await self._process.stop()
        self._pid_file.unlink(missing_ok=True)
        self._run_file.unlink(missing_ok=True)
        return returncode

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _make_way(self) -> None:
        self._run_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await wait_for_leftover(self._pid_file, program=self.spec.module)
        self._run_file.unlink(missing_ok=True)
        self.url = None
        if self._process is None:
            rotate_log(self.log)

    def _process_spec(self) -> ProcessSpec:
        return ProcessSpec(
            name=self.name,
            argv=[sys.executable, "-m", self.spec.module],
            log=self.log,
            # Unbuffered, so that the log of a process that was killed is whole.
            env={**inherited(os.environ), "PYTHONUNBUFFERED": "1", **self.spec.env},
            farewells=(Farewell(signal.SIGTERM, self._stop_within_s),),
            # Nobody is left to insist, a service that hangs would stay for ever, and being killed costs it nothing.
            dies_with_parent=signal.SIGKILL,
        )

    async def _until_ready(self, process: ChildProcess) -> None:
        while not await self._is_ready(process):
            if not process.is_running:
                raise self._failed(describe_exit(process.returncode))
            await asyncio.sleep(POLL_S)

    async def _is_ready(self, process: ChildProcess) -> bool:
        self.url = self._announced_url(process)
        if self.url is None:
            return False
        try:
            answer = await http.get(f"{self.url}/readyz")
        except OSError as error:
            self._unready_because = f"{self.url}/readyz: {error or type(error).__name__}"
            return False
        self._unready_because = explain(answer.body) or f"/readyz says {answer.status}"
        return answer.status == 200

    def _announced_url(self, process: ChildProcess) -> str | None:
        """None while the run file is missing, half written, or of a process before this one."""
        try:
            announced = json.loads(self._run_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if announced.get("pid", process.pid) != process.pid:
            return None
        url: str = announced["url"]
        return url.rstrip("/")

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(self.name, what, self.log, tail(self.log))
