"""The table of access as roles and grants of PostgreSQL.

A role works in the schema of its service and cannot change what tables are like; migrations are the owner's. A table
with a trigger named ..._is_append_only may only be added to.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import asyncpg

ROLE_PREFIX = "n1v1_"

_GRANTS = """
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_migrations FROM {role};
"""

_APPEND_ONLY = """
SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = $1::regnamespace AND tgname LIKE '%\\_is\\_append\\_only'
"""

# Everybody may connect to a new database and make temporary tables in it; here nobody may who was not named.
_CLOSED = "REVOKE ALL ON DATABASE {database} FROM PUBLIC"


def role_of(service: str) -> str:
    return ROLE_PREFIX + service


async def grant(owner: asyncpg.Connection, schema: str, dsn: str) -> None:
    """Make the role that `dsn` names, give it that password, and let it do what `schema`'s service has to do.

    owner: connected as the owner of the schema, who may make roles.
    """
    role, password = urlsplit(dsn).username or "", unquote(urlsplit(dsn).password or "")
    names = {"role": _quoted(role), "schema": _quoted(schema), "database": _quoted(await _database(owner))}
    async with owner.transaction():
        # Two that change one role or database at a time would fail, not wait.
        await owner.execute("SELECT pg_advisory_xact_lock(hashtext('n1v1 roles'))")
        if not await owner.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await owner.execute(await owner.fetchval("SELECT format('CREATE ROLE %I LOGIN', $1::text)", role))
        await owner.execute(
            await owner.fetchval("SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", role, password)
        )
        await owner.execute(_CLOSED.format(**names))
        await owner.execute(_GRANTS.format(**names))
        for row in await owner.fetch(_APPEND_ONLY, schema):
            table = _quoted(row["relname"])
            await owner.execute(f"REVOKE UPDATE, DELETE ON {names['schema']}.{table} FROM {names['role']}")


async def _database(connection: asyncpg.Connection) -> str:
    name: str = await connection.fetchval("SELECT current_database()")
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
