"""A step is stored whole or not at all, and what it said is published in the end, whoever was killed meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.storage.errors import SeenBefore, StorageUnavailable
from n1v1_common.storage.journal import INBOX_KEPT, SENT_KEPT, Cursor, Effect, Journal, Step
from n1v1_common.streams import ALL_STREAMS, TRADING

pytestmark = pytest.mark.servers

EFFECT = "INSERT INTO effects (cause, number) {rows}"


@pytest.fixture
async def bus() -> MemoryBus:
    bus = MemoryBus(MemoryServer())
    await bus.declare(ALL_STREAMS)
    return bus


@pytest.fixture
async def journal(pool: asyncpg.Pool, bus: MemoryBus) -> Journal:
    return await started(pool, bus)


async def started(pool: asyncpg.Pool, bus: MemoryBus) -> Journal:
    return await Journal.take_over(pool, bus, writer="a test")


def message(number: int) -> Outgoing:
    return Outgoing("risk.v1.test", b"payload %d" % number, f"m{number}", {"traceparent": f"t{number}"})


def step(*inbox: str, said: int = 0, effects: tuple[tuple[str, int], ...] = (), seq: int = 7) -> Step:
    return Step(
        inbox=inbox,
        cursors={"TRADING": Cursor(seq, 1)},
        state=b"state %d" % seq,
        outbox=[message(number) for number in range(said)],
        effects=[Effect(EFFECT, ("text", "bigint"), effects)],
    )


async def stored(pool: asyncpg.Pool) -> tuple[int, int, int, bytes | None]:
    """Rows of inbox, outbox and effects, and the state."""
    counts = [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in ("inbox", "outbox", "effects")]
    return counts[0], counts[1], counts[2], await pool.fetchval("SELECT state FROM stage_state")


async def on_the_stream(bus: MemoryBus) -> list[str]:
    return [delivery.msg_id for delivery in await bus.read(TRADING.name)]


@pytest.mark.parametrize("effects", [(), (("a", 1), ("b", 2))], ids=["in one statement", "with effects"])
async def test_a_step_is_stored_whole(
    journal: Journal, pool: asyncpg.Pool, effects: tuple[tuple[str, int], ...]
) -> None:
    outbox_ids = await journal.commit(step("a", "b", said=3, effects=effects))
    assert outbox_ids == sorted(outbox_ids)
    assert await stored(pool) == (2, 3, len(effects), b"state 7")
    saved = await journal.load()
    assert saved.cursors == {"TRADING": Cursor(7, 1)}
    assert saved.state == b"state 7"


@pytest.mark.parametrize("effects", [(), (("a", 1),)], ids=["in one statement", "with effects"])
async def test_a_step_with_a_message_that_was_seen_before_is_not_stored_at_all(
    journal: Journal, pool: asyncpg.Pool, effects: tuple[tuple[str, int], ...]
) -> None:
    await journal.commit(step("a"))
    with pytest.raises(SeenBefore):
        await journal.commit(step("b", "a", said=2, effects=effects, seq=9))
    assert await stored(pool) == (1, 0, 0, b"state 7")
    assert await journal.unhandled(["a", "b"]) == {"b"}
    assert (await journal.load()).cursors == {"TRADING": Cursor(7, 1)}


async def test_a_step_that_comes_again_is_seen_before_although_what_it_said_is_there_too(journal: Journal) -> None:
    await journal.commit(step("a", said=1))
    with pytest.raises(SeenBefore):
        await journal.commit(step("a", said=1))


async def test_a_step_whose_effect_fails_is_not_stored_at_all(journal: Journal, pool: asyncpg.Pool) -> None:
    await pool.execute("ALTER TABLE effects ADD CHECK (number < 10)")
    with pytest.raises(asyncpg.CheckViolationError):
        await journal.commit(step("a", said=1, effects=(("a", 1), ("a", 10))))
    assert await stored(pool) == (0, 0, 0, None)


async def test_a_lost_connection_is_trouble_of_the_world_not_of_the_message(
    journal: Journal, pool: asyncpg.Pool, dsn: str
) -> None:
    await pool.execute(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';"
        "CREATE TRIGGER stops BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION stop()"
    )
    with pytest.raises(StorageUnavailable):
        await journal.commit(step("a", effects=(("a", 1),)))
    assert await stored(pool) == (0, 0, 0, None)


async def test_a_full_disk_is_trouble_of_the_world_not_of_the_message(journal: Journal, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''no space left''; END';"
        "CREATE TRIGGER full_disk BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    with pytest.raises(StorageUnavailable, match="no space left"):
        await journal.commit(step("a", effects=(("a", 1),)))


async def test_what_was_committed_and_not_published_is_published_at_the_next_start_in_order(
    pool: asyncpg.Pool, bus: MemoryBus
) -> None:
    await (await started(pool, bus)).commit(step("a", said=3))  # and killed here

    assert await (await started(pool, bus)).publish_pending() == 3
    assert await on_the_stream(bus) == ["m0", "m1", "m2"]
    [first, *_] = await bus.read(TRADING.name)
    assert (first.data, first.headers["traceparent"]) == (b"payload 0", "t0")
    assert await (await started(pool, bus)).publish_pending() == 0


async def test_what_was_published_and_not_marked_as_sent_is_recognised_by_the_stream(
    pool: asyncpg.Pool, bus: MemoryBus
) -> None:
    killed = await started(pool, bus)
    await killed.publish(await killed.commit(step("a", said=2)), [message(0), message(1)])

    assert await (await started(pool, bus)).publish_pending() == 2
    assert await on_the_stream(bus) == ["m0", "m1"]


async def test_a_stream_that_lost_its_end_is_filled_up_again(pool: asyncpg.Pool, journal: Journal) -> None:
    before, after = MemoryBus(MemoryServer()), MemoryBus(MemoryServer())
    for bus in (before, after):
        await bus.declare(ALL_STREAMS)
    sender = await started(pool, before)
    await sender.publish(await sender.commit(step("a", said=5)), [message(number) for number in range(5)])
    await sender.mark_sent()
    await after.publish([message(0), message(1)])  # what the power cut left of it

    restarted = await started(pool, after)
    assert await restarted.restore_stream(TRADING.name) == 3
    await restarted.publish_pending()
    assert await on_the_stream(after) == ["m0", "m1", "m2", "m3", "m4"]
    assert await restarted.restore_stream(TRADING.name) == 0


async def test_only_what_nobody_can_ask_for_any_more_is_forgotten(pool: asyncpg.Pool, journal: Journal) -> None:
    await journal.publish(await journal.commit(step("old", "new", said=2)), [message(0), message(1)])
    await journal.mark_sent()
    await journal.commit(replace(step("newest"), outbox=[message(2)]))
    second = timedelta(seconds=1)
    await pool.execute("UPDATE inbox SET handled_at = now() - $1::interval WHERE msg_id = 'old'", INBOX_KEPT + second)
    await pool.execute("UPDATE outbox SET sent_at = now() - $1::interval WHERE msg_id = 'm0'", SENT_KEPT + second)

    await journal.prune()

    assert await journal.unhandled(["old", "new", "newest"]) == {"old"}
    rows = await pool.fetch("SELECT msg_id FROM outbox ORDER BY sequence")
    assert [row["msg_id"] for row in rows] == ["m1", "m2"], "what was not sent yet is never forgotten"
