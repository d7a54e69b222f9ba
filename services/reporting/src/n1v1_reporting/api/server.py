"""Serving the application for as long as the service lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from n1v1_common.lifecycle.http import listening_socket
from n1v1_common.settings.model import Listen

SHUTDOWN_S = 2


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the service's own life cycle: uvicorn must not take them over."""
        yield


@asynccontextmanager
async def served(app: FastAPI, listen: Listen) -> AsyncIterator[int]:
    """Serve while the block lasts; gives the port. Raises PortTaken or CannotStart."""
    bound = listening_socket(listen.host, listen.port, service="reporting")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",  # what uvicorn says of its own start and stop, lifecycle says too
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
