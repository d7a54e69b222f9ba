"""A real PostgreSQL for the suites that need one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.storage.database import connect, migrate

SCHEMA = "stage"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dsn() -> AsyncIterator[str]:
    # A folder that any user may enter: started by root, PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="n1v1-common-"))
    server = PostgresServer(
        folder / "postgres", secrets=folder, log=folder / "postgres.log", durability=Durability.PROCESS
    )
    try:
        await server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    yield server.url
    await server.stop()
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """An empty schema with a journal for each test, and a table `effects` beside it."""
    await migrate(dsn, SCHEMA, ())
    pool = await connect(dsn, SCHEMA)
    await pool.execute("CREATE TABLE effects (cause text NOT NULL, number integer NOT NULL)")
    yield pool
    await pool.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await pool.close()
