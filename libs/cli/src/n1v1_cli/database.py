"""The database of the running stack, or of the one that the options name, for reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    import asyncpg

    from n1v1_common.settings.model import Settings

CONNECT_WITHIN_S = 10.0


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Raises CommandError when nobody answers, or answers no more."""
    import asyncpg

    try:
        connection = await asyncpg.connect(settings.postgres.dsn.get_secret_value(), timeout=CONNECT_WITHIN_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise CommandError(f"PostgreSQL cannot be used: {error or type(error).__name__}") from error
    try:
        yield connection
    except asyncpg.PostgresConnectionError as error:
        raise CommandError(f"PostgreSQL went away: {error}") from error
    finally:
        await connection.close(timeout=CONNECT_WITHIN_S)
