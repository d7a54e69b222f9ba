"""Every event travels and comes back the same; what cannot be read says why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1 import events
from n1v1.events import (
    Action,
    BarClosed,
    Bracket,
    Event,
    Note,
    OrderAccepted,
    OrderApproved,
    OrderFilled,
    OrderSubmitted,
    SignalRaised,
    Wish,
)
from n1v1.risk.halts import Halt, Scope
from n1v1.risk.reasons import Check
from n1v1.styles import Method, Plan, Style
from n1v1.values import Instrument, Purpose, TimeInForce
from n1v1_common.codec import Codec, Undecodable, UnknownVersion
from n1v1_common.codec.codec import subject_filter
from n1v1_common.codec.table import CARRIED, Carried
from n1v1_messages.execution.v1 import execution_pb2
from n1v1_messages.market_data.v1 import market_data_pb2
from n1v1_messages.signals.v1 import signals_pb2

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
SHIB = Instrument(
    symbol="SHIB-USD",
    base="SHIB",
    quote="USD",
    tick_size=Decimal("0.00000001"),
    lot_size=Decimal(1),
    step_lots=1,
    max_price=Decimal(1),
    max_quantity=Decimal(90_000_000),
)
CODEC = Codec([BTC, SHIB], signal_partitions=3, wall_clock_ns=lambda: 1_700_000_000_000_000_000)
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
MAYBE = st.none() | INT64
METHODS, PARTS = st.sampled_from(list(Method)), st.integers(2, 99)
STYLES = st.builds(Style, METHODS, st.none() | PARTS, st.none() | st.integers(1, 2**63 - 1))
WISHED_ORDER = {
    "time_in_force": st.none() | st.sampled_from(list(TimeInForce)),
    "is_post_only": st.booleans(),
    "style": st.none() | STYLES,
}
WISH_FIELDS = [field.name for field in dataclasses.fields(Wish) if field.name not in WISHED_ORDER]
BRACKET_FIELDS = ["stop_ticks", "target_ticks", "trail_ppb"]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
TOKEN = st.text("abcXYZ019_-", min_size=1, max_size=8)
"""What may stand between the dots of a subject."""
SYMBOLS = st.sampled_from([BTC.symbol, SHIB.symbol])
LEVELS = st.lists(st.tuples(INT64, INT64), max_size=3).map(tuple)
SCOPES = st.builds(Scope, instance=TEXT, symbol=TEXT)
HALTS = st.builds(
    Halt,
    scope=SCOPES,
    reason=TEXT,
    actor=TEXT,
    since_ns=INT64,
    until_ns=INT64,
    closes=st.booleans(),
    command_id=TEXT,
)
IN_SUBJECTS = {"account": TOKEN, "instance": TOKEN, "timeframe": TOKEN, "symbol": SYMBOLS}
GOLDEN = Path(__file__).parent / "golden" / "version_1.json"


def values_of(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field may have."""
    if name in IN_SUBJECTS:
        return IN_SUBJECTS[name]
    composed: dict[str, st.SearchStrategy[Any]] = {
        "id": TOKEN,
        "partition": st.integers(0, 63),
        "sequence": INT64,
        "notes": st.lists(note(), max_size=3).map(tuple),
        "checks": st.lists(st.builds(Check, TEXT, st.booleans(), TEXT), max_size=3).map(tuple),
        "wish": st.builds(Wish, **dict.fromkeys(WISH_FIELDS, MAYBE), **WISHED_ORDER),
        "plan": st.none()
        | st.builds(Plan, method=METHODS, parts=PARTS, interval_ns=INT64, step_lots=INT64, least_lots=INT64),
        "bracket": st.none() | st.builds(Bracket, **dict.fromkeys(BRACKET_FIELDS, MAYBE), trail_step_ppb=INT64),
        "scope": SCOPES,
        "halts": st.lists(HALTS, max_size=3).map(tuple),
        "bids": LEVELS,
        "asks": LEVELS,
        "positions": st.lists(st.tuples(SYMBOLS, INT64, INT64), max_size=3).map(tuple),
    }
    if name in composed:
        return composed[name]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    return scalars(hint)


def scalars(hint: Any) -> st.SearchStrategy[Any]:
    if hint == tuple[str, ...]:
        return st.lists(TEXT, max_size=3).map(tuple)
    if type(None) in get_args(hint):
        return MAYBE
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        int: INT64,
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        str: TEXT,
    }
    return kinds.get(hint, TEXT)  # the others are NewTypes of str


