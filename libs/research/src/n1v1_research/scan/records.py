"""The account pass retold as the records of a run, so that it can be compared with every other driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from n1v1 import ids
from n1v1.equity_rows import EquityRow
from n1v1.events import Action
from n1v1.ids import OrderId, SignalId
from n1v1.risk.account import PURPOSES
from n1v1.risk.causes import OWN_SIGNALS
from n1v1.risk.reasons import REASONS
from n1v1.run_hash import APPROVED, REFUSED, DecisionRow, FillRow, OrderRow, RunRecords
from n1v1.simulation.records import CANCELLED, EXPIRED, FILLED
from n1v1.values import OrderType, Purpose
from n1v1_research.scan.layouts import REJECTED
from n1v1_research.scan.market import Market
from n1v1_research.scan.simulate import AccountHistory

SIDES = {1: "BUY", -1: "SELL"}
ACTIONS = {1: Action.BUY.value, -1: Action.SELL.value, 2: Action.CLOSE.value}
KINDS = tuple(kind.value for kind in OrderType)
ENDS = {FILLED: "FILLED", CANCELLED: "CANCELLED", EXPIRED: "EXPIRED", REJECTED: "REJECTED"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a signal said besides its action: for the record only, no decision depends on it."""

    strength: float
    reason: str


def records_of(
    history: AccountHistory,
    market: Market,
    *,
    names: Sequence[OrderId],
    instances: Sequence[str],
    told: Sequence[Told],
) -> RunRecords:
    """names: of the orders, see `order_ids`. instances: names, in their order. told: for each signal of the history."""
    return RunRecords(
        decisions=tuple(_decisions(history, market, names, instances, told)),
        orders=tuple(_orders(history, market, names)),
        fills=tuple(_fills(history, names)),
        equity=tuple(_equity(history, market)),
    )


def order_ids(history: AccountHistory, market: Market, account: str, instances: Sequence[str]) -> list[OrderId]:
    """Derived as every driver derives them."""
    names: list[OrderId] = []
    signals = history.signals.tolist()
    for symbol, step, signal, entry, purpose, *_ in history.sent.tolist():
        if entry >= 0:
            leg: Literal["stop", "target"] = "target" if PURPOSES[purpose] is Purpose.TAKE_PROFIT else "stop"
            names.append(ids.leg_order_id(names[entry], leg))
            continue
        instance = OWN_SIGNALS[purpose] if purpose in OWN_SIGNALS else instances[signals[signal][2]]
        names.append(ids.order_id(account, _signal_id(instance, market, symbol, step)))
    return names


def _signal_id(instance: str, market: Market, symbol: int, step: int) -> SignalId:
    return ids.signal_id(instance, market.symbols[symbol], int(market.close_ns[step]))


def _decisions(
    history: AccountHistory,
    market: Market,
    names: Sequence[OrderId],
    instances: Sequence[str],
    told: Sequence[Told],
) -> list[DecisionRow]:
    rows: list[DecisionRow] = []
    close_ns = market.close_ns[history.signals["step"]].tolist()
    made = zip(close_ns, history.signals.tolist(), history.decisions.tolist(), told, strict=True)
    for ts_ns, (_, symbol, instance, action, _), (reason, order, _), said in made:
        refusal = REASONS[reason]
        rows.append(
            (
                ts_ns,
                instances[instance],
                market.symbols[symbol],
                ACTIONS[action],
                repr(said.strength),
                said.reason,
                REFUSED if refusal else APPROVED,
                refusal.value if refusal else "",
                "" if refusal else names[order],
            )
        )
    return rows


def _orders(history: AccountHistory, market: Market, names: Sequence[OrderId]) -> list[OrderRow]:
    rows: list[OrderRow] = []
    for name, sent in zip(names, history.sent.tolist(), strict=True):
        symbol, _, _, _, _, kind, sign, lots, filled, state = sent
        word = ENDS.get(state, "PARTIALLY_FILLED" if filled else "ACCEPTED")
        rows.append((name, market.symbols[symbol], SIDES[sign], KINDS[kind], lots, word, filled))
    return rows


def _fills(history: AccountHistory, names: Sequence[OrderId]) -> list[FillRow]:
    signs = history.sent["sign"].tolist()
    return [
        (ts_ns, names[order], str(trade), SIDES[signs[order]], lots, ticks, value, fee)
        for trade, (_, order, ts_ns, lots, ticks, value, fee, *_) in zip(count(1), history.fills.tolist(), strict=False)
    ]


def _equity(history: AccountHistory, market: Market) -> list[EquityRow]:
    """One row a step: cash, equity, and what every symbol that has had a bar so far holds and is marked at."""
    steps = len(market.close_ns)
    held, worth = [], np.zeros(steps, np.int64)
    for s, instrument in enumerate(market.instruments):
        lots, marks = _held(history, s, steps), _marks(market, s, steps)
        worth += marks * (lots // instrument.notional_divisor)
        held.append(list(zip([instrument.symbol] * steps, lots.tolist(), marks.tolist(), strict=True)))
    cash = (history.equity - worth).tolist()
    positions = (tuple(position for position in step if position[2]) for step in zip(*held, strict=True))
    return list(zip(market.close_ns.tolist(), cash, history.equity.tolist(), positions, strict=True))


def _held(history: AccountHistory, symbol: int, steps: int) -> NDArray[np.int64]:
    orders = history.sent[history.fills["order"]]
    of_symbol = orders["symbol"] == symbol
    changes = np.zeros(steps, np.int64)
    np.add.at(changes, history.fills["step"][of_symbol], (history.fills["lots"] * orders["sign"])[of_symbol])
    return np.cumsum(changes)


def _marks(market: Market, symbol: int, steps: int) -> NDArray[np.int64]:
    """The last close at every step, 0 before the first bar."""
    rows = market.of_symbol(symbol)
    latest = np.zeros(steps, np.int64)
    latest[market.step_of[rows]] = np.arange(rows.start + 1, rows.stop + 1)
    latest = np.maximum.accumulate(latest)
    return np.where(latest > 0, market.bars.close[latest - 1], 0)
