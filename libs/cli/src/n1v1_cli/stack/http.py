"""One GET to a service on this machine, without importing an HTTP library."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

GET_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


async def get(url: str, *, within_s: float = GET_WITHIN_S) -> Answer:
    """Raises OSError (TimeoutError included) when nobody answers with HTTP in time."""
    async with asyncio.timeout(within_s):
        return await _get(url)


async def _get(url: str) -> Answer:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        # HTTP/1.0: the answer ends with the connection, so there are no chunks to take apart.
        target = parts._replace(scheme="", netloc="").geturl()
        writer.write(f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        raw = await reader.read()
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[1].isdigit():
        raise OSError(f"{url} did not answer with HTTP")
    return Answer(int(words[1]), body.decode(errors="replace"))
