"""One connection to a NATS server that comes back by itself, or says that it is dead.

Why it does not simply trust nats-py 2.16; all but the last provoked against a real server:
- a callback that raises leaves the client reconnecting for ever (nats.py #204) or deaf while `is_connected`
  stays true; so the callbacks here only set flags and start nothing that can fail;
- a publish buffered while disconnected times out and is stored later all the same; so nothing is buffered
  (pending_size=0) and the caller is told at once;
- `flush()` that times out leaves a cancelled future in the client's list of pongs, and the late pong then
  ends the read loop; so the watchdog sends itself a message instead, which also notices a deaf client;
- a reconnect can hang for minutes on a link that swallows packets (#671); hence the watchdog at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from n1v1_common.bus.errors import BusClosed, BusError, BusUnavailable

log = logging.getLogger(__name__)

RECONNECT_WAIT_S = 0.1  # a restarted server is ready in 15 to 60 ms
PING_INTERVAL_S = 2  # with one ping outstanding a stopped server is noticed in 2 to 6 s (default: minutes)
API_TIMEOUT_S = 5.0
API_PATIENCE_S = 20.0  # a cluster elects a leader in 4 to 9 s; until then it is silent, or says 503
API_PAUSE_S = 0.25
NO_LEADER = 503
EXIT_BUS_DEAD = 70  # EX_SOFTWARE of sysexits.h

# JSON of the server's API has no schema in the client; the few fields read from it are converted where they
# are used.
Json = dict[str, Any]


class ApiError(BusError):
    """The server refused a JetStream request. err_code:
    https://github.com/nats-io/nats-server/blob/main/server/errors.json
    """

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{description} ({code}/{err_code})")
        self.code = code
        self.err_code = err_code
        self.description = description


@dataclass(slots=True)
class BusCounters:
    """What happened on this connection since it was opened; read by telemetry."""

    published: int = 0
    publish_retries: int = 0
    publish_unknown: int = 0
    delivered: int = 0
    reconnects: int = 0
    repulls: int = 0
    late_acks: int = 0


def inbox_prefix(url: str) -> str:
    """Where the server's answers to the user of a URL go: apart, so that nobody else can be allowed to hear them."""
    user = urlsplit(url).username or ""
    return f"_INBOX.{user}" if user.replace("_", "").isalnum() else "_INBOX"


def exit_process(reason: str) -> None:
    """The default answer to a dead connection: leave, so that the supervisor starts a process with a live
    one.
    """
    log.critical("leaving: the bus is dead: %s", reason)
    os._exit(EXIT_BUS_DEAD)


@contextlib.asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """nats-py's errors as ours."""
    try:
        yield
    except nats.errors.NoRespondersError as error:
        raise BusUnavailable("nobody answers: JetStream is off, still starting, or the name is unknown") from error
    except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
        raise BusClosed("the connection is closed") from error
    except (nats.errors.TimeoutError, nats.errors.OutboundBufferLimitError, OSError) as error:
        raise BusUnavailable(f"no answer from the server: {error!r}") from error


