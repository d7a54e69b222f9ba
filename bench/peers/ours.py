"""Our own rows: the compiled scan and the event-driven engine, on the data and with the rule of the peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.measure import CASH, FEE_RATE, MINUTE_NS, Backtest, Outcome, Prices, Task
from bench.peers.our_strategies import CompiledCross, CrossParams
from n1v1.risk.policy import RiskPolicy
from n1v1.signals.stage import Instance
from n1v1.simulation.venue import VenueRules
from n1v1.values import PPB, Instrument, to_ppb
from n1v1_research.backtest import pipeline
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.datasets import Bars, Dataset
from n1v1_research.scan.market import Market
from n1v1_research.scan.simulate import Simulation
from n1v1_research.scan.sweep import account_signals
from n1v1_research.scan.sweep import sweep as sweep_of

PACKAGES = ("n1v1", "numba", "numpy")
CENTS, SATOSHIS = 100, 100_000_000
STRATEGIES = Path(__file__).with_name("our_strategies.py")


def scan(task: Task, prices: Prices) -> Backtest:
    """Compiled: bars to signals for every symbol, then one account for all of them."""
    dataset = _dataset(task, prices)
    market, configuration = Market.of(dataset), _configuration(dataset)
    simulation = _simulation(market, configuration)

    def run() -> Outcome:
        history = simulation.run(*account_signals(CompiledCross, CrossParams(), market))
        return Outcome((_last(history.equity, dataset),), len(history.fills))

    return run


def sweep(task: Task, prices: Prices) -> Backtest:
    """As `scan`, once a pair, each with an account of its own."""
    dataset = _dataset(task, prices)
    market, configuration = Market.of(dataset), _configuration(dataset)
    pairs = [{"fast_ema": fast, "slow_ema": slow} for fast, slow in task.chosen_pairs]

    def run() -> Outcome:
        rows = sweep_of(
            CompiledCross,
            pairs,
            market,
            policy=configuration.policy,
            rules=configuration.rules,
            cash=configuration.initial_cash,
        )
        return Outcome(tuple(row.equity for row in rows), sum(row.fills for row in rows))

    return run


def _simulation(market: Market, configuration: Configuration) -> Simulation:
    return Simulation(market, policy=configuration.policy, rules=configuration.rules, cash=configuration.initial_cash)


def _last(equity: Any, dataset: Dataset) -> float:
    return float(equity[-1]) * float(dataset.instruments[0].quantum)


def engine(task: Task, prices: Prices) -> Backtest:
    """Event by event, with the strategy in plain Python."""
    dataset = _dataset(task, prices)
    configuration = _configuration(dataset)

    def run() -> Outcome:
        records = pipeline.play(configuration, dataset, lambda _: None).records
        return Outcome((records.equity[-1][2] * float(dataset.instruments[0].quantum),), len(records.fills))

    return run


def _configuration(dataset: Dataset) -> Configuration:
    fee_rate_ppb = to_ppb(FEE_RATE)
    return Configuration(
        instances=(Instance("peer_cross", f"{STRATEGIES}:PlainCross"),),
        policy=RiskPolicy(
            position_fraction_ppb=PPB,
            max_position_ppb=PPB,
            max_drawdown_ppb=PPB,
            breaker_drawdown_ppb=None,
            max_positions=len(dataset.instruments),
            cost_ppb=fee_rate_ppb,
            valid_for_ns=MINUTE_NS,
        ),
        rules=VenueRules(fee_rate_ppb=fee_rate_ppb, slippage_ppb=0),
        initial_cash=dataset.instruments[0].quanta(str(CASH)),
    )


def _dataset(task: Task, prices: Prices) -> Dataset:
    instruments = tuple(Instrument(f"C{symbol:03}-USD", f"C{symbol:03}", "USD") for symbol in range(task.symbols))
    bars = {instrument.symbol: _bars(prices, symbol) for symbol, instrument in enumerate(instruments)}
    return Dataset("peers", "1m", instruments, bars)


def _bars(prices: Prices, symbol: int) -> Bars:
    columns: dict[str, Any] = {
        name: np.rint(getattr(prices, name)[symbol] * CENTS).astype(np.int64)
        for name in ("open", "high", "low", "close")
    }
    volume = np.rint(prices.volume[symbol] * SATOSHIS).astype(np.int64)
    open_ns = prices.open_ns[symbol]
    return Bars(open_ns=open_ns, close_ns=open_ns + MINUTE_NS, volume=volume, **columns)
