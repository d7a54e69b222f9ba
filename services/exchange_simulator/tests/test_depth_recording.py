"""Captures of depth become an exact book, or are refused by file and line."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from n1v1.errors import InvalidData, UnknownName
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.replay.depth import DepthRecording
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality

MS = 1_000_000
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

Message = dict[str, Any]


def update(
    first: int, last: int, *, ms: int, bids: Sequence[tuple[str, str]] = (), asks: Any = (), **more: Any
) -> Message:
    content = {"e": "depthUpdate", "E": ms, "s": "AB", "U": first, "u": last, "b": bids, "a": asks} | more
    return {"stream": "ab@depth@100ms", "data": content}


def trade(number: int, price: str, *, ms: int, quantity: str = "1.00", is_buyer_maker: bool = False) -> Message:
    content = {"e": "trade", "E": ms, "s": "AB", "t": number, "p": price, "q": quantity, "T": ms, "m": is_buyer_maker}
    return {"stream": "ab@trade", "data": content}


BOOK: Message = {"lastUpdateId": 10, "bids": [["99.50", "2.00"], ["99.00", "1.00"]], "asks": [["100.50", "3.00"]]}
BEST: Message = {"stream": "ab@bookTicker", "data": {"u": 11, "s": "AB", "b": "99.5", "B": "2", "a": "100.5", "A": "3"}}


def capture(path: Path, messages: Sequence[Message]) -> Path:
    lines = [b"%d " % number + orjson.dumps(message) for number, message in enumerate(messages, start=1)]
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return path


def recording_of(*paths: Path) -> DepthRecording:
    folder = paths[0].parent
    return DepthRecording(find_recording(folder, Quality.DEPTH, ["A-B"]), timeframe="1m")


def events_of(recording: DepthRecording) -> list[MarketEvent]:
    return [event for step in recording.steps() for event in step]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "A-B-20240808.ws.gz"


def test_updates_before_the_book_are_kept_back_and_those_that_it_knows_are_dropped(path: Path) -> None:
    messages = [
        update(5, 8, ms=100, bids=[("99.50", "7.00")]),
        update(9, 12, ms=110, bids=[("99.00", "4.00")]),
        trade(1, "99.50", ms=111),
        BOOK,
        update(13, 14, ms=120, asks=[("100.50", "0.00")]),
    ]
    book, first, second = events_of(recording_of(capture(path, messages)))
    assert isinstance(book, DepthSnapshot)
    assert (book.ts_ns, book.last_id) == (111 * MS, 10)
    assert (book.bids, book.asks) == (((995, 200), (990, 100)), ((1005, 300),))
    assert isinstance(first, DepthChange)
    assert (first.ts_ns, first.first_id, first.last_id) == (111 * MS, 9, 12), "time does not run back"
    assert first.bids == ((990, 400),)
    assert isinstance(second, DepthChange)
    assert (second.ts_ns, second.asks) == (120 * MS, ((1005, 0),))


def test_trades_carry_who_took_and_best_prices_are_passed_over(path: Path) -> None:
    messages = [BOOK | {"E": 90}, BEST, trade(7, "99.5", ms=100, quantity="0.25", is_buyer_maker=True)]
    _, sold = events_of(recording_of(capture(path, messages)))
    assert sold == PublicTrade(ts_ns=100 * MS, symbol="A-B", number=7, ticks=995, lots=25, is_buyer_maker=True)


def test_the_grid_is_that_of_the_first_book(path: Path) -> None:
    (instrument,) = recording_of(capture(path, [BOOK])).instruments
    assert (str(instrument.tick_size), str(instrument.lot_size)) == ("0.1", "0.01")


def test_a_book_without_a_time_at_the_very_beginning_has_that_of_its_arrival(path: Path) -> None:
    (book,) = events_of(recording_of(capture(path, [BOOK])))
    assert book.ts_ns == 1, "lines of these captures arrive at 1, 2, ... ns"


def test_a_capture_that_begins_with_its_book_begins_at_the_time_of_the_first_message(path: Path) -> None:
    """Whenever the line arrived by the recorder's clock, which may be far off."""
    book, change = events_of(recording_of(capture(path, [BOOK, update(9, 12, ms=100, bids=[("99.00", "4.00")])])))
    assert isinstance(book, DepthSnapshot)
    assert (book.ts_ns, book.last_id, change.ts_ns) == (100 * MS, 10, 100 * MS)


def test_best_prices_without_the_name_of_their_stream_are_passed_over_too(path: Path) -> None:
    future = BEST["data"] | {"e": "bookTicker", "E": 95}
    messages = [BOOK | {"E": 90}, BEST["data"], future, update(11, 12, ms=100)]
    assert len(events_of(recording_of(capture(path, messages)))) == 2


