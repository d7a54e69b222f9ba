"""Files that somebody has become a dataset: read, checked, with an instrument for every symbol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from n1v1.errors import InvalidData
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.checking import BadRow, Checked, check, refusal
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.grids import Grid, instrument_of
from n1v1_research.datasets.sources import RawTable, Reading, read_table

_WAYS_OUT = (
    "Nothing was stored. --skip-bad-rows leaves such rows out; --round rounds values that are finer than the grid; "
    "--tick-size and --lot-size choose another grid"
)


@dataclass(frozen=True)
class SourceFile:
    """A file that was imported. name: without folders. sha256: of the file as it was."""

    symbol: str
    name: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Imported:
    """What came of an import. skipped: the bad rows that were left out because the user said so. rounded: values."""

    dataset: Dataset
    sources: tuple[SourceFile, ...]
    skipped: tuple[BadRow, ...]
    rounded: int


def import_files(
    files: Mapping[str, Sequence[Path]],
    *,
    name: str,
    timeframe: str,
    reading: Reading,
    grids: Mapping[str, Grid],
    now_ns: int,
) -> Imported:
    """files: by symbol; several of one symbol must follow one another in time. grids: where it is given, by symbol.

    Raises:
        InvalidData: bad rows of any of the files, all of them unless they are very many; a file that cannot be read.
        InvalidValue: no such timeframe.
    """
    timeframe_ns(timeframe)
    imported, problems = [], []
    for symbol in sorted(files):
        try:
            grid = grids.get(symbol, Grid())
            imported.append(_import(symbol, files[symbol], timeframe, reading, grid, now_ns))
        except InvalidData as problem:
            problems.append(str(problem))
    if problems:
        raise InvalidData("\n".join(problems))
    return Imported(
        dataset=Dataset(
            name=name,
            timeframe=timeframe,
            instruments=tuple(one.instrument for one in imported),
            series={one.instrument.symbol: one.checked.bars for one in imported},
        ),
        sources=tuple(source for one in imported for source in one.sources),
        skipped=tuple(bad_row for one in imported for bad_row in one.checked.bad_rows),
        rounded=sum(one.checked.rounded for one in imported),
    )


@dataclass(frozen=True)
class _Symbol:
    instrument: Instrument
    checked: Checked
    sources: tuple[SourceFile, ...]


def _import(symbol: str, paths: Sequence[Path], timeframe: str, reading: Reading, grid: Grid, now_ns: int) -> _Symbol:
    tables = [read_table(path, reading) for path in paths]
    names = ", ".join(table.source for table in tables)
    instrument = instrument_of(symbol, tables, grid)
    checked = check(tables, instrument, timeframe, reading, now_ns=now_ns)
    if checked.bad_rows and not reading.skips_bad_rows:
        raise InvalidData(f"{refusal(names, checked.bad_rows)}\n{_WAYS_OUT}")
    if not len(checked.bars):
        raise InvalidData(f"{names}: no row is a bar")
    sources = tuple(_source_file(symbol, path, table) for path, table in zip(paths, tables, strict=True))
    return _Symbol(instrument, checked, sources)


def _source_file(symbol: str, path: Path, table: RawTable) -> SourceFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(symbol=symbol, name=path.name, sha256=digest, rows=len(table.numbers) + len(table.unreadable))
