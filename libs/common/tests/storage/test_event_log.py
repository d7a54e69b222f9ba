"""What a stage has said stays as it was said; whatever is altered afterwards is found and named."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.storage.audit import RECORDS_AT_ONCE, check_log, schemas_with_a_log
from n1v1_common.storage.chain import Break, Head, Record, seal
from n1v1_common.storage.errors import NotTheWriter
from n1v1_common.storage.journal import Cursor, Journal, Step
from n1v1_common.streams import ALL_STREAMS

pytestmark = pytest.mark.servers

SCHEMA = "stage"
STEPS, MESSAGES = 4, 3


@pytest.fixture
async def bus() -> MemoryBus:
    bus = MemoryBus(MemoryServer())
    await bus.declare(ALL_STREAMS)
    return bus


@pytest.fixture
async def journal(pool: asyncpg.Pool, bus: MemoryBus) -> Journal:
    """Of a stage that has said twelve messages, three with each step."""
    journal = await Journal.take_over(pool, bus, writer="the first")
    for number in range(STEPS):
        await journal.commit(step(number, *range(MESSAGES)))
    return journal


def step(number: int, *said: int) -> Step:
    return Step(
        inbox=[f"heard {number}"],
        cursors={"TRADING": Cursor(number + 1, 1)},
        state=b"",
        outbox=[Outgoing("risk.v1.test", b"payload", f"m{number}.{each}", {"traceparent": "t"}) for each in said],
    )


async def checked(pool: asyncpg.Pool, *noted: Head) -> tuple[Head, Break | None]:
    async with pool.acquire() as connection:
        return await check_log(connection, SCHEMA, noted=noted)


async def tampered(pool: asyncpg.Pool, statement: str) -> None:
    """What only somebody with the rights of the owner can do."""
    await pool.execute(f"SET session_replication_role = replica; {statement}; RESET session_replication_role")


async def test_a_log_that_nobody_touched_is_whole_and_its_head_is_the_stages(
    journal: Journal, pool: asyncpg.Pool
) -> None:
    head, found = await checked(pool)
    assert found is None
    assert head == Head(*await pool.fetchrow("SELECT sequence, hash FROM stage_state"))  # type: ignore[misc]  # a row
    assert head.sequence == STEPS * MESSAGES
    async with pool.acquire() as connection:
        assert await schemas_with_a_log(connection) == [SCHEMA]


async def test_every_start_continues_the_chain(journal: Journal, pool: asyncpg.Pool, bus: MemoryBus) -> None:
    successor = await Journal.take_over(pool, bus, writer="the second")
    await successor.commit(step(7, 0))
    await successor.commit(step(8))
    head, found = await checked(pool)
    assert (head.sequence, found) == (STEPS * MESSAGES + 1, None)


@pytest.mark.parametrize(
    "change",
    [
        "payload = 'other'",
        "subject = 'risk.v1.other'",
        "msg_id = 'other'",
        "headers = '{}'",
        "stored_ns = stored_ns + 1",
        "hash = sha256('other')",
    ],
)
async def test_an_altered_record_is_named_whatever_of_it_was_altered(
    journal: Journal, pool: asyncpg.Pool, change: str
) -> None:
    await tampered(pool, f"UPDATE event_log SET {change} WHERE sequence = 5")
    stored_ns = await pool.fetchval("SELECT stored_ns FROM event_log WHERE sequence = 5")
    _, found = await checked(pool)
    assert found is not None
    assert (found.sequence, found.stored_ns) == (5, stored_ns)
    assert "was altered" in found.what


@pytest.mark.parametrize(
    ("removed", "named", "what"),
    [("= 1", 1, "is missing"), ("IN (5, 6)", 5, "every one up to 6"), ("> 10", 11, "every one up to 12")],
    ids=["the first", "two in the middle", "the end"],
)
async def test_a_missing_record_is_named(
    journal: Journal, pool: asyncpg.Pool, removed: str, named: int, what: str
) -> None:
    await tampered(pool, f"DELETE FROM event_log WHERE sequence {removed}")
    _, found = await checked(pool)
    assert found is not None
    assert found.sequence == named
    assert what in found.what


async def test_a_record_put_in_at_the_end_is_named(journal: Journal, pool: asyncpg.Pool) -> None:
    last = await pool.fetchval("SELECT hash FROM event_log WHERE sequence = 12")
    forged = Record(13, 1, "forged", "risk.v1.test", b"", "{}")
    await pool.execute(
        "INSERT INTO event_log VALUES (13, 1, 'forged', 'risk.v1.test', '', '{}', $1)", seal(last, forged)
    )
    _, found = await checked(pool)
    assert found is not None
    assert found.sequence == 13
    assert "the stage ended with record 12" in found.what


async def test_a_log_rewritten_to_its_end_does_not_lead_through_a_head_that_was_noted(
    journal: Journal, pool: asyncpg.Pool
) -> None:
    noted, _ = await checked(pool)
    await rewrite_from(pool, 5)
    _, found = await checked(pool)
    assert found is None, "by itself it looks right"
    _, found = await checked(pool, noted)
    assert found is not None
    assert found.sequence == noted.sequence
    assert "rewritten" in found.what
    _, found = await checked(pool, Head(99, b""))
    assert found is not None
    assert found.sequence == 13, "a head beyond the end: what follows the end is missing"


async def rewrite_from(pool: asyncpg.Pool, first: int) -> None:
    """With the chain made anew, as somebody would who knows how it is made."""
    rows = await pool.fetch("SELECT * FROM event_log WHERE sequence >= $1 ORDER BY sequence", first)
    previous = await pool.fetchval("SELECT hash FROM event_log WHERE sequence = $1", first - 1)
    for row in rows:
        record = Record(**{**row, "payload": b"other", "hash": b""})
        previous = seal(previous, record)
        values = f"payload = 'other', hash = '\\x{previous.hex()}'"
        await tampered(pool, f"UPDATE event_log SET {values} WHERE sequence = {record.sequence}")
    await pool.execute("UPDATE stage_state SET hash = $1", previous)


@pytest.mark.parametrize(
    "statement", ["UPDATE event_log SET payload = ''", "DELETE FROM event_log", "TRUNCATE event_log"]
)
async def test_the_log_refuses_to_be_changed(journal: Journal, pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(statement)


async def test_a_long_log_is_read_in_parts_while_the_stage_goes_on(journal: Journal, pool: asyncpg.Pool) -> None:
    for number in range(10, 13):
        await journal.commit(step(number, *range(RECORDS_AT_ONCE // 2)))
    read: list[int] = []
    async with pool.acquire() as connection:
        checking = asyncio.create_task(check_log(connection, SCHEMA, progress=read.append))
        await journal.commit(step(20, 0))
        _, found = await checking
    assert found is None
    assert read[0] == RECORDS_AT_ONCE


# --- one writer ---------------------------------------------------------------------------------------------------


async def test_who_was_superseded_stores_nothing_and_learns_by_whom(
    journal: Journal, pool: asyncpg.Pool, bus: MemoryBus
) -> None:
    await Journal.take_over(pool, bus, writer="the second")
    tables = ("inbox", "cursors", "event_log", "outbox", "stage_state")
    before = [await pool.fetch(f"SELECT * FROM {table}") for table in tables]
    for attempt in (step(9, 0), step(9)):
        with pytest.raises(NotTheWriter, match=r"the second has taken over with epoch 2.* this process has epoch 1"):
            await journal.commit(attempt)
    with pytest.raises(NotTheWriter, match="the second"):
        await journal.prove()
    assert before == [await pool.fetch(f"SELECT * FROM {table}") for table in tables]


async def test_a_takeover_waits_for_a_step_that_is_being_stored_and_then_sees_it(
    journal: Journal, pool: asyncpg.Pool, bus: MemoryBus
) -> None:
    """And a step that waits for a takeover is not stored: each of the two sees the other whole or not at all."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE stage_state SET epoch = epoch + 1, writer = 'the second'")
        late = asyncio.create_task(journal.commit(step(9, 0)))
        await until_somebody_waits(pool)
    with pytest.raises(NotTheWriter, match="the second"):
        await late
    assert await pool.fetchval("SELECT count(*) FROM event_log") == STEPS * MESSAGES


async def until_somebody_waits(pool: asyncpg.Pool) -> None:
    async with asyncio.timeout(10):
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 (a database is asked)
            await asyncio.sleep(0.01)


async def test_a_journal_that_went_back_behind_our_back_is_not_written_to(journal: Journal, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE stage_state SET sequence = 3")
    with pytest.raises(NotTheWriter, match="ends with record 3, ours with 12"):
        await journal.commit(step(9, 0))
