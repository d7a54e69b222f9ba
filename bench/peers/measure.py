"""What every runner shares: the task, the data file, the clock, and the one line of JSON that it answers with."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Workload = Literal["one-symbol", "portfolio", "sweep"]
Convention = Literal["next-open", "same-close"]

FAST, SLOW = 12, 26
FIRST_DECISION = 500
"""No order is decided before this bar, so that it does not matter how an average starts."""
CASH = 10_000_000.0
FEE_RATE = 0.001
MINUTE_NS = 60_000_000_000

PAIRS = tuple((fast, slow) for fast in range(4, 54, 2) for slow in range(56, 216, 4))
"""The sweep: 25 fast by 40 slow periods."""


@dataclass(frozen=True, slots=True)
class Task:
    """bars: of each symbol. pairs: how many of PAIRS, spread evenly (sweep only)."""

    workload: Workload
    convention: Convention
    bars: int
    symbols: int = 1
    pairs: int = 0

    @property
    def chosen_pairs(self) -> tuple[tuple[int, int], ...]:
        return PAIRS[:: len(PAIRS) // self.pairs][: self.pairs]


class Prices(NamedTuple):
    """Columns of shape (symbols, bars); prices in quote units with two decimals, moments in ns UTC."""

    open_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path, symbols: int, bars: int) -> Prices:
        """The first bars of the file, cut into consecutive stretches, one a symbol; all begin at the same minute."""
        with np.load(path) as file:
            columns = {name: file[name][: symbols * bars] for name in cls._fields}
        found = len(columns["close"])
        if found < symbols * bars:
            raise SystemExit(f"{path}: expected {symbols * bars:,} bars, found {found:,}")
        shaped = {name: np.ascontiguousarray(column.reshape(symbols, bars)) for name, column in columns.items()}
        shaped["open_ns"] = np.tile(shaped["open_ns"][0], (symbols, 1))
        return cls(**shaped)


class Outcome(NamedTuple):
    """equities: at the last close; one of the account, or one a pair of the sweep."""

    equities: tuple[float, ...]
    fills: int


Backtest = Callable[[], Outcome]
Prepare = Callable[[Task, Prices], Backtest]


@dataclass(frozen=True, slots=True)
class Answer:
    """prepare_s: turning arrays into what the library reads (frames, bar objects), which no speed includes.

    first_s: the first run, with whatever is compiled then. seconds: the runs after it, or that run when it was the
    only one.
    """

    task: Task
    prepare_s: float
    first_s: float
    seconds: tuple[float, ...]
    equities: tuple[float, ...]
    fills: int
    peak_mib: float
    versions: Mapping[str, str]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def main(prepares: Mapping[Workload, Prepare], packages: Sequence[str]) -> None:
    """Run the task of the command line and print the answer."""
    task, data, repeats = _arguments()
    answer = measured(task, Prices.read(data, task.symbols, task.bars), prepares[task.workload], repeats, packages)
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")


def measured(task: Task, prices: Prices, prepare: Prepare, repeats: int, packages: Sequence[str]) -> Answer:
    """repeats: runs after the first; 0 takes the first as the measurement."""
    prepare_s, backtest = _timed(lambda: prepare(task, prices))
    first_s, outcome = _timed(backtest)
    seconds = []
    for _ in range(repeats):
        elapsed, again = _timed(backtest)
        if again != outcome:
            raise SystemExit(f"two runs differ: {outcome.fills} fills, then {again.fills}")
        seconds.append(elapsed)
    return Answer(
        task=task,
        prepare_s=prepare_s,
        first_s=first_s,
        seconds=tuple(seconds) or (first_s,),
        equities=outcome.equities,
        fills=outcome.fills,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        versions={"python": platform.python_version(), **{name: version(name) for name in packages}},
    )


def decisions(fast: NDArray[np.float64], slow: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """On which bars to be long and on which to be flat. Time runs along the first axis."""
    is_long, is_flat = fast > slow, fast < slow
    is_long[:FIRST_DECISION] = False
    is_flat[:FIRST_DECISION] = False
    return is_long, is_flat


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _arguments() -> tuple[Task, Path, int]:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--convention", required=True)
    parser.add_argument("--bars", type=int, required=True)
    parser.add_argument("--symbols", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=0)
    given = parser.parse_args()
    return (
        Task(given.workload, given.convention, given.bars, given.symbols, given.pairs),
        given.data,
        given.repeats,
    )
