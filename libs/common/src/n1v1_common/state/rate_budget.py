"""What a venue allows one address of ours, shared by every process that asks the venue anything from there.

A venue counts the weight of requests by address and by its own minute, says in each answer how much is used, and bans
who goes on after it said no. So weight is taken here before a request is sent, and what the answer said is told here:

    taken = await budget.take(weight)
    response = await send(request)
    await budget.answered(taken, status=response.status, headers=response.headers)

Ordinary requests use a share of the limit (four fifths); the rest is for urgent ones, the cancels. 429 stops everybody
for as long as the venue says. 418 is a ban: whoever asks next, or connects, gets Banned.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from n1v1.errors import N1v1Error
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.state.hot_state import KEY_PREFIX
from n1v1_common.state.redis_state import client_at

MINUTE_MS = 60_000
ORDINARY_SHARE = 0.8
PAUSE_MS = 60_000
"""After 429 or 418 without Retry-After: until the venue's next minute for sure."""
TOO_MANY, BANNED = 429, 418
USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
RETRY_AFTER = "Retry-After"


class Banned(N1v1Error):
    """The venue refuses our address. Nothing may be sent, nor connected, before it is over."""

    def __init__(self, key: str, wait_ms: int) -> None:
        super().__init__(
            f"{key}: the venue has banned this address; nothing is sent for another {wait_ms / 1000:.0f} s"
        )
        self.wait_ms = wait_ms


@dataclass(frozen=True, slots=True)
class Limit:
    """weight: what the venue allows in window_ms. ordinary_share: of it, for what is not urgent."""

    weight: int
    window_ms: int = MINUTE_MS
    ordinary_share: float = ORDINARY_SHARE

    def allowed(self, *, urgent: bool) -> int:
        return self.weight if urgent else int(self.weight * self.ordinary_share)


@dataclass(frozen=True, slots=True)
class Taken:
    """Weight that may be used now. window: in which of the windows since 1970 it was taken."""

    window: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was taken. wait_ms: ask again then, not before. is_banned: by the venue, for asking too much."""

    wait_ms: int
    is_banned: bool


class Ledger(Protocol):
    """Where the weight is counted. Each call is atomic among all who share it."""

    async def take(self, weight: int, allowed: int) -> Taken | Wait: ...

    async def note_used(self, window: int, used: int) -> None:
        """The venue says how much of a window is used; of a past one it does not matter any more."""

    async def pause(self, pause_ms: int, *, is_ban: bool) -> None:
        """Nothing more is given for so long; a longer pause or a ban that runs already stays."""


class RateBudget:
    def __init__(
        self,
        ledger: Ledger,
        limit: Limit,
        *,
        key: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """key: the venue and our address, for messages. sleep: tests move the clock instead."""
        self._ledger = ledger
        self._limit = limit
        self._key = key
        self._sleep = sleep

    async def take(self, weight: int, *, urgent: bool = False) -> Taken:
        """Wait until the weight may be used.

        Raises:
            Banned: nothing may be sent. ValueError: more than is ever allowed at once. StateUnavailable: nobody can
            say what the others have used; do not send.
        """
        while True:
            answer = await self.try_take(weight, urgent=urgent)
            if isinstance(answer, Taken):
                return answer
            if answer.is_banned:
                raise Banned(self._key, answer.wait_ms)
            await self._sleep(answer.wait_ms / 1000)

    async def try_take(self, weight: int, *, urgent: bool = False) -> Taken | Wait:
        """As `take`, for those who would rather know than wait."""
        allowed = self._limit.allowed(urgent=urgent)
        if not 0 <= weight <= allowed:
            raise ValueError(f"{self._key}: weight {weight} can never be taken; expected 0 to {allowed}")
        return await self._ledger.take(weight, allowed)

    async def answered(self, taken: Taken, *, status: int, headers: Mapping[str, str]) -> None:
        """What the venue said of its limits in an answer. headers: of any capitals."""
        by_name = {name.lower(): value for name, value in headers.items()}
        if (used := _whole(by_name.get(USED_WEIGHT.lower()))) is not None:
            await self._ledger.note_used(taken.window, used)
        if status in (TOO_MANY, BANNED):
            seconds = _whole(by_name.get(RETRY_AFTER.lower()))
            pause_ms = PAUSE_MS if seconds is None else seconds * 1000
            await self._ledger.pause(pause_ms, is_ban=status == BANNED)


def _whole(text: str | None) -> int | None:
    """A count in a header; None for none, or for a date, which Retry-After may be elsewhere."""
    return int(text) if text is not None and text.isdecimal() else None


class MemoryLedger:
    """Within one process. clock_ms: tests move it."""

    def __init__(self, limit: Limit, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._window_ms = limit.window_ms
        self._clock_ms = clock_ms
        self._window = 0
        self._used = 0
        self._paused_until_ms = 0
        self._banned_until_ms = 0

    async def take(self, weight: int, allowed: int) -> Taken | Wait:
        now_ms = self._clock_ms()
        if now_ms < self._banned_until_ms:
            return Wait(self._banned_until_ms - now_ms, is_banned=True)
        if now_ms < self._paused_until_ms:
            return Wait(self._paused_until_ms - now_ms, is_banned=False)
        window = now_ms // self._window_ms
        used = self._used if window == self._window else 0
        if used + weight > allowed:
            return Wait((window + 1) * self._window_ms - now_ms, is_banned=False)
        self._window, self._used = window, used + weight
        return Taken(window)

    async def note_used(self, window: int, used: int) -> None:
        if window == self._window:
            self._used = max(self._used, used)

    async def pause(self, pause_ms: int, *, is_ban: bool) -> None:
        until_ms = self._clock_ms() + pause_ms
        if is_ban:
            self._banned_until_ms = max(self._banned_until_ms, until_ms)
        else:
            self._paused_until_ms = max(self._paused_until_ms, until_ms)


# By the server's clock, so that those of the processes do not matter; each is one round trip and atomic.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function held(name) return tonumber(redis.call('HGET', KEYS[1], name) or '0') end
"""
_TAKE = (
    _NOW
    + """
local weight, allowed, length = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if held('banned_until') > now then return {0, held('banned_until') - now, 1} end
if held('paused_until') > now then return {0, held('paused_until') - now, 0} end
local window = math.floor(now / length)
local used = held('window') == window and held('used') or 0
if used + weight > allowed then return {0, (window + 1) * length - now, 0} end
redis.call('HSET', KEYS[1], 'window', string.format('%d', window), 'used', string.format('%d', used + weight))
return {1, window, 0}
"""
)
_NOTE_USED = (
    _NOW
    + """
if held('window') == tonumber(ARGV[1]) and held('used') < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'used', ARGV[2])
end
"""
)
_PAUSE = (
    _NOW
    + """
local until_ms = now + tonumber(ARGV[2])
if held(ARGV[1]) < until_ms then redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', until_ms)) end
"""
)


