"""What a run did, reduced to what must be equal in every driver, and a hash of it.

In: every signal with its verdict, every order with how it ended, every execution, every mark of the account.
Out: wall-clock times, attempts, the venue's order ids, the order of delivery. Two runs of one dataset and one
configuration have equal hashes whether they ran in process, through the services, or were killed on the way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any

from n1v1.equity_rows import EquityRow
from n1v1.events import (
    EquityMarked,
    Event,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    SignalRaised,
)
from n1v1.execution.legs import legs_of
from n1v1.values import OrderType, Side

DecisionRow = tuple[int, str, str, str, str, str, str, str, str]
"""bar_close_ns, instance, symbol, action, strength, reason, verdict, refusal reason or '', order id or ''"""
OrderRow = tuple[str, str, str, str, int, str, int]
"""order id, symbol, side, type, lots as they were approved, final state, filled lots.

The legs of an approved entry are orders as well, whatever became of the entry; their lots are those of the entry.
"""
FillRow = tuple[int, str, str, str, int, int, int, int]
"""ts_ns, order id, trade id, side, lots, ticks, value, fee"""
PENDING = "PENDING"
APPROVED = "APPROVED"
REFUSED = "REFUSED"

HEARD_OF: dict[type[OrderEvent], str] = {
    OrderSubmitted: "SUBMITTED",
    OrderAccepted: "ACCEPTED",
    OrderRejected: "REJECTED",
    OrderCancelled: "CANCELLED",
    OrderExpired: "EXPIRED",
    OrderUnknown: "UNKNOWN",
}
"""The word that each event leaves on its order. Fills leave lots, and the last one DONE."""
DONE = "FILLED"


@dataclass(frozen=True, slots=True)
class RunRecords:
    """Rows in any order; duplicates are the caller's to remove."""

    decisions: tuple[DecisionRow, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    fills: tuple[FillRow, ...] = ()
    equity: Sequence[EquityRow] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RunRecords:
        """Rows that went through JSON come back as lists; this makes them tuples again."""
        return cls(**{kind: tuple(_frozen(row) for row in content[kind]) for kind in _KINDS})


@dataclass(frozen=True, slots=True)
class RunHashes:
    """run: SHA-256 over every row of every kind as sorted JSON lines.

    by_kind: the same of each of decisions, orders, fills, equity: says where two runs part.
    """

    run: str
    by_kind: Mapping[str, str]


def hashes_of(records: RunRecords) -> RunHashes:
    """Both at once, so that every row is written only once."""
    run, by_kind = hashlib.sha256(), {}
    for kind in _KINDS:
        content = "".join(sorted(_lines(kind, getattr(records, kind)))).encode()
        run.update(content)
        by_kind[kind] = hashlib.sha256(content).hexdigest()
    return RunHashes(run.hexdigest(), by_kind)


def run_hash(records: RunRecords) -> str:
    """SHA-256 over every row of every kind as sorted JSON lines."""
    return hashes_of(records).run


def hashes_by_kind(records: RunRecords) -> Mapping[str, str]:
    """One hash for each of decisions, orders, fills, equity: says where two runs part."""
    return hashes_of(records).by_kind


def first_difference(one: RunRecords, other: RunRecords) -> str | None:
    """The earliest row that only one of two runs has, in words; None when the runs are equal."""
    for kind in _KINDS:
        ours, theirs = set(getattr(one, kind)), set(getattr(other, kind))
        if ours != theirs:
            row = min(ours ^ theirs)
            return f"{kind}: only the {'first' if row in ours else 'second'} run has {row}"
    return None


def order_state(*, lots: int, filled_lots: int, heard: Set[str]) -> str:
    """How an order stands, from what was heard of it, in whatever order and however often it was heard.

    A fill that arrives after a cancel still counts; an answer resolves an UNKNOWN. An order can be done with less than
    its lots: a leg whose entry filled only in part.
    """
    if filled_lots >= lots or DONE in heard:
        return DONE
    for closed in ("REJECTED", "CANCELLED", "EXPIRED"):
        if closed in heard:
            return closed
    if filled_lots:
        return "PARTIALLY_FILLED"
    return next((word for word in ("ACCEPTED", "UNKNOWN", "SUBMITTED") if word in heard), APPROVED)


def from_events(events: Iterable[Event], equity: Sequence[EquityRow] | None = None) -> RunRecords:
    """The records of one account's run, from its events in any order; repeated events count once.

    equity: the marks of the account, when they are kept apart; they are then read after the last event.
    """
    collected = _Collected()
    for event in events:
        collected.hear(event)
    return collected.records(equity)


@dataclass(slots=True)
class _Order:
    approved: tuple[str, Side, OrderType, int] | None = None
    """symbol, side, type, lots"""
    heard: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Collected:
    signals: dict[str, SignalRaised] = field(default_factory=dict)
    verdicts: dict[str, OrderApproved | OrderRefused] = field(default_factory=dict)
    orders: dict[str, _Order] = field(default_factory=dict)
    fills: dict[str, OrderFilled] = field(default_factory=dict)
    marks: dict[int, EquityMarked] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        match event:
            case OrderEvent() if type(event) in HEARD_OF:
                self._order(event.order_id).heard.add(HEARD_OF[type(event)])
            case SignalRaised():
                self.signals[event.id] = event
            case OrderApproved():
                self.verdicts[event.signal_id] = event
                self._approve(event)
            case OrderRefused():
                self.verdicts[event.signal_id] = event
            case OrderFilled():
                self.fills[event.fill_id] = event
                if event.is_final:
                    self._order(event.order_id).heard.add(DONE)
            case EquityMarked():
                self.marks[event.ts_ns] = event

    def _approve(self, event: OrderApproved) -> None:
        self._order(event.order_id).approved = (event.symbol, event.side, event.type, event.lots)
        for leg in legs_of(event):
            self._order(leg.order_id).approved = (event.symbol, leg.side, leg.type, leg.lots)

    def _order(self, order_id: str) -> _Order:
        order = self.orders.get(order_id)
        if order is None:
            order = self.orders[order_id] = _Order()
        return order

    def records(self, equity: Sequence[EquityRow] | None) -> RunRecords:
        return RunRecords(
            decisions=tuple(decision_row(s, self.verdicts.get(s.id)) for s in self.signals.values()),
            orders=tuple(self._order_rows()),
            fills=tuple(fill_row(fill) for fill in self.fills.values()),
            equity=tuple(map(equity_row, self.marks.values())) if equity is None else equity,
        )

    def _order_rows(self) -> Iterable[OrderRow]:
        filled: dict[str, int] = {}
        for fill in self.fills.values():
            filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.lots
        for order_id, order in self.orders.items():
            if order.approved is None:
                raise ValueError(f"order {order_id} was never approved: events of the run are missing")
            symbol, side, type_, lots = order.approved
            done = filled.get(order_id, 0)
            state = order_state(lots=lots, filled_lots=done, heard=order.heard)
            yield (order_id, symbol, side.value, type_.value, lots, state, done)


def decision_row(signal: SignalRaised, verdict: OrderApproved | OrderRefused | None) -> DecisionRow:
    word, refusal, order_id = PENDING, "", ""
    if isinstance(verdict, OrderApproved):
        word, order_id = APPROVED, verdict.order_id
    elif isinstance(verdict, OrderRefused):
        word, refusal = REFUSED, verdict.reason.value
    return (
        signal.ts_ns,
        signal.instance,
        signal.symbol,
        signal.action.value,
        repr(signal.strength),
        signal.reason,
        word,
        refusal,
        order_id,
    )


def fill_row(fill: OrderFilled) -> FillRow:
    return (
        fill.ts_ns,
        fill.order_id,
        fill.trade_id,
        fill.side.value,
        fill.lots,
        fill.ticks,
        fill.value,
        fill.fee,
    )


def equity_row(mark: EquityMarked) -> EquityRow:
    return (mark.ts_ns, mark.cash, mark.equity, mark.positions)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


_KINDS = tuple(kind.name for kind in fields(RunRecords))


_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _lines(kind: str, rows: Iterable[Any]) -> Iterable[str]:
    """Each row with its kind as a line of JSON; no line is the beginning of another, so that they sort as rows do."""
    if kind == "equity":
        return _equity_lines(rows)
    return (_as_json([kind, *row]) + "\n" for row in rows)


def _equity_lines(rows: Iterable[EquityRow]) -> Iterator[str]:
    """There is one for every bar time, so they are formatted by hand: a tenth of the time that json.dumps takes."""
    quoted: dict[str, str] = {}
    for ts_ns, cash, equity, positions in rows:
        parts = []
        for symbol, lots, mark in positions:
            if symbol not in quoted:
                quoted[symbol] = _as_json(symbol)
            parts.append(f"[{quoted[symbol]},{lots},{mark}]")
        yield f'["equity",{ts_ns},{cash},{equity},[{",".join(parts)}]]\n'
