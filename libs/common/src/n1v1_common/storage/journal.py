"""The journal of a stage: what it has handled, what it has become, and what it has to say, in one commit.

Brokers deliver at least once. An effect happens exactly once because its input's id, the effect, the stage's new
state and the messages that announce it are stored together or not at all. What is stored is then published; what
was stored and not published, because somebody was killed in between, is published at the next start. The message
ids are derived, so whatever is published twice is recognised by the stream or by the next inbox.

A journal has one writer. Every start takes a new epoch, and a step is stored only in the epoch of its writer: a
process that was stopped and wakes up beside its successor stores nothing, and may do nothing (`prove`).

What a stage says is kept for good in `event_log`, record after record, each sealed over the one before (chain.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any, Self

import asyncpg

from n1v1_common.bus.api import Bus, Outgoing, Published
from n1v1_common.storage.chain import Head, Record, seal
from n1v1_common.storage.errors import NotTheWriter, SeenBefore, StorageUnavailable

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

# Everything hangs on `kept`, which finds its row only in our epoch and behind our last step: a takeover waits for a
# step that is being stored, and a step that comes after a takeover stores nothing.
# The outbox's WHERE has the inbox written before it. PostgreSQL is free to do it the other way round, and a message
# that comes again would fail on the ids of what it said, which looks like a mistake of ours instead of like SeenBefore.
_STEP = """
WITH kept AS (
         UPDATE stage_state SET state = $5, stored_at = now(), sequence = $6, hash = $7
         WHERE epoch = $8 AND sequence = $9 RETURNING 1),
     handled AS (
         INSERT INTO inbox (msg_id) SELECT unnest($1::text[]) WHERE EXISTS (SELECT FROM kept) RETURNING 1),
     positions AS (
         INSERT INTO cursors (stream, seq, created_ns)
         SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[]) WHERE EXISTS (SELECT FROM kept)
         ON CONFLICT (stream) DO UPDATE SET seq = EXCLUDED.seq, created_ns = EXCLUDED.created_ns){effects},
     logged AS (
         INSERT INTO event_log (sequence, stored_ns, msg_id, subject, payload, headers, hash)
         SELECT * FROM unnest($10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bytea[], $15::text[],
                              $16::bytea[])
         WHERE EXISTS (SELECT FROM kept)),
     said AS (
         INSERT INTO outbox (sequence, msg_id) SELECT * FROM unnest($10::bigint[], $12::text[])
         WHERE EXISTS (SELECT FROM kept) AND (SELECT count(*) FROM handled) = cardinality($1::text[]))
