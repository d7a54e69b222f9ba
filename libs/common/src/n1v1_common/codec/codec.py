"""Events to messages and back."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_type_hints

from google.protobuf.message import DecodeError

from n1v1.events import Event, SignalsComplete
from n1v1.values import Instrument
from n1v1_common.bus.partition import partition_of
from n1v1_common.codec import fields
from n1v1_common.codec.errors import Undecodable, UnknownVersion
from n1v1_common.codec.fields import FieldCodec, Units
from n1v1_common.codec.table import CARRIED, SCHEMA_VERSION, Carried

_HEADER = ("id", "ts_ns", "cause_id", "correlation_id")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message says about itself. ts_created_ns is the sender's wall clock."""

    event_id: str
    ts_event_ns: int
    ts_created_ns: int
    cause_id: str
    correlation_id: str
    schema_version: int


class Codec:
    """Writes and reads the messages of one system.

    instruments: the units of every symbol it may meet. partitions: how many for what is keyed by account;
    signal_partitions: for what is keyed by symbol.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        partitions: int = 1,
        signal_partitions: int = 1,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        units = Units({instrument.symbol: instrument for instrument in instruments})
        self._partitions = partitions
        self._signal_partitions = signal_partitions
        self._now_ns = wall_clock_ns
        self._by_event = {carried.event: _Carrier(carried, units) for carried in CARRIED}
        self._by_kind = {_kind(carrier.carried.subject): carrier for carrier in self._by_event.values()}

    def encode(self, event: Event) -> tuple[str, bytes]:
        """The subject and the bytes of an event."""
        carrier = self._by_event[type(event)]
        return self._subject(carrier, event), carrier.encode(event, self._now_ns())

    def decode(self, subject: str, data: bytes) -> tuple[Event, Envelope]:
        """The event in a message. Raises UnknownVersion or Undecodable with the reason for the dead letters."""
        carrier = self._by_kind.get(_kind(subject))
        if carrier is None:
            raise _unknown_subject(subject)
        return carrier.decode(data)

    def _subject(self, carrier: _Carrier, event: Event) -> str:
        key = carrier.carried.key
        if isinstance(event, SignalsComplete):
            return carrier.carried.subject.format(partition=event.partition)
        if not key:
            return carrier.carried.subject
        count = self._signal_partitions if key == "symbol" else self._partitions
        partition = partition_of(getattr(event, key), count)
        values = {name: getattr(event, name) for name in carrier.subject_fields}
        return carrier.carried.subject.format(partition=partition, **values)


class _Carrier:
    """One row of the table, prepared."""

    def __init__(self, carried: Carried, units: Units) -> None:
        self.carried = carried
        self._units = units
        self._fields = _field_codecs(carried, units)
        self._has_symbol = any(field.name == "symbol" for field in dataclasses.fields(carried.event))
        names = [field.name for field in dataclasses.fields(carried.event)]
        self.subject_fields = [name for name in names if "{" + name + "}" in carried.subject and name != "partition"]

    def encode(self, event: Event, now_ns: int) -> bytes:
        message = self.carried.message()
        envelope = message.envelope
        envelope.event_id = event.id
        envelope.ts_event_ns = event.ts_ns
        envelope.ts_created_ns = now_ns
        envelope.cause_id = event.cause_id
        envelope.correlation_id = event.correlation_id
        envelope.schema_version = SCHEMA_VERSION
        symbol = getattr(event, "symbol", "")
        for name, codec in self._fields:
            codec.write(message, getattr(event, name), symbol)
        data: bytes = message.SerializeToString()
        return data

    def decode(self, data: bytes) -> tuple[Event, Envelope]:
        message = self.carried.message()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise Undecodable(f"not a {self.carried.event.__name__}: {error}") from error
        envelope = _envelope(message.envelope, self.carried.event.__name__)
        symbol = message.symbol if self._has_symbol else ""
        if self._has_symbol:
            self._units.check(symbol)
        values = {name: codec.read(message, symbol) for name, codec in self._fields}
        event = self.carried.event(
            id=envelope.event_id,
            ts_ns=envelope.ts_event_ns,
            cause_id=envelope.cause_id,
            correlation_id=envelope.correlation_id,
            **values,
        )
        return event, envelope


def subject_filter(event: type[Event], *, partition: int | str = "*") -> str:
    """The subject pattern that hears every message of an event, or those of one partition."""
    template = next(carried.subject for carried in CARRIED if carried.event is event)
    pattern = template.replace("{partition}", str(partition))
    return re.sub(r"\{\w+\}", "*", pattern)


def _field_codecs(carried: Carried, units: Units) -> list[tuple[str, FieldCodec]]:
    hints = get_type_hints(carried.event)
    names = [field.name for field in dataclasses.fields(carried.event) if field.name not in _HEADER]
    return [(name, _field_codec(carried, name, hints[name], units)) for name in names]


def _field_codec(carried: Carried, name: str, hint: Any, units: Units) -> FieldCodec:
    amount = carried.amounts.get(name)
    if amount is not None:
        return fields.amount_field(amount.wire or name, amount.unit, units, is_optional=hint == int | None)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return fields.enum_field(name, hint)
    special = {
        "notes": fields.NOTES,
        "checks": fields.CHECKS,
        "scope": fields.SCOPE,
        "halts": fields.HALTS,
        "positions": fields.positions_field(units),
        "bids": fields.levels_field("bids", units),
        "asks": fields.levels_field("asks", units),
        "wish": fields.wish_field(units),
        "bracket": fields.bracket_field(units),
        "plan": fields.plan_field(units),
    }
    if name in special:
        return special[name]
    if hint == tuple[str, ...]:
        return fields.strings_field(name)
    return fields.optional_field(name) if hint == int | None else fields.plain_field(name)


def _envelope(wire: Any, name: str) -> Envelope:
    if wire.schema_version > SCHEMA_VERSION:
        raise UnknownVersion(f"{name} of revision {wire.schema_version}; this code knows up to {SCHEMA_VERSION}")
    if not wire.event_id:
        raise Undecodable(f"{name} without an event id in its envelope")
    return Envelope(
        wire.event_id, wire.ts_event_ns, wire.ts_created_ns, wire.cause_id, wire.correlation_id, wire.schema_version
    )


def _kind(subject: str) -> str:
    """Stage, version and kind: the first three tokens, which name the message."""
    return ".".join(subject.split(".", 3)[:3])


def _unknown_subject(subject: str) -> Undecodable:
    stage, _, rest = subject.partition(".")
    version = rest.partition(".")[0]
    if version != "v1" and any(carried.subject.startswith(f"{stage}.") for carried in CARRIED):
        return UnknownVersion(f"{subject}: version {version!r} of {stage}; this code knows v1")
    return Undecodable(f"{subject}: no message is known by this subject")
