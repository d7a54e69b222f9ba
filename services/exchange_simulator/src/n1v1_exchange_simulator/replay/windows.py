"""A part of a recording of trades or depth, and a recording that begins again at its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from n1v1.errors import InvalidData
from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot
from n1v1_exchange_simulator.replay.books import RecordedBook
from n1v1_exchange_simulator.replay.source import Quality, Source, Step, time_of

MILLISECOND_NS = 1_000_000


class Window:
    """A `Source`: of another one what happens from `start_ns` on and before `end_ns`.

    Of depth it begins with the books as they stood at its start. Raises InvalidData when nothing was recorded there.
    """

    total_steps = None  # only reading all of it tells

    def __init__(self, source: Source, *, start_ns: int | None, end_ns: int | None) -> None:
        self.quality: Quality = source.quality
        self.instruments: tuple[Instrument, ...] = source.instruments
        self.timeframe = source.timeframe
        self.identity = _hashed(source.identity, start_ns, end_ns)
        self._source = source
        self._start_ns = start_ns
        self._end_ns = end_ns
        if next(self.steps(), None) is None:
            raise InvalidData("nothing was recorded between market.start and market.end")

    @cached_property
    def first_ns(self) -> int:
        return time_of(next(self.steps()))

    def steps(self) -> Iterator[Step]:
        books: dict[str, RecordedBook] = {}
        for step in self._source.steps():
            ts_ns = time_of(step)
            if self._end_ns is not None and ts_ns >= self._end_ns:
                return
            if self._start_ns is not None and ts_ns < self._start_ns:
                _note(step, books)
                continue
            if books:
                yield tuple(book.snapshot(symbol, ts_ns) for symbol, book in sorted(books.items()))
                books.clear()
            yield step


class Endless:
    """A `Source` that begins again, a millisecond after its end. The price jumps there, and books are as they were."""

    total_steps = None

    def __init__(self, source: Source) -> None:
        self.quality: Quality = source.quality
        self.instruments: tuple[Instrument, ...] = source.instruments
        self.timeframe = source.timeframe
        self.identity = _hashed(source.identity, "endless")
        self.first_ns = source.first_ns
        self._source = source

    def steps(self) -> Iterator[Step]:
        later_ns = 0
        while True:
            first_ns = last_ns = None
            for step in self._source.steps():
                last_ns = time_of(step)
                first_ns = last_ns if first_ns is None else first_ns
                yield tuple(replace(event, ts_ns=event.ts_ns + later_ns) for event in step) if later_ns else step
            if first_ns is None or last_ns is None:
                return
            later_ns += last_ns - first_ns + MILLISECOND_NS


def _note(step: Step, books: dict[str, RecordedBook]) -> None:
    for event in step:
        if isinstance(event, DepthChange | DepthSnapshot):
            books.setdefault(event.symbol, RecordedBook()).apply(event)


def _hashed(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
