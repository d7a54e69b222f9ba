"""Keeps processes running: starts them in order, restarts those that crash, gives up when one keeps crashing."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from n1v1_cli.stack.events import Announce, Event, What
from n1v1_common.servers.errors import NotReadyInTime, ServerError, ServerFailed
from n1v1_common.servers.process import describe_exit, tail

# What a service ends with when its settings are wrong (2) or the machine lacks what it needs (3: a taken port, a
# read-only folder): it would only say the same again. When another process does its work now (4): a restart would take
# the work back, and so on for ever.
RESTART_IS_NO_USE = (2, 3, 4)


RESTARTED_WITHIN_S = 60.0


class Supervised(Protocol):
    """A process as the supervisor sees it; services and embedded servers are both."""

    log: Path

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def is_running(self) -> bool: ...
    async def start(self) -> None: ...
    async def wait(self) -> int: ...
    async def stop(self) -> int | None: ...
    def kill(self) -> None: ...


CANCEL_AGAIN_S = 0.2


class StackFailed(Exception):
    """The stack cannot go on: a process cannot start, or crashed too often. The message carries its log's end."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class RestartLimit:
    """How often one process may crash before the whole stack stops.

    Five in a minute: a service that meets a passing trouble comes back within two or three; one that is broken
    must not look like one that is slow.
    """

    crashes: int = 5
    within_s: float = 60.0
    backoff_s: float = 0.1
    backoff_s_max: float = 5.0

    def pause_s(self, recent_crashes: int) -> float:
        """Doubles with every recent crash: the first restart is almost at once."""
        return min(self.backoff_s * 2.0 ** (recent_crashes - 1), self.backoff_s_max)


class Supervisor:
    """Runs `processes` in their order; `after` names what each must wait for.

    Processes that are already running are taken over as they are.
    """

    def __init__(
        self,
        processes: Sequence[Supervised],
        *,
        announce: Announce,
        after: Mapping[str, Sequence[str]] | None = None,
        limit: RestartLimit | None = None,
    ) -> None:
        self.processes = {process.name: process for process in processes}
        self.crashes: dict[str, int] = dict.fromkeys(self.processes, 0)
        self.is_ready = {name: asyncio.Event() for name in self.processes}
        self._after = dict(after or {})
        self._announce = announce
        self._limit = limit or RestartLimit()
        self._failure: asyncio.Future[StackFailed] = asyncio.get_running_loop().create_future()
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; `ready` and `failed` tell how it goes."""
        for process in self.processes.values():
            keeper = asyncio.create_task(self._keep(process), name=f"keep {process.name}")
            keeper.add_done_callback(self._keeper_ended)
            self._keepers.append(keeper)

    async def ready(self) -> None:
        """Return once every process has become ready.

        Raises:
            StackFailed: one of them never will.
        """
        everyone = asyncio.gather(*(ready.wait() for ready in self.is_ready.values()))
        try:
            await asyncio.wait((everyone, self._failure), return_when=asyncio.FIRST_COMPLETED)
        finally:
            everyone.cancel()
            await asyncio.gather(everyone, return_exceptions=True)
        if self._failure.done():
            raise self._failure.result()

    async def until_restarted(self, name: str) -> None:
        """After `name` was killed: return once its end was noticed and it is ready again."""
        process = self.processes[name]
        async with asyncio.timeout(RESTARTED_WITHIN_S):
            while not (process.is_running and self.is_ready[name].is_set()):  # noqa: ASYNC110 (two things change)
                await asyncio.sleep(0.01)

    async def failed(self) -> StackFailed:
        """Waits for the failure that ends the stack; never returns while all is well."""
        return await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop everything in reverse order, each within its own deadlines."""
        await self._dismiss_keepers()
        for process in reversed(self.processes.values()):
            if process.is_running:
                self._announce(Event(What.STOPPING, process.name, "is asked to stop"))
            returncode = await process.stop()
            if returncode is not None:
                self._announce(Event(What.STOPPED, process.name, describe_exit(returncode), returncode))

    async def _dismiss_keepers(self) -> None:
        """Cancelled until they are gone: asyncio.wait_for of Python 3.11 loses a cancellation that comes in the moment
        in which what it waits for is done, and a keeper would then wait for its process for ever."""
        while keepers := [keeper for keeper in self._keepers if not keeper.done()]:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.wait(keepers, timeout=CANCEL_AGAIN_S)

    async def _keep(self, process: Supervised) -> None:
        for name in self._after.get(process.name, ()):
            await self.is_ready[name].wait()
        crash_times: deque[float] = deque(maxlen=self._limit.crashes)
        while True:
            crash = await self._run_once(process)
            self.is_ready[process.name].clear()
            self.crashes[process.name] += 1
            crash_times.append(time.monotonic())
            self._announce(crash)
            recent = [at for at in crash_times if at > time.monotonic() - self._limit.within_s]
            if crash.returncode in RESTART_IS_NO_USE:
                self._give_up(crash, "cannot run as things are")
                return
            if len(recent) >= self._limit.crashes:
                self._give_up(crash, f"crashed {len(recent)} times within {self._limit.within_s:.0f} s")
                return
            pause_s = self._limit.pause_s(len(recent))
            detail = f"is started again in {pause_s:.1f} s (crash {len(recent)} of {self._limit.crashes})"
            self._announce(Event(What.RESTARTING, process.name, detail))
            await asyncio.sleep(pause_s)

    async def _run_once(self, process: Supervised) -> Event:
        """Until it ends. Other errors than an end of its own (a taken port, a full disk) are no crashes."""
        if not process.is_running:
            self._announce(Event(What.STARTING, process.name, "is starting"))
            try:
                await process.start()
            except NotReadyInTime:
                raise
            except ServerFailed as failure:
                return Event(What.CRASHED, process.name, failure.what, process.returncode, failure.log_tail)
        self.is_ready[process.name].set()
        self._announce(Event(What.READY, process.name, "is ready"))
        returncode = await process.wait()
        return Event(What.CRASHED, process.name, describe_exit(returncode), returncode, tail(process.log))

    def _give_up(self, crash: Event, why: str) -> None:
        self._announce(Event(What.GAVE_UP, crash.name, f"{why}; the stack stops", crash.returncode))
        last_crash = Event(What.CRASHED, crash.name, f"{why}; the last time it {crash.detail}", log_tail=crash.log_tail)
        self._fail(StackFailed(crash.name, str(last_crash)))

    def _fail(self, failure: StackFailed) -> None:
        if not self._failure.done():
            self._failure.set_result(failure)

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if keeper.cancelled() or (error := keeper.exception()) is None:
            return
        name = keeper.get_name().removeprefix("keep ")
        if isinstance(error, ServerError):
            self._fail(StackFailed(name, f"{name} cannot start: {error}"))
        elif not self._failure.done():
            self._failure.set_exception(error)