class RedisLedger:
    """Among all processes that use one Redis and one key."""

    def __init__(self, client: Redis, limit: Limit, *, key: str) -> None:
        self._key = f"rate:{key}"
        self._window_ms = limit.window_ms
        self._take = client.register_script(_TAKE)
        self._note_used = client.register_script(_NOTE_USED)
        self._pause = client.register_script(_PAUSE)

    async def take(self, weight: int, allowed: int) -> Taken | Wait:
        is_taken, number, is_banned = await self._call(self._take, weight, allowed, self._window_ms)
        return Taken(int(number)) if is_taken else Wait(max(1, int(number)), bool(is_banned))

    async def note_used(self, window: int, used: int) -> None:
        await self._call(self._note_used, window, used)

    async def pause(self, pause_ms: int, *, is_ban: bool) -> None:
        await self._call(self._pause, "banned_until" if is_ban else "paused_until", pause_ms)

    async def _call(self, script: Any, *arguments: int | str) -> Any:
        # Any: redis-py types neither scripts nor their answers.
        try:
            return await script(keys=[KEY_PREFIX + self._key], args=arguments)
        except (RedisError, OSError) as error:
            reason = f"{self._key} cannot be reached: {type(error).__name__}: {error}"
            raise StateUnavailable(self._key, reason) from error


UNITS_PER_COST = {"binance": 5}
"""Of the venues that count weights in the open. Others have a limit that ccxt knows as a cost alone."""
OTHER_UNITS_PER_COST = 100


def weight_of_cost(venue: str, cost: float) -> int:
    """What ccxt calls the cost of a request, in the weight that a venue's budget is counted in."""
    return math.ceil(cost * UNITS_PER_COST.get(venue, OTHER_UNITS_PER_COST))


def limit_of(venue: str, rate_limit_ms: float) -> Limit:
    """rate_limit_ms: the time that a cost of one takes, as ccxt knows it of the venue. Binance: 6,000 a minute."""
    return Limit(weight_of_cost(venue, MINUTE_MS / rate_limit_ms))


BINANCE = limit_of("binance", 50.0)


@asynccontextmanager
async def shared_budget(url: str, limit: Limit, *, venue: str, egress: str = "default") -> AsyncIterator[RateBudget]:
    """The budget of all processes at a Redis. egress: the address that the venue sees; one name for each of ours."""
    key = f"{venue}:{egress}"
    async with client_at(url) as client:
        yield RateBudget(RedisLedger(client, limit, key=key), limit, key=key)
