"""Many parameter sets of one strategy over one market, side by side on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from n1v1.events import NO_WISH, Wish
from n1v1.performance import periods_per_year
from n1v1.risk.limits import WISH
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.records import wish_record
from n1v1.simulation.venue import VenueRules
from n1v1.strategies.base import Strategy
from n1v1_research.compiled.kernels import compiled_driver
from n1v1_research.scan.market import Market
from n1v1_research.scan.signals import signal_records, signals_of
from n1v1_research.scan.simulate import Simulation, stored

Records = NDArray[np.void]


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
    progress: told how many sets are done. Raises InvalidValue before anything runs when a set is not valid.
    """
    sets = [strategy.parameters(given) for given in parameters]
    simulation = Simulation(market, policy=policy, rules=rules, cash=cash)
    for params in sets[:1]:  # compiled before the threads begin, so that they do not wait for one another
        simulation.run(*account_signals(strategy, params, market))
    rows = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        histories = pool.map(lambda params: _row(strategy, params, market, simulation, cash), sets)
        for done, row in enumerate(histories, start=1):
            rows.append(row)
            if progress is not None:
                progress(done)
    return rows


def _row(strategy: type[Strategy], params: Any, market: Market, simulation: Simulation, cash: int) -> SweepRow:
    history = simulation.run(*account_signals(strategy, params, market))
    drawdown, mean, deviation = _statistics_pass()(history.equity, cash)
    trades = history.wins + history.losses
    quantum = float(market.instruments[0].quantum)
    yearly = periods_per_year(market.timeframe)
    return SweepRow(
        parameters=params._asdict(),
        equity=float(history.equity[-1]) * quantum,
        total_return=float(history.equity[-1]) / cash - 1.0,
        max_drawdown=drawdown,
        sharpe=mean / deviation * yearly**0.5 if deviation > 0.0 else float("nan"),
        fills=len(history.fills),
        trades=trades,
        win_rate=history.wins / trades if trades else float("nan"),
        fees=history.fees * quantum,
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


@cache
def _statistics_pass() -> Any:
    return compiled_driver(_statistics, "all", {}, allocates=False)


def _statistics(equity, cash):  # type: ignore[no-untyped-def]  # compiled
    """Largest loss from a peak; mean and sample deviation of the returns from bar to bar."""
    peak = before = float(cash)
    lowest = peak
    drawdown = total = squares = 0.0
    for i in range(len(equity)):
        now = float(equity[i])
        if now > peak:
            peak = now
            lowest = peak * (1.0 - drawdown)
        elif now < lowest:
            drawdown = (peak - now) / peak
            lowest = now
        change = now / before - 1.0
        total += change
        squares += change * change
        before = now
    count = len(equity)
    mean = total / count
    variance = max(0.0, squares - total * mean) / max(1, count - 1)
    return drawdown, mean, variance**0.5
