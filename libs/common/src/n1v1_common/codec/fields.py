"""How single fields are written to and read from a message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from n1v1.events import NO_WISH, Bracket, Level, Note, Wish
from n1v1.risk.halts import Halt, Scope
from n1v1.risk.reasons import Check
from n1v1.styles import Method, Plan, Style
from n1v1.values import INT64_MAX, Instrument, TimeInForce, decimal_places
from n1v1_common.codec.errors import Undecodable
from n1v1_common.codec.table import ENUMS, MEANT_WHEN_ABSENT, Unit
from n1v1_messages.envelope.v1 import envelope_pb2 as envelope
from n1v1_messages.portfolio.v1 import portfolio_pb2 as portfolio
from n1v1_messages.risk.v1 import risk_pb2 as risk
from n1v1_messages.signals.v1 import signals_pb2 as signals

SHIFT_MAX = 38
"""More digits than any two units of one amount are apart."""


class FieldCodec(NamedTuple):
    """write(message, value, symbol) sets the field; read(message, symbol) gives the core's value."""

    write: Callable[[Any, Any, str], None]
    read: Callable[[Any, str], Any]


class Units:
    """The exponents of ticks, lots and quanta, per instrument."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._places = {
            symbol: {
                Unit.TICKS: decimal_places(instrument.tick_size),
                Unit.LOTS: decimal_places(instrument.lot_size),
                Unit.QUANTA: decimal_places(instrument.quantum),
            }
            for symbol, instrument in instruments.items()
        }
        quanta = {places[Unit.QUANTA] for places in self._places.values()}
        self._quantum_places = quanta.pop() if len(quanta) == 1 else None

    def places(self, symbol: str, unit: Unit) -> int:
        """Digits behind the point of one unit. Raises Undecodable for a symbol that this system does not trade."""
        if unit is Unit.QUANTA and self._quantum_places is not None:
            return self._quantum_places
        self.check(symbol)
        return self._places[symbol][unit]

    def to_integer(self, value: envelope.Decimal, symbol: str, unit: Unit) -> int:
        places = self.places(symbol, unit)
        if value.exponent == -places:
            return value.mantissa
        shift = value.exponent + places
        # Far exponents are refused before anything is computed: 1e1000000000 would fill the memory.
        exact = Decimal(value.mantissa).scaleb(shift) if abs(shift) <= SHIFT_MAX else None
        if exact is None or exact != int(exact) or abs(exact) > INT64_MAX:
            raise Undecodable(f"{value.mantissa}e{value.exponent} is not a whole number of {unit} of {symbol}")
        return int(exact)

    def check(self, symbol: str) -> None:
        """Raises Undecodable for a symbol that this system does not trade."""
        if symbol not in self._places:
            raise Undecodable(f"unknown instrument {symbol!r}; this system trades {sorted(self._places)}")


def amount_field(name: str, unit: Unit, units: Units, *, is_optional: bool = False) -> FieldCodec:
    """An exact amount. None in the core is an absent field on the wire, which only an optional amount may be."""

    def write(message: Any, value: int | None, symbol: str) -> None:
        if value is not None:
            wire = getattr(message, name)
            wire.mantissa = value
            wire.exponent = -units.places(symbol, unit)
            wire.SetInParent()

    def read(message: Any, symbol: str) -> int | None:
        if message.HasField(name):
            return units.to_integer(getattr(message, name), symbol, unit)
        if not is_optional:
            raise Undecodable(f"{name} is missing")
        return None

    return FieldCodec(write, read)


def enum_field(name: str, kind: type[StrEnum]) -> FieldCodec:
    wire, prefix = ENUMS[kind]
    to_wire = {member: wire.Value(prefix + member.value) for member in kind}
    from_wire = {number: member for member, number in to_wire.items()}
    if kind in MEANT_WHEN_ABSENT:
        from_wire[0] = MEANT_WHEN_ABSENT[kind]

    def write(message: Any, value: StrEnum, symbol: str) -> None:
        setattr(message, name, to_wire[value])

    def read(message: Any, symbol: str) -> StrEnum:
        number = getattr(message, name)
        if number not in from_wire:
            raise Undecodable(f"{name} is {number}, which is no {kind.__name__} that this code knows")
        return from_wire[number]

    return FieldCodec(write, read)


def optional_enum_field(name: str, kind: type[StrEnum]) -> FieldCodec:
    """None in the core is the unspecified value on the wire."""
    given = enum_field(name, kind)

    def write(message: Any, value: StrEnum | None, symbol: str) -> None:
        if value is not None:
            given.write(message, value, symbol)

    def read(message: Any, symbol: str) -> StrEnum | None:
        value: StrEnum | None = given.read(message, symbol) if getattr(message, name) else None
        return value

    return FieldCodec(write, read)


def plain_field(name: str) -> FieldCodec:
    return FieldCodec(
        lambda message, value, symbol: setattr(message, name, value),
        lambda message, symbol: getattr(message, name),
    )


def optional_field(name: str) -> FieldCodec:
    def write(message: Any, value: Any, symbol: str) -> None:
        if value is not None:
            setattr(message, name, value)

    def read(message: Any, symbol: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None

    return FieldCodec(write, read)


def strings_field(name: str) -> FieldCodec:
    return FieldCodec(
        lambda message, value, symbol: getattr(message, name).extend(value),
        lambda message, symbol: tuple(getattr(message, name)),
    )


def _write_notes(message: Any, notes: tuple[Note, ...], symbol: str) -> None:
    for note in notes:
        values = [signals.NamedValue(name=name, value=value) for name, value in note.values]
        message.notes.add(instance=note.instance, symbol=note.symbol, reason=note.reason, values=values)


def _read_notes(message: Any, symbol: str) -> tuple[Note, ...]:
    return tuple(
        Note(
            instance=note.instance,
            symbol=note.symbol,
            reason=note.reason,
            values=tuple((entry.name, entry.value) for entry in note.values),
        )
        for note in message.notes
    )


def _write_checks(message: Any, checks: tuple[Check, ...], symbol: str) -> None:
    message.checks.extend(risk.Check(name=c.name, passed=c.passed, detail=c.detail) for c in checks)


def _read_checks(message: Any, symbol: str) -> tuple[Check, ...]:
    return tuple(Check(check.name, check.passed, check.detail) for check in message.checks)


NOTES = FieldCodec(_write_notes, _read_notes)
CHECKS = FieldCodec(_write_checks, _read_checks)


def _write_scope(message: Any, scope: Scope, symbol: str) -> None:
    message.scope.instance, message.scope.symbol = scope.instance, scope.symbol


def _read_scope(message: Any, symbol: str) -> Scope:
    return Scope(instance=message.scope.instance, symbol=message.scope.symbol)


def _write_halts(message: Any, halts: tuple[Halt, ...], symbol: str) -> None:
    for halt in halts:
        wire = message.halts.add()
        _write_scope(wire, halt.scope, symbol)
        for name in _PLAIN_OF_HALT:
            setattr(wire, name, getattr(halt, name))


def _read_halts(message: Any, symbol: str) -> tuple[Halt, ...]:
    return tuple(
        Halt(scope=_read_scope(wire, symbol), **{name: getattr(wire, name) for name in _PLAIN_OF_HALT})
        for wire in message.halts
    )


_PLAIN_OF_HALT = tuple(field.name for field in dataclasses.fields(Halt) if field.name != "scope")
SCOPE = FieldCodec(_write_scope, _read_scope)
HALTS = FieldCodec(_write_halts, _read_halts)


def positions_field(units: Units) -> FieldCodec:
    quantity, mark = amount_field("quantity", Unit.LOTS, units), amount_field("mark", Unit.TICKS, units)

    def write(message: Any, positions: tuple[tuple[str, int, int], ...], symbol: str) -> None:
        for held, lots, ticks in positions:
            wire = portfolio.MarkedPosition(symbol=held)
            quantity.write(wire, lots, held)
            mark.write(wire, ticks, held)
            message.positions.append(wire)

    def read(message: Any, symbol: str) -> tuple[tuple[str, int, int], ...]:
        return tuple(
            (wire.symbol, quantity.read(wire, wire.symbol), mark.read(wire, wire.symbol)) for wire in message.positions
        )

    return FieldCodec(write, read)


def levels_field(name: str, units: Units) -> FieldCodec:
    price, quantity = amount_field("price", Unit.TICKS, units), amount_field("quantity", Unit.LOTS, units)

    def write(message: Any, levels: tuple[Level, ...], symbol: str) -> None:
        wires = getattr(message, name)
        for ticks, lots in levels:
            wire = wires.add()
            price.write(wire, ticks, symbol)
            quantity.write(wire, lots, symbol)

    def read(message: Any, symbol: str) -> tuple[Level, ...]:
        return tuple((price.read(wire, symbol), quantity.read(wire, symbol)) for wire in getattr(message, name))

    return FieldCodec(write, read)


def optional_part(name: str, kind: type[Any], parts: Mapping[str, FieldCodec]) -> FieldCodec:
    """A message within the message, of which the core has a class of its own; None when it is absent."""

    def write(message: Any, value: Any, symbol: str) -> None:
        if value is not None:
            wire = getattr(message, name)
            wire.SetInParent()
            for field, part in parts.items():
                part.write(wire, getattr(value, field), symbol)

    def read(message: Any, symbol: str) -> Any:
        if not message.HasField(name):
            return None
        wire = getattr(message, name)
        return kind(**{field: part.read(wire, symbol) for field, part in parts.items()})

    return FieldCodec(write, read)


STYLE = optional_part(
    "style",
    Style,
    {
        "method": enum_field("method", Method),
        "parts": optional_field("parts"),
        "interval_ns": optional_field("interval_ns"),
    },
)


def wish_field(units: Units) -> FieldCodec:
    """The fields of a Wish stand in the message itself, beside what the strategy wants."""
    parts = {
        "fraction_ppb": optional_field("fraction_ppb"),
        "value": amount_field("value", Unit.QUANTA, units, is_optional=True),
        "lots": amount_field("quantity", Unit.LOTS, units, is_optional=True),
        "stop_ppb": optional_field("stop_ppb"),
        "target_ppb": optional_field("target_ppb"),
        "trail_ppb": optional_field("trail_ppb"),
        "limit_ticks": amount_field("limit_price", Unit.TICKS, units, is_optional=True),
        "trigger_ticks": amount_field("trigger_price", Unit.TICKS, units, is_optional=True),
        "time_in_force": optional_enum_field("time_in_force", TimeInForce),
        "is_post_only": plain_field("is_post_only"),
        "style": STYLE,
    }

    def write(message: Any, wish: Wish, symbol: str) -> None:
        if wish != NO_WISH:
            for name, part in parts.items():
                part.write(message, getattr(wish, name), symbol)

    def read(message: Any, symbol: str) -> Wish:
        return Wish(**{name: part.read(message, symbol) for name, part in parts.items()})

    return FieldCodec(write, read)


def plan_field(units: Units) -> FieldCodec:
    parts = {
        "method": enum_field("method", Method),
        "parts": plain_field("parts"),
        "interval_ns": plain_field("interval_ns"),
        "step_lots": amount_field("step_quantity", Unit.LOTS, units),
        "least_lots": amount_field("least_quantity", Unit.LOTS, units),
    }
    return optional_part("plan", Plan, parts)


def bracket_field(units: Units) -> FieldCodec:
    parts = {
        "stop_ticks": amount_field("stop_price", Unit.TICKS, units, is_optional=True),
        "target_ticks": amount_field("target_price", Unit.TICKS, units, is_optional=True),
        "trail_ppb": optional_field("trail_ppb"),
        "trail_step_ppb": plain_field("trail_step_ppb"),
    }
    return optional_part("bracket", Bracket, parts)
