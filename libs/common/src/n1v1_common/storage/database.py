"""Connections to PostgreSQL and migrations of a stage's schema.

Every stage owns one schema; its connections see nothing else by default. Migrations are plain SQL files, run
forward and back by dbmate.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from n1v1_common.storage.errors import MigrationFailed, NotMigrated, SchemaTooNew, StorageUnavailable

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
MIGRATE_TIMEOUT_S = 300.0
TRY_AGAIN_S = 0.2
NOT_YET = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError)
"""Nobody answers, or whoever answers is not ready: either may have changed a moment later."""
JOURNAL_MIGRATIONS = Path(str(files("n1v1_common.storage") / "migrations"))


class StatelessConnection(asyncpg.Connection):
    """A connection without session state: no LISTEN, SET, cursor or advisory lock outlives a transaction here.

    So nothing has to be reset when it goes back to the pool, which asyncpg would ask the server for after every
    statement: one round trip in two. An open transaction is rolled back all the same.
    """

    def get_reset_query(self) -> str:
        return ""


async def connect(dsn: str, schema: str, *, connections: int = 4) -> asyncpg.Pool:
    """A pool whose connections work in `schema`. Raises StorageUnavailable when nobody answers."""
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=connections,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            connection_class=StatelessConnection,
            server_settings={"search_path": schema, "application_name": f"n1v1-{schema}"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StorageUnavailable(f"PostgreSQL at {_place(dsn)} cannot be used: {error}") from error
    assert pool is not None
    return pool


async def migrate(dsn: str, schema: str, folders: Sequence[Path]) -> None:
    """Bring `schema` up to the newest migration of the journal and of `folders`. Safe to run from several processes.

    Of a schema that is up to date nothing is asked but to be read.

    Raises SchemaTooNew when the database is ahead of the code, NotMigrated when `dsn` names somebody who may not
    change it, MigrationFailed with what dbmate said.
    """
    connection = await open_connection(dsn)
    try:
        applied = await _applied(connection, schema)
        known = {path.name.split("_")[0] for folder in (JOURNAL_MIGRATIONS, *folders) for path in folder.glob("*.sql")}
        newer = sorted(applied - known)
        if newer:
            raise SchemaTooNew(
                f"schema {schema!r} has migration {newer[-1]}, the newest this version knows is {max(known)}; "
                "run the newer version of n1v1, or migrate back with it first"
            )
        if known <= applied:
            return
        # IF NOT EXISTS alone fails when two look at the same time; the lock ends with these two statements.
        await connection.execute(
            f"SELECT pg_advisory_xact_lock(hashtext('n1v1 {schema}')); CREATE SCHEMA IF NOT EXISTS {schema}"
        )
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotMigrated(
            f"schema {schema!r} lacks migrations, and {urlsplit(dsn).username} may not make them ({error}); "
            "run `python -m n1v1_common.install` with postgres.owner_dsn first"
        ) from error
    finally:
        await connection.close()
    await dbmate(dsn, schema, folders, "migrate")


async def roll_back(dsn: str, schema: str, folders: Sequence[Path]) -> None:
    """Take back the newest migration of `schema`. Raises MigrationFailed with what dbmate said."""
    await dbmate(dsn, schema, folders, "rollback")


async def dbmate(dsn: str, schema: str, folders: Sequence[Path], command: str) -> None:
    """Run dbmate on one schema. The URL, which holds the password, travels in the environment."""
    directories = [argument for folder in (JOURNAL_MIGRATIONS, *folders) for argument in ("-d", str(folder))]
    arguments = ["--env=N1V1_MIGRATE_URL", "--env-file=", "--no-dump-schema", "--migration-lock", *directories, command]
    # In a thread and not by the loop: uvloop forks and runs Python's after-fork hooks before it executes the program;
    # with threads about (the exporter of spans) the child hangs there now and then, and the loop waits for it.
    finished = await asyncio.to_thread(
        subprocess.run,
        [str(Path(sys.executable).parent / "dbmate"), *arguments],
        env={"N1V1_MIGRATE_URL": _with_search_path(dsn, schema), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=MIGRATE_TIMEOUT_S,
    )
    if finished.returncode:
        output = finished.stdout.decode(errors="replace").strip()
        raise MigrationFailed(f"dbmate {command} of schema {schema!r} failed:\n{output}")


async def open_connection(dsn: str) -> asyncpg.Connection:
    """One connection, to be closed by the caller. Raises StorageUnavailable when nobody answers.

    A server that is being started again is waited for: to die each time would look like a service that is broken.
    """
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if not isinstance(error, NOT_YET) or time.monotonic() >= deadline:
                raise StorageUnavailable(f"PostgreSQL at {_place(dsn)} cannot be used: {error}") from error
        await asyncio.sleep(TRY_AGAIN_S)


async def _applied(connection: asyncpg.Connection, schema: str) -> set[str]:
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_migrations") is None:
        return set()
    return {row["version"] for row in await connection.fetch(f"SELECT version FROM {schema}.schema_migrations")}  # noqa: S608  # a schema is named by the code


def _with_search_path(dsn: str, schema: str) -> str:
    parts = urlsplit(dsn)
    query = {"sslmode": "disable", **dict(parse_qsl(parts.query)), "search_path": schema}
    return urlunsplit(parts._replace(query=urlencode(query)))


def _place(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
