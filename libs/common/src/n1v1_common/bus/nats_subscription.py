"""Reading a durable with one continuous pull.

Not `fetch`: in nats-py 2.16 it stalls after a timed-out call, leaks its request when cancelled so that the
next message goes to nobody until ack_wait, and waits its whole time-out when the server restarted meanwhile.

How it works: a standing request for up to two batches. Messages gather in a buffer while the handler works
and are handed out together. When there is room for a batch the next request goes out. The server sends a
heartbeat each second while a request stands; when it is missed, and after every reconnect, the request is
made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Sequence

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from n1v1_common.bus.api import NO_HEADERS, ConsumerSpec, Delivery, Origin
from n1v1_common.bus.errors import BusUnavailable, SubscriptionLost
from n1v1_common.bus.nats_connection import ApiError, Connection

NS_PER_S = 1_000_000_000
HEARTBEAT_S = 1.0
SILENCE_MAX_S = 2.5 * HEARTBEAT_S
PULL_EXPIRES_S = 30.0
CONSUMER_NOT_FOUND = 10014
STREAM_NOT_FOUND = 10059

ACK = b"+ACK"
IN_PROGRESS = b"+WPI"


class PulledDelivery(Delivery):
    """A delivery that reads its origin out of `$JS.ACK....` when asked, and remembers whether it was
    answered.
    """

    __slots__ = ("reply", "settled")

    def __init__(self, msg: Msg) -> None:  # on purpose without the base's: this runs once per message
        self.subject = msg.subject
        self.data = msg.data
        self.headers = msg.headers or NO_HEADERS
        self.reply = msg.reply
        self.settled = False
        self._origin = None

    @property
    def origin(self) -> Origin:
        if self._origin is None:
            self._origin = origin_of(self.reply)
        return self._origin


def origin_of(ack_subject: str) -> Origin:
    """$JS.ACK[.domain.account hash].stream.consumer.deliveries.stream seq.consumer seq.time.pending[.random]"""
    tokens = ack_subject.split(".")
    first = 2 if len(tokens) == 9 else 4
    stream, _, deliveries, seq, consumer_seq, published_ns = tokens[first : first + 6]
    return Origin(stream, int(seq), int(deliveries), int(published_ns), int(consumer_seq))


class PullSubscription:
    def __init__(self, connection: Connection, spec: ConsumerSpec) -> None:
        self._connection = connection
        self._client = connection.client
        self._spec = spec
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.durable}"
        self._room = 2 * spec.max_batch
        self._inbox = ""
        self._subscription: NatsSubscription | None = None

        self._generation = 0  # of pull requests; what is said about an earlier one no longer matters
        self._requested = 0  # messages the server still owes us
        self._buffer: deque[PulledDelivery] = deque()
        self._in_hand: list[PulledDelivery] = []
        self._handed_out = 0  # messages ever handed out, so that ages can be told by counting
        self._waiter: asyncio.Future[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._late_answers: list[tuple[str, bytes]] = []
        self._heard = False
        self._stopped = False
        self._lost: SubscriptionLost | None = None
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_bytes_limit=0
        )
        self._connection.on_reconnected.append(self._resume)
        self._tending = self._connection.spawn(self._tend())
        await self._pull_anew()

    # What the handler calls

    def __aiter__(self) -> PullSubscription:
        return self

    async def __anext__(self) -> list[Delivery]:
        self._in_hand = []
        self._idle.set()
        while not self._stopped:
            if self._buffer:
                return await self._hand_out()
            if self._lost is not None:
                raise self._lost
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        raise StopAsyncIteration

    async def ack(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            await self._answer(delivery, ACK)
        self._note_idle()

    async def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        how = b"" if delay_s <= 0 else b' {"delay": %d}' % round(delay_s * NS_PER_S)
        await self._answer(delivery, b"-NAK" + how)
        self._note_idle()

    async def term(self, delivery: Delivery, reason: str) -> None:
        await self._answer(delivery, b"+TERM " + reason.encode())
        self._note_idle()

    async def close(self) -> None:
        await self.stop()
        self.abandon()
        self._idle.set()

    # What the bus calls

    async def stop(self) -> None:
        """Hand out nothing more; what waits in the buffer goes back to the server for the next owner."""
        if self._stopped:
            return
        self._stopped = True
        self._wake()
        self._note_idle()
        if self._subscription is not None and self._client.is_connected:
            with contextlib.suppress(nats.errors.Error):  # disconnected meanwhile: nothing to take back
                await self._subscription.drain()  # type: ignore[no-untyped-call]  # untyped in nats-py
        while self._buffer:
            await self._answer(self._buffer.popleft(), b"-NAK")

    def abandon(self) -> None:
        """Stop vouching for what is in hand."""
        self._stopped = True
        self._wake()
        if self._tending is not None:
            self._tending.cancel()
        with contextlib.suppress(ValueError):  # closed twice
            self._connection.on_reconnected.remove(self._resume)

    async def wait_idle(self) -> None:
        """Until the handler has answered or finished what it holds."""
        await self._idle.wait()

    # Receiving

    async def _on_message(self, msg: Msg) -> None:
        self._heard = True
        if not msg.reply:
            await self._on_status(msg)
            return
        self._buffer.append(PulledDelivery(msg))
        self._requested -= 1
        if self._waiter is not None:
            self._wake()

    async def _on_status(self, msg: Msg) -> None:
        headers = msg.headers or NO_HEADERS
        status, text = headers.get("Status", ""), headers.get("Description", "")
        if status == "100" or not msg.subject.endswith(f".{self._generation}"):
            return
        if text == "Consumer Deleted":
            self._lose(f"{self._spec.durable} was deleted or repositioned by another owner")
            return
        if status == "408":
            self._requested -= int(headers.get("Nats-Pending-Messages", self._requested))
            await self._pull_more()
        else:
            # 503 nobody there, 409 server shutdown and the like: `_tend` looks after it in a moment
            self._requested = 0

    def _lose(self, why: str) -> None:
        self._lost = SubscriptionLost(why)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None

    async def _hand_out(self) -> list[Delivery]:
        size = min(len(self._buffer), self._spec.max_batch)
        await self._pull_more(leaving=size)  # first: a cancelled caller must not take a batch with it
        batch = [self._buffer.popleft() for _ in range(size)]
        self._handed_out += size
        self._connection.counters.delivered += size
        self._in_hand = batch
        self._idle.clear()
        return list[Delivery](batch)

    # Pulling

    async def _pull_more(self, leaving: int = 0) -> None:
        """Ask for another batch when there is room for one; `leaving` messages are about to go from the
        buffer.
        """
        missing = self._room - max(self._requested, 0) - len(self._buffer) + leaving
        if missing >= self._spec.max_batch and not self._stopped and self._lost is None:
            await self._pull(missing)

    async def _pull_anew(self) -> None:
        self._generation += 1
        self._requested = 0
        await self._pull_more()

    async def _pull(self, count: int) -> None:
        request = {
            "batch": count,
            "expires": round(PULL_EXPIRES_S * NS_PER_S),
            "idle_heartbeat": round(HEARTBEAT_S * NS_PER_S),
        }
        try:
            await self._client.publish(
                self._next, json.dumps(request).encode(), reply=f"{self._inbox}.{self._generation}"
            )
        except (nats.errors.OutboundBufferLimitError, nats.errors.ConnectionClosedError):
            return  # disconnected: `_resume` pulls
        self._requested = max(self._requested, 0) + count

    async def _resume(self) -> None:
        """After a reconnect: the server forgot the request, and may not know of what was answered meanwhile."""
        late, self._late_answers = self._late_answers, []
        self._connection.counters.late_acks += len(late)
        for reply, payload in late:
            await self._send(reply, payload)
        await self._pull_anew()

    # Looking after it

    async def _tend(self) -> None:
        """Once in a while: report work in progress, notice silence, ask again."""
        interval_s = min(HEARTBEAT_S, self._spec.ack_wait_s / 3)
        silent_s = 0.0
        handed_or_held = 0
        while self._lost is None:
            await asyncio.sleep(interval_s)
            await self._report_progress(received_before=handed_or_held)
            handed_or_held = self._handed_out + len(self._buffer)
            silent_s = 0.0 if self._heard else silent_s + interval_s
            self._heard = False
            if silent_s > SILENCE_MAX_S or self._requested <= 0:
                silent_s = 0.0
                await self._ask_again()

    async def _ask_again(self) -> None:
        if not self._connection.connected.is_set() or self._stopped or len(self._buffer) >= self._spec.max_batch:
            return
        self._connection.counters.repulls += 1
        try:
            await self._connection.api(f"CONSUMER.INFO.{self._spec.stream}.{self._spec.durable}")
        except ApiError as error:
            if error.err_code in (CONSUMER_NOT_FOUND, STREAM_NOT_FOUND):
                self._lose(f"{self._spec.durable} is gone: {error}")
        except BusUnavailable:
            return  # still starting, or gone again: the next round
        await self._pull_anew()

    async def _report_progress(self, received_before: int) -> None:
        """Keep alive what was already here a round ago: in hand, and waiting behind it.

        Two rounds are less than ack_wait. Ages are told by position: the buffer holds messages number
        `_handed_out` and up, so nothing is noted per message.
        """
        waiting_before = max(0, received_before - self._handed_out)
        in_hand_since = self._handed_out - len(self._in_hand)
        held = self._in_hand if in_hand_since < received_before else []
        for delivery in [*held, *list(self._buffer)[:waiting_before]]:
            if not delivery.settled:
                await self._send(delivery.reply, IN_PROGRESS)

    # Answering

    async def _answer(self, delivery: Delivery, payload: bytes) -> None:
        """At most one answer per delivery. Written together: the client flushes once per turn of the loop."""
        assert isinstance(delivery, PulledDelivery)
        if delivery.settled:
            return
        delivery.settled = True
        if self._client.is_connected:
            await self._send(delivery.reply, payload)
        else:
            self._late_answers.append((delivery.reply, payload))

    async def _send(self, reply: str, payload: bytes) -> None:
        try:
            await self._client.publish(reply, payload)
        except (nats.errors.OutboundBufferLimitError, nats.errors.ConnectionClosedError):
            return  # a lost answer means another delivery, which at-least-once allows

    def _note_idle(self) -> None:
        if self._stopped and all(delivery.settled for delivery in self._in_hand):
            self._idle.set()
