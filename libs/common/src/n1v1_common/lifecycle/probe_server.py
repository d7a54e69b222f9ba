"""Just enough HTTP for three GETs, for services that otherwise have no use for an HTTP library.

aiohttp costs 9 MB and 0.2 s of start in each of them (measured); this costs neither.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import structlog

from n1v1_common.lifecycle.probes import JSON, PATHS, Answer, Probes

REQUEST_BYTES_MAX = 16 * 1024
REQUEST_WITHIN_S = 5.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serve_probes(probes: Probes, bound: socket.socket) -> AsyncIterator[None]:
    """Answers on a listening socket while the block lasts. One request a connection."""
    server = await asyncio.start_server(partial(_converse, probes), sock=bound, limit=REQUEST_BYTES_MAX)
    try:
        yield
    finally:
        server.close()


async def _converse(probes: Probes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(REQUEST_WITHIN_S):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_written(await _answer(probes, head)))
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        log.debug("probe broken off by the client", error=repr(error))
    finally:
        writer.close()


async def _answer(probes: Probes, head: bytes) -> Answer:
    words = head.split(b"\r\n", 1)[0].decode("ascii", errors="replace").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        return _refusal(HTTPStatus.BAD_REQUEST, "not an HTTP request")
    method, target, _version = words
    path = target.partition("?")[0]
    if path not in PATHS:
        return _refusal(HTTPStatus.NOT_FOUND, f"here are {', '.join(PATHS)}")
    if method != "GET":
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET")
    return await probes.answer(path)


def _refusal(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, JSON, f'{{"error": "{why}"}}\n'.encode())


def _written(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + answer.body
