"""Setting up the account pass, running it, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.kernels import Record, new_record, store_record
from n1v1.risk.account import ACCOUNT, SYMBOL, open_account
from n1v1.risk.limits import DECISION, WISH
from n1v1.risk.policy import POLICY, RiskPolicy
from n1v1.risk.records import symbol_record
from n1v1.simulation.records import BUDGET, HAPPENING, HAPPENINGS_PER_ORDER, ORDER, RANGE, RULES, WALLET
from n1v1.simulation.venue import VenueRules
from n1v1_research.scan.account import Columns, Run, account_pass
from n1v1_research.scan.layouts import DECISION_MADE, FILL_MADE, ORDER_SENT, ORDERS_PER_SYMBOL, RESULT, TOTALS
from n1v1_research.scan.market import Market

Records = NDArray[np.void]

FIRST_ROOM = 1_024


@dataclass(frozen=True, eq=False)
class AccountHistory:
    """What became of an account.

    signals, decisions: SIGNAL and DECISION_MADE, side by side. sent, fills: ORDER_SENT and FILL_MADE in the order in
    which they happened. equity: quanta at every step of the market. fees: quanta. missed, missed_value: limits that a
    bar touched without a fill, and what they would have traded, in quanta.
    """

    signals: Records
    decisions: Records
    sent: Records
    fills: Records
    equity: NDArray[np.int64]
    fees: int
    missed: int
    missed_value: int


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
        self._beginning = _joined(_account(cash), _symbols(market, policy), _wallets(market))
        self._pass = account_pass()

    def run(self, signals: Records, wishes: Records) -> AccountHistory:
        """signals: SIGNAL, sorted; wishes: WISH."""
        decisions = np.zeros(len(signals), DECISION_MADE)
        equity = np.empty(len(self._market.close_ns), np.int64)
        results = np.zeros(1, RESULT)
        run = self.run_with_room(FIRST_ROOM + 4 * len(signals))
        run = self.play(run, signals, np.array([(0, len(signals))]), wishes, decisions, equity, results)
        result = results[0]
        return AccountHistory(
            signals=signals,
            decisions=decisions,
            sent=run.sent[: result["orders"]],
            fills=run.fills[: result["fills"]],
            equity=equity,
            fees=int(result["fees"]),
            missed=int(result["missed"]),
            missed_value=int(result["missed_value"]),
        )

    def play(
        self,
        run: Run,
        signals: Records,
        ends: NDArray[np.int64],
        wishes: Records,
        decisions: Records,
        equity: NDArray[np.int64],
        results: Records,
    ) -> Run:
        """Play accounts one after the other: see `account_pass`. Answers `run`, or one with more room in its place."""
        done = 0
        while True:
            run = run._replace(wishes=wishes)
            done += self._pass(
                run, self._columns, self._market.close_ns, signals, ends[done:], decisions, equity, results[done:]
            )
            if done == len(ends):
                return run
            run = self.run_with_room(4 * len(run.sent))

    def run_with_room(self, room: int) -> Run:
        """What a pass works on. room: for orders and for fills of one account."""
        count = len(self._market.instruments)
        memory = self._beginning.copy()
        account, symbols, wallets = _parts(memory, count)
        return Run(
            grid=self._grid,
            policy=self._policy[0],
            rules=self._rules[0],
            memory=memory,
            beginning=self._beginning,
            cash=self._cash,
            account=account[0],
            symbols=symbols,
            wishes=np.zeros(1, WISH),
            wallets=wallets,
            orders=np.zeros((count, ORDERS_PER_SYMBOL), ORDER),
            counts=np.zeros(count, np.int64),
            quiet=np.zeros(count, RANGE),
            units=np.zeros(count, np.int64),
            at=np.zeros(count, np.int64),
            budget=np.zeros(1, BUDGET)[0],
            happenings=np.zeros(ORDERS_PER_SYMBOL * HAPPENINGS_PER_ORDER, HAPPENING),
            approved=np.zeros(count + 1, DECISION),
            approved_symbol=np.zeros(count + 1, np.int64),
            approved_signal=np.zeros(count + 1, np.int64),
            sent=np.empty(room, ORDER_SENT),
            fills=np.empty(room, FILL_MADE),
            totals=np.zeros(1, TOTALS)[0],
            blank=np.zeros(1, ORDER)[0],
        )


def simulate(
    market: Market, signals: Records, wishes: Records, *, policy: RiskPolicy, rules: VenueRules, cash: int
) -> AccountHistory:
    """One run of a `Simulation`."""
    return Simulation(market, policy=policy, rules=rules, cash=cash).run(signals, wishes)


def _columns(market: Market) -> Columns:
    return Columns(market.table, market.bars.close, market.rows)


def _joined(*parts: Records) -> NDArray[np.int64]:
    """Records as words behind one another: so a new account begins with one copy of all of them."""
    return np.concatenate([part.view(np.int64) for part in parts])


def _parts(memory: NDArray[np.int64], symbols: int) -> tuple[Records, Records, Records]:
    """Account, symbols and wallets again, as views."""
    first = ACCOUNT.itemsize // memory.itemsize
    second = first + symbols * SYMBOL.itemsize // memory.itemsize
    return memory[:first].view(ACCOUNT), memory[first:second].view(SYMBOL), memory[second:].view(WALLET)


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
