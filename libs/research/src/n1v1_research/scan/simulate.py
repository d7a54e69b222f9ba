"""Setting up the account pass, running it, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.kernels import Record, new_record, store_record
from n1v1.risk.account import ACCOUNT, SYMBOL, open_account
from n1v1.risk.limits import DECISION
from n1v1.risk.policy import POLICY, RiskPolicy
from n1v1.risk.records import symbol_record
from n1v1.simulation.records import BAR, BUDGET, HAPPENING, HAPPENINGS_PER_ORDER, ORDER, RANGE, RULES, UNLIMITED, WALLET
from n1v1.simulation.venue import VenueRules
from n1v1_research.scan.account import Columns, Run, account_pass
from n1v1_research.scan.layouts import DECISION_MADE, FILL_MADE, ORDER_SENT, ORDERS_PER_SYMBOL, TOTALS
from n1v1_research.scan.market import Market

Records = NDArray[np.void]

FIRST_ROOM = 1_024


@dataclass(frozen=True, eq=False)
class AccountHistory:
    """What became of an account.

    signals, decisions: SIGNAL and DECISION_MADE, side by side. sent, fills: ORDER_SENT and FILL_MADE in the order in
    which they happened. equity: quanta at every step of the market. fees: quanta. missed, missed_value: limits that a
    bar touched without a fill, and what they would have traded, in quanta. wins, losses: trades by what they brought,
    fees included.
    """

    signals: Records
    decisions: Records
    sent: Records
    fills: Records
    equity: NDArray[np.int64]
    fees: int
    missed: int
    missed_value: int
    wins: int
    losses: int


class Simulation:
    """The account pass, prepared for one market, policy and set of venue rules; `run` may be called many times."""

    def __init__(self, market: Market, *, policy: RiskPolicy, rules: VenueRules, cash: int) -> None:
        """cash: quanta that the account begins with."""
        self._market = market
        self._columns = _columns(market)
        self._cash = cash
        self._grid = market.grid
        self._policy = stored(policy.record(), POLICY)
        self._rules = stored(rules.record(), RULES)
        self._account = _account(cash)
        self._symbols = _symbols(market, policy)
        self._wallets = _wallets(market)
        self._pass = account_pass()

    def run(self, signals: Records, wishes: Records) -> AccountHistory:
        """signals: SIGNAL, sorted; wishes: WISH."""
        decisions = np.zeros(len(signals), DECISION_MADE)
        equity = np.empty(len(self._market.close_ns), np.int64)
        room = 4 * len(signals) + FIRST_ROOM
        while True:
            run = self._fresh(wishes, room)
            at = self._market.rows[:-1].copy()
            if self._pass(run, self._columns, at, self._market.close_ns, signals, decisions, equity):
                break
            room *= 4
        totals, account = run.totals, run.account
        return AccountHistory(
            signals=signals,
            decisions=decisions,
            sent=run.sent[: totals["orders"]],
            fills=run.fills[: totals["fills"]],
            equity=equity,
            fees=int(totals["fees"]),
            missed=int(totals["missed"]),
            missed_value=int(totals["missed_value"]),
            wins=int(account["win_count"]),
            losses=int(account["loss_count"]),
        )

    def _fresh(self, wishes: Records, room: int) -> Run:
        """Everything as it is before the first bar. room: for orders and for fills."""
        count = len(self._market.instruments)
        totals = np.zeros(1, TOTALS)
        totals["free_cash"] = self._cash
        return Run(
            grid=self._grid,
            policy=self._policy[0],
            rules=self._rules[0],
            account=self._account.copy()[0],
            symbols=self._symbols.copy(),
            wishes=wishes,
            wallets=self._wallets.copy(),
            orders=np.zeros((count, ORDERS_PER_SYMBOL), ORDER),
            counts=np.zeros(count, np.int64),
            quiet=np.array([(0, UNLIMITED, UNLIMITED)] * count, RANGE),
            units=np.zeros(count, np.int64),
            bar=np.zeros(1, BAR)[0],
            budget=np.zeros(1, BUDGET)[0],
            happenings=np.zeros(ORDERS_PER_SYMBOL * HAPPENINGS_PER_ORDER, HAPPENING),
            approved=np.zeros(count + 1, DECISION),
            approved_symbol=np.zeros(count + 1, np.int64),
            approved_signal=np.zeros(count + 1, np.int64),
            sent=np.empty(room, ORDER_SENT),
            fills=np.empty(room, FILL_MADE),
            totals=totals[0],
            blank=np.zeros(1, ORDER)[0],
        )


def simulate(
    market: Market, signals: Records, wishes: Records, *, policy: RiskPolicy, rules: VenueRules, cash: int
) -> AccountHistory:
    """One run of a `Simulation`."""
    return Simulation(market, policy=policy, rules=rules, cash=cash).run(signals, wishes)


def _columns(market: Market) -> Columns:
    bars = market.bars
    return Columns(bars.open_ns, bars.close_ns, bars.open, bars.high, bars.low, bars.close, bars.volume, market.rows)


def _account(cash: int) -> Records:
    account = new_record(ACCOUNT)
    open_account(account, cash, cash, cash)
    return stored(account, ACCOUNT)


def stored(record: Record, layout: np.dtype[Any]) -> Records:
    """A plain record as an array of one."""
    array = np.zeros(1, layout)
    store_record(record, array.reshape(()))
    return array


def _symbols(market: Market, policy: RiskPolicy) -> Records:
    one_each = (symbol_record(instrument, policy, index=s) for s, instrument in enumerate(market.instruments))
    return np.concatenate([stored(record, SYMBOL) for record in one_each])


def _wallets(market: Market) -> Records:
    wallets = np.zeros(len(market.instruments), WALLET)
    wallets["may_short"] = [instrument.can_short for instrument in market.instruments]
    return wallets
