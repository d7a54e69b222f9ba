"""Recorded depth: captures of a combined Binance stream, a line "local-ns JSON", gzipped.

A capture has depth updates, trades, best prices and, near its beginning, the book as REST gave it; several files in a
row are one recording. It is made into a book that is exact, or refused: updates before the snapshot are kept back,
those that the snapshot knows already are dropped, and from then on every update must continue the last one. Best prices
are passed over: what they say is in the updates.

Time is the venue's own, of the trade or of the event, and never runs back: between two streams of one connection the
venue's times may be out of order by some milliseconds.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from n1v1.errors import InvalidData
from n1v1.values import Instrument, decimal_places
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level, MarketEvent, PublicTrade
from n1v1_exchange_simulator.replay.recordings import SymbolFiles, content_hash
from n1v1_exchange_simulator.replay.source import Quality, Step, steps_of
from n1v1_research.datasets.grids import Grid, instrument_on

NANOSECONDS_PER_MS = 1_000_000
_BEST_PRICES = b"@bookTicker"
_HEAD = 120
"""Bytes of a line in which the name of its stream stands."""

Message = Mapping[str, Any]
"""What the venue sent, as JSON: hence Any."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One message with the place that it was read from, for complaints."""

    place: str
    local_ns: int
    content: Message


class DepthRecording:
    """A `Source` of depth and trades; trades of one taker at one price are one step. Symbols are merged by time, at
    equal times by symbol.

    Raises InvalidData for a capture without a book at its beginning.
    """

    quality = Quality.DEPTH
    total_steps = None

    def __init__(self, recording: Sequence[SymbolFiles], *, timeframe: str) -> None:
        self.timeframe = timeframe
        self.identity = content_hash(recording)
        self._captures = [_Capture(each) for each in sorted(recording, key=attrgetter("symbol"))]
        self.instruments = tuple(capture.instrument for capture in self._captures)

    @cached_property
    def first_ns(self) -> int:
        return next(self.steps())[0].ts_ns

    def steps(self) -> Iterator[Step]:
        yield from steps_of(merge(*(capture.events() for capture in self._captures), key=attrgetter("ts_ns")))


class _Capture:
    """The files of one symbol."""

    def __init__(self, files: SymbolFiles) -> None:
        self._files = files
        self.instrument = _instrument(files)
        self._ticks = _reader(self.instrument.tick_size)
        self._lots = _reader(self.instrument.lot_size)

    def events(self) -> Iterator[MarketEvent]:
        """From the book on, in order of time."""
        now_ns = 0
        for event in self._in_sequence():
            now_ns = max(now_ns, event.ts_ns)
            yield event if event.ts_ns == now_ns else replace(event, ts_ns=now_ns)

    def _in_sequence(self) -> Iterator[MarketEvent]:
        """Updates that follow one another; what came before the book is only looked at once it is known.

        A later book, after a connection was lost, replaces the first one; one that is older than it is passed over.
        """
        early: list[_Line] = []
        late: list[_Line] = []
        last_id: int | None = None
        for line, seen_ms in _timed(_lines(self._files)):
            if not _is_book(line.content):
                late = [line]
            elif last_id is None or line.content["lastUpdateId"] > last_id:
                book = self._read(line, seen_ms)
                last_id = book.last_id
                yield book
                late, early = [each for each in early if each.content["e"] != "trade"], []
            if last_id is None:
                early.append(line)
                continue
            for each in late:
                if each.content["e"] == "trade":
                    yield self._trade(each)
                elif each.content["u"] > last_id:
                    last_id = self._continued(each, last_id)
                    yield self._change(each)
            late = []

    def _read(self, line: _Line, seen_ms: int) -> DepthSnapshot:
        """seen_ms: what is known of the time when it came, on spot, where a REST answer has none; 0: its arrival."""
        content = line.content
        ms = content.get("E", seen_ms)
        with _complaining(line):
            return DepthSnapshot(
                ts_ns=ms * NANOSECONDS_PER_MS or line.local_ns,
                symbol=self.instrument.symbol,
                last_id=content["lastUpdateId"],
                bids=self._levels(content["bids"]),
                asks=self._levels(content["asks"]),
            )

    def _change(self, line: _Line) -> DepthChange:
        content = line.content
        with _complaining(line):
            return DepthChange(
                ts_ns=content["E"] * NANOSECONDS_PER_MS,
                symbol=self.instrument.symbol,
                first_id=content["U"],
                last_id=content["u"],
                bids=self._levels(content["b"]),
                asks=self._levels(content["a"]),
            )

    def _trade(self, line: _Line) -> PublicTrade:
        content = line.content
        with _complaining(line):
            return PublicTrade(
                ts_ns=content["T"] * NANOSECONDS_PER_MS,
                symbol=self.instrument.symbol,
                number=content["t"],
                ticks=self._ticks(content["p"]),
                lots=self._lots(content["q"]),
                is_buyer_maker=content["m"],
            )

    def _levels(self, sent: Sequence[Sequence[str]]) -> tuple[Level, ...]:
        return tuple((self._ticks(price), self._lots(quantity)) for price, quantity in sent)

    @staticmethod
    def _continued(line: _Line, last_id: int) -> int:
        """The id that it leads to. Futures say which id they follow (pu); on spot ids have no gaps."""
        content = line.content
        follows = content.get("pu", content["U"] - 1)
        if follows > last_id or content["U"] > content["u"]:
            raise InvalidData(
                f"{line.place}: the updates {content['U']} to {content['u']} do not continue the book at {last_id}; "
                "something was not recorded"
            )
        new_id: int = content["u"]
        return new_id


