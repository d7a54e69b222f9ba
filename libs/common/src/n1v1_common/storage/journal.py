"""The journal of a stage: what it has handled, what it has become, and what it has to say, in one commit.

Brokers deliver at least once. An effect happens exactly once because its input's id, the effect, the stage's new
state and the messages that announce it are stored together or not at all. What is stored is then published; what
was stored and not published, because somebody was killed in between, is published at the next start. The message
ids are derived, so whatever is published twice is recognised by the stream or by the next inbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import asyncpg

from n1v1_common.bus.api import Bus, Outgoing, Published
from n1v1_common.storage.errors import SeenBefore, StorageUnavailable

PUBLISH_RETRY_S = 30.0
SENT_KEPT = timedelta(minutes=10)
"""Sent messages are kept so long that a stream which lost its end to a power cut can be filled up again."""
INBOX_KEPT = timedelta(days=31)
"""At least as long as the streams keep their messages: a stream can be delivered again from its beginning."""
PENDING_MAX = 1_000

# Not the fault of what was to be stored, so no reason to put it aside: the connection is gone, the server is being
# stopped or starts, its disk is full, it lost a file.
TROUBLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    OSError,
)

# The WHERE has the inbox written before the outbox. PostgreSQL is free to do it the other way round, and a message
# that comes again would fail on the ids of what it said, which looks like a mistake of ours instead of like SeenBefore.
_STEP = """
WITH handled AS (INSERT INTO inbox (msg_id) SELECT unnest($1::text[]) RETURNING 1),
     positions AS (
         INSERT INTO cursors (stream, seq, created_ns)
         SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[])
         ON CONFLICT (stream) DO UPDATE SET seq = EXCLUDED.seq, created_ns = EXCLUDED.created_ns),
     kept AS (
         INSERT INTO stage_state (state, stored_at) VALUES ($5, now())
         ON CONFLICT (only_row) DO UPDATE SET state = EXCLUDED.state, stored_at = EXCLUDED.stored_at){effects}
INSERT INTO outbox (msg_id, subject, payload, headers)
SELECT * FROM unnest($6::text[], $7::text[], $8::bytea[], $9::text[])
WHERE (SELECT count(*) FROM handled) = cardinality($1::text[])
RETURNING id
"""
_STEP_PARAMETERS = 9


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream was handled. created_ns: which stream of that name."""

    seq: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class Effect:
    """Rows of the stage's own, stored with the step.

    statement: an INSERT with {rows} where its values come from; types: of the columns, as PostgreSQL names them.
    With ON CONFLICT DO UPDATE no two rows may have the same key.
    """

    statement: str
    types: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """Everything one step of a stage stores. inbox: ids of the messages it handled."""

    inbox: Sequence[str]
    cursors: Mapping[str, Cursor]
    state: bytes
    outbox: Sequence[Outgoing]
    effects: Sequence[Effect] = field(default=())


@dataclass(frozen=True, slots=True)
class Saved:
    """What the journal remembers at a start. state None: the first start ever."""

    state: bytes | None
    cursors: Mapping[str, Cursor]


