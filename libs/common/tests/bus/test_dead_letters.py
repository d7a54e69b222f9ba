from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery, Outgoing
from n1v1_common.bus.dead_letters import (
    AlreadyRequeued,
    NoSuchDeadLetter,
    advisories,
    bury,
    bury_given_up,
    list_dead_letters,
    requeue,
    stage_of_durable,
)
from n1v1_common.bus.testing import Backend
from n1v1_common.streams import ADVISORIES, DEAD_LETTERS

READER = ConsumerSpec("BARS", "signals-0", ("bars.>",), ack_wait_s=0.1, max_deliver=2)


@pytest.fixture(autouse=True)
async def _streams(bus: Bus) -> None:
    await bus.declare([DEAD_LETTERS, ADVISORIES])


async def stored(bus: Bus, data: bytes = b"\xff\x00") -> Delivery:
    await bus.publish([Outgoing("bars.0.BTC", data, "bar:1", {"traceparent": "00-ab-cd-01"})])
    [delivery] = await bus.read("BARS", start_seq=1, limit=1)
    return delivery


async def test_a_dead_letter_keeps_the_message_and_says_why(bus: Bus) -> None:
    await bury(bus, await stored(bus), stage="signals", reason="schema version 9\nis unknown")
    [letter] = await list_dead_letters(bus)
    assert (letter.stage, letter.reason) == ("signals", "schema version 9 is unknown")
    assert (letter.stream, letter.subject, letter.original_seq) == ("BARS", "bars.0.BTC", 1)
    assert (letter.msg_id, letter.data, letter.deliveries) == ("bar:1", b"\xff\x00", 1)
    assert letter.headers == {"traceparent": "00-ab-cd-01"}
    assert not letter.is_requeued


async def test_burying_twice_leaves_one_letter(bus: Bus) -> None:
    delivery = await stored(bus)
    await bury(bus, delivery, stage="signals", reason="once")
    assert (await bury(bus, delivery, stage="signals", reason="twice")).duplicate
    assert len(await list_dead_letters(bus)) == 1


async def test_requeueing_sends_the_original_under_a_new_id_and_only_once(bus: Bus) -> None:
    await bury(bus, await stored(bus), stage="signals", reason="x")
    [letter] = await list_dead_letters(bus)
    published = await requeue(bus, letter.seq)
    assert not published.duplicate
    again = await bus.last_message("BARS", "bars.0.BTC")
    assert again is not None
    assert (again.seq, again.data, again.msg_id) == (2, b"\xff\x00", f"requeued:{letter.seq}:bar:1")
    assert again.headers["traceparent"] == "00-ab-cd-01"
    assert [letter.is_requeued for letter in await list_dead_letters(bus)] == [True]
    with pytest.raises(AlreadyRequeued):
        await requeue(bus, letter.seq)
    assert (await requeue(bus, letter.seq, force=True)).seq == 3


async def test_requeueing_what_is_not_there_is_an_error(bus: Bus) -> None:
    with pytest.raises(NoSuchDeadLetter, match="7"):
        await requeue(bus, 7)


async def test_a_message_nobody_could_use_becomes_a_dead_letter(bus: Bus, backend: Backend) -> None:
    await stored(bus)
    reader = await bus.consume(READER)
    for _ in range(READER.max_deliver):
        async with asyncio.timeout(5):
            [delivery] = await anext(aiter(reader))
        await reader.nak(delivery)
    await backend.pass_time(READER.ack_wait_s)
    await bury_next(bus)
    [letter] = await list_dead_letters(bus)
    assert (letter.stage, letter.reason) == ("signals", "max_deliveries of signals-0")
    assert (letter.original_seq, letter.deliveries, letter.data) == (1, 2, b"\xff\x00")


async def test_a_terminated_message_becomes_a_dead_letter_with_the_reason(bus: Bus) -> None:
    await stored(bus)
    reader = await bus.consume(replace(READER, durable="risk"))
    [delivery] = await anext(aiter(reader))
    await reader.term(delivery, "no such instrument")
    await bury_next(bus)
    [letter] = await list_dead_letters(bus)
    assert (letter.stage, letter.reason) == ("risk", "no such instrument")


async def bury_next(bus: Bus) -> None:
    subscription = await advisories(bus)
    async with asyncio.timeout(5):
        [advisory] = await anext(aiter(subscription))
    await bury_given_up(bus, advisory)
    await subscription.ack([advisory])


@pytest.mark.parametrize(("durable", "stage"), [("market_data", "market_data"), ("signals-3", "signals")])
def test_the_stage_is_the_first_part_of_the_durable(durable: str, stage: str) -> None:
    assert stage_of_durable(durable) == stage
