"""Schemas go forward and back, and a database that is newer than the code is left alone."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import asyncpg
import pytest

from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.storage.audit import check_log
from n1v1_common.storage.database import JOURNAL_MIGRATIONS, connect, migrate, roll_back
from n1v1_common.storage.errors import MigrationFailed, SchemaTooNew, StorageUnavailable
from n1v1_common.storage.journal import Journal
from n1v1_common.streams import ALL_STREAMS

pytestmark = pytest.mark.servers

SCHEMA = "migrated"
JOURNAL = {"cursors", "event_log", "inbox", "outbox", "stage_state"}


@pytest.fixture
async def connection(dsn: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return connection


async def tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", SCHEMA)
    return {row["tablename"] for row in rows} - {"schema_migrations"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Migrations of a stage of its own."""
    (tmp_path / "20990101000001_things.sql").write_text(
        "-- migrate:up\nCREATE TABLE things (id int);\n-- migrate:down\nDROP TABLE things;\n"
    )
    return tmp_path


async def test_a_schema_goes_forward_and_back_and_forward_again(
    dsn: str, connection: asyncpg.Connection, own: Path
) -> None:
    await migrate(dsn, SCHEMA, [own])
    assert await tables(connection) == JOURNAL | {"things"}
    await roll_back(dsn, SCHEMA, [own])
    assert await tables(connection) == JOURNAL
    for _ in JOURNAL_MIGRATIONS.glob("*.sql"):
        await roll_back(dsn, SCHEMA, [own])
    assert await tables(connection) == set()
    await migrate(dsn, SCHEMA, [own])
    assert await tables(connection) == JOURNAL | {"things"}


async def test_what_waits_to_be_sent_goes_through_the_migration_to_the_event_log_and_back(
    dsn: str, connection: asyncpg.Connection
) -> None:
    await migrate(dsn, SCHEMA, ())
    await roll_back(dsn, SCHEMA, ())  # as it was before there was an event log
    waiting = [("m1", "risk.v1.test", b"\x00payload", '{"traceparent": "t"}'), ("m2", "risk.v1.test", b"", "{}")]
    await connection.executemany(
        f"INSERT INTO {SCHEMA}.outbox (msg_id, subject, payload, headers) VALUES ($1, $2, $3, $4)", waiting
    )

    await migrate(dsn, SCHEMA, ())
    pool = await connect(dsn, SCHEMA)
    async with pool.acquire() as held:
        head, found = await check_log(held, SCHEMA)
    assert (head.sequence, found) == (2, None)
    bus = MemoryBus(MemoryServer())
    await bus.declare(ALL_STREAMS)
    assert await (await Journal.take_over(pool, bus, writer="a test")).publish_pending() == 2
    await pool.close()

    await roll_back(dsn, SCHEMA, ())
    rows = await connection.fetch(f"SELECT msg_id, subject, payload, headers FROM {SCHEMA}.outbox ORDER BY id")
    assert [tuple(row) for row in rows] == waiting


async def test_migrating_twice_changes_nothing_and_keeps_what_is_stored(
    dsn: str, connection: asyncpg.Connection, own: Path
) -> None:
    await migrate(dsn, SCHEMA, [own])
    await connection.execute(f"INSERT INTO {SCHEMA}.things VALUES (7)")
    await migrate(dsn, SCHEMA, [own])
    assert await connection.fetchval(f"SELECT id FROM {SCHEMA}.things") == 7


async def test_several_processes_may_migrate_at_the_same_time(dsn: str, connection: asyncpg.Connection) -> None:
    await asyncio.gather(*(migrate(dsn, SCHEMA, ()) for _ in range(3)))
    assert await tables(connection) == JOURNAL


async def test_a_database_that_is_newer_than_the_code_is_refused_and_left_alone(
    dsn: str, connection: asyncpg.Connection, own: Path
) -> None:
    await migrate(dsn, SCHEMA, [own])
    with pytest.raises(SchemaTooNew, match=r"'migrated' has migration 20990101000001.*run the newer version of n1v1"):
        await migrate(dsn, SCHEMA, ())
    assert await tables(connection) == JOURNAL | {"things"}


async def test_a_migration_that_fails_says_why_and_leaves_the_schema_as_it_was(
    dsn: str, connection: asyncpg.Connection, own: Path
) -> None:
    (own / "20990101000002_wrong.sql").write_text(
        "-- migrate:up\nCREATE TABLE half (id int);\nCREATE TABLE things (id int);\n-- migrate:down\nSELECT 1;\n"
    )
    with pytest.raises(MigrationFailed, match='relation "things" already exists'):
        await migrate(dsn, SCHEMA, [own])
    assert await tables(connection) == JOURNAL | {"things"}


async def test_a_server_that_is_being_started_again_is_waited_for() -> None:
    """A service that dies of it is started again at once and dies again, and after five times the stack gives up."""
    folder = Path(tempfile.mkdtemp(prefix="n1v1-common-"))  # any user may enter it: PostgreSQL does not run as root
    server = PostgresServer(folder / "data", secrets=folder, log=folder / "log", durability=Durability.PROCESS)
    try:
        await server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    server.kill()
    await server.wait()
    migrating = asyncio.create_task(migrate(server.url, SCHEMA, ()))
    done, _ = await asyncio.wait([migrating], timeout=0.5)
    assert not done
    await server.start()
    await migrating
    await server.stop()
    shutil.rmtree(folder)


async def test_what_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1/nothing") as raised:
        await connect("postgresql://somebody:secret@127.0.0.1:1/nothing", SCHEMA)
    assert "secret" not in str(raised.value)
