"""What a running stack holds at a moment: memory, files and threads of each process, and what its servers keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from redis.asyncio import Redis

from chaos.replay import RunningReplay
from n1v1_cli.stack import http
from n1v1_cli.stack.supervisor import Supervised

MB = 1_000_000
KIB = 1024
PROC = Path("/proc")


class What(StrEnum):
    MEMORY = "memory, MB"
    """Of its own: without what it has mapped from files and what it shares (Postgres's buffers)."""
    FILES = "open files"
    THREADS = "threads"
    CONNECTIONS = "connections"
    CONSUMERS = "consumers"
    CACHE = "data in memory, MB"
    MESSAGES = "messages"
    STORED = "stored, MB"
    ROWS = "rows"
    BAR_TIMES = "bar times"


class Measure(NamedTuple):
    what: What
    who: str


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    values: Mapping[Measure, float]


async def values_of(replay: RunningReplay) -> dict[Measure, float]:
    """Raises OSError when a process or a server does not answer."""
    measured = {Measure(What.BAR_TIMES, "settled"): float(await replay.bar_times())}
    for process in replay.stack.supervisor.processes.values():
        measured |= _process(process)
    measured |= await _nats(replay.stack.urls.nats_monitoring)
    measured |= await _valkey(replay.stack.urls.redis)
    measured |= await _postgres(replay.stack.urls.postgres)
    measured |= _written(replay.stack.state_dir)
    return measured


def _process(process: Supervised) -> dict[Measure, float]:
    """With its children: PostgreSQL has one for each connection."""
    assert process.pid is not None, f"{process.name} runs"
    family = list(_family(process.pid))
    return {
        Measure(What.MEMORY, process.name): sum(map(_memory, family)) / MB,
        Measure(What.FILES, process.name): sum(map(_files, family)),
        Measure(What.THREADS, process.name): sum(map(_threads, family)),
    }


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in (PROC / str(pid) / "task").iterdir():
        for child in _read(task / "children").split():
            yield from _family(int(child))


def _read(path: Path) -> str:
    """Nothing of a process that has ended since it was listed: a connection's, most likely."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _memory(pid: int) -> int:
    """Bytes that are the process's own, wherever they are; a page shared by n counts as one n-th."""
    lines = (line.split() for line in _read(PROC / str(pid) / "smaps_rollup").splitlines()[1:])
    return sum(int(line[1]) * KIB for line in lines if line[0] in ("Pss_Anon:", "SwapPss:"))


def _files(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except FileNotFoundError:
        return 0


def _threads(pid: int) -> int:
    lines = _read(PROC / str(pid) / "status").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Threads:"))


async def _nats(monitoring: str) -> dict[Measure, float]:
    server, jetstream = await _json(f"{monitoring}/varz"), await _json(f"{monitoring}/jsz?streams=true")
    measured = {
        Measure(What.CONNECTIONS, "nats"): server["connections"],
        Measure(What.CONSUMERS, "nats"): jetstream["consumers"],
    }
    for account in jetstream.get("account_details", ()):
        for stream in account.get("stream_detail", ()):
            measured[Measure(What.MESSAGES, stream["name"])] = stream["state"]["messages"]
            measured[Measure(What.STORED, stream["name"])] = stream["state"]["bytes"] / MB
    return measured


async def _json(url: str) -> Any:
    """Any: whatever JSON it answers."""
    return json.loads((await http.get(url, within_s=10)).body)


async def _valkey(url: str) -> dict[Measure, float]:
    client = Redis.from_url(url)
    try:
        told: Mapping[str, Any] = await client.info()
    finally:
        await client.aclose()
    return {
        Measure(What.CONNECTIONS, "valkey"): told["connected_clients"],
        Measure(What.CACHE, "valkey"): told["used_memory"] / MB,
    }


async def _postgres(dsn: str) -> dict[Measure, float]:
    connection = await asyncpg.connect(dsn)
    try:
        backends = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        orders = await connection.fetchval("SELECT count(*) FROM execution.orders")
        tables = await connection.fetch(
            "SELECT schemaname || '.' || relname AS name, pg_total_relation_size(relid) AS bytes"
            " FROM pg_stat_user_tables ORDER BY 1"
        )
    finally:
        await connection.close()
    return {
        Measure(What.CONNECTIONS, "postgres"): backends,
        Measure(What.ROWS, "execution.orders"): orders,
        **{Measure(What.STORED, row["name"]): row["bytes"] / MB for row in tables},
    }


def _written(state_dir: Path) -> dict[Measure, float]:
    """What services write beside the servers: logs, spans, the venue's journal."""
    folders = [folder for folder in state_dir.iterdir() if folder.is_dir() and folder.name != "servers"]
    return {Measure(What.STORED, f"{folder.name}/"): _bytes_below(folder) / MB for folder in sorted(folders)}


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
