"""Many parameter sets of one strategy over one market, side by side on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import NO_WISH, Wish
from n1v1.performance import periods_per_year
from n1v1.risk.limits import WISH
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.records import wish_record
from n1v1.simulation.venue import VenueRules
from n1v1.strategies.base import EXIT, LONG, SHORT, Strategy
from n1v1_research.compiled.records import records_of
from n1v1_research.scan.engine import unplayable_wishes
from n1v1_research.scan.layouts import DECISION_MADE, RESULT, SIGNAL
from n1v1_research.scan.market import Market
from n1v1_research.scan.signals import LANES, columns_of, lanes_pass, signal_records, signals_of
from n1v1_research.scan.simulate import FIRST_ROOM, Simulation, stored

Records = NDArray[np.void]

SIGNALS = frozenset((LONG, SHORT, EXIT))


class SweepRow(NamedTuple):
    """What one parameter set brought. equity: at the end, in quote currency; returns and drawdown as fractions.

    sharpe: of the returns from bar to bar, annualised, without a risk-free rate; nan when equity never moved.
    """

    parameters: Mapping[str, Any]
    equity: float
    total_return: float
    max_drawdown: float
    sharpe: float
    fills: int
    trades: int
    win_rate: float
    fees: float


def sweep(
    strategy: type[Strategy],
    parameters: Sequence[Mapping[str, Any]],
    market: Market,
    *,
    policy: RiskPolicy,
    rules: VenueRules,
    cash: int,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[SweepRow]:
    """Run every parameter set with an account of its own; rows in the order of the sets.

    cash: quanta. workers: threads, by default one a core; compiled code does not hold the interpreter's lock.
    progress: told how many sets are done. Raises InvalidValue before anything runs when a set is not valid,
    StrategyError when a strategy answers something that is no signal.
    """
    sets = [strategy.parameters(given) for given in parameters]
    if why := unplayable_wishes(strategy.wish(params) for params in sets):
        raise InvalidValue(f"{strategy.key}: {why}, which a sweep cannot play")
    batches = [sets[first : first + LANES] for first in range(0, len(sets), LANES)]
    threads = workers or os.cpu_count() or 1
    simulation = Simulation(market, policy=policy, rules=rules, cash=cash)
    desks: SimpleQueue[_Desk] = SimpleQueue()
    for _ in range(threads):
        desks.put(_Desk(strategy, market, simulation))
    if batches:  # compiled before the threads begin, so that they do not wait for one another
        _results(desks, batches[0])
    rows = []
    with ThreadPoolExecutor(threads) as pool:
        played = pool.map(lambda batch: _results(desks, batch), batches)
        for batch, results in zip(batches, played, strict=True):
            for params, result in zip(batch, results, strict=False):
                rows.append(_row(params, result, market, cash))
                if progress is not None:
                    progress(len(rows))
    return rows


class _Desk:
    """What one thread works with, made once: an array that was just used is already in the processor's cache."""

    def __init__(self, strategy: type[Strategy], market: Market, simulation: Simulation) -> None:
        self._strategy = strategy
        self._market = market
        self._simulation = simulation
        self._columns = [columns_of(market, symbol) for symbol in range(len(market.instruments))]
        self._most = [len(columns[0]) for columns in self._columns]
        self._signals = np.zeros(LANES * sum(self._most), SIGNAL)
        self._sorted = self._signals if len(self._most) == 1 else self._signals.copy()
        self._decisions = np.zeros(len(self._signals), DECISION_MADE)
        self._wishes = np.repeat(_wish(NO_WISH), 2 * LANES)
        self._equity = np.empty(len(market.close_ns), np.int64)
        self._run = simulation.run_with_room(FIRST_ROOM)

    def results(self, batch: Sequence[Any]) -> Records:
        """A RESULT for each of LANES parameter sets; a batch that is shorter is filled up with its last."""
        whole = [*batch, *[batch[-1]] * (LANES - len(batch))]
        for lane, params in enumerate(whole):
            self._wishes[2 * lane] = _wish(self._strategy.wish(params))[0]
        ends = self._find_signals(records_of(*whole))
        results = np.zeros(LANES, RESULT)
        self._run = self._simulation.play(
            self._run, self._sorted, ends, self._wishes, self._decisions, self._equity, results
        )
        return results

    def _find_signals(self, params: Records) -> NDArray[np.int64]:
        """Fills `_sorted`; answers where each set's signals begin and end."""
        one_pass, found = lanes_pass(self._strategy), []  # type: ignore[arg-type]  # a class is hashable
        begin = 0
        for symbol, columns in enumerate(self._columns):
            ends = np.array([(begin + lane * self._most[symbol], 0) for lane in range(LANES)])
            one_pass(params, columns, self._market.grid[symbol], symbol, self._signals, ends)
            self._check(ends)
            found.append(ends)
            begin += LANES * self._most[symbol]
        return found[0] if len(found) == 1 else self._in_order(found)

    def _in_order(self, found: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Puts the signals of all symbols together, by time and symbol."""
        ends = np.zeros((LANES, 2), np.int64)
        last = 0
        for lane in range(LANES):
            parts = [self._signals[slice(*symbol[lane])] for symbol in found]
            for symbol, part in enumerate(parts):
                part["step"] = self._market.step_of[self._market.of_symbol(symbol)][part["step"]]
            mine = np.concatenate(parts)
            ends[lane] = last, last + len(mine)
            last += len(mine)
            self._sorted[slice(*ends[lane])] = mine[np.lexsort((mine["symbol"], mine["step"]))]
        return ends

    def _check(self, ends: NDArray[np.int64]) -> None:
        for first, last in ends.tolist():
            answers = set(self._signals["action"][first:last].tolist())
            if not answers <= SIGNALS:
                raise StrategyError(
                    f"{self._strategy.key} answered {min(answers - SIGNALS)}, expected LONG, SHORT, EXIT or NO_SIGNAL"
                )


def _results(desks: SimpleQueue[_Desk], batch: Sequence[Any]) -> Records:
    desk = desks.get()
    try:
        return desk.results(batch)
    finally:
        desks.put(desk)


def _row(params: Any, result: np.void, market: Market, cash: int) -> SweepRow:
    told = dict(zip(RESULT.names or (), result.item(), strict=True))
    trades = told["wins"] + told["losses"]
    quantum, deviation = float(market.instruments[0].quantum), told["deviation"]
    yearly = periods_per_year(market.timeframe)
    return SweepRow(
        parameters=params._asdict(),
        equity=told["equity"] * quantum,
        total_return=told["equity"] / cash - 1.0,
        max_drawdown=told["drawdown"],
        sharpe=told["mean"] / deviation * yearly**0.5 if deviation > 0.0 else float("nan"),
        fills=told["fills"],
        trades=trades,
        win_rate=told["wins"] / trades if trades else float("nan"),
        fees=told["fees"] * quantum,
    )


def account_signals(strategy: type[Strategy], params: Any, market: Market) -> tuple[Records, Records]:
    """SIGNAL records of all symbols, and the table of their wishes: an entry's, and none."""
    symbols = range(len(market.instruments))
    parts = [signal_records(market, symbol, signals_of(strategy, params, market, symbol)) for symbol in symbols]
    signals = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if len(parts) > 1:
        signals = signals[np.lexsort((signals["symbol"], signals["step"]))]
    return signals, _wishes(strategy, params)


def _wishes(strategy: type[Strategy], params: Any) -> Records:
    return np.concatenate([_wish(strategy.wish(params)), _wish(NO_WISH)])


@lru_cache(maxsize=1_024)
def _wish(wish: Wish) -> Records:
    """Many parameter sets wish alike."""
    return stored(wish_record(wish), WISH)