@contextmanager
def _complaining(line: _Line) -> Iterator[None]:
    """Says where it was when a message lacks something, or a number is off the grid."""
    try:
        yield
    except KeyError as problem:
        raise InvalidData(f"{line.place}: the message has no {problem}") from problem
    except (ValueError, TypeError, AttributeError) as problem:
        raise InvalidData(f"{line.place}: {problem}") from problem


def _timed(lines: Iterable[_Line]) -> Iterator[tuple[_Line, int]]:
    """Each with the latest time that any message has had by then, in ms. A book that comes before all of them, where a
    capture begins with it, has the time of the first; 0: there is none."""
    early: list[_Line] = []
    seen_ms = 0
    for line in lines:
        seen_ms = max(seen_ms, line.content.get("E", 0) if _is_book(line.content) else _event_ms(line))
        early.append(line)
        if seen_ms:
            yield from ((each, seen_ms) for each in early)
            early.clear()
    yield from ((each, 0) for each in early)


def _lines(files: SymbolFiles) -> Iterator[_Line]:
    """Every message but best prices, unwrapped."""
    for path in files.paths:
        number = 0
        try:
            with gzip.open(path, "rb") as file:
                for number, raw in enumerate(file, start=1):
                    line = None if _BEST_PRICES in raw[:_HEAD] else _line(path, number, raw)
                    if line is not None and not _is_best_price(line.content):
                        yield line
        except (OSError, EOFError, zlib.error) as problem:
            raise InvalidData(f"{path.name}:{number}: the file cannot be read on: {problem}") from problem


def _line(path: Path, number: int, raw: bytes) -> _Line:
    place = f"{path.name}:{number}"
    local, _, text = raw.partition(b" ")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise InvalidData(f'{place}: expected a line "local-ns JSON": {problem}') from None
    content = message.get("data", message) if isinstance(message, dict) else None
    if not local.isdigit() or not isinstance(content, dict):
        raise InvalidData(f'{place}: expected a line "local-ns JSON" with a message of a stream or a book')
    if not _is_book(content) and not _is_best_price(content) and content.get("e") not in ("depthUpdate", "trade"):
        raise InvalidData(f"{place}: expected depthUpdate, trade, bookTicker or a book; got {content.get('e')!r}")
    return _Line(place, int(local), content)


def _event_ms(line: _Line) -> int:
    with _complaining(line):
        return int(line.content["E"])


def _is_book(content: Message) -> bool:
    return "lastUpdateId" in content


def _is_best_price(content: Message) -> bool:
    """Of a stream that was recorded without its name; on spot it has no type."""
    return content.get("e", "bookTicker") == "bookTicker" and "B" in content


def _instrument(files: SymbolFiles) -> Instrument:
    """On the grid that the first book lies on, where the manifest names no other."""
    book = next((line for line in _lines(files) if _is_book(line.content)), None)
    if book is None:
        raise InvalidData(f"{files.symbol}: no book was recorded (a line with lastUpdateId, bids and asks)")
    with _complaining(book):
        levels = [*book.content["bids"], *book.content["asks"]]
        prices, quantities = ([Decimal(level[index]) for level in levels] for index in (0, 1))
        grid = files.grid
        return instrument_on(
            files.symbol,
            Grid(
                tick_size=grid.tick_size or _unit(price.normalize() for price in prices),
                # Odd remainders rest in a book: amounts are counted as finely as the venue writes them.
                lot_size=grid.lot_size or _unit(quantities),
                min_notional=grid.min_notional,
            ),
            highest=max(prices),
        )


def _unit(values: Iterable[Decimal]) -> Decimal:
    """The power of ten, at most 1, of the last digit that any of them is written with."""
    return Decimal(1).scaleb(min(min(int(value.as_tuple().exponent) for value in values), 0))


def _reader(unit: Decimal) -> Any:
    """From a text such as "61737.63000000" to units. Raises InvalidValue when it lies between two of them.

    Any: a cached function of a text; the same prices come again and again.
    """
    places = decimal_places(unit)

    @lru_cache(maxsize=1 << 16)
    def units(text: str) -> int:
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        if len(fraction) > places or not whole.isdigit() or (fraction and not fraction.isdigit()):
            raise ValueError(f"{text!r} is no multiple of {unit}")
        return int(whole + fraction.ljust(places, "0"))

    return units
