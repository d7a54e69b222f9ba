"""Part of a recording, and one that begins again, worked by hand on seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import pytest

from n1v1.errors import InvalidData
from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.replay.source import Quality, Source, Step
from n1v1_exchange_simulator.replay.windows import Endless, Window

SECOND = 1_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")


class Recorded:
    """One event a step."""

    quality = Quality.DEPTH
    timeframe = "1m"
    identity = "recorded"
    instruments = (BTC,)
    total_steps = None

    def __init__(self, events: Sequence[MarketEvent]) -> None:
        self._events = events
        self.first_ns = events[0].ts_ns

    def steps(self) -> Iterator[Step]:
        for event in self._events:
            yield (event,)


def trade(second: int) -> PublicTrade:
    return PublicTrade(ts_ns=second * SECOND, symbol="BTC-USD", number=second, ticks=100, lots=1, is_buyer_maker=False)


def change(second: int, bids: tuple[tuple[int, int], ...]) -> DepthChange:
    return DepthChange(ts_ns=second * SECOND, symbol="BTC-USD", first_id=second, last_id=second, bids=bids, asks=())


BOOK = DepthSnapshot(ts_ns=SECOND, symbol="BTC-USD", last_id=1, bids=((99, 5), (98, 7)), asks=((101, 4),))


def seconds(source: Source, count: int) -> list[int]:
    return [step[0].ts_ns // SECOND for step in islice(source.steps(), count)]


def test_a_window_has_its_start_and_not_its_end() -> None:
    source = Window(Recorded([trade(second) for second in range(1, 6)]), start_ns=2 * SECOND, end_ns=4 * SECOND)
    assert seconds(source, 9) == [2, 3]
    assert source.first_ns == 2 * SECOND


def test_depth_begins_with_the_book_as_it_stood() -> None:
    recorded = Recorded([BOOK, change(2, ((99, 0), (97, 1))), trade(3), change(4, ((97, 2),))])
    first, *others = Window(recorded, start_ns=3 * SECOND, end_ns=None).steps()
    assert first == (
        DepthSnapshot(ts_ns=3 * SECOND, symbol="BTC-USD", last_id=2, bids=((98, 7), (97, 1)), asks=((101, 4),)),
    )
    assert [step[0].ts_ns // SECOND for step in others] == [3, 4]


def test_a_window_in_which_nothing_was_recorded_is_refused() -> None:
    with pytest.raises(InvalidData, match="nothing was recorded"):
        Window(Recorded([trade(1)]), start_ns=2 * SECOND, end_ns=None)


def test_another_window_is_another_recording() -> None:
    recorded = Recorded([trade(second) for second in range(1, 6)])
    whole, part = (Window(recorded, start_ns=start, end_ns=None).identity for start in (None, 2 * SECOND))
    assert len({whole, part, Endless(recorded).identity, recorded.identity}) == 4


def test_an_endless_recording_begins_again_a_millisecond_after_its_end() -> None:
    source = Endless(Recorded([trade(1), trade(3)]))
    times = [step[0].ts_ns for step in islice(source.steps(), 5)]
    around = 2 * SECOND + 1_000_000
    assert times == [SECOND, 3 * SECOND, SECOND + around, 3 * SECOND + around, SECOND + 2 * around]
