"""Asking a venue until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from n1v1_execution.ports import VenueTrouble

log = structlog.get_logger()

T = TypeVar("T")

ASK_AGAIN_S = 0.2


async def pause() -> None:
    """Between two questions about the same thing."""
    await asyncio.sleep(ASK_AGAIN_S)


async def until_answered(ask: Callable[[], Awaitable[T]], *, about: str) -> T:
    """What nothing can go on without. For as long as the venue is away this does not return."""
    while True:
        try:
            return await ask()
        except VenueTrouble as error:
            log.warning("the venue does not answer", about=about, reason=str(error))
        await pause()
