"""What can go wrong on the bus, and whether trying again can help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n1v1_common.bus.api import Outgoing, Published


class BusError(Exception):
    """Everything the bus raises. `retryable`: the same call may succeed later without any change."""

    retryable: bool = False


class BusUnavailable(BusError):
    """The server cannot be reached or did not answer in time; the request had no effect that anyone relies
    on.
    """

    retryable = True


class BusClosed(BusError):
    """The bus was drained or closed; nothing more can be sent through it."""


class PublishError(BusError):
    """Not every message of a publish call is known to be stored.

    answers: one entry per message of the call, in order; None where nothing is known to be stored.
    """

    def __init__(self, text: str, answers: Sequence[Published | None]) -> None:
        super().__init__(text)
        self.answers = tuple(answers)


class PublishUnknown(PublishError):
    """Some messages have no acknowledgement: each of them may or may not be stored, now or after a reconnect.

    Publish `unknown` again under the same message ids: the stream drops what it already has, as long as that
    happens within its duplicate window.
    """

    retryable = True

    def __init__(self, unknown: Sequence[Outgoing], answers: Sequence[Published | None]) -> None:
        named = ", ".join(f"{message.msg_id} ({message.subject})" for message in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        super().__init__(f"no acknowledgement for {len(unknown)} of {len(answers)}: {named}{more}", answers)
        self.unknown = tuple(unknown)


class PublishRefused(PublishError):
    """The server answered that it will not store a message: too large, stream full, wrong expectation.

    Messages after it in the same call may have been stored; `answers` tells.
    """

    def __init__(
        self, message: Outgoing, reason: str, answers: Sequence[Published | None], *, retryable: bool = False
    ) -> None:
        super().__init__(f"{message.msg_id} to {message.subject} refused: {reason}", answers)
        self.retryable = retryable
        self.message = message
        self.reason = reason


class NoStreamHears(PublishRefused):
    """No stream stores this subject: the streams are not declared yet, or the subject is wrong."""


class StreamMissing(BusError):
    """The stream does not exist; declare it first."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"stream {stream} does not exist; declare it first")
        self.stream = stream


class StreamMismatch(BusError):
    """A stream of that name exists and cannot be changed into what was declared."""


class SubscriptionLost(BusError):
    """The durable was deleted or repositioned by somebody else: another process now owns it.

    Not retryable on purpose: two owners of one partition must not take turns.
    """


class RevisionConflict(BusError):
    """The key was written by somebody else since the expected revision."""

    def __init__(self, key: str, expected: int) -> None:
        super().__init__(f"{key} is no longer at revision {expected}")
        self.key = key
        self.expected = expected
