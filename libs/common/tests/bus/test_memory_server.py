"""Limits of time and size, where only the in-memory server can be asked without waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from n1v1_common.bus.api import ConsumerSpec, Outgoing, StreamSpec
from n1v1_common.bus.clock import ManualClock
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.bus.subjects import matches

BARS = StreamSpec("BARS", ("bars.>",), "for tests", max_age_s=3600, max_bytes=-1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bus(clock: ManualClock) -> MemoryBus:
    bus = MemoryBus(MemoryServer(clock))
    await bus.declare([BARS])
    return bus


async def test_a_message_id_is_free_again_after_the_duplicate_window(bus: MemoryBus, clock: ManualClock) -> None:
    message = Outgoing("bars.0", b"", "one")
    await bus.publish([message])
    clock.advance(BARS.duplicate_window_s - 1)
    assert (await bus.publish([message]))[0].duplicate
    clock.advance(1)
    assert not (await bus.publish([message]))[0].duplicate


async def test_what_is_too_old_or_too_much_is_gone(bus: MemoryBus, clock: ManualClock) -> None:
    await bus.publish([Outgoing("bars.0", b"12345", "old")])
    clock.advance(3600)
    assert await bus.read("BARS") == []
    await bus.declare([replace(BARS, max_bytes=10)])
    await bus.publish([Outgoing("bars.0", b"12345", f"{i}") for i in range(3)])
    position = await bus.stream_position("BARS")
    assert (position.first_seq, position.last_seq) == (3, 4)


async def test_no_more_than_max_ack_pending_is_delivered_unanswered(bus: MemoryBus) -> None:
    reader = await bus.consume(ConsumerSpec("BARS", "reader", ("bars.>",), max_ack_pending=2))
    await bus.publish([Outgoing("bars.0", b"", f"{i}") for i in range(3)])
    batch = await anext(reader)
    assert [d.seq for d in batch] == [1, 2]
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    assert not waiting.done()
    await reader.ack(batch[:1])
    assert [d.seq for d in await waiting] == [3]


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*.b", "a.c", False),
    ],
)
def test_wildcards_match_as_in_nats(pattern: str, subject: str, expected: bool) -> None:
    assert matches(pattern, subject) is expected
