"""From the lines of a CSV file to bars, with a complaint for every line that cannot be one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from n1v1.errors import InvalidData, InvalidValue
from n1v1.events import BarClosed
from n1v1.ids import bar_id, correlation_id
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument, decimal_places, to_units

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
ROWS_NAMED_AT_MOST = 20

_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


@dataclass
class BarTable:
    """Reads the lines of one file: `read` them, then `finish`.

    A line that is no bar is noted and skipped, so that one reading names every bad line of a file.
    """

    instrument: Instrument
    timeframe: str
    source: str
    bars: list[BarClosed] = field(default_factory=list)
    bad_rows: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._step_ns = timeframe_ns(self.timeframe)
        self._max_ticks = self.instrument.ticks(self.instrument.max_price)
        self._ticks = exact_units(self.instrument.tick_size, what="price")
        self._lots = exact_units(self.instrument.lot_size, what="volume")
        self._previous_open_ns = -1

    def read(self, lines: Sequence[str]) -> None:
        """`lines` is the whole file: a header that names COLUMNS, then one bar a line."""
        if not lines or tuple(lines[0].split(",")) != COLUMNS:
            found = lines[0] if lines else "an empty file"
            self.bad_rows.append(f"{self.source}:1: expected the header {','.join(COLUMNS)}; found {found}")
            return
        for number, line in enumerate(lines[1:], start=2):
            try:
                self.bars.append(self._bar(line))
            except (InvalidData, InvalidValue) as problem:
                self.bad_rows.append(f"{self.source}:{number}: {problem}")

    def finish(self) -> tuple[BarClosed, ...]:
        """The bars. Raises InvalidData that names the bad lines when there are any."""
        if self.bad_rows:
            raise InvalidData(_complaint(self.source, self.bad_rows))
        return tuple(self.bars)

    def _bar(self, line: str) -> BarClosed:
        fields = line.split(",")
        if len(fields) != len(COLUMNS):
            raise InvalidData(f"expected {len(COLUMNS)} columns, found {len(fields)}")
        open_ns = self._open_ns(fields[0])
        ticks = self._ticks
        open_, high, low, close = ticks(fields[1]), ticks(fields[2]), ticks(fields[3]), ticks(fields[4])
        if not 0 < low <= open_ <= high <= self._max_ticks or not low <= close <= high:
            raise InvalidData(self._price_complaint(open_, high, low, close))
        volume = self._lots(fields[5])
        symbol, close_ns = self.instrument.symbol, open_ns + self._step_ns
        correlation = correlation_id(symbol, close_ns)
        return BarClosed(
            id=bar_id(symbol, self.timeframe, close_ns),
            ts_ns=close_ns,
            correlation_id=correlation,
            symbol=symbol,
            timeframe=self.timeframe,
            open_ns=open_ns,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
        )

    def _open_ns(self, text: str) -> int:
        """Time must strictly increase and lie on the timeframe's grid (counted from 1970-01-01)."""
        open_ns = moment_ns(text)
        if open_ns % self._step_ns:
            raise InvalidData(f"open_time {text} is not on the {self.timeframe} grid")
        if open_ns == self._previous_open_ns:
            raise InvalidData(f"open_time {text} is a duplicate of the row before")
        if open_ns < self._previous_open_ns:
            raise InvalidData(f"open_time {text} is before the row before it")
        self._previous_open_ns = open_ns
        return open_ns

    def _price_complaint(self, open_: int, high: int, low: int, close: int) -> str:
        price = self.instrument.price
        if low <= 0:
            return f"low {price(low)} is not positive"
        if high < low:
            return f"high {price(high)} is below low {price(low)}"
        if high > self._max_ticks:
            return f"high {price(high)} is above the instrument's max_price {self.instrument.max_price}"
        name, outside = ("open", open_) if not low <= open_ <= high else ("close", close)
        return f"{name} {price(outside)} is outside low {price(low)} to high {price(high)}"


def exact_units(unit: Decimal, *, what: str) -> Callable[[str], int]:
    """A function from a decimal text to whole units of `unit`; it raises InvalidData or InvalidValue."""
    places = decimal_places(unit)

    def units(text: str) -> int:
        # The plain form is nearly every field and takes a third of the time of Decimal.
        if _PLAIN.fullmatch(text):
            whole, _, fraction = text.partition(".")
            if len(fraction) <= places:
                return int(whole + fraction.ljust(places, "0"))
        return _units_of_any_number(text, unit, what)

    return units


def _units_of_any_number(text: str, unit: Decimal, what: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidData(f"{what} {text!r} is not a number") from None
    if not value.is_finite():
        raise InvalidData(f"{what} {text!r} is not a number")
    if value < 0:
        raise InvalidData(f"{what} {text} is negative")
    return to_units(value, unit, what=what)


def moment_ns(text: str) -> int:
    """UTC nanoseconds of an ISO 8601 date or moment; without an offset it is UTC. Raises InvalidData."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidData(f"{text!r} is not a time such as 2020-01-01T04:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000


def _complaint(source: str, bad_rows: Sequence[str]) -> str:
    shown = list(bad_rows[:ROWS_NAMED_AT_MOST])
    if hidden := len(bad_rows) - len(shown):
        shown.append(f"... and {hidden} more")
    count = "1 bad row" if len(bad_rows) == 1 else f"{len(bad_rows)} bad rows"
    return "\n".join([f"{source} has {count}:", *shown])
