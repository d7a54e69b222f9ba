"""The HTTP side of a service: a listening socket, the three probes, and an application beside them if it has one."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from n1v1_common.lifecycle.errors import CannotStart, PortTaken
from n1v1_common.lifecycle.probe_server import serve_probes
from n1v1_common.lifecycle.probes import PATHS, Probes

if TYPE_CHECKING:
    from aiohttp import web

    from n1v1_common.lifecycle.context import ServiceContext

HttpPart = Callable[["ServiceContext"], AbstractAsyncContextManager[int]]
"""Serves while the block lasts; gives the port that was bound."""

_SHUTDOWN_S = 2.0  # open connections get this long at the end


def listening_socket(host: str, port: int, *, service: str) -> socket.socket:
    """A socket bound and listening; port 0 takes any free one.

    Raises:
        PortTaken: somebody else listens there.
        CannotStart: the address is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, service) from error
        reason = error.strerror or str(error)
        raise CannotStart(f"cannot listen on {host} port {port} (services.{service}): {reason}") from error
    return bound


def probes_only() -> HttpPart:
    """The three probes and nothing else, without an HTTP library."""

    @asynccontextmanager
    async def part(context: ServiceContext) -> AsyncIterator[int]:
        listen = context.settings.listen_of(context.service)
        bound = listening_socket(listen.host, listen.port, service=context.service)
        port: int = bound.getsockname()[1]
        async with serve_probes(context.probes, bound):
            yield port

    return part


def aiohttp_app(
    add_routes: Callable[[ServiceContext, web.Application], None],
    *,
    open_more: Callable[[ServiceContext, web.AppRunner], Awaitable[None]] | None = None,
) -> HttpPart:
    """An aiohttp application of the service's own; the three probes are added to it.

    open_more: starts further sites for it, such as one with TLS; they end with it.
    """

    @asynccontextmanager
    async def part(context: ServiceContext) -> AsyncIterator[int]:
        from aiohttp import web

        app = web.Application()
        for path in PATHS:
            app.router.add_get(path, partial(_answer_probe, context.probes))
        add_routes(context, app)
        listen = context.settings.listen_of(context.service)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            bound = listening_socket(listen.host, listen.port, service=context.service)
            await web.SockSite(runner, bound).start()
            if open_more is not None:
                await open_more(context, runner)
            yield bound.getsockname()[1]
        finally:
            await runner.cleanup()

    return part


async def _answer_probe(probes: Probes, request: web.Request) -> web.Response:
    from aiohttp import web

    answer = await probes.answer(request.path)
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
