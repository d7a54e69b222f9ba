"""Runs one service from its settings to its exit code.

0  told to stop (SIGTERM, SIGINT), or finished
1  crashed; the log holds the traceback
2  the settings are wrong
3  the machine does not give what it needs: port taken, state folder not writable
4  another process has taken its place
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog

from n1v1.errors import InvalidData, InvalidValue, StrategyError, UnknownName
from n1v1_common import crash_points
from n1v1_common.lifecycle.context import ServiceContext
from n1v1_common.lifecycle.errors import CannotStart, Superseded
from n1v1_common.lifecycle.http import HttpPart, probes_only
from n1v1_common.lifecycle.loop_lag import watch_loop_lag
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import load_service_settings
from n1v1_common.telemetry.logging import configure_logging, secrets_of
from n1v1_common.telemetry.tracing import configure_tracing

EXIT_OK, EXIT_CRASHED, EXIT_SETTINGS, EXIT_CANNOT_START, EXIT_SUPERSEDED = 0, 1, 2, 3, 4

USERS_MISTAKES = InvalidValue | InvalidData | UnknownName | StrategyError
"""What was configured cannot be had: a restart would end in the same way, so the message is the whole answer."""

Main = Callable[[ServiceContext], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    main: Main
    """Opens what the service needs (async with), registers health checks, calls context.ready(), and works until
    context.draining is set. Returns when drained."""
    http: HttpPart | None = field(default_factory=probes_only)
    """None: main serves HTTP itself (with context.probes for the three routes) and calls context.announce."""
    drain_timeout_s: float = 10.0
    """After this the drain is cut off. Safe, as whatever was not acknowledged comes again; but not the rule."""


def run_service(service: Service, env: Mapping[str, str] = os.environ) -> int:
    """Runs a service in this process until it ends; gives the exit code."""
    try:
        settings = load_service_settings(env, service=service.name)
        crash_points.allow(service.name, settings, env)
    except ConfigError as error:
        sys.stderr.write(f"{service.name}: settings are wrong\n{error}\n")
        return EXIT_SETTINGS
    instance = instance_name(service.name, settings)
    configure_logging(
        service=instance,
        level="debug" if settings.environment.debug else settings.environment.log_level,
        log_format=settings.telemetry.log_format,
        secrets=secrets_of(settings),
    )
    tracing = configure_tracing(
        service=instance,
        spans_dir=settings.spans_dir,
        otlp_endpoint=settings.telemetry.otlp_endpoint,
        sample_ratio=settings.telemetry.sample_ratio,
    )
    try:
        return _exit_code_of(service, ServiceContext(service.name, instance, settings, tracing))
    finally:
        tracing.shutdown()


def instance_name(service: str, settings: Settings) -> str:
    """The service's name, with the worker's number where several workers share the work."""
    if service == "signals" and settings.signals.worker_count > 1:
        return f"{service}-{settings.signals.worker_index}"
    return service


async def run(service: Service, context: ServiceContext) -> None:
    """Serves the probes and runs main until it returns; SIGTERM and SIGINT begin the drain.

    Raises:
        CannotStart: port taken, state folder not writable.
        BaseExceptionGroup: what main raised.
    """
    insisted = asyncio.Event()
    _drain_on_signals(context, insisted)
    async with AsyncExitStack() as stack:
        stack.callback(context.withdraw)
        if service.http is not None:
            port = await stack.enter_async_context(service.http(context))
            context.announce(context.settings.listen_of(service.name).host, port)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(watch_loop_lag(context.metrics))
            main = group.create_task(service.main(context))
            if not await _ends_before(context.draining, main):
                await _drain(main, insisted, limit_s=service.drain_timeout_s)
            watch.cancel()


def _drain_on_signals(context: ServiceContext, insisted: asyncio.Event) -> None:
    """The first signal asks, the second insists."""

    def asked() -> None:
        if context.draining.is_set():
            insisted.set()
        context.drain()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, asked)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(asked))


async def _drain(main: asyncio.Task[None], insisted: asyncio.Event, *, limit_s: float) -> None:
    log.info("draining", limit_s=limit_s)
    if not await _ends_before(insisted, main, limit_s=limit_s):
        log.error("drain cut off", limit_s=limit_s, by="second signal" if insisted.is_set() else "time limit")
        main.cancel()


async def _ends_before(event: asyncio.Event, main: asyncio.Task[None], *, limit_s: float | None = None) -> bool:
    """Waits for whichever comes first; True when that was the end of main."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({main, waiting}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return main.done()


def _exit_code_of(service: Service, context: ServiceContext) -> int:
    try:
        with asyncio.Runner(debug=context.settings.environment.debug, loop_factory=_loop_factory()) as runner:
            runner.run(run(service, context))
    except KeyboardInterrupt:  # before the signal handlers were in place
        return EXIT_OK
    except Exception as error:  # noqa: BLE001 - the outermost place: log it, die, be restarted
        return _exit_code_of_failure(_only_cause(error))
    log.info("stopped")
    return EXIT_OK


def _exit_code_of_failure(cause: Exception) -> int:
    if isinstance(cause, CannotStart | USERS_MISTAKES):
        log.error("cannot start", reason=str(cause))
        return EXIT_CANNOT_START
    if isinstance(cause, Superseded):
        log.error("superseded", reason=str(cause))
        return EXIT_SUPERSEDED
    log.critical("crashed", exc_info=cause)
    return EXIT_CRASHED


def _only_cause(error: Exception) -> Exception:
    """Task groups wrap what was raised; a group around a single exception says nothing more than that one.

    Several tasks may find at once that the process was superseded: whatever else they then raise follows from it.
    """
    superseded = error.subgroup(Superseded) if isinstance(error, ExceptionGroup) else None
    error = superseded or error
    while isinstance(error, ExceptionGroup) and (superseded or len(error.exceptions) == 1):
        error = error.exceptions[0]
    return error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop
