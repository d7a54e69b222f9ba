"""Publishing to JetStream: windows of messages in flight, one inbox for all acknowledgements.

`publish_async` of nats-py 2.16 is not used: a refusal never reaches its future, and futures in flight at a
server restart never resolve (nats.py #985).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import nats.errors
import orjson
from nats.aio.msg import Msg

from n1v1_common.bus.api import IN_FLIGHT_MAX, MSG_ID, Outgoing, Published
from n1v1_common.bus.errors import BusClosed, NoStreamHears, PublishError, PublishRefused, PublishUnknown
from n1v1_common.bus.nats_connection import Connection

TOO_LARGE = 413
UNAVAILABLE = 503  # also the code of "stream full", which an operator or the stream's age may cure
RETRY_PAUSE_FIRST_S = 0.05
RETRY_PAUSE_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's no to one message. `heard`: a stream stores its subject."""

    code: int
    text: str
    heard: bool = True

    def error(self, message: Outgoing, answers: Sequence[Published | None]) -> PublishRefused:
        kind = PublishRefused if self.heard else NoStreamHears
        return kind(message, self.text, answers, retryable=self.code == UNAVAILABLE)


class Window:
    """Messages in flight together, and what came back for each, by position in the call."""

    __slots__ = ("answers", "done", "expected")

    def __init__(self, expected: int) -> None:
        self.answers: dict[int, Published | Refusal] = {}
        self.expected = expected
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, position: int, answer: Published | Refusal) -> None:
        self.answers[position] = answer
        if len(self.answers) == self.expected:
            self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Publisher:
    def __init__(self, connection: Connection, *, ack_timeout_s: float) -> None:
        self._connection = connection
        self._client = connection.client
        self._ack_timeout_s = ack_timeout_s
        self._inbox = ""
        self._tokens = itertools.count()
        self._awaited: dict[str, tuple[Window, int]] = {}
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()
        connection.on_disconnected.append(self._give_up_waiting)

    async def start(self) -> None:
        self._inbox = self._client.new_inbox() + "."
        await self._client.subscribe(self._inbox + "*", cb=self._on_ack)

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float) -> list[Published]:
        deadline = asyncio.get_running_loop().time() + retry_for_s
        answers: list[Published | None] = [None] * len(messages)
        self._calls += 1
        self._idle.clear()
        try:
            for start in range(0, len(messages), IN_FLIGHT_MAX):
                window = range(start, min(start + IN_FLIGHT_MAX, len(messages)))
                await self._store(messages, window, answers, deadline)
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._idle.set()
        return [answer for answer in answers if answer is not None]

    async def wait_idle(self) -> None:
        await self._idle.wait()

    async def _store(
        self, messages: Sequence[Outgoing], window: Iterable[int], answers: list[Published | None], deadline: float
    ) -> None:
        """Send a window until every message in it has an answer or the time for retries is over."""
        pause_s = RETRY_PAUSE_FIRST_S
        while True:
            open_positions = [position for position in window if answers[position] is None]
            error = await self._attempt(messages, open_positions, answers)
            if error is None:
                return
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0 or not error.retryable:
                raise error
            self._connection.counters.publish_retries += 1
            await self._pause(pause_s, left_s)
            pause_s = min(2 * pause_s, RETRY_PAUSE_MAX_S)

    async def _pause(self, pause_s: float, left_s: float) -> None:
        """Until it makes sense to try again: a jittered moment, or as long as there is no connection."""
        try:
            async with asyncio.timeout(left_s):
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                await self._connection.connected.wait()
        except TimeoutError:
            return  # the time for retries is over; one last attempt says what is known

    async def _attempt(
        self, messages: Sequence[Outgoing], positions: Sequence[int], answers: list[Published | None]
    ) -> PublishError | None:
        """Send these positions once, note what is stored, and say what went wrong."""
        received = await self._send(messages, positions)
        refusals: dict[int, Refusal] = {}
        for position, answer in received.items():
            if isinstance(answer, Refusal):
                refusals[position] = answer
            else:
                answers[position] = answer
        unanswered = len(positions) - len(received)
        self._connection.counters.published += len(received) - len(refusals)
        self._connection.counters.publish_unknown += unanswered
        if refusals:
            first = min(refusals)
            return refusals[first].error(messages[first], answers)
        if unanswered:
            return PublishUnknown([m for m, a in zip(messages, answers, strict=True) if a is None], answers)
        return None

    async def _send(self, messages: Sequence[Outgoing], positions: Sequence[int]) -> dict[int, Published | Refusal]:
        """Send these and wait for their answers; a position missing in the result has none."""
        window = Window(expected=len(positions))
        tokens: list[str] = []
        try:
            async with asyncio.timeout(self._ack_timeout_s):
                for position in positions:
                    token = str(next(self._tokens))
                    tokens.append(token)
                    self._awaited[token] = (window, position)
                    await self._send_one(messages[position], token)
                await window.done
        except (TimeoutError, nats.errors.OutboundBufferLimitError):
            pass  # the missing answers are what the caller reports
        except nats.errors.ConnectionClosedError as error:
            raise BusClosed("the connection is closed") from error
        finally:
            for token in tokens:
                self._awaited.pop(token, None)
        return window.answers

    async def _send_one(self, message: Outgoing, token: str) -> None:
        headers = {MSG_ID: message.msg_id, **message.headers}
        try:
            await self._client.publish(message.subject, message.data, self._inbox + token, headers)
        except nats.errors.MaxPayloadError:
            limit = self._client.max_payload
            self._answer(token, Refusal(TOO_LARGE, f"{len(message.data)} bytes, the server takes {limit}"))

    async def _on_ack(self, msg: Msg) -> None:
        token = msg.subject[len(self._inbox) :]
        if msg.headers and msg.headers.get("Status") == "503":
            self._answer(token, Refusal(UNAVAILABLE, "no stream stores this subject", heard=False))
            return
        facts = orjson.loads(msg.data)
        if "error" in facts:
            error = facts["error"]
            self._answer(token, Refusal(error.get("code", 0), error.get("description", "")))
        else:
            self._answer(token, Published(facts["stream"], facts["seq"], facts.get("duplicate", False)))

    def _answer(self, token: str, answer: Published | Refusal) -> None:
        awaited = self._awaited.get(token)
        if awaited is not None:  # else: an answer after its time-out; the message was reported as unknown
            window, position = awaited
            window.answer(position, answer)

    def _give_up_waiting(self) -> None:
        """After a disconnect no answer will come, even if the messages are stored."""
        for window, _ in tuple(self._awaited.values()):
            window.finish()
