"""Why a message could not be read. Both go to the dead letters with their text as the reason."""

from __future__ import annotations

from n1v1.errors import N1v1Error


class Undecodable(N1v1Error, ValueError):
    """The bytes are not the message that the subject promises, or its content contradicts itself."""


class UnknownVersion(Undecodable):
    """A message of a version that this code does not know: from a newer sender."""