class Journal:
    """One stage's journal in its own schema. One writer."""

    def __init__(self, pool: asyncpg.Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._sent: list[tuple[int, Published]] = []

    async def load(self) -> Saved:
        state = await self._pool.fetchval("SELECT state FROM stage_state")
        rows = await self._pool.fetch("SELECT stream, seq, created_ns FROM cursors")
        return Saved(state, {row["stream"]: Cursor(row["seq"], row["created_ns"]) for row in rows})

    async def unhandled(self, msg_ids: Sequence[str]) -> set[str]:
        """Those of `msg_ids` that are not in the inbox."""
        rows = await self._pool.fetch("SELECT msg_id FROM inbox WHERE msg_id = ANY($1)", list(msg_ids))
        return set(msg_ids) - {row["msg_id"] for row in rows}

    async def commit(self, step: Step) -> list[int]:
        """Store a step, whole or not at all, and answer the outbox ids of its messages, in order.

        Raises SeenBefore when a message of its inbox was handled before, StorageUnavailable when it is not known
        whether it was stored: a restart finds out.
        """
        effects = [effect for effect in step.effects if effect.rows]
        statement = _statement(tuple((effect.statement, effect.types) for effect in effects))
        columns = [list(column) for effect in effects for column in zip(*effect.rows, strict=True)]
        try:
            rows = await self._pool.fetch(statement, *_step_arguments(step), *columns)
        except asyncpg.UniqueViolationError as error:
            if error.table_name == "inbox" or await self._has_handled_any(step.inbox):
                raise SeenBefore(str(error)) from error
            raise
        except TROUBLE as error:
            raise StorageUnavailable(f"a step could not be stored: {type(error).__name__}: {error}") from error
        return [row["id"] for row in rows]

    async def _has_handled_any(self, msg_ids: Sequence[str]) -> bool:
        """Of a repeated step PostgreSQL may name the conflict of an effect and not that of the inbox."""
        return await self.unhandled(msg_ids) != set(msg_ids)

    async def publish(self, outbox_ids: Sequence[int], messages: Sequence[Outgoing]) -> None:
        """Publish what was committed. Marking it as sent happens later, in batches: see `mark_sent`."""
        published = await self._bus.publish(messages, retry_for_s=PUBLISH_RETRY_S)
        self._sent.extend(zip(outbox_ids, published, strict=True))

    async def publish_pending(self) -> int:
        """Publish what was committed and, as far as the journal knows, never sent. Answers how many messages."""
        await self.mark_sent()
        count = 0
        while True:
            rows = await self._pool.fetch(
                "SELECT id, msg_id, subject, payload, headers FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1",
                PENDING_MAX,
            )
            if not rows:
                return count
            await self.publish([row["id"] for row in rows], [_outgoing(row) for row in rows])
            await self.mark_sent()
            count += len(rows)

    async def mark_sent(self) -> None:
        """Note where published messages lie. A crash before it costs a second publication, which changes nothing."""
        sent, self._sent = self._sent, []
        if sent:
            await self._pool.execute(
                "UPDATE outbox SET sent_at = now(), stream = sent.stream, sent_seq = sent.seq "
                "FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS sent (id, stream, seq) "
                "WHERE outbox.id = sent.id",
                [id_ for id_, _ in sent],
                [published.stream for _, published in sent],
                [published.seq for _, published in sent],
            )

    async def restore_stream(self, stream: str) -> int:
        """Send again what a stream has lost: rows marked as sent beyond its last message. Answers how many."""
        position = await self._bus.stream_position(stream)
        status = await self._pool.execute(
            "UPDATE outbox SET sent_at = NULL, sent_seq = NULL WHERE stream = $1 AND sent_seq > $2",
            stream,
            position.last_seq,
        )
        return int(status.rsplit(" ", 1)[-1])

    async def prune(self) -> None:
        """Forget what nobody can ask for any more."""
        await self._pool.execute("DELETE FROM inbox WHERE handled_at < now() - $1::interval", INBOX_KEPT)
        await self._pool.execute("DELETE FROM outbox WHERE sent_at < now() - $1::interval", SENT_KEPT)


@cache
def _statement(effects: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """One statement, so one round trip, for a step with these effects."""
    parts, first = [], _STEP_PARAMETERS + 1
    for number, (statement, types) in enumerate(effects):
        arrays = ", ".join(f"${first + position}::{type_}[]" for position, type_ in enumerate(types))
        rows = "SELECT * FROM unnest(" + arrays + ")"  # noqa: S608  # types are named by the code
        parts.append(f",\n     effect_{number} AS ({statement.format(rows=rows)})")
        first += len(types)
    return _STEP.format(effects="".join(parts))


def _step_arguments(step: Step) -> tuple[Any, ...]:
    return (
        list(step.inbox),
        list(step.cursors),
        [cursor.seq for cursor in step.cursors.values()],
        [cursor.created_ns for cursor in step.cursors.values()],
        step.state,
        [message.msg_id for message in step.outbox],
        [message.subject for message in step.outbox],
        [message.data for message in step.outbox],
        [json.dumps(dict(message.headers)) for message in step.outbox],
    )


def _outgoing(row: asyncpg.Record) -> Outgoing:
    return Outgoing(row["subject"], row["payload"], row["msg_id"], json.loads(row["headers"]))
