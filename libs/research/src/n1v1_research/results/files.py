"""Writing a result: results.json, one table a file as CSV or Parquet, report.html."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1.errors import UnknownName, nearest
from n1v1_research.results.rows import Table, tables_of

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult

PRECISION = 38
"""Digits of a decimal in Parquet: the most that 128 bits hold."""


def save(result: RunResult, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Raises UnknownName for a format that is none of FORMATS, before anything is written."""
    wanted = checked_formats(formats)
    folder.mkdir(parents=True, exist_ok=True)
    return [path for name in wanted for path in FORMATS[name](result, folder)]


def checked_formats(formats: Iterable[str]) -> list[str]:
    """The same, each once. Raises UnknownName for one that is none of FORMATS."""
    wanted = list(dict.fromkeys(name.strip() for name in formats))
    for name in wanted:
        if name not in FORMATS:
            raise UnknownName(f"no result format is called {name!r}{nearest(name, FORMATS)}")
    return wanted


def _json(result: RunResult, folder: Path) -> list[Path]:
    path = folder / "results.json"
    path.write_text(result.to_json(), encoding="utf-8")
    return [path]


def _csv(result: RunResult, folder: Path) -> list[Path]:
    return [_csv_file(table, folder / f"{table.name}.csv") for table in tables_of(result)]


def _csv_file(table: Table, path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        if table.is_of_numbers:
            file.writelines(_plain_lines(table))
        else:
            writer.writerows(table.rows())
    return path


def _plain_lines(table: Table) -> Iterable[str]:
    """What csv would write, in half the time: numbers and times never need quotes."""
    written = table.decimals | table.times
    texts = [values if name in written else map(repr, values) for name, values in table.columns.items()]
    return (",".join(row) + "\n" for row in zip(*texts, strict=True))


def _parquet(result: RunResult, folder: Path) -> list[Path]:
    return [_parquet_file(table, folder / f"{table.name}.parquet") for table in tables_of(result)]


def _parquet_file(table: Table, path: Path) -> Path:
    import pyarrow as pa  # type: ignore[import-untyped]  # it comes without types
    from pyarrow import parquet

    columns = {name: _arrow(table, name, values) for name, values in table.columns.items()}
    parquet.write_table(pa.table(columns), path, compression="zstd")
    return path


def _arrow(table: Table, name: str, values: list[Any]) -> Any:  # Any: pyarrow comes without types
    import pyarrow as pa

    if name in table.times:
        return (
            pa.array([text.removesuffix("Z") for text in values])
            .cast(pa.timestamp("ns"))
            .cast(pa.timestamp("ns", tz="UTC"))
        )
    if name in table.decimals:
        places = max((len(text.partition(".")[2]) for text in values), default=0)
        return pa.array([Decimal(text) for text in values], type=pa.decimal128(PRECISION, places))
    return pa.array(values, type=None if values else pa.string())


def _html(result: RunResult, folder: Path) -> list[Path]:
    from n1v1_research.report import write

    return [write(result, folder / "report.html")]


FORMATS: dict[str, Callable[[RunResult, Path], list[Path]]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
    "html": _html,
}
