"""`n1v1 backtest` as a user has it: the whole command on 50,000 bars, from the prompt to the report, in wall seconds.

`python -m bench.backtest_command` measures it alone. The first run finds an empty cache: it reads the file of bars and
compiles. The second finds what the first has kept. Beside them `import numba`, without which nothing is compiled: no
backtest by a compiler that lives in Python starts faster.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench.report import Aim, Figure, Ratio, Report
from n1v1_research.cache_folder import FOLDER_VARIABLE
from n1v1_research.datasets import load
from n1v1_research.datasets.export import export
from n1v1_research.datasets.synthetic import bootstrapped

RESULTS = Path("results/bench-backtest-command.json")
BARS = 50_000
SOURCE, SEED = "binance-1m", 1
ROUNDS = 3
SECOND_RUNS = 3
"""In each round, with an `import numba` before each; they take turns."""
FIRST_AIM, SECOND_AIM = Aim("<=", 15.0), Aim("<=", 1.5)
WIDTH = 120

NUMBA = (sys.executable, "-c", "import numba")


def measure(*, rounds: int = ROUNDS, second_runs: int = SECOND_RUNS, bars: int = BARS) -> Report:
    """Raises CalledProcessError when a command fails."""
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    first: list[float] = []
    second: list[float] = []
    floor: list[float] = []
    with tempfile.TemporaryDirectory(prefix="n1v1-bench-") as name:
        folder = Path(name)
        command = _command(_written_bars(folder, bars), folder)
        for number in range(rounds):
            environment = {**os.environ, FOLDER_VARIABLE: str(folder / f"cache-{number}")}
            first.append(_wall_s(command, environment))
            for _ in range(second_runs):
                floor.append(_wall_s(NUMBA, environment))
                second.append(_wall_s(command, environment))
    return Report(
        {**machine, "bars": bars, "load": os.getloadavg()},
        [Ratio("second run of n1v1 backtest, against import numba", "s", second, floor)],
        [
            Figure("first run of n1v1 backtest, nothing compiled yet", "s", first, FIRST_AIM),
            Figure("second run of n1v1 backtest", "s", second, SECOND_AIM),
        ],
    )


def _written_bars(folder: Path, bars: int) -> Path:
    drawn = bootstrapped(load(SOURCE), bars, SEED)
    (instrument,) = drawn.instruments
    path = folder / f"{instrument.symbol}-{drawn.timeframe}.csv"
    export(drawn.columns(instrument.symbol), instrument, path)
    return path


def _command(data: Path, folder: Path) -> Sequence[str]:
    what = ("backtest", "--strategy", "ema_cross", "--data", str(data))
    return (sys.executable, "-m", "n1v1_cli", *what, "--results", str(folder / "results"))


def _wall_s(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_known_args()[0].quick  # the rest of the line is for other sections
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    report = measure(rounds=1, second_runs=1) if quick else measure()
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
