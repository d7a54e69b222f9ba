"""Hot state in Redis or Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from n1v1_common.state.errors import MissingState, StaleState, StateUnavailable
from n1v1_common.state.hot_state import KEY_PREFIX, Value, Versioned, check_version, decoded, encoded

TIMEOUT_S = 1.0
"""A decision that waits longer than this for a flag is better refused; the local network answers within 1 ms."""

# Versions are compared as text of fixed width: Lua's numbers are doubles, and nanoseconds do not fit.
_VERSION_WIDTH = 19

# The time of writing is the server's, and so is that of reading, so that the clocks of processes do not matter.
_PUT = """
local held = redis.call('HGET', KEYS[1], 'version')
if held and held >= ARGV[3] then return 0 end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HSET', KEYS[1], 'kind', ARGV[1], 'value', ARGV[2], 'version', ARGV[3],
           'written_ms', string.format('%d', now_ms))
return 1
"""


class RedisHotState:
    def __init__(self, client: Redis) -> None:
        self._client = client
        self._put = client.register_script(_PUT)

    async def put(self, key: str, value: Value, *, version: int) -> bool:
        check_version(version)
        kind, stored = encoded(value)
        arguments = (kind, stored, f"{version:0{_VERSION_WIDTH}d}")
        try:
            return bool(await self._put(keys=[KEY_PREFIX + key], args=arguments))
        except (RedisError, OSError) as error:
            raise StateUnavailable(key, f"{key} cannot be reached: {_why(error)}") from error

    async def get(self, key: str, *, max_age_ms: int | None = None) -> Versioned:
        (kind, stored, version, written_ms), (seconds, microseconds) = await self._look(key)
        if version is None:
            raise MissingState(key)
        # A clock that was set back makes an age below zero; the value is then as good as new.
        age_ms = max(int(seconds) * 1000 + int(microseconds) // 1000 - int(written_ms), 0)
        if max_age_ms is not None and age_ms > max_age_ms:
            raise StaleState(key, age_ms=age_ms, max_age_ms=max_age_ms)
        return Versioned(decoded(kind.decode(), stored), int(version), age_ms)

    async def check(self) -> str | None:
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            return _why(error)
        return None

    async def _look(self, key: str) -> Any:
        """The hash of a key and the server's time, in one round trip. No script: who may only read may run none.

        Any: redis-py does not type what a pipeline answers.
        """
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(KEY_PREFIX + key, "kind", "value", "version", "written_ms")
                pipeline.time()
                return await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StateUnavailable(key, f"{key} cannot be reached: {_why(error)}") from error


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@asynccontextmanager
async def client_at(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Redis]:
    """A client of a URL as in redis://:password@host:6379/0. Connects at the first use, and again after a loss.

    One retry at once: it replaces a pooled connection that died with a restarted server. More would keep a
    decision waiting; the caller refuses instead.
    """
    client: Redis = Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
        client_name="n1v1",
    )
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def connect(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[RedisHotState]:
    """Hot state at a URL (see client_at)."""
    async with client_at(url, timeout_s=timeout_s) as client:
        yield RedisHotState(client)
