"""Recorded bars: which of them close at step n."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from n1v1.errors import InvalidData
from n1v1.events import BarClosed
from n1v1.ids import correlation_id
from n1v1.values import Instrument
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_research.datasets import Dataset


class BarRecording:
    """A `Source` of bars. Steps are counted from 1; step 0 is before the first bar.

    loops: after the last step the data begins again, moved into the future by the span of the dataset, so that
    time and bar ids never repeat. The price jumps from the last close to the first open.
    """

    quality = Quality.BARS

    def __init__(self, dataset: Dataset, *, loops: bool) -> None:
        self._steps = [bars for _, bars in dataset.steps()]
        if not self._steps:
            raise InvalidData(f"dataset {dataset.name} has no bars")
        self.timeframe = dataset.timeframe
        self.instruments: tuple[Instrument, ...] = dataset.instruments
        self.identity = dataset.id
        self.loops = loops
        self.first_ns = min(bar.open_ns for bar in self._steps[0])
        self._span_ns = self._steps[-1][0].ts_ns - self.first_ns

    @property
    def total_steps(self) -> int:
        """Steps of one pass over the data."""
        return len(self._steps)

    def steps(self) -> Iterator[Step]:
        step = 1
        while self.loops or step <= self.total_steps:
            yield self.bars_at(step)
            step += 1

    def bars_at(self, step: int) -> tuple[BarClosed, ...]:
        """The bars that close at `step`, by symbol; none at step 0."""
        if step == 0:
            return ()
        rounds, index = divmod(step - 1, self.total_steps)
        if rounds == 0:
            return self._steps[index]
        return tuple(_moved(bar, rounds * self._span_ns) for bar in self._steps[index])


def _moved(bar: BarClosed, by_ns: int) -> BarClosed:
    correlation = correlation_id(bar.symbol, bar.ts_ns + by_ns)
    return replace(
        bar,
        id=f"bar:{correlation}:{bar.timeframe}",
        correlation_id=correlation,
        ts_ns=bar.ts_ns + by_ns,
        open_ns=bar.open_ns + by_ns,
    )
