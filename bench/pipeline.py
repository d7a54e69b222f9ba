"""The same stages without a bus: bars a second of the in-process engine on the bundled years.

`python -m bench.pipeline` measures it alone.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from dataclasses import dataclass

from rich.console import Console

from n1v1_cli.in_process import events
from n1v1_common.settings.load import load
from n1v1_research.datasets import DEFAULT_DATASET
from n1v1_research.datasets import load as load_dataset

START, END = "2020-01-01", "2023-01-01"
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class EngineRounds:
    """Bars a second, one figure a round."""

    bars: int
    bars_per_s: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.bars_per_s)


def measure(*, rounds: int = ROUNDS, start: str = START, end: str = END) -> EngineRounds:
    """Play the default strategies over the bundled data."""
    settings = load([], {}, []).settings
    dataset = load_dataset(DEFAULT_DATASET, symbols=settings.market.symbols, start=start, end=end)
    bars = sum(len(series) for series in dataset.bars.values())
    dataset.total_steps  # noqa: B018  # sorts the bars, which is no part of the engine
    speeds = []
    for _ in range(rounds):
        began = time.perf_counter()
        deque(events(settings, dataset), maxlen=0)
        speeds.append(bars / (time.perf_counter() - began))
    return EngineRounds(bars, tuple(speeds))


def main() -> None:
    measured = measure()
    low, high = min(measured.bars_per_s), max(measured.bars_per_s)
    figures = f"{measured.median:,.0f} bars/s (min {low:,.0f}, max {high:,.0f}, {ROUNDS} rounds)"
    Console(highlight=False).print(f"in-process engine, {measured.bars:,} bars: {figures}")


if __name__ == "__main__":
    main()
