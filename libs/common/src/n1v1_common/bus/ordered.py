"""Reading a durable strictly in order, also over lost connections.

Whatever was on its way when a connection was lost is delivered again behind its successors. A stage that keeps its own
cursor therefore does not go on after a reconnect: it goes back to the cursor. In a cluster a delivery can also be lost
while our connection stays: with the node that led the durable. The durable's own count of deliveries shows it. And an
acknowledgement can be lost with that node: what is delivered again then is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery, Subscription


class OrderedSubscription:
    """Batches in stream order without a hole or a repetition, for one reader.

    next_seq: asked at the start and after everything that may have made a hole: the first sequence that the reader has
    not handled. Restoring the reader's own state to that point is up to it.
    """

    def __init__(self, bus: Bus, spec: ConsumerSpec, next_seq: Callable[[], Awaitable[int]]) -> None:
        self._bus = bus
        self._spec = spec
        self._next_seq = next_seq
        self._epoch = -1
        self._delivered = 0
        self._last_seq = 0
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Position the durable. Raises StreamMissing."""
        self._epoch, self._delivered = self._bus.epoch, 0
        next_seq = await self._next_seq()
        self._last_seq = next_seq - 1
        self._subscription = await self._bus.consume(self._spec, start_seq=next_seq)

    def __aiter__(self) -> OrderedSubscription:
        return self

    async def __anext__(self) -> list[Delivery]:
        while True:
            batch = await anext(self._started)
            if self._bus.epoch != self._epoch or not self._follows(batch):
                await self._started.close()
                await self.start()
            elif fresh := await self._without_repeated(batch):
                return fresh

    async def ack(self, batch: Sequence[Delivery]) -> None:
        await self._started.ack(batch)

    async def close(self) -> None:
        await self._started.close()

    def _follows(self, batch: Sequence[Delivery]) -> bool:
        """Whether nothing was delivered between the last batch and this one, or within it, that did not arrive."""
        expected = range(self._delivered + 1, self._delivered + 1 + len(batch))
        self._delivered = expected.stop - 1
        return all(delivery.consumer_seq == number for delivery, number in zip(batch, expected, strict=True))

    async def _without_repeated(self, batch: list[Delivery]) -> list[Delivery]:
        fresh = [delivery for delivery in batch if delivery.seq > self._last_seq]
        if len(fresh) < len(batch):
            await self.ack([delivery for delivery in batch if delivery.seq <= self._last_seq])
        if fresh:
            self._last_seq = fresh[-1].seq
        return fresh

    @property
    def _started(self) -> Subscription:
        assert self._subscription is not None, "start() comes first"
        return self._subscription
