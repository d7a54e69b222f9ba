"""One stored dataset: its folder, written once and only read afterwards.

dataset.json         what it is and where it comes from
BTC-USD.parquet      open_ns, open, high, low, close, volume (int64: nanoseconds, ticks, lots)
gaps.parquet         symbol, first_open_ns, end_ns, missing_bars
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.arrow import values_of
from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.kept import STORED, kept_bars, sha256_of

FORMAT = 1
METADATA, GAPS = "dataset.json", "gaps.parquet"

_INSTRUMENT_FIELDS = tuple(field.name for field in fields(Instrument) if field.init)
_DECIMALS = ("tick_size", "lot_size", "quantum", "max_price", "max_quantity")


@dataclass(frozen=True)
class SeriesFacts:
    """One symbol of a stored dataset. sha256: of its Parquet file."""

    instrument: Instrument
    file: str
    sha256: str
    bars: int
    first_open_ns: int
    last_close_ns: int
    gaps: int
    missing_bars: int


@dataclass(frozen=True)
class Entry:
    """A stored dataset, without its bars. origin: what the import was told and read, for people."""

    id: str
    folder: Path
    name: str
    timeframe: str
    imported_ns: int
    series: tuple[SeriesFacts, ...]
    gaps_sha256: str
    origin: Mapping[str, Any]

    @property
    def bars(self) -> int:
        return sum(series.bars for series in self.series)

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir())


def read_bars(entry: Entry, symbol: str) -> Bars:
    """The bars of one symbol, the very ones that were imported.

    Raises InvalidData when the file is damaged, altered or gone.
    """
    series = next(series for series in entry.series if series.instrument.symbol == symbol)
    path = entry.folder / series.file
    if alteration := _file_alteration(path, series.sha256):
        raise InvalidData(f"dataset {entry.name} ({entry.id[:12]}): {alteration}")
    return kept_bars(path, series.sha256, series.instrument, entry.timeframe, lambda: _bars_in(entry, series))


def _bars_in(entry: Entry, series: SeriesFacts) -> Bars:
    """Whatever the file holds now. Raises InvalidData when it cannot be read."""
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types; finding a dataset does not wait for it
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(entry.folder / series.file).read(columns=list(STORED))
        open_ns, *values = (values_of(table.column(name), "<i8") for name in STORED)
    except (OSError, pa.ArrowException) as problem:
        raise InvalidData(
            f"dataset {entry.name} ({entry.id[:12]}): {series.file} cannot be read: {problem}"
        ) from problem
    return Bars(open_ns, open_ns + timeframe_ns(entry.timeframe), *values)


def alterations(folder: Path) -> list[str]:
    """What of a stored dataset is not as it was imported, one sentence each; none: everything is."""
    try:
        entry = entry_of(folder)
    except InvalidData as problem:
        return [str(problem)]
    recorded = {GAPS: entry.gaps_sha256, **{series.file: series.sha256 for series in entry.series}}
    found = [_file_alteration(folder / file, sha256) for file, sha256 in recorded.items()]
    found += [
        f"{path.name} does not belong here" for path in folder.iterdir() if path.name not in (*recorded, METADATA)
    ]
    try:
        actual = _dataset_in(entry).id
        if actual != entry.id:
            found.append(f"the bars and instruments have the id {actual[:12]}..., not {entry.id[:12]}...")
    except InvalidData as problem:
        found.append(str(problem))
    return [alteration for alteration in found if alteration]


def _dataset_in(entry: Entry) -> Dataset:
    """Whatever the files hold now."""
    bars = {series.instrument.symbol: _bars_in(entry, series) for series in entry.series}
    return Dataset(entry.name, entry.timeframe, tuple(series.instrument for series in entry.series), bars)


def _file_alteration(path: Path, recorded: str) -> str | None:
    if not path.is_file():
        return f"{path.name} is gone"
    actual = sha256_of(path)
    return None if actual == recorded else f"{path.name} was altered: SHA-256 {actual[:12]}..., was {recorded[:12]}..."


def write_files(dataset: Dataset, folder: Path, origin: Mapping[str, Any], now_ns: int) -> None:
    """All files of a dataset into a folder that is empty."""
    series = [_write_series(dataset, instrument, folder) for instrument in dataset.instruments]
    _write_gaps(dataset, folder)
    content = {
        "format": FORMAT,
        "id": dataset.id,
        "name": dataset.name,
        "timeframe": dataset.timeframe,
        "imported_ns": now_ns,
        "series": series,
        "gaps_sha256": sha256_of(folder / GAPS),
        "origin": dict(origin),
    }
    content["sha256"] = _content_sha256(content)
    (folder / METADATA).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _write_series(dataset: Dataset, instrument: Instrument, folder: Path) -> dict[str, Any]:
    """The bars of one symbol, and the facts about them."""
    import pyarrow as pa
    from pyarrow import parquet

    bars, path = dataset.columns(instrument.symbol), folder / f"{instrument.symbol}.parquet"
    parquet.write_table(pa.table({name: getattr(bars, name) for name in STORED}), path, compression="zstd")
    missing = [gap.missing_bars for gap in dataset.gaps if gap.symbol == instrument.symbol]
    return {
        "instrument": instrument_fields(instrument),
        "file": path.name,
        "sha256": sha256_of(path),
        "bars": len(bars),
        "first_open_ns": int(bars.open_ns[0]),
        "last_close_ns": int(bars.close_ns[-1]),
        "gaps": len(missing),
        "missing_bars": sum(missing),
    }


def _write_gaps(dataset: Dataset, folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "symbol": pa.array([gap.symbol for gap in dataset.gaps], pa.string()),
        "first_open_ns": pa.array([gap.first_open_ns for gap in dataset.gaps], pa.int64()),
        "end_ns": pa.array([gap.ts_ns for gap in dataset.gaps], pa.int64()),
        "missing_bars": pa.array([gap.missing_bars for gap in dataset.gaps], pa.int64()),
    }
    parquet.write_table(pa.table(columns), folder / GAPS, compression="zstd")


def entry_of(folder: Path) -> Entry:
    """The dataset of a folder. Raises InvalidData when its description is damaged or was altered."""
    try:
        content = json.loads((folder / METADATA).read_text("utf-8"))
        if content["sha256"] != _content_sha256(content):
            raise InvalidData(f"{folder / METADATA} was altered: it does not match its own SHA-256")
        if content["format"] != FORMAT:
            raise InvalidData(f"{folder / METADATA} is of format {content['format']}; this version reads {FORMAT}")
        return Entry(
            id=content["id"],
            folder=folder,
            name=content["name"],
            timeframe=content["timeframe"],
            imported_ns=content["imported_ns"],
            series=tuple(_series_facts(facts) for facts in content["series"]),
            gaps_sha256=content["gaps_sha256"],
            origin=content["origin"],
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as problem:
        raise InvalidData(f"{folder / METADATA} cannot be read: {problem!r}") from problem


def _series_facts(facts: Mapping[str, Any]) -> SeriesFacts:
    return SeriesFacts(**{**facts, "instrument": instrument_from(facts["instrument"])})


def instrument_fields(instrument: Instrument) -> dict[str, Any]:
    """For JSON: decimals as texts that read back as the very same Decimal."""
    given = {name: value for name, value in asdict(instrument).items() if name in _INSTRUMENT_FIELDS}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in given.items()}


def instrument_from(written: Mapping[str, Any]) -> Instrument:
    values: dict[str, Any] = {name: Decimal(v) if name in _DECIMALS else v for name, v in written.items()}
    return Instrument(**values)


def _content_sha256(content: Mapping[str, Any]) -> str:
    hashed = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
