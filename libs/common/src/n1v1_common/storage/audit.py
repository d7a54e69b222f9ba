"""Reading a stage's event log from the database, to see whether it is what was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from n1v1_common.storage.chain import GENESIS, Break, ChainCheck, Head, Record

RECORDS_AT_ONCE = 2_000

Connection = asyncpg.Connection | Any
"""Any: a pool lends asyncpg's proxy of a connection, which has no type of its own."""


async def schemas_with_a_log(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT schemaname FROM pg_tables WHERE tablename = 'event_log' ORDER BY schemaname")
    return [row["schemaname"] for row in rows]


async def check_log(
    connection: Connection,
    schema: str,
    *,
    noted: Sequence[Head] = (),
    progress: Callable[[int], None] = lambda records: None,
) -> tuple[Head, Break | None]:
    """How far the log of `schema` is what was written, and where it is not. The stage may go on writing meanwhile.

    noted: ends of this log that somebody wrote down before; a log that was rewritten does not lead through them.
    progress: called with the number of records read so far.
    """
    check = ChainCheck(noted)
    # One snapshot: otherwise the head would not be that of the records.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        end = await connection.fetchrow(f"SELECT sequence, hash FROM {schema}.stage_state")  # noqa: S608  # schemas are named by the code
        cursor = await connection.cursor(
            "SELECT sequence, stored_ns, msg_id, subject, payload, headers, hash "  # noqa: S608  # as above
            f"FROM {schema}.event_log ORDER BY sequence"
        )
        while rows := await cursor.fetch(RECORDS_AT_ONCE):
            if (found := check.read(Record(**row) for row in rows)) is not None:
                return check.head, found
            progress(check.head.sequence)
    return check.head, check.end(Head(end["sequence"], end["hash"]) if end else Head(0, GENESIS))
