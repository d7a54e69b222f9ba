"""After a lost connection a reader goes back to its cursor, and meets every message once and in order."""

from __future__ import annotations

from collections.abc import Sequence

from n1v1_common.bus.api import ConsumerSpec, Delivery, Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.ordered import OrderedSubscription
from n1v1_common.streams import ALL_STREAMS, TRADING

SPEC = ConsumerSpec(TRADING.name, "risk", ("signals.v1.>",), max_batch=2)


class Reader:
    """Keeps its cursor with what it has read, as a stage does."""

    def __init__(self, bus: MemoryBus) -> None:
        self.read: list[bytes] = []
        self.cursor = 0
        self.subscription = OrderedSubscription(bus, SPEC, self._next_seq)

    async def _next_seq(self) -> int:
        return self.cursor + 1

    async def next_batch(self) -> Sequence[Delivery]:
        batch = await anext(self.subscription)
        self.read += [delivery.data for delivery in batch]
        self.cursor = batch[-1].seq
        return batch


async def publish(bus: MemoryBus, numbers: range) -> None:
    await bus.publish([Outgoing("signals.v1.x", b"%d" % number, f"m{number}") for number in numbers])


async def test_what_was_on_its_way_is_read_in_order_after_a_lost_connection() -> None:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    await publish(bus, range(6))
    reader = Reader(bus)
    await reader.subscription.start()
    await reader.subscription.ack(await reader.next_batch())
    await anext(reader.subscription)  # 2 and 3 were handed out, and their reader never came to them
    bus.epoch += 1
    await publish(bus, range(6, 8))
    while len(reader.read) < 8:
        await reader.subscription.ack(await reader.next_batch())
    assert reader.read == [b"%d" % number for number in range(8)]
    await bus.drain()


async def test_without_a_lost_connection_the_durable_is_left_alone() -> None:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    await publish(bus, range(4))
    reader = Reader(bus)
    await reader.subscription.start()
    first, second = await reader.next_batch(), await reader.next_batch()
    await reader.subscription.ack([*first, *second])
    assert [delivery.deliveries for delivery in (*first, *second)] == [1, 1, 1, 1]
    await bus.drain()


async def test_a_delivery_that_never_arrived_is_read_before_its_successors() -> None:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    await publish(bus, range(4))
    reader = Reader(bus)
    await reader.subscription.start()
    await reader.subscription.ack(await reader.next_batch())
    await lose_a_batch(bus)
    await publish(bus, range(4, 6))
    while len(reader.read) < 6:
        await reader.subscription.ack(await reader.next_batch())
    assert reader.read == [b"%d" % number for number in range(6)]
    await bus.drain()


async def test_what_is_delivered_again_is_not_read_again() -> None:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    await publish(bus, range(4))
    reader = Reader(bus)
    await reader.subscription.start()
    first, second = await reader.next_batch(), await reader.next_batch()
    await reader.subscription.ack(second)
    await forget_acknowledgement(bus, first)
    await publish(bus, range(4, 6))
    while len(reader.read) < 6:
        await reader.subscription.ack(await reader.next_batch())
    assert reader.read == [b"%d" % number for number in range(6)]
    await bus.drain()


async def forget_acknowledgement(bus: MemoryBus, batch: Sequence[Delivery]) -> None:
    """As if the node that it was sent to had died with it: what was read already is delivered again."""
    durable = await bus.consume(SPEC)
    for delivery in batch:
        await durable.nak(delivery)


async def lose_a_batch(bus: MemoryBus) -> None:
    """As a node of a cluster does that dies with what it has sent: delivered, says the durable, and nobody got it."""
    lost = await anext(await bus.consume(SPEC))
    assert [delivery.data for delivery in lost] == [b"2", b"3"]
