"""Writing the tables in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from n1v1_common.storage.journal import Cursor
from n1v1_reporting.projection import Row, Table

_NEWEST_WINS = {
    Table.POSITIONS: (("account", "symbol"), "ts_ns"),
    Table.BREAKERS: (("account",), "ts_ns"),
    Table.WATERMARKS: (("account",), "settled_ns"),
}
"""Tables that hold what is now: a row gives way to one that is at least as new."""

_CURSOR = """
INSERT INTO cursors (stream, seq, created_ns) VALUES ($1, $2, $3)
ON CONFLICT (stream) DO UPDATE SET seq = EXCLUDED.seq, created_ns = EXCLUDED.created_ns
"""


class PostgresProjections:
    """Adapter of the port Projections, on a pool whose connections work in reporting's schema."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def cursor(self, stream: str) -> Cursor | None:
        row = await self._pool.fetchrow("SELECT seq, created_ns FROM cursors WHERE stream = $1", stream)
        return Cursor(row["seq"], row["created_ns"]) if row else None

    async def store(self, rows: Sequence[Row], stream: str, cursor: Cursor) -> None:
        by_table: dict[Table, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_table.setdefault(row.table, []).append(row.values)
        async with self._pool.acquire() as connection, connection.transaction():
            for table, values in by_table.items():
                columns = tuple(values[0])
                await connection.executemany(_insert(table, columns), [tuple(row.values()) for row in values])
            await connection.execute(_CURSOR, stream, cursor.seq, cursor.created_ns)

    async def forget_everything(self) -> None:
        # DELETE and not TRUNCATE, which is a right over the table and not over its rows. One call, one transaction.
        await self._pool.execute(";".join(f"DELETE FROM {table}" for table in (*Table, "cursors")))  # noqa: S608  # names of our own


def _insert(table: Table, columns: tuple[str, ...]) -> str:
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {_on_conflict(table, columns)}"  # noqa: S608  # names of our own


def _on_conflict(table: Table, columns: tuple[str, ...]) -> str:
    if table not in _NEWEST_WINS:
        return "ON CONFLICT DO NOTHING"
    key, time = _NEWEST_WINS[table]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns if column not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE {table}.{time} <= EXCLUDED.{time}"
