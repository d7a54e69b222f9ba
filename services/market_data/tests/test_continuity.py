"""Runs of trades and of book changes: whatever is dropped, repeated or late, nothing is missing without a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from n1v1.events import BookChanged, BookSnapshot
from n1v1_market_data.continuity import BookRun, Follows, TradeRun


def change(first: int, last: int) -> BookChanged:
    return BookChanged(
        id=f"{first}", ts_ns=0, symbol="BTC-USDT", first_update_id=first, last_update_id=last, bids=(), asks=()
    )


def snapshot(update_id: int) -> BookSnapshot:
    return BookSnapshot(id="s", ts_ns=0, symbol="BTC-USDT", update_id=update_id, bids=(), asks=())


@given(st.lists(st.integers(1, 60), min_size=1))
def test_every_number_up_to_the_newest_is_taken_or_said_to_be_missing_once(numbers: list[int]) -> None:
    run = TradeRun()
    taken: list[int] = []
    missing: list[int] = []
    for number in numbers:
        gap = run.follow(number)
        if gap is not None:
            missing += gap
            taken.append(number)
    assert sorted(taken + missing) == list(range(numbers[0], max(taken) + 1))


def test_a_trade_that_comes_late_or_twice_is_known() -> None:
    run = TradeRun(last=4)
    assert [run.follow(number) for number in (5, 8, 7, 8, 9)] == [range(5, 5), range(6, 8), None, None, range(9, 9)]


LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=30)


@given(LENGTHS, st.data())
def test_what_is_passed_on_after_a_snapshot_has_no_gap_whatever_was_dropped(
    lengths: list[int], data: st.DataObject
) -> None:
    changes = []
    first = 1
    for length in lengths:
        changes.append(change(first, first + length - 1))
        first += length
    dropped = data.draw(st.sets(st.integers(0, len(changes) - 1)))
    begun_after = data.draw(st.integers(0, len(changes) - 1))
    sent = [each for position, each in enumerate(changes) if position not in dropped]

    run = BookRun()
    book_at: int | None = None
    for position, each in enumerate(sent):
        match run.follow(each):
            case Follows.YES:
                assert book_at is not None
                assert each.first_update_id <= book_at + 1, "a gap was passed on"
                book_at = each.last_update_id
            case Follows.BREAKS:
                book_at = None
            case Follows.OLD | Follows.WAITS:
                pass
        if position >= begun_after and not run.is_known:
            taken = snapshot(each.last_update_id)
            newer = run.begin(taken)
            assert newer == [], "the snapshot holds all that was sent so far"
            book_at = taken.update_id
    if not dropped and len(sent) > begun_after:
        assert book_at == changes[-1].last_update_id


def test_a_snapshot_between_two_changes_bridges_them() -> None:
    run = BookRun()
    for each in (change(1, 3), change(4, 6), change(7, 7), change(7, 7)):
        assert run.follow(each) is Follows.WAITS
    assert run.begin(snapshot(5)) == [change(4, 6), change(7, 7)]
    assert run.follow(change(8, 9)) is Follows.YES


def test_a_snapshot_from_before_the_changes_is_refused_and_they_go_on_waiting() -> None:
    run = BookRun()
    run.follow(change(10, 12))
    assert run.begin(snapshot(8)) is None
    assert run.begin(snapshot(9)) == [change(10, 12)]


def test_the_first_change_after_a_snapshot_may_have_begun_before_it() -> None:
    run = BookRun()
    run.begin(snapshot(5))
    assert run.follow(change(3, 5)) is Follows.OLD
    assert run.follow(change(4, 8)) is Follows.YES
    assert run.follow(change(10, 11)) is Follows.BREAKS
    assert not run.is_known
