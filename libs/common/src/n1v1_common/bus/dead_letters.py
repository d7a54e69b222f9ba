"""Messages that a stage could not use: kept with the reason, listed, and sent again once the cause is gone.

A dead letter is the original message, byte for byte and with its headers, on `dead_letters.v1.<stage>`, plus headers
that say where it comes from. Requeueing publishes it to its original subject under a new, derived message id; a
marker on `dead_letters.v1.requeued.<seq>` remembers that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from n1v1_common.bus.api import MSG_ID, NO_HEADERS, Bus, ConsumerSpec, Delivery, Outgoing, Published, Subscription
from n1v1_common.streams import ADVISORIES, DEAD_LETTERS

REASON = "Dead-Letter-Reason"
ORIGINAL_STREAM = "Dead-Letter-Stream"
ORIGINAL_SUBJECT = "Dead-Letter-Subject"
ORIGINAL_SEQ = "Dead-Letter-Seq"
ORIGINAL_MSG_ID = "Dead-Letter-Msg-Id"
ATTEMPTS = "Dead-Letter-Attempts"
OWN_PREFIX = "Dead-Letter-"
SERVER_PREFIX = "Nats-"

LETTER_SUBJECTS = "dead_letters.v1.*"
MARKER_SUBJECTS = "dead_letters.v1.requeued.*"

REASON_EXHAUSTED = "max_deliveries"
REASON_TERMINATED = "terminated"


class NoSuchDeadLetter(LookupError):
    """DEAD_LETTERS holds no letter with this sequence; `n1v1 dead-letters` lists those there are."""


class AlreadyRequeued(Exception):
    """The letter was sent again before; doing so twice on purpose needs force."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """seq: in DEAD_LETTERS, the handle for requeue. deliveries: how often the stage was given the message."""

    seq: int
    stage: str
    reason: str
    stream: str
    subject: str
    original_seq: int
    msg_id: str
    deliveries: int
    data: bytes
    headers: Mapping[str, str]
    buried_ns: int
    is_requeued: bool


async def bury(bus: Bus, delivery: Delivery, *, stage: str, reason: str) -> Published:
    """Store a delivery as a dead letter; acknowledge it afterwards. Burying it again is recognised as a duplicate."""
    headers = {
        **_original_headers(delivery.headers),
        REASON: _one_line(reason),
        ORIGINAL_STREAM: delivery.stream,
        ORIGINAL_SUBJECT: delivery.subject,
        ORIGINAL_SEQ: str(delivery.seq),
        ORIGINAL_MSG_ID: delivery.msg_id,
        ATTEMPTS: str(delivery.deliveries),
    }
    msg_id = f"dead:{stage}:{delivery.stream}:{delivery.seq}"
    [published] = await bus.publish([Outgoing(f"dead_letters.v1.{stage}", delivery.data, msg_id, headers)])
    return published


async def list_dead_letters(bus: Bus, *, start_seq: int = 1, limit: int = 100) -> list[DeadLetter]:
    """Oldest first."""
    stored = await bus.read(DEAD_LETTERS.name, start_seq=start_seq, limit=limit, subject=LETTER_SUBJECTS)
    return [await _dead_letter(bus, delivery) for delivery in stored]


async def requeue(bus: Bus, seq: int, *, force: bool = False) -> Published:
    """Send a dead letter to its original subject again.

    seq: in DEAD_LETTERS.

    Raises:
        NoSuchDeadLetter: nothing there, or it has aged out.
        AlreadyRequeued: it was sent before, unless `force`.
    """
    stored = await bus.read(DEAD_LETTERS.name, start_seq=seq, limit=1, subject=LETTER_SUBJECTS)
    if not stored or stored[0].seq != seq:
        raise NoSuchDeadLetter(f"no dead letter has sequence {seq}")
    letter = await _dead_letter(bus, stored[0])
    if letter.is_requeued and not force:
        raise AlreadyRequeued(f"dead letter {seq} was sent again before")
    position = await bus.stream_position(DEAD_LETTERS.name)
    attempt = f"requeued:{seq}" if not letter.is_requeued else f"requeued:{seq}:{position.last_seq}"
    [published] = await bus.publish(
        [Outgoing(letter.subject, letter.data, f"{attempt}:{letter.msg_id}", letter.headers)]
    )
    await bus.publish([Outgoing(f"dead_letters.v1.requeued.{seq}", b"", attempt)])
    return published


def stage_of_durable(durable: str) -> str:
    """Durables are named `<stage>` or `<stage>-<partition or instance>`."""
    return durable.partition("-")[0]


async def advisories(bus: Bus) -> Subscription:
    """The server's advisories, to be given to `bury_given_up`, batch by batch."""
    return await bus.consume(ConsumerSpec(ADVISORIES.name, "dead_letters", ADVISORIES.subjects))


async def bury_given_up(
    bus: Bus, advisory: Delivery, *, stage_of: Callable[[str], str] = stage_of_durable
) -> Published:
    """Make a dead letter of a message that the server gave up delivering, or that a stage terminated.

    When the message itself is no longer stored, the letter is empty and its reason says so.
    """
    facts = json.loads(advisory.data)
    stream, seq, deliveries = facts["stream"], facts["stream_seq"], facts["deliveries"]
    exhausted = facts["type"].endswith(".max_deliver")
    reason = f"{REASON_EXHAUSTED} of {facts['consumer']}" if exhausted else facts.get("reason") or REASON_TERMINATED
    stored = await bus.read(stream, start_seq=seq, limit=1)
    if stored and stored[0].seq == seq:
        subject, data, headers = stored[0].subject, stored[0].data, stored[0].headers
    else:
        subject, data, headers, reason = "", b"", NO_HEADERS, f"{reason}; the message is no longer stored"
    given_up = Delivery(stream=stream, subject=subject, data=data, headers=headers, seq=seq, deliveries=deliveries)
    return await bury(bus, given_up, stage=stage_of(facts["consumer"]), reason=reason)


async def _dead_letter(bus: Bus, delivery: Delivery) -> DeadLetter:
    marker = await bus.last_message(DEAD_LETTERS.name, f"dead_letters.v1.requeued.{delivery.seq}")
    headers = delivery.headers
    return DeadLetter(
        seq=delivery.seq,
        stage=delivery.subject.rpartition(".")[2],
        reason=headers.get(REASON, ""),
        stream=headers.get(ORIGINAL_STREAM, ""),
        subject=headers.get(ORIGINAL_SUBJECT, ""),
        original_seq=int(headers.get(ORIGINAL_SEQ, "0")),
        msg_id=headers.get(ORIGINAL_MSG_ID, ""),
        deliveries=int(headers.get(ATTEMPTS, "0")),
        data=delivery.data,
        headers=_original_headers(headers),
        buried_ns=delivery.published_ns,
        is_requeued=marker is not None,
    )


def _original_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in headers.items()
        if key != MSG_ID and not key.startswith((OWN_PREFIX, SERVER_PREFIX))
    }


def _one_line(text: str) -> str:
    """A header value is one line."""
    return " ".join(text.split())
