"""The event-driven engine with a strategy in plain Python: bars a second, against a bare loop that calls it back.

`python -m bench.engine` measures it alone. The floor is what Python costs at least: an object a bar, a call a bar, the
same averages, cash and equity (`bench/peers/run_callback.py`). Floor and product take turns in one process and CPU time
is what counts, so that whatever else the machine does cancels out. Both make their bars from columns.

The same strategy is run once more as `n1v1 backtest` runs it: the strategy in Python bar by bar, the account compiled.

Linear means that a bar costs the same in a run that is ten times as long, and that a fill costs the same in a run that
has a fraction of them.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from bench.peers.measure import CASH, FEE_RATE
from bench.peers.run_callback import Bar as FloorBar
from bench.peers.run_callback import backtest as floor_backtest
from bench.report import Aim, Figure, Ratio, Report
from n1v1.risk.policy import RiskPolicy
from n1v1.signals.stage import Instance
from n1v1.simulation.venue import VenueRules
from n1v1.timeframes import timeframe_ns
from n1v1.values import PPB, to_ppb
from n1v1_research.backtest import pipeline
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.engines import Played, Progress
from n1v1_research.datasets import Dataset, load
from n1v1_research.datasets.synthetic import bootstrapped
from n1v1_research.scan import engine as compiled

T = TypeVar("T")

RESULTS = Path("results/bench-engine.json")
STRATEGIES = Path(__file__).parent / "peers" / "our_strategies.py"
SOURCE = "binance-1m"
SHORT, LONG = 100_000, 1_000_000
ROUNDS = 3
AIM = Aim(">=", 200_000)
LINEAR = Aim("<=", 1.2)
"""Somebody's choice: a run that grows with the square of its length would be at 10."""
OFTEN, SELDOM = (12, 26), (120, 260)
"""Averages that cross every 28 bars, and every 300."""
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    fills: int


def measure(*, rounds: int = ROUNDS, short: int = SHORT, long: int = LONG) -> Report:
    source = load(SOURCE)
    data = {bars: bootstrapped(source, bars, seed=1) for bars in (short, long)}
    report = Report(
        {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count(), "data": SOURCE}
    )
    runs: dict[tuple[int, tuple[int, int]], list[Run]] = {}
    usual: dict[int, list[float]] = {short: [], long: []}
    floors: dict[int, list[float]] = {short: [], long: []}
    _product(data[short], OFTEN, compiled.play)  # so that nobody measures how long compiled code takes to be loaded
    for _ in range(rounds):
        for bars, dataset in data.items():
            floors[bars].append(bars / _floor(dataset))
            for averages in (OFTEN, SELDOM):
                runs.setdefault((bars, averages), []).append(_product(dataset, averages))
            usual[bars].append(bars / _product(dataset, OFTEN, compiled.play).seconds)
    for (bars, averages), measured in runs.items():
        speeds = [bars / run.seconds for run in measured]
        name = f"{bars:,} bars, {measured[0].fills:,} fills"
        report.ratios.append(Ratio(name, "bars/s", speeds, floors[bars]))
        report.figures.append(Figure(name, "bars/s", speeds, AIM if averages == OFTEN else None))
    report.figures += _linearity(runs, short, long)
    for bars, speeds in usual.items():
        report.figures.append(
            Figure(f"{bars:,} bars, compiled account: what n1v1 backtest runs", "bars/s", speeds, AIM)
        )
    return report


def _linearity(runs: dict[tuple[int, tuple[int, int]], list[Run]], short: int, long: int) -> list[Figure]:
    """A bar of the long run in bars of the short one; a fill's microseconds in each, and their ratio."""
    a_bar = [
        (of_long.seconds / long) / (of_short.seconds / short)
        for of_long, of_short in zip(runs[long, OFTEN], runs[short, OFTEN], strict=True)
    ]
    a_fill = {
        bars: [
            1e6 * (often.seconds - seldom.seconds) / (often.fills - seldom.fills)
            for often, seldom in zip(runs[bars, OFTEN], runs[bars, SELDOM], strict=True)
        ]
        for bars in (short, long)
    }
    ratios = [of_long / of_short for of_long, of_short in zip(a_fill[long], a_fill[short], strict=True)]
    return [
        Figure(f"a bar, {long:,} against {short:,}", "ratio", a_bar, LINEAR),
        Figure(f"signal, order and fill, {long:,} bars", "us", a_fill[long]),
        Figure(f"a fill, {long:,} against {short:,}", "ratio", ratios, LINEAR),
    ]


def _product(
    dataset: Dataset,
    averages: tuple[int, int],
    play: Callable[[Configuration, Dataset, Progress], Played] = pipeline.play,
) -> Run:
    configuration = _configuration(dataset, averages)
    seconds, played = _timed(lambda: play(configuration, dataset, lambda _: None))
    return Run(seconds, len(played.records.fills))


def _floor(dataset: Dataset) -> float:
    """Seconds of CPU time."""
    instrument = dataset.instruments[0]
    columns = dataset.columns(instrument.symbol)
    ticks, lots = float(instrument.tick_size), float(instrument.lot_size)

    def run() -> None:
        prices = (getattr(columns, name) * ticks for name in ("open", "high", "low", "close"))
        rows = zip(
            columns.open_ns.tolist(),
            *(price.tolist() for price in prices),
            (columns.volume * lots).tolist(),
            strict=True,
        )
        floor_backtest([FloorBar(*row) for row in rows], "next-open")

    return _timed(run)[0]


def _timed(function: Callable[[], T]) -> tuple[float, T]:
    gc.collect()  # so that nobody pays for what the one before has left
    began = time.process_time()
    answer = function()
    return time.process_time() - began, answer


def _configuration(dataset: Dataset, averages: tuple[int, int]) -> Configuration:
    fee = to_ppb(FEE_RATE)
    fast, slow = averages
    return Configuration(
        instances=(Instance("cross", f"{STRATEGIES}:PlainCross", {"fast_ema": fast, "slow_ema": slow}),),
        policy=RiskPolicy(
            position_fraction_ppb=PPB,
            max_position_ppb=PPB,
            max_drawdown_ppb=PPB,
            breaker_drawdown_ppb=None,
            max_positions=1,
            cost_ppb=fee,
            valid_for_ns=timeframe_ns(dataset.timeframe),
        ),
        rules=VenueRules(fee_rate_ppb=fee, slippage_ppb=0),
        initial_cash=dataset.instruments[0].quanta(str(CASH)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_known_args()[0].quick  # the rest of the line is for other sections
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    report = measure(rounds=1, short=SHORT // 10, long=LONG // 10) if quick else measure()
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}; the floor is a bare loop of callbacks")


if __name__ == "__main__":
    main()
