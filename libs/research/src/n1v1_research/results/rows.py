"""The rows of a run as tables with exact decimals: trades, orders, fills, equity, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from n1v1.performance import RecordedExecution, RoundTrip, drawdowns
from n1v1.values import Instrument, decimal_places
from n1v1_research.results.moments import iso_texts

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult


@dataclass(frozen=True, slots=True)
class Table:
    """columns: by name, all equally long: text, numbers, or None; exact amounts are decimal text.

    decimals: the columns that hold exact amounts. times: those that hold ISO times.
    """

    name: str
    columns: dict[str, list[Any]]
    decimals: frozenset[str]
    times: frozenset[str]

    def rows(self) -> Iterable[tuple[Any, ...]]:
        return zip(*self.columns.values(), strict=True)

    @property
    def is_of_numbers(self) -> bool:
        """Whether every column holds amounts, times or floats."""
        rest = (values for name, values in self.columns.items() if name not in self.decimals | self.times)
        return all(type(value) is float for values in rest for value in values)


def tables_of(result: RunResult) -> list[Table]:
    return [trades(result), orders(result), fills(result), equity(result), decisions(result)]


def fixed(units: int, places: int) -> str:
    """`units` of 10 ** -places as decimal text: fixed(-1234, 2) is '-12.34'."""
    if places == 0:
        return str(units)
    digits = f"{abs(units):0{places + 1}d}"
    return f"{'-' if units < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def fixed_column(units: NDArray[np.int64], places: int) -> list[str]:
    """`fixed` of each. A long column that is nowhere negative is formatted at once, in a third of the time."""
    if places == 0 or not len(units) or units.min() < 0:
        return [fixed(unit, places) for unit in units.tolist()]
    parts = np.column_stack(np.divmod(units, 10**places)).ravel().tolist()
    return (f"%d.%0{places}d\n" * len(units) % tuple(parts)).split("\n")[:-1]


def trades(result: RunResult) -> Table:
    trips = result.trips
    cash = _cash_text(result)
    return Table(
        "trades",
        {
            "symbol": [trip.symbol for trip in trips],
            "side": ["LONG" if trip.side.sign > 0 else "SHORT" for trip in trips],
            "quantity": [_quantity(result.instrument(trip.symbol), trip.lots) for trip in trips],
            "entry_time": _times([trip.entry_ns for trip in trips]),
            "exit_time": _times([trip.exit_ns for trip in trips]),
            "entry_price": [_average_price(result, trip, trip.entry_value) for trip in trips],
            "exit_price": [_average_price(result, trip, trip.exit_value) for trip in trips],
            "fees": [cash(trip.fees) for trip in trips],
            "pnl": [cash(trip.pnl) for trip in trips],
            "return": [trip.return_fraction for trip in trips],
            "exit_reason": [result.purpose_of(trip.exit_order_id) for trip in trips],
            "exit_order_id": [trip.exit_order_id for trip in trips],
        },
        decimals=frozenset({"quantity", "entry_price", "exit_price", "fees", "pnl"}),
        times=frozenset({"entry_time", "exit_time"}),
    )


def orders(result: RunResult) -> Table:
    """By the moment of their first execution, then by id; orders without one come last."""
    first_ns: dict[str, int] = {}
    for execution in result.executions:
        first_ns.setdefault(execution.order_id, execution.ts_ns)
    rows = sorted(result.records.orders, key=lambda row: (first_ns.get(row[0], 2**63), row[0]))
    return Table(
        "orders",
        {
            "order_id": [row[0] for row in rows],
            "symbol": [row[1] for row in rows],
            "side": [row[2] for row in rows],
            "type": [row[3] for row in rows],
            "purpose": [result.purpose_of(row[0]) for row in rows],
            "quantity": [_quantity(result.instrument(row[1]), row[4]) for row in rows],
            "state": [row[5] for row in rows],
            "filled_quantity": [_quantity(result.instrument(row[1]), row[6]) for row in rows],
        },
        decimals=frozenset({"quantity", "filled_quantity"}),
        times=frozenset(),
    )


def fills(result: RunResult) -> Table:
    executions = result.executions
    cash = _cash_text(result)
    return Table(
        "fills",
        {
            "time": _times([fill.ts_ns for fill in executions]),
            "order_id": [fill.order_id for fill in executions],
            "trade_id": [fill.trade_id for fill in executions],
            "symbol": [fill.symbol for fill in executions],
            "side": [fill.side.value for fill in executions],
            "purpose": [result.purpose_of(fill.order_id) for fill in executions],
            "quantity": [_quantity(result.instrument(fill.symbol), fill.lots) for fill in executions],
            "price": [_price(result, fill) for fill in executions],
            "value": [cash(fill.value) for fill in executions],
            "fee": [cash(fill.fee) for fill in executions],
        },
        decimals=frozenset({"quantity", "price", "value", "fee"}),
        times=frozenset({"time"}),
    )


def equity(result: RunResult) -> Table:
    places = decimal_places(result.dataset.instruments[0].quantum)
    cash = np.array([mark[1] for mark in result.marks], dtype=np.int64)
    return Table(
        "equity",
        {
            "time": iso_texts(result.times_ns),
            "cash": fixed_column(cash, places),
            "equity": fixed_column(result.equity_quanta, places),
            "drawdown": drawdowns(result.equity_quanta).tolist(),
        },
        decimals=frozenset({"cash", "equity"}),
        times=frozenset({"time"}),
    )


def decisions(result: RunResult) -> Table:
    """Every signal with what risk made of it, oldest first."""
    rows = sorted(result.records.decisions)
    names = ("strategy", "symbol", "action", "strength", "reason", "verdict", "refusal", "order_id")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names, start=1)}
    return Table(
        "decisions",
        {"time": _times([row[0] for row in rows]), **columns},
        decimals=frozenset(),
        times=frozenset({"time"}),
    )


def _times(times_ns: Sequence[int]) -> list[str]:
    return iso_texts(np.array(times_ns, dtype=np.int64))


def _cash_text(result: RunResult) -> partial[str]:
    return partial(fixed, places=decimal_places(result.dataset.instruments[0].quantum))


def _quantity(instrument: Instrument, lots: int) -> str:
    return fixed(lots, decimal_places(instrument.lot_size))


def _price(result: RunResult, fill: RecordedExecution) -> str:
    return fixed(fill.ticks, decimal_places(result.instrument(fill.symbol).tick_size))


def _average_price(result: RunResult, trip: RoundTrip, value: int) -> str:
    """Of parts that filled at several prices, to the nearest tick."""
    instrument = result.instrument(trip.symbol)
    average: Decimal = instrument.cash(value) / instrument.quantity(trip.lots)
    return f"{average.quantize(instrument.tick_size):f}"
