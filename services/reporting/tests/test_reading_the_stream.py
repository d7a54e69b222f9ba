"""What the tables hold after reading a run from the bus is what the run was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from n1v1.events import Event, ReplayEnded, RunCompleted
from n1v1.performance import executions_of, summary_of_records
from n1v1.run_hash import first_difference, from_events, run_hash
from n1v1_common.bus.api import Delivery, Outgoing
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.storage.database import JOURNAL_MIGRATIONS, migrate, roll_back
from n1v1_common.streams import ALL_STREAMS, DEAD_LETTERS, TRADING, stream_of
from n1v1_common.telemetry.metrics import Metrics
from n1v1_reporting.adapters.projections import PostgresProjections
from n1v1_reporting.completion import announce_completion
from n1v1_reporting.handlers import Reader
from n1v1_reporting.main import MIGRATIONS
from n1v1_reporting.queries import Queries
from n1v1_research.datasets import Dataset

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.servers]

TRACE = "0af7651916cd43dd8448eb211c80319c"


def messages_of(events: Sequence[Event], codec: Codec) -> list[Outgoing]:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    encoded = [(event.id, *codec.encode(event)) for event in events]
    return [Outgoing(subject, data, id_, headers) for id_, subject, data in encoded if stream_of(subject) is TRADING]


@pytest.fixture
def codec(dataset: Dataset) -> Codec:
    return Codec(dataset.instruments)


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(MemoryServer())
    await bus.declare(ALL_STREAMS)
    yield bus
    await bus.drain()


@asynccontextmanager
async def reading(bus: MemoryBus, pool: asyncpg.Pool, codec: Codec) -> AsyncIterator[Reader]:
    reader = Reader(bus=bus, projections=PostgresProjections(pool), codec=codec, metrics=Metrics())
    draining = asyncio.Event()
    task = asyncio.create_task(reader.run(draining))
    try:
        yield reader
    finally:
        draining.set()
        await task


async def caught_up(reader: Reader, *, least: int = 1) -> None:
    async with asyncio.timeout(30):
        while reader.cursor.seq < least or await reader.lag():  # noqa: ASYNC110  # a test only looks
            await asyncio.sleep(0.01)


async def test_the_tables_give_the_same_hash_as_the_events(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    await bus.publish(messages_of(events, codec))
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    records, expected = await Queries(pool, "main").records(), from_events(events)
    assert first_difference(records, expected) is None
    assert run_hash(records) == run_hash(expected)
    assert summary_of_records(records, "4h") == summary_of_records(expected, "4h")
    assert await Queries(pool, "main").executions() == executions_of(expected)


async def test_a_reader_that_starts_again_goes_on_where_the_tables_end(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    messages = messages_of(events, codec)
    half = len(messages) // 2
    await bus.publish(messages[:half])
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader, least=half)
    await bus.publish(messages[half:])
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader, least=len(messages))
    assert run_hash(await Queries(pool, "main").records()) == run_hash(from_events(events))


async def test_messages_that_are_delivered_again_count_once(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    await bus.publish(messages_of(events, codec))
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    await pool.execute("UPDATE cursors SET seq = 10")
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader, least=11)
    assert run_hash(await Queries(pool, "main").records()) == run_hash(from_events(events))


async def test_a_stream_that_was_made_anew_is_read_into_empty_tables(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    await bus.publish(messages_of(events, codec))
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    await pool.execute("UPDATE cursors SET created_ns = created_ns - 1")
    await pool.execute("UPDATE fills SET fee = fee + 1")
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    assert run_hash(await Queries(pool, "main").records()) == run_hash(from_events(events))


async def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_is_kept(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    messages = messages_of(events, codec)
    future = Outgoing("portfolio.v1.novelty.0.main", b"?", "from the future")
    await bus.publish([messages[0], Outgoing(messages[1].subject, b"\xff", "rubbish"), future, *messages[1:]])
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    assert run_hash(await Queries(pool, "main").records()) == run_hash(from_events(events))
    letters = await bus.read(DEAD_LETTERS.name)
    assert [letter.headers["Dead-Letter-Reason"].split(":")[0] for letter in letters] == [
        "not a FillsComplete",
        "portfolio.v1.novelty.0.main",
    ]


async def test_an_order_carries_the_trace_of_its_decision(
    bus: MemoryBus, pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    await bus.publish(messages_of(events, codec))
    async with reading(bus, pool, codec) as reader:
        await caught_up(reader)
    (order,) = await Queries(pool, "main").orders(None, 1)
    assert order["trace_id"] == TRACE


class BusAwayAtFirst(MemoryBus):
    """The first question gets no answer."""

    has_been_away = False

    async def last_message(self, stream: str, subject: str) -> Delivery | None:
        if not self.has_been_away:
            self.has_been_away = True
            raise BusUnavailable("no answer from the server")
        return await super().last_message(stream, subject)


async def test_the_end_of_a_run_is_said_although_the_bus_was_away(
    pool: asyncpg.Pool, codec: Codec, events: list[Event]
) -> None:
    bus = BusAwayAtFirst(MemoryServer())
    await bus.declare(ALL_STREAMS)
    await bus.publish(messages_of(events, codec))
    subject, data = codec.encode(ReplayEnded(id="the end", ts_ns=events[-1].ts_ns, cause_id="", steps=1))
    await bus.publish([Outgoing(subject, data, "the end")])
    async with reading(bus, pool, codec) as reader:
        queries = Queries(pool, "main")
        await announce_completion(account="main", bus=bus, codec=codec, reader=reader, queries=queries)
    said = await MemoryBus.last_message(bus, TRADING.name, subject_filter(RunCompleted))
    assert bus.has_been_away
    assert said is not None
    (completed, _) = codec.decode(said.subject, said.data)
    assert isinstance(completed, RunCompleted)
    assert completed.run_hash == run_hash(from_events(events))
    await bus.drain()


async def test_the_schema_goes_back_and_forth(dsn: str, pool: asyncpg.Pool) -> None:
    for _ in [*JOURNAL_MIGRATIONS.glob("*.sql"), *MIGRATIONS.glob("*.sql")]:  # those of the journal among our own
        await roll_back(dsn, "reporting", [MIGRATIONS])
    assert await pool.fetchval("SELECT to_regclass('reporting.fills')") is None
    await migrate(dsn, "reporting", [MIGRATIONS])
    assert await pool.fetchval("SELECT count(*) FROM fills") == 0