def note() -> st.SearchStrategy[Note]:
    values = st.lists(st.tuples(TEXT, st.floats(allow_nan=False)), max_size=2).map(tuple)
    return st.builds(Note, instance=TEXT, symbol=TEXT, reason=TEXT, values=values)


COUNTS = {"approved", "refused", "signals", "open_orders", "orders", "fills"}
"""Counted in 32 bits on the wire."""


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    hints = get_type_hints(kind)
    fields = {
        field.name: st.integers(0, 2**31 - 1) if field.name in COUNTS else values_of(field.name, hints[field.name])
        for field in dataclasses.fields(kind)
    }
    return st.builds(kind, **fields)


@pytest.mark.parametrize("carried", CARRIED, ids=lambda carried: carried.event.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_event_comes_back_as_it_was_sent(carried: Carried, data: st.DataObject) -> None:
    event = data.draw(events_of(carried.event))
    subject, wire = CODEC.encode(event)
    back, envelope = CODEC.decode(subject, wire)
    assert back == event
    assert (envelope.event_id, envelope.ts_event_ns, envelope.schema_version) == (event.id, event.ts_ns, 1)
    assert " " not in subject
    assert len(subject.split(".")) == len(subject_filter(carried.event).split("."))


def every_event_class() -> set[type[Event]]:
    """Those that can happen: the roots of others only lend them fields."""
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    return {kind for kind in kinds if not any(kind in other.__mro__[1:] for other in kinds)}


def test_every_event_of_the_core_is_carried() -> None:
    assert {carried.event for carried in CARRIED} == every_event_class()


def test_every_message_of_version_1_that_was_ever_stored_can_be_read() -> None:
    """The bytes are those of the first release, and stay. Fields that came later are read as what was meant then."""
    golden = json.loads(GOLDEN.read_text())
    assert set(golden) == {carried.event.__name__ for carried in CARRIED}
    for name, entry in golden.items():
        event, _ = CODEC.decode(entry["subject"], bytes.fromhex(entry["bytes"]))
        assert type(event).__name__ == name
        assert repr(event) == entry["event"]


def bar(change: Callable[[Any], None] = lambda wire: None) -> tuple[str, bytes]:
    """A bar on the wire, changed. Any: generated messages."""
    event = BarClosed(
        id="bar:1",
        ts_ns=60,
        symbol="BTC-USD",
        timeframe="1m",
        open_ns=0,
        open=1,
        high=2,
        low=1,
        close=123_456,
        volume=5,
    )
    subject, data = CODEC.encode(event)
    wire = market_data_pb2.BarClosed.FromString(data)
    change(wire)
    return subject, wire.SerializeToString()


def close_of(change: Callable[[Any], None]) -> int:
    event, _ = CODEC.decode(*bar(change))
    assert isinstance(event, BarClosed)
    return event.close


@pytest.mark.parametrize(
    ("mantissa", "exponent", "ticks"),
    [(123_456, -2, 123_456), (12_345_600, -4, 123_456), (12, 2, 120_000), (0, -30, 0), (-5, 0, -500)],
)
def test_an_amount_with_another_exponent_is_read_exactly(mantissa: int, exponent: int, ticks: int) -> None:
    def other(wire: Any) -> None:
        wire.close.mantissa, wire.close.exponent = mantissa, exponent

    assert close_of(other) == ticks


@pytest.mark.parametrize(
    ("mantissa", "exponent"),
    [(1, -3), (2**62, 2), (-(2**62), 2), (1, 2**31 - 1), (1, -(2**31)), (0, 2**31 - 1), (7, 40)],
)
def test_an_amount_that_is_no_whole_number_of_units_is_refused(mantissa: int, exponent: int) -> None:
    def other(wire: Any) -> None:
        wire.close.mantissa, wire.close.exponent = mantissa, exponent

    with pytest.raises(Undecodable, match="is not a whole number of ticks of BTC-USD"):
        close_of(other)


def test_a_required_amount_that_is_missing_is_refused() -> None:
    with pytest.raises(Undecodable, match="close is missing"):
        close_of(lambda wire: wire.ClearField("close"))


def test_only_an_optional_amount_may_be_missing() -> None:
    event = next(e for e in map(golden_event, ["OrderApproved"]) if isinstance(e, OrderApproved))
    back, _ = CODEC.decode(*CODEC.encode(dataclasses.replace(event, limit_ticks=None)))
    assert isinstance(back, OrderApproved)
    assert back.limit_ticks is None


@pytest.mark.parametrize("name", WISH_FIELDS)
def test_each_wish_of_a_strategy_travels_alone(name: str) -> None:
    signal = golden_event("SignalRaised")
    assert isinstance(signal, SignalRaised)
    wishing = dataclasses.replace(signal, wish=Wish(**{name: 1_234}))  # type: ignore[arg-type]  # by name
    assert CODEC.decode(*CODEC.encode(wishing))[0] == wishing


@pytest.mark.parametrize(
    "bracket",
    [Bracket(stop_ticks=9_900), Bracket(target_ticks=11_000), Bracket(trail_ppb=20_000_000, trail_step_ppb=1_000_000)],
)
def test_each_part_of_a_bracket_travels_alone(bracket: Bracket) -> None:
    approved = golden_event("OrderApproved")
    assert isinstance(approved, OrderApproved)
    protected = dataclasses.replace(approved, bracket=bracket)
    assert CODEC.decode(*CODEC.encode(protected))[0] == protected


@pytest.mark.parametrize("name", ["OrderApproved", "OrderSubmitted", "OrderFilled"])
def test_a_message_from_before_orders_had_a_purpose_is_about_an_entry(name: str) -> None:
    event = golden_event(name)
    assert isinstance(event, OrderApproved | OrderSubmitted | OrderFilled)
    assert event.purpose is Purpose.ENTRY
    stopped = dataclasses.replace(event, purpose=Purpose.STOP_LOSS)
    assert CODEC.decode(*CODEC.encode(stopped))[0] == stopped


def golden_event(name: str) -> Event:
    entry = json.loads(GOLDEN.read_text())[name]
    return CODEC.decode(entry["subject"], bytes.fromhex(entry["bytes"]))[0]


def test_an_unknown_instrument_is_refused_whether_or_not_the_message_has_amounts() -> None:
    with pytest.raises(Undecodable, match=r"unknown instrument 'DOGE-USD'; this system trades .*SHIB-USD"):
        CODEC.decode(*bar(lambda wire: setattr(wire, "symbol", "DOGE-USD")))
    accepted = golden_event("OrderAccepted")
    assert isinstance(accepted, OrderAccepted)
    subject, data = CODEC.encode(accepted)
    wire = execution_pb2.OrderAccepted.FromString(data)
    wire.symbol = "DOGE-USD"
    with pytest.raises(Undecodable, match="unknown instrument"):
        CODEC.decode(subject, wire.SerializeToString())


@pytest.mark.parametrize("number", [0, 77])
def test_a_value_of_an_enumeration_that_this_code_does_not_know_is_refused(number: int) -> None:
    signal = golden_event("SignalRaised")
    assert isinstance(signal, SignalRaised)
    assert signal.action is Action.BUY
    subject, data = CODEC.encode(signal)
    wire = signals_pb2.SignalRaised.FromString(data)
    wire.action = number  # type: ignore[assignment]  # what a newer sender may write
    with pytest.raises(Undecodable, match=f"action is {number}, which is no Action that this code knows"):
        CODEC.decode(subject, wire.SerializeToString())


def test_a_later_revision_is_refused_as_such() -> None:
    with pytest.raises(UnknownVersion, match="BarClosed of revision 99; this code knows up to 1"):
        CODEC.decode(*bar(lambda wire: setattr(wire.envelope, "schema_version", 99)))


def test_a_later_version_of_the_subject_is_refused_as_such() -> None:
    with pytest.raises(UnknownVersion, match="version 'v2' of execution; this code knows v1"):
        CODEC.decode("execution.v2.filled.0.main.BTC-USD", b"")


def test_a_subject_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Undecodable, match="no message is known by this subject"):
        CODEC.decode("weather.v1.rain", b"")


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(Undecodable, match="not a BarClosed"):
        CODEC.decode("market_data.v1.bar.0.BTC-USD.1m", b"\xff\xff")


def test_a_message_without_an_envelope_is_refused() -> None:
    with pytest.raises(Undecodable, match="BarClosed without an event id"):
        CODEC.decode(*bar(lambda wire: wire.ClearField("envelope")))


def test_a_field_of_a_newer_sender_is_ignored() -> None:
    subject, data = bar()
    event, _ = CODEC.decode(subject, data + b"\xfa\x3f\x03new")  # field 127, bytes
    assert event.id == "bar:1"


def test_amounts_of_each_instrument_have_its_own_exponents() -> None:
    fill = golden_event("OrderFilled")
    assert isinstance(fill, OrderFilled)
    _, data = CODEC.encode(dataclasses.replace(fill, symbol="SHIB-USD"))
    wire = execution_pb2.OrderFilled.FromString(data)
    assert (wire.price.exponent, wire.quantity.exponent, wire.value.exponent) == (-8, 0, -8)
