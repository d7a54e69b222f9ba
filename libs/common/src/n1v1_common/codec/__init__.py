"""Between the core's events and the messages on the wire."""

from n1v1_common.codec.codec import Codec, Envelope
from n1v1_common.codec.errors import Undecodable, UnknownVersion

__all__ = ["Codec", "Envelope", "Undecodable", "UnknownVersion"]