class Connection:
    """Owns the client and every background task of the bus."""

    def __init__(self, *, on_dead: Callable[[str], None], watch_interval_s: float, watch_failures_max: int) -> None:
        self.client = Client()
        self.counters = BusCounters()
        self.connected = asyncio.Event()
        self.on_reconnected: list[Callable[[], Awaitable[None]]] = []
        self.on_disconnected: list[Callable[[], None]] = []
        self._on_dead = on_dead
        self._watch_interval_s = watch_interval_s
        self._watch_failures_max = watch_failures_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._last_error: Exception | None = None
        self._signs_of_life = 0
        self._echo_subject = ""
        self._echoed = asyncio.Event()

    async def open(self, url: str, *, name: str, timeout_s: float) -> None:
        """Raises BusUnavailable when there is no server at the address within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.connect(**self._options(url, name))
        except (TimeoutError, OSError, nats.errors.Error) as error:
            self._closing = True
            await self._close_client()
            addresses = [urlsplit(each) for each in url.split(",")]  # without the passwords that may be in them
            where = ", ".join(f"{address.hostname}:{address.port}" for address in addresses)
            raise BusUnavailable(f"no NATS server at {where}: {self._last_error or error!r}") from error
        self.connected.set()
        self._echo_subject = self.client.new_inbox()
        await self.client.subscribe(self._echo_subject, cb=self._hear_echo)
        self.spawn(self._watch())

    async def api(self, subject: str, request: Mapping[str, object] | None = None) -> Json:
        """One JetStream API request, asked again for as long as a cluster may be electing a leader.

        Only for requests that may be carried out twice: an answer can be lost as well.

        Raises:
            ApiError: the server's refusal.
            BusUnavailable, BusClosed: no answer.
        """
        deadline = asyncio.get_running_loop().time() + API_PATIENCE_S
        while True:
            try:
                return await self._ask(subject, request)
            except (ApiError, BusUnavailable) as error:
                if not _may_be_electing(error) or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(API_PAUSE_S)

    async def _ask(self, subject: str, request: Mapping[str, object] | None) -> Json:
        payload = b"" if request is None else json.dumps(request).encode()
        async with translated_errors():
            answer = await self.client.request(f"$JS.API.{subject}", payload, timeout=API_TIMEOUT_S)
        facts: Json = json.loads(answer.data)
        if "error" in facts:
            error = facts["error"]
            raise ApiError(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
        return facts

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run until the connection closes. An exception in it is our mistake, and ends the process."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def close(self) -> None:
        self._closing = True
        for call in tuple(self.on_disconnected):
            call()
        self.connected.set()  # who waits for a reconnect goes on and finds the client closed
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close_client()

    def _options(self, url: str, name: str) -> dict[str, Any]:
        return {
            "servers": url.split(","),
            "name": name,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_closed,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RECONNECT_WAIT_S,
            "connect_timeout": 2,
            "ping_interval": PING_INTERVAL_S,
            "max_outstanding_pings": 1,
            "pending_size": 0,
            "inbox_prefix": inbox_prefix(url).encode(),
            "skip_subject_validation": True,  # they come from our own code; a check per message is dear
        }

    async def _close_client(self) -> None:
        # uvloop raises RuntimeError, asyncio ConnectionResetError when the socket is already gone (uvloop
        # #506).
        with contextlib.suppress(RuntimeError, OSError, nats.errors.Error):
            await self.client.close()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a background task of the bus failed", exc_info=error)
        self._on_dead(f"a background task failed: {error!r}")

    async def _on_error(self, error: Exception) -> None:
        self._signs_of_life += 1
        self._last_error = error
        refused = "permissions violation" in str(error).lower()
        log.log(logging.ERROR if refused else logging.DEBUG, "nats: %r", error)

    async def _on_disconnect(self) -> None:
        self._signs_of_life += 1
        if not self._closing:
            self.connected.clear()
            log.warning("connection to NATS lost: %r", self._last_error)
            self.spawn(self._call_disconnected())

    async def _on_reconnect(self) -> None:
        self.counters.reconnects += 1
        self.connected.set()
        log.info("connection to NATS is back")
        self.spawn(self._call_reconnected())

    async def _on_closed(self) -> None:
        if not self._closing:
            self._on_dead("the client closed the connection for good")

    async def _call_disconnected(self) -> None:
        for call in tuple(self.on_disconnected):
            call()

    async def _call_reconnected(self) -> None:
        for call in tuple(self.on_reconnected):
            await call()

    async def _hear_echo(self, _: Msg) -> None:
        self._echoed.set()

    async def _watch(self) -> None:
        failures = 0
        while failures < self._watch_failures_max:
            seen = self._signs_of_life
            await asyncio.sleep(self._watch_interval_s)
            alive = await self._echo() if self.connected.is_set() else self._signs_of_life > seen
            failures = 0 if alive else failures + 1
        self._on_dead(f"no sign of life in {failures} checks, {self._watch_interval_s} s apart")

    async def _echo(self) -> bool:
        """Whether a message to ourselves comes back. A failed reconnect attempt also is a sign of life."""
        self._echoed.clear()
        try:
            async with asyncio.timeout(self._watch_interval_s), translated_errors():
                await self.client.publish(self._echo_subject)
                await self._echoed.wait()
        except (TimeoutError, BusUnavailable):
            return False
        return True


def _may_be_electing(error: ApiError | BusUnavailable) -> bool:
    if isinstance(error, ApiError):
        return error.code == NO_LEADER
    return isinstance(error.__cause__, nats.errors.TimeoutError)
