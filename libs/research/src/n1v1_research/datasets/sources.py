"""Files of bars as tables: CSV (also .gz), Parquet and Feather. Nothing is converted yet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
from pyarrow import csv as arrow_csv

from n1v1.errors import InvalidData
from n1v1_research.datasets.arrow import ArrowColumn
from n1v1_research.datasets.columns import Column
from n1v1_research.datasets.moments import zone_named
from n1v1_research.datasets.time_columns import TimeUnit

FIELDS = ("time", "open", "high", "low", "close", "volume")

USUAL_NAMES: Mapping[str, Sequence[str]] = {
    "time": ("open_time", "timestamp", "time", "datetime", "date", "ts", "opentime", "unix", "__index_level_0__"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume"),
}
"""What columns are called where nobody says otherwise, best first; capitals and spaces do not matter."""

CSV_ENDINGS, PARQUET_ENDINGS, FEATHER_ENDINGS = (".csv", ".csv.gz", ".txt"), (".parquet", ".pq"), (".feather", ".arrow")


@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    columns: our name (one of FIELDS) to the file's; in a file without header to a column's number from 1.
    stamps: whether a row carries the time at which its bar opened or closed. timezone: of times without an offset.
    rounds: what is finer than the grid is rounded half to even instead of refused.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    has_header: bool = True
    delimiter: str = ","
    time_unit: TimeUnit = "auto"
    timezone: str = "UTC"
    stamps: Literal["open", "close"] = "open"
    rounds: bool = False
    drops_last: bool = False
    skips_bad_rows: bool = False

    @property
    def zone(self) -> tzinfo:
        return zone_named(self.timezone)


OWN_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
OWN_CSV = Reading(columns=dict(zip(FIELDS, OWN_COLUMNS, strict=True)), time_unit="iso")
"""The CSV that the bundled datasets are kept in and that `n1v1 data export` writes."""


@dataclass(frozen=True)
class RawTable:
    """A file as it is. columns: by our names. numbers: of each row, as people count: lines of a text, rows of a table.

    unreadable: complaints about lines that are not even rows, by number. written_ns: when the file was last written.
    """

    source: str
    counts: Literal["line", "row"]
    columns: Mapping[str, ArrowColumn]
    numbers: Column
    unreadable: Mapping[int, str] = field(default_factory=dict)
    written_ns: int | None = None

    def place(self, number: int) -> str:
        return f"{self.source}:{number}" if self.counts == "line" else f"{self.source} row {number}"


def read_table(path: Path, reading: Reading) -> RawTable:
    """Raises InvalidData: another kind of file, a damaged one, one that lacks a column."""
    name = path.name.lower()
    try:
        if name.endswith(CSV_ENDINGS):
            return _read_csv(path, reading)
        if name.endswith(PARQUET_ENDINGS):
            return _of_arrow(path, _parquet(path), reading)
        if name.endswith(FEATHER_ENDINGS):
            return _of_arrow(path, pa.ipc.open_file(path).read_all(), reading)
    except OSError as problem:
        raise InvalidData(f"{path.name}: the file cannot be read: {problem}") from problem
    except pa.ArrowInvalid as problem:
        raise InvalidData(f"{path.name}: the file is damaged or of another kind: {problem}") from problem
    endings = ", ".join([*CSV_ENDINGS, *PARQUET_ENDINGS, *FEATHER_ENDINGS])
    raise InvalidData(f"{path.name}: expected a file of bars that ends in one of {endings}")


def _parquet(path: Path) -> ArrowColumn:
    from pyarrow import parquet  # here, because it takes as long to import as all the rest, and CSV does not need it

    return parquet.ParquetFile(path).read()


def _of_arrow(path: Path, table: ArrowColumn, reading: Reading) -> RawTable:
    theirs = _column_names(path.name, table.column_names, reading)
    return RawTable(
        source=path.name,
        counts="row",
        columns={ours: _plain(table.column(name)) for ours, name in theirs.items()},
        numbers=np.arange(1, table.num_rows + 1),
        written_ns=path.stat().st_mtime_ns,
    )


def _plain(column: ArrowColumn) -> ArrowColumn:
    """Categories as the values that they stand for."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _read_csv(path: Path, reading: Reading) -> RawTable:
    text = csv_text(path)
    header, lines_above = _header(path.name, text, reading)
    theirs = _column_names(path.name, header, reading)
    unreadable: dict[int, str] = {}

    def note(row: arrow_csv.InvalidRow) -> str:
        unreadable[row.number] = f"expected {row.expected_columns} columns, found {row.actual_columns}"
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(text + b"\n"),
        # One thread: only then pyarrow numbers the lines that it cannot split.
        read_options=arrow_csv.ReadOptions(use_threads=False, column_names=header, skip_rows=lines_above),
        parse_options=arrow_csv.ParseOptions(
            delimiter=reading.delimiter, ignore_empty_lines=False, invalid_row_handler=note
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(theirs.values(), pa.string()), include_columns=list(theirs.values())
        ),
    )
    last = lines_above + table.num_rows + len(unreadable)
    return RawTable(
        source=path.name,
        counts="line",
        columns={ours: table.column(name) for ours, name in theirs.items()},
        numbers=np.setdiff1d(np.arange(lines_above + 1, last + 1), sorted(unreadable)),
        unreadable=unreadable,
        written_ns=path.stat().st_mtime_ns,
    )


def csv_text(path: Path) -> bytes:
    """The text of a file, without its signature and without empty lines at its end. Raises InvalidData."""
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
        text.decode("utf-8")
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InvalidData(f"{path.name}: the file is damaged: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise InvalidData(f"{path.name}: the file is not UTF-8 text: {problem}") from problem
    except OSError as problem:
        raise InvalidData(f"{path.name}: the file cannot be read: {problem}") from problem
    return text.removeprefix(b"\xef\xbb\xbf").rstrip()


def _header(source: str, text: bytes, reading: Reading) -> tuple[list[str], int]:
    """Names of the columns, and how many lines of the file they take. Without a header they are called 1, 2, 3..."""
    first = next(csv.reader([text.partition(b"\n")[0].decode()], delimiter=reading.delimiter), [])
    if not first:
        raise InvalidData(f"{source}: the file is empty")
    if reading.has_header:
        return [name.strip() for name in first], 1
    return [str(number) for number in range(1, len(first) + 1)], 0


def _column_names(source: str, found: Sequence[str], reading: Reading) -> dict[str, str]:
    """The file's name for each of ours. Raises InvalidData that lists what the file has."""
    by_plain_name = {_plain_name(name): name for name in reversed(found)}
    theirs = {}
    for position, ours in enumerate(FIELDS):
        usual = USUAL_NAMES[ours] if reading.has_header else (str(position + 1),)
        wanted = (reading.columns[ours],) if ours in reading.columns else usual
        name = next((by_plain_name[_plain_name(name)] for name in wanted if _plain_name(name) in by_plain_name), None)
        if name is None:
            expected = f"column {wanted[0]!r}" if len(wanted) == 1 else f"a column such as {wanted[0]!r}"
            raise InvalidData(
                f"{source}: expected {expected} for {ours}; the file has {', '.join(map(repr, found))} "
                f"(--columns {ours}=NAME says which one it is)"
            )
        theirs[ours] = name
    return theirs


def _plain_name(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
