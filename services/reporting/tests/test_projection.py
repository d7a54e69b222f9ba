"""Events become rows; what says nothing about the account becomes none."""

from __future__ import annotations

from collections import Counter

from n1v1.events import (
    Action,
    DecisionsComplete,
    Event,
    Note,
    OrderApproved,
    OrderEvent,
    OrderFilled,
    SignalRaised,
    SignalsComplete,
)
from n1v1.execution.legs import legs_of
from n1v1.ids import SignalId
from n1v1_reporting.projection import Row, Table, rows_of


def test_a_signal_and_a_note_are_both_verdicts_on_a_bar() -> None:
    signal = SignalRaised(
        id=SignalId("ema:BTC-USD:1"),
        ts_ns=10,
        instance="ema",
        symbol="BTC-USD",
        action=Action.BUY,
        strength=0.5,
        reason="crossed",
    )
    note = Note(instance="ema", symbol="ETH-USD", reason="no cross", values=(("fast", 1.5), ("slow", 2.0)))
    (said,) = rows_of(signal)
    (silent,) = rows_of(SignalsComplete(id="s", ts_ns=10, partition=0, signals=1, notes=(note,)))
    assert said.table is silent.table is Table.VERDICTS
    assert (said.values["signal_id"], said.values["action"]) == ("ema:BTC-USD:1", "BUY")
    assert (silent.values["signal_id"], silent.values["reason"]) == (None, "no cross")
    assert silent.values["looked_at"] == '[["fast", 1.5], ["slow", 2.0]]'


def test_an_approval_is_a_decision_an_order_and_the_orders_of_its_bracket(events: list[Event]) -> None:
    tables = Counter(row.table for event in events for row in rows_of(event))
    approved = [event for event in events if isinstance(event, OrderApproved)]
    assert tables[Table.ORDERS] == sum(1 + len(legs_of(event)) for event in approved) > len(approved) > 0
    assert tables[Table.FILLS] == sum(isinstance(event, OrderFilled) for event in events) > 0
    assert tables[Table.ORDER_EVENTS] == sum(isinstance(event, OrderEvent) for event in events), "all fills are final"
    assert tables[Table.VERDICTS] == 2 * tables[Table.EQUITY]


def test_rows_of_one_table_have_the_same_columns_in_the_same_order(events: list[Event]) -> None:
    columns: dict[Table, set[tuple[str, ...]]] = {}
    for row in (row for event in events for row in rows_of(event)):
        columns.setdefault(row.table, set()).add(tuple(row.values))
    assert all(len(kinds) == 1 for kinds in columns.values())


def test_most_watermarks_are_no_rows() -> None:
    none: list[Row] = rows_of(DecisionsComplete(id="d", ts_ns=1, account="main", approved=0, refused=0))
    assert none == []
