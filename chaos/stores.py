"""What only a store can suffer: to go with a transaction open, and to forget its last second."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from chaos.processes import send
from chaos.replay import RunningReplay
from n1v1_common.servers.valkey import ValkeyServer

LOST_S = 1.0
"""As much as `appendfsync everysec` may lose with the machine's power."""
STANDSTILL_WITHIN_S = 60.0

_IS_WAITED_FOR = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"


class Held:
    """A stage's transaction that will stand still half way."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def is_open(self) -> bool:
        """Whether it has got there."""
        waits: bool = await self._connection.fetchval(_IS_WAITED_FOR)
        return waits

    def release(self) -> None:
        """By going without a word, as one can also when the server is away."""
        self._connection.terminate()


@asynccontextmanager
async def held_transaction(replay: RunningReplay, service: str) -> AsyncIterator[Held]:
    """The next step of the service that is stored stands still in the middle of its transaction: it has written its
    state and its inbox, and waits for its cursors, which are locked here."""
    connection = await asyncpg.connect(replay.stack.urls.postgres)
    held = Held(connection)
    try:
        await connection.execute("BEGIN")
        await connection.execute(f"SELECT FROM {service}.cursors FOR UPDATE")
        yield held
    finally:
        held.release()


async def restart_at_once(replay: RunningReplay) -> None:
    """PostgreSQL's immediate shutdown: every back end leaves as it is, and the next start recovers from the log."""
    postgres = replay.stack.process("postgres")
    assert postgres.pid is not None
    send(postgres.pid, signal.SIGQUIT)
    await postgres.wait()


async def lose_the_last_second(replay: RunningReplay) -> int:
    """kill -9 to Valkey, after which its last second is gone. Answers how many bytes that was.

    The market is held until it is back: without the breaker's flag orders are refused on purpose.
    """
    kept = log_of(replay).stat().st_size
    await asyncio.sleep(LOST_S)
    async with replay.standstill(within_s=STANDSTILL_WITHIN_S):
        return await cut_back(replay, kept)


async def cut_back(replay: RunningReplay, size: int) -> int:
    """kill -9 to Valkey, which finds its log as long as it was at some moment. Answers how many bytes it has lost."""
    valkey, log = replay.stack.process("valkey"), log_of(replay)
    assert valkey.pid is not None
    send(valkey.pid, signal.SIGSTOP)  # nothing is written behind the cut
    lost = log.stat().st_size - size
    os.truncate(log, size)
    valkey.kill()
    await valkey.wait()
    await replay.stack.until_restarted("valkey")
    return lost


def log_of(replay: RunningReplay) -> Path:
    """What Valkey writes every command to."""
    valkey = replay.stack.process("valkey")
    assert isinstance(valkey, ValkeyServer)
    return max((valkey.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