SELECT count(*) FROM kept
"""
_STEP_PARAMETERS = 16


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
    """One stage's journal in its own schema, as its one writer: see `take_over`."""

    def __init__(self, pool: asyncpg.Pool, bus: Bus, *, epoch: int, head: Head) -> None:
        self._pool = pool
        self._bus = bus
        self._epoch = epoch
        self._head = head
        self._sent: list[tuple[int, Published]] = []

    @classmethod
    async def take_over(cls, pool: asyncpg.Pool, bus: Bus, *, writer: str) -> Self:
        """Begin a new epoch: from now on nobody else's steps are stored.

        writer: who we are, for the one who finds himself superseded. Raises StorageUnavailable.
        """
        try:
            row = await pool.fetchrow(
                "UPDATE stage_state SET epoch = epoch + 1, writer = $1, taken_at = now() "
                "RETURNING epoch, sequence, hash",
                writer,
            )
        except TROUBLE as error:
            raise StorageUnavailable(f"the journal could not be taken over: {error}") from error
        assert row is not None, "the migration has put the row there"
        return cls(pool, bus, epoch=row["epoch"], head=Head(row["sequence"], row["hash"]))

    @property
    def epoch(self) -> int:
        return self._epoch

    async def prove(self) -> None:
        """That we were the writer at some moment after this was called. Raises NotTheWriter, StorageUnavailable."""
        try:
            row = await self._pool.fetchrow("SELECT epoch, sequence, writer, taken_at FROM stage_state")
        except TROUBLE as error:
            raise StorageUnavailable(f"whether we are the writer cannot be known: {error}") from error
        if row is None or row["epoch"] != self._epoch:
            raise self._superseded(row)

    def _superseded(self, row: asyncpg.Record | None) -> NotTheWriter:
        if row is None:
            return NotTheWriter("the journal is empty, which no journal with a writer is: was it restored or emptied?")
        if row["epoch"] == self._epoch:
            return NotTheWriter(
                f"the journal ends with record {row['sequence']}, ours with {self._head.sequence}, and nobody has "
                "taken over: was it restored from a copy?"
            )
        return NotTheWriter(
            f"superseded: {row['writer']} has taken over with epoch {row['epoch']} at "
            f"{row['taken_at']:%Y-%m-%d %H:%M:%S} UTC, this process has epoch {self._epoch}; it stores nothing more "
            "and leaves"
        )

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

        Raises SeenBefore when a message of its inbox was handled before, NotTheWriter when another process has taken
        over, StorageUnavailable when it is not known whether it was stored: a restart finds out.
        """
        records = _sealed(step.outbox, self._head)
        head = Head(records[-1].sequence, records[-1].hash) if records else self._head
        effects = [effect for effect in step.effects if effect.rows]
        statement = _statement(tuple((effect.statement, effect.types) for effect in effects))
        columns = [list(column) for effect in effects for column in zip(*effect.rows, strict=True)]
        try:
            kept = await self._pool.fetchval(
                statement,
                *_step_arguments(step),
                head.sequence,
                head.hash,
                self._epoch,
                self._head.sequence,
                *_columns(records),
                *columns,
            )
        except asyncpg.UniqueViolationError as error:
            if error.table_name == "inbox" or await self._has_handled_any(step.inbox):
                raise SeenBefore(str(error)) from error
            raise
        except TROUBLE as error:
            raise StorageUnavailable(f"a step could not be stored: {type(error).__name__}: {error}") from error
        if not kept:
            row = await self._pool.fetchrow("SELECT epoch, sequence, writer, taken_at FROM stage_state")
            raise self._superseded(row)
        self._head = head
        return [record.sequence for record in records]

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
                "SELECT sequence, event_log.msg_id, subject, payload, headers "
                "FROM outbox JOIN event_log USING (sequence) WHERE sent_at IS NULL ORDER BY sequence LIMIT $1",
                PENDING_MAX,
            )
            if not rows:
                return count
            await self.publish([row["sequence"] for row in rows], [_outgoing(row) for row in rows])
            await self.mark_sent()
            count += len(rows)

    async def mark_sent(self) -> None:
        """Note where published messages lie. A crash before it costs a second publication, which changes nothing."""
        sent, self._sent = self._sent, []
        if sent:
            await self._pool.execute(
                "UPDATE outbox SET sent_at = now(), stream = sent.stream, sent_seq = sent.seq "
                "FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS sent (sequence, stream, seq) "
                "WHERE outbox.sequence = sent.sequence",
                [sequence for sequence, _ in sent],
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
        """Forget what nobody can ask for any more. What was said stays in the event log."""
        await self._pool.execute("DELETE FROM inbox WHERE handled_at < now() - $1::interval", INBOX_KEPT)
        await self._pool.execute("DELETE FROM outbox WHERE sent_at < now() - $1::interval", SENT_KEPT)


@cache
def _statement(effects: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """One statement, so one round trip, for a step with these effects."""
    parts, first = [], _STEP_PARAMETERS + 1
    for number, (statement, types) in enumerate(effects):
        arrays = ", ".join(f"${first + position}::{type_}[]" for position, type_ in enumerate(types))
        rows = "SELECT * FROM unnest(" + arrays + ") WHERE EXISTS (SELECT FROM kept)"  # noqa: S608  # types are named by the code
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
    )


def _sealed(messages: Sequence[Outgoing], head: Head) -> list[Record]:
    """The records of what is said, as they follow on `head`."""
    records: list[Record] = []
    sequence, previous, now_ns = head.sequence, head.hash, time.time_ns()
    for message in messages:
        sequence += 1
        headers = json.dumps(dict(message.headers))
        record = Record(sequence, now_ns, message.msg_id, message.subject, message.data, headers)
        previous = seal(previous, record)
        records.append(replace(record, hash=previous))
    return records


def _columns(records: Sequence[Record]) -> tuple[list[Any], ...]:
    """As the log has them. Any: columns of several types."""
    return (
        [record.sequence for record in records],
        [record.stored_ns for record in records],
        [record.msg_id for record in records],
        [record.subject for record in records],
        [record.payload for record in records],
        [record.headers for record in records],
        [record.hash for record in records],
    )


def _outgoing(row: asyncpg.Record) -> Outgoing:
    return Outgoing(row["subject"], row["payload"], row["msg_id"], json.loads(row["headers"]))
