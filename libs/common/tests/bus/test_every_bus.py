"""What services rely on, held against every adapter."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from n1v1_common.bus.api import (
    BucketSpec,
    Bus,
    BusClosed,
    ConsumerSpec,
    Delivery,
    NoStreamHears,
    Outgoing,
    RevisionConflict,
    StreamMismatch,
    StreamMissing,
    StreamSpec,
    Subscription,
    SubscriptionLost,
)
from n1v1_common.bus.testing import Backend, eventually
from n1v1_common.streams import ADVISORIES, ALL_STREAMS

READER = ConsumerSpec("BARS", "reader", ("bars.>",), ack_wait_s=0.5)


def bars(count: int, *, start: int = 1, subject: str = "bars.0.BTC") -> list[Outgoing]:
    return [Outgoing(subject, b"bar %d" % i, f"{subject}:{i}") for i in range(start, start + count)]


async def next_batch(subscription: Subscription, within_s: float = 5.0) -> list[Delivery]:
    async with asyncio.timeout(within_s):
        return await anext(aiter(subscription))


async def read(subscription: Subscription, count: int) -> list[Delivery]:
    """So many messages, in however many batches they come."""
    seen: list[Delivery] = []
    while len(seen) < count:
        seen += await next_batch(subscription)
    return seen


async def read_and_ack(subscription: Subscription, count: int) -> list[Delivery]:
    seen: list[Delivery] = []
    while len(seen) < count:
        batch = await next_batch(subscription)
        await subscription.ack(batch)
        seen += batch
    return seen


async def test_messages_arrive_in_the_order_of_publishing_and_in_batches(bus: Bus) -> None:
    reader = await bus.consume(replace(READER, max_batch=50))
    published = await bus.publish(bars(200))
    batches: list[list[Delivery]] = []
    while sum(len(batch) for batch in batches) < 200:
        batches.append(await next_batch(reader))
        await reader.ack(batches[-1])
    seen = [delivery for batch in batches for delivery in batch]
    assert [d.seq for d in seen] == [p.seq for p in published] == list(range(1, 201))
    assert [d.data for d in seen] == [m.data for m in bars(200)]
    assert max(map(len, batches)) <= 50


async def test_a_delivery_says_where_it_comes_from(bus: Bus) -> None:
    await bus.publish([Outgoing("bars.0.BTC", b"\x00\xff", "one", {"traceparent": "00-ab-cd-01"})])
    [delivery] = await next_batch(await bus.consume(READER))
    assert (delivery.stream, delivery.seq, delivery.deliveries) == ("BARS", 1, 1)
    assert (delivery.subject, delivery.data, delivery.msg_id) == ("bars.0.BTC", b"\x00\xff", "one")
    assert delivery.headers["traceparent"] == "00-ab-cd-01"
    last = await bus.last_message("BARS", "bars.0.BTC")
    assert last is not None
    assert last.published_ns == delivery.published_ns > 0


async def test_a_message_id_seen_before_is_not_stored_again(bus: Bus) -> None:
    [first] = await bus.publish(bars(1))
    [again, other] = await bus.publish(bars(2))
    assert (again.seq, again.duplicate) == (first.seq, True)
    assert (other.seq, other.duplicate) == (first.seq + 1, False)


async def test_a_durable_hears_only_its_subjects(bus: Bus) -> None:
    await bus.publish([*bars(2, subject="bars.0.BTC"), *bars(2, subject="bars.1.ETH")])
    reader = await bus.consume(replace(READER, filter_subjects=("bars.1.>",)))
    assert [d.subject for d in await read_and_ack(reader, 2)] == ["bars.1.ETH"] * 2


async def test_a_durable_goes_on_where_it_was(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(3))
    before = await backend.connect()
    await read_and_ack(await before.consume(READER), 3)
    await before.drain()
    await bus.publish(bars(2, start=4))
    assert [d.seq for d in await read_and_ack(await bus.consume(READER), 2)] == [4, 5]


async def test_start_seq_repositions_strictly_and_leaves_nothing_pending(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(10))
    before = await backend.connect()
    assert (await next_batch(await before.consume(READER)))[0].seq == 1  # never acknowledged
    await backend.vanish(before)
    reader = await bus.consume(READER, start_seq=4)
    assert [(d.seq, d.deliveries) for d in await read_and_ack(reader, 7)] == [(seq, 1) for seq in range(4, 11)]
    later = await bus.consume(READER, start_seq=13)
    await bus.publish(bars(4, start=11))
    assert [d.seq for d in await read_and_ack(later, 2)] == [13, 14]


async def test_a_repositioned_durable_goes_on_without_start_seq(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(5))
    first = await bus.consume(READER, start_seq=3)
    await first.ack((await next_batch(first))[:1])
    await first.close()
    changed = await bus.consume(replace(READER, max_deliver=7, max_ack_pending=100))
    await backend.pass_time(READER.ack_wait_s)
    assert [d.seq for d in await read_and_ack(changed, 2)] == [4, 5]


async def test_who_loses_the_durable_to_another_owner_is_told(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(1))
    loser = await bus.consume(READER)
    await read_and_ack(loser, 1)
    other = await backend.connect()
    await other.consume(READER, start_seq=1)
    with pytest.raises(SubscriptionLost, match="another owner"):
        await next_batch(loser)


async def test_what_a_killed_consumer_held_comes_again_after_ack_wait(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(2))
    killed = await backend.connect()
    assert len(await read(await killed.consume(READER), 2)) == 2
    await backend.vanish(killed)
    reader = await bus.consume(READER)
    await backend.pass_time(READER.ack_wait_s)
    assert [(d.seq, d.deliveries) for d in await read_and_ack(reader, 2)] == [(1, 2), (2, 2)]


async def test_a_batch_being_worked_on_is_not_delivered_again(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(1))
    patient = replace(READER, ack_wait_s=0.2)
    reader = await bus.consume(patient)
    batch = await next_batch(reader)
    other = await bus.consume(patient)
    await backend.pass_time(10)
    with pytest.raises(TimeoutError):
        await next_batch(other, within_s=0.5)
    await reader.ack(batch)


async def test_a_nak_delivers_again_and_a_term_never(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(3))
    reader = await bus.consume(READER)
    first, second, third = await next_batch(reader)
    await reader.nak(first, delay_s=0.2)
    await reader.term(second, "cannot be read")
    await reader.ack([third])
    await backend.pass_time(0.2)
    [again] = await next_batch(reader)
    assert (again.seq, again.deliveries) == (1, 2)


async def test_the_limit_of_deliveries_and_a_term_raise_advisories(bus: Bus, backend: Backend) -> None:
    await bus.declare([ADVISORIES])
    await bus.publish(bars(2))
    reader = await bus.consume(replace(READER, max_deliver=2, ack_wait_s=0.1))
    first, second = await next_batch(reader)
    await reader.term(second, "cannot be read")
    await reader.nak(first)
    [first_again] = await next_batch(reader)
    await reader.nak(first_again)
    await backend.pass_time(0.2)

    async def both_advisories() -> list[Delivery] | None:
        found = await bus.read("ADVISORIES")
        return found if len(found) == 2 else None

    found = await eventually(both_advisories)
    assert found is not None
    facts = {json.loads(d.data)["type"].rpartition(".")[2]: json.loads(d.data) for d in found}
    assert (facts["max_deliver"]["stream_seq"], facts["max_deliver"]["deliveries"]) == (1, 2)
    assert (facts["terminated"]["stream_seq"], facts["terminated"]["reason"]) == (2, "cannot be read")


async def test_drain_lets_a_running_handler_finish_and_gives_back_the_rest(bus: Bus, backend: Backend) -> None:
    await bus.publish(bars(10))
    draining = await backend.connect()
    reader = await draining.consume(replace(READER, max_batch=2))
    handled: list[int] = []
    started = asyncio.Event()

    async def handle() -> None:
        async for batch in reader:
            started.set()
            await asyncio.sleep(0.05)
            await draining.publish([Outgoing("bars.1.done", b"", f"done:{d.seq}") for d in batch])
            await reader.ack(batch)
            handled.extend(d.seq for d in batch)

    handler = asyncio.create_task(handle())
    await started.wait()
    await draining.drain()
    await handler
    assert handled == [1, 2]
    assert [d.msg_id for d in await bus.read("BARS", subject="bars.1.>")] == ["done:1", "done:2"]
    rest = await read_and_ack(await bus.consume(replace(READER, filter_subjects=("bars.0.>",))), 8)
    assert sorted(d.seq for d in rest) == list(range(3, 11)), "what was given back may come after what follows it"


async def test_after_drain_the_bus_says_that_it_is_closed(backend: Backend) -> None:
    bus = await backend.connect()
    await bus.drain()
    await bus.drain()
    with pytest.raises(BusClosed):
        await bus.publish(bars(1))


async def test_a_subject_without_a_stream_is_refused_by_name(bus: Bus) -> None:
    with pytest.raises(NoStreamHears, match=r"lost to nowhere\.at\.all"):
        await bus.publish([*bars(1), Outgoing("nowhere.at.all", b"", "lost")])
    assert (await bus.stream_position("BARS")).last_seq == 1


async def test_a_missing_stream_has_an_error_of_its_own(bus: Bus) -> None:
    for look in (
        bus.consume(replace(READER, stream="NOWHERE")),
        bus.consume(replace(READER, stream="NOWHERE"), start_seq=1),
        bus.stream_position("NOWHERE"),
        bus.last_message("NOWHERE", "x"),
        bus.read("NOWHERE"),
    ):
        with pytest.raises(StreamMissing, match="NOWHERE does not exist"):
            await look


async def test_streams_are_declared_again_changed_and_refused_when_they_overlap(bus: Bus) -> None:
    await bus.publish(bars(1))
    spec = StreamSpec("BARS", ("bars.>", "more.>"), "changed", max_age_s=7200, max_bytes=-1)
    await bus.declare([spec])
    await bus.declare([spec])
    await bus.publish([Outgoing("more.x", b"", "x")])
    assert (await bus.stream_position("BARS")).last_seq == 2
    with pytest.raises(StreamMismatch, match="OTHER"):
        await bus.declare([replace(spec, name="OTHER", subjects=("bars.0.>",))])


async def test_every_declared_stream_is_accepted(bus: Bus) -> None:
    await bus.declare(ALL_STREAMS)
    position = await bus.stream_position("TRADING")
    assert (position.first_seq, position.last_seq) == (1, 0)
    assert position.created_ns > 0


async def test_looking_back_finds_the_newest_and_a_range(bus: Bus) -> None:
    await bus.publish([*bars(3, subject="bars.0.BTC"), *bars(2, subject="bars.1.ETH")])
    assert await bus.last_message("BARS", "bars.0.XRP") is None
    newest = [await bus.last_message("BARS", subject) for subject in ("bars.0.BTC", "bars.*.ETH", "bars.>")]
    assert [d.seq for d in newest if d is not None] == [3, 5, 5]
    assert [d.seq for d in await bus.read("BARS", start_seq=2, limit=3)] == [2, 3, 4]
    assert [d.seq for d in await bus.read("BARS", subject="bars.1.*")] == [4, 5]


async def test_a_tap_overhears_what_is_published(bus: Bus) -> None:
    tap = await bus.tap("bars.*.BTC")
    await bus.stream_position("BARS")  # a round trip: the server knows of the tap
    await bus.publish([*bars(1, subject="bars.1.ETH"), *bars(2, subject="bars.0.BTC")])
    async with asyncio.timeout(2):
        heard = [await anext(tap), await anext(tap)]
    assert [h.data for h in heard] == [b"bar 1", b"bar 2"]
    await tap.close()
    assert [h async for h in tap] == []


async def test_key_values_have_revisions_that_can_be_expected(bus: Bus) -> None:
    bucket = await bus.key_value(BucketSpec("SNAPSHOTS", "for tests"))
    assert await bucket.get("ema.BTC") is None
    first = await bucket.put("ema.BTC", b"one", expected_revision=0)
    second = await bucket.put("ema.BTC", b"two", expected_revision=first)
    with pytest.raises(RevisionConflict, match=r"ema\.BTC"):
        await bucket.put("ema.BTC", b"three", expected_revision=first)
    with pytest.raises(RevisionConflict):
        await bucket.put("ema.BTC", b"three", expected_revision=0)
    assert await bucket.get("ema.BTC") == (b"two", second)
    assert await bucket.put("ema.BTC", b"four") > second
    same = await bus.key_value(BucketSpec("SNAPSHOTS", "for tests"))
    entry = await same.get("ema.BTC")
    assert entry is not None
    assert entry.value == b"four"
    with pytest.raises(ValueError, match="is no key"):
        await bucket.put("a..b", b"")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"durable": "risk.main"}, "only letters"),
        ({"filter_subjects": ()}, "hears nothing"),
        ({"max_batch": 0}, "must be positive"),
        ({"ack_wait_s": 0.0}, "must be positive"),
    ],
)
def test_a_consumer_that_cannot_work_is_refused_when_it_is_described(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(READER, **changes)
