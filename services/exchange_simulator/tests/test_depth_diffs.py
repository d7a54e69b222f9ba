"""Diffs of a book: a client that applies them to a snapshot has the book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from n1v1_exchange_simulator.binance.depth_diffs import DepthDiff
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level


def book(last_id: int, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> DepthSnapshot:
    return DepthSnapshot(ts_ns=0, symbol="BTC-USD", last_id=last_id, bids=bids, asks=asks)


def change(first_id: int, last_id: int, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> DepthChange:
    return DepthChange(ts_ns=0, symbol="BTC-USD", first_id=first_id, last_id=last_id, bids=bids, asks=asks)


def test_changes_between_two_pushes_are_one_with_the_last_word_on_each_level() -> None:
    diff = DepthDiff(book(7, bids=((100, 5),)))
    diff.add(change(8, 8, bids=((100, 4),)))
    diff.add(change(9, 10, bids=((100, 3), (99, 1)), asks=((101, 2),)))

    pushed = diff.take("BTC-USD", 5)
    assert pushed is not None
    assert (pushed.first_id, pushed.last_id) == (8, 10)
    assert pushed.bids == ((100, 3), (99, 1))
    assert pushed.asks == ((101, 2),)
    assert diff.take("BTC-USD", 6) is None, "nothing has happened since"


def test_ids_go_on_where_the_last_push_ended_even_if_the_venue_skipped_some() -> None:
    diff = DepthDiff(book(7))
    diff.add(change(8, 8, asks=((101, 2),)))
    diff.take("BTC-USD", 0)
    diff.add(change(12, 12, asks=((101, 3),)))

    pushed = diff.take("BTC-USD", 0)
    assert pushed is not None
    assert (pushed.first_id, pushed.last_id) == (9, 12)


def test_a_whole_book_takes_away_the_levels_that_it_does_not_have() -> None:
    diff = DepthDiff(book(1, bids=((100, 5), (99, 1)), asks=((101, 2),)))
    diff.add(book(2, bids=((100, 5),), asks=((102, 7),)))

    pushed = diff.take("BTC-USD", 0)
    assert pushed is not None
    assert pushed.bids == ((99, 0),)
    assert pushed.asks == ((101, 0), (102, 7))


def test_what_is_older_than_the_book_it_began_with_is_not_told_again() -> None:
    diff = DepthDiff(book(5, bids=((100, 5),)))
    diff.add(change(4, 5, bids=((100, 9),)))
    assert diff.take("BTC-USD", 0) is None


_levels = st.dictionaries(st.integers(90, 110), st.integers(0, 3), max_size=5).map(lambda found: tuple(found.items()))
_steps = st.lists(st.tuples(st.booleans(), _levels, st.booleans()), max_size=30)


@given(_steps)
def test_a_client_that_applies_every_push_has_the_book(steps: list[tuple[bool, tuple[Level, ...], bool]]) -> None:
    truth: dict[int, int] = {100: 1}
    client: dict[int, int] = {100: 1}
    diff = DepthDiff(book(1, bids=((100, 1),)))
    known_id, last_id = 1, 1
    for is_whole, levels, is_pushed in steps:
        last_id += 1
        resting = tuple((ticks, lots) for ticks, lots in levels if lots)
        if is_whole:
            truth = dict(resting)
            diff.add(book(last_id, bids=resting))
        else:
            truth = {ticks: lots for ticks, lots in (truth | dict(levels)).items() if lots}
            diff.add(change(last_id, last_id, bids=levels))
        if is_pushed and (pushed := diff.take("BTC-USD", 0)):
            assert pushed.first_id == known_id + 1
            known_id = pushed.last_id
            client = {ticks: lots for ticks, lots in (client | dict(pushed.bids)).items() if lots}
            assert client == truth
