"""Reading a durable strictly in order, also over lost connections.

Whatever was on its way when a connection was lost is delivered again behind its successors. A stage that keeps its own
cursor therefore does not go on after a reconnect: it goes back to the cursor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery, Subscription


class OrderedSubscription:
    """Batches in stream order without a hole, for one reader.

    next_seq: asked at the start and after every lost connection: the first sequence that the reader has not handled.
    Restoring the reader's own state to that point is up to it.
    """

    def __init__(self, bus: Bus, spec: ConsumerSpec, next_seq: Callable[[], Awaitable[int]]) -> None:
        self._bus = bus
        self._spec = spec
        self._next_seq = next_seq
        self._epoch = -1
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Position the durable. Raises StreamMissing."""
        self._epoch = self._bus.epoch
        self._subscription = await self._bus.consume(self._spec, start_seq=await self._next_seq())

    def __aiter__(self) -> OrderedSubscription:
        return self

    async def __anext__(self) -> list[Delivery]:
        while True:
            batch = await anext(self._started)
            if self._bus.epoch == self._epoch:
                return batch
            await self._started.close()
            await self.start()

    async def ack(self, batch: Sequence[Delivery]) -> None:
        await self._started.ack(batch)

    async def close(self) -> None:
        await self._started.close()

    @property
    def _started(self) -> Subscription:
        assert self._subscription is not None, "start() comes first"
        return self._subscription
