"""What a recorded market is to the exchange, whatever was recorded: steps of events, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import MarketEvent, PublicTrade, same_taker

Step = Sequence[MarketEvent]
"""Events of one moment, at least one: the bars that close at one time; trades of one taker; one change of one book."""


class Quality(StrEnum):
    BARS = "bars"
    TRADES = "trades"
    DEPTH = "depth"


class Source(Protocol):
    """A recording. It can be read from its beginning any number of times, and is the same each time."""

    @property
    def quality(self) -> Quality: ...

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...

    @property
    def timeframe(self) -> str:
        """Of the recorded bars; otherwise of the bars that its users live on."""

    @property
    def identity(self) -> str:
        """Changes whenever what is replayed changes: a journal is only valid for one."""

    @property
    def first_ns(self) -> int:
        """The time of the market before its first step."""

    @property
    def total_steps(self) -> int | None:
        """Of one pass over the data; None where only reading all of it would tell."""

    def steps(self) -> Iterator[Step]:
        """By time. Raises InvalidData, naming the file and the line, where the recording contradicts itself."""


class Tape:
    """Reads a source once, forward: how many steps are behind, and when the next one is due."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position = 0
        """Steps that have been taken."""
        self._steps = source.steps()
        self._next = next(self._steps, None)

    @property
    def is_done(self) -> bool:
        return self._next is None

    @property
    def next_ns(self) -> int | None:
        """None at the end of the data."""
        return None if self._next is None else time_of(self._next)

    def take(self) -> Step:
        """The next step. The caller has seen that there is one."""
        assert self._next is not None, f"the data ends at step {self.position}"
        taken, self._next = self._next, next(self._steps, None)
        self.position += 1
        return taken


def steps_of(events: Iterable[MarketEvent]) -> Iterator[Step]:
    """One event a step; but trades in a row that look like one taker's at one price happen at once."""
    step: list[MarketEvent] = []
    for event in events:
        if step and not _goes_on(step[-1], event):
            yield tuple(step)
            step = []
        step.append(event)
    if step:
        yield tuple(step)


def _goes_on(event: MarketEvent, next_event: MarketEvent) -> bool:
    return isinstance(event, PublicTrade) and isinstance(next_event, PublicTrade) and same_taker(event, next_event)


def time_of(step: Step) -> int:
    return step[0].ts_ns