def test_a_later_book_replaces_the_first_and_an_older_one_is_passed_over(path: Path) -> None:
    later = {"lastUpdateId": 50, "bids": [["98.0", "1.00"]], "asks": [["99.0", "1.00"]]}
    messages = [BOOK | {"E": 90}, update(11, 12, ms=100), BOOK, later, update(51, 52, ms=200)]
    events = events_of(recording_of(capture(path, messages)))
    assert [(type(event).__name__, event.ts_ns // MS) for event in events] == [
        ("DepthSnapshot", 90),
        ("DepthChange", 100),
        ("DepthSnapshot", 100),
        ("DepthChange", 200),
    ]


def test_a_second_file_continues_the_first(path: Path) -> None:
    capture(path, [BOOK | {"E": 90}, update(11, 12, ms=100)])
    capture(path.with_name("A-B-20240809.ws.gz"), [update(13, 15, ms=200, bids=[("98.00", "1.00")])])
    recording = recording_of(path)
    assert [event.ts_ns for event in events_of(recording)] == [90 * MS, 100 * MS, 200 * MS]
    assert events_of(recording) == events_of(recording), "and it is the same each time"


def test_a_hole_between_updates_is_refused_by_file_and_line(path: Path) -> None:
    recording = recording_of(capture(path, [BOOK | {"E": 90}, BEST, update(12, 13, ms=100)]))
    complaint = r"A-B-20240808.ws.gz:3: the updates 12 to 13 do not continue the book at 10"
    with pytest.raises(InvalidData, match=complaint):
        events_of(recording)


def test_futures_say_which_update_they_follow(path: Path) -> None:
    messages = [BOOK | {"E": 90}, update(15, 20, ms=100, pu=10), update(22, 25, ms=101, pu=20)]
    assert len(events_of(recording_of(capture(path, messages)))) == 3
    capture(path, [*messages, update(30, 31, ms=102, pu=28)])
    with pytest.raises(InvalidData, match="do not continue the book at 25"):
        events_of(recording_of(path))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (trade(1, "99.55", ms=100), r":2: '99.55' is no multiple of 0.1"),
        (trade(1, "-99.5", ms=100), r":2: '-99.5' is no multiple of 0.1"),
        ({"stream": "ab@trade", "data": {"e": "trade", "E": 100}}, r":2: the message has no 'T'"),
        ({"stream": "ab@trade", "data": {"e": "trade", "T": 100}}, r":2: the message has no 'E'"),
        (
            {"stream": "ab@aggTrade", "data": {"e": "aggTrade"}},
            r":2: expected depthUpdate, trade, bookTicker or a book",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_line(path: Path, wrong: Message, complaint: str) -> None:
    with pytest.raises(InvalidData, match=complaint):
        events_of(recording_of(capture(path, [BOOK | {"E": 90}, wrong])))


def test_a_file_that_was_cut_off_is_refused(path: Path) -> None:
    capture(path, [BOOK | {"E": 90}, *(update(number, number, ms=number) for number in range(11, 500))])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidData, match=r"A-B-20240808.ws.gz:[0-9]+: the file cannot be read on"):
        events_of(recording_of(path))


def test_without_a_book_there_is_no_recording(path: Path) -> None:
    with pytest.raises(InvalidData, match="no book was recorded"):
        recording_of(capture(path, [update(1, 2, ms=100)]))


def test_a_manifest_names_files_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    capture(tmp_path / "deep" / "anything.gz", [BOOK | {"E": 90}])
    manifest = tmp_path / "night.toml"
    manifest.write_text('[[instruments]]\nsymbol = "A-B"\nfiles = ["deep/anything.gz"]\nlot_size = "0.001"\n')
    (files,) = find_recording(manifest, Quality.DEPTH, ["A-B"])
    (instrument,) = DepthRecording([files], timeframe="1m").instruments
    assert str(instrument.lot_size) == "0.001"
    with pytest.raises(UnknownName, match=r"has no depth of A-C \(did you mean 'A-B'\?\)"):
        find_recording(manifest, Quality.DEPTH, ["A-C"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected one"),
        ('[[instruments]]\nsymbol = "A-B"\nfile = ["x"]', r"unknown key 'file' \(did you mean 'files'"),
        ('[[instruments]]\nsymbol = "A-B"\nfiles = ["x"]', "there is no file"),
        ('[[instruments]]\nsymbol = "A-B"\nfiles = []', "needs a symbol and files"),
        ("[[instruments]", "Expected"),
    ],
)
def test_a_manifest_with_something_wrong_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    manifest = tmp_path / "night.toml"
    manifest.write_text(text)
    with pytest.raises(InvalidData, match=complaint):
        find_recording(manifest, Quality.DEPTH, ["A-B"])


def test_a_path_where_nothing_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="there is nothing"):
        find_recording(tmp_path / "nowhere", Quality.TRADES, ["A-B"])
    with pytest.raises(InvalidData, match=r"no file is called as a symbol and ends in \.parquet"):
        find_recording(tmp_path, Quality.TRADES, ["A-B"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no recorded data beside the repository (../shared/data)")
@pytest.mark.parametrize(
    ("folder", "symbol", "changes"),
    [("binance", "BTC-USDT", 6_493), ("binance-usdm", "ETH-USDT-PERP", 6_580)],
)
def test_recorded_depth_has_no_hole_and_never_crosses(folder: str, symbol: str, changes: int) -> None:
    files = find_recording(SHARED / "book" / folder, Quality.DEPTH, [symbol])
    events = events_of(DepthRecording(files, timeframe="1m"))
    assert sum(isinstance(event, DepthChange) for event in events) == changes
    assert [event.ts_ns for event in events] == sorted(event.ts_ns for event in events)
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for event in events:
        if isinstance(event, DepthSnapshot | DepthChange):
            bids = {ticks: lots for ticks, lots in (bids | dict(event.bids)).items() if lots}
            asks = {ticks: lots for ticks, lots in (asks | dict(event.asks)).items() if lots}
            assert max(bids) < min(asks)
