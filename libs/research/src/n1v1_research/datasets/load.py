"""Finding a dataset and reading it: a bundled name, a folder with dataset.toml, or one CSV file."""

from __future__ import annotations

import gzip
import re
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData, UnknownName, nearest
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.bars import BarTable, moment_ns
from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.dataset import Dataset

BUNDLED = Path(__file__).parent.parent / "data"
MANIFEST = "dataset.toml"

DEFAULT_DATASET = "coinbase-4h"

_CSV_NAME = re.compile(r"(?P<base>[A-Z0-9]+)-(?P<quote>[A-Z0-9]+)-(?P<timeframe>[1-9][0-9]*[mhdw])\.csv(\.gz)?")


@dataclass(frozen=True)
class _Manifest:
    """What dataset.toml says, or what the name of a lone CSV file says."""

    name: str
    timeframe: str
    files: tuple[tuple[Instrument, Path], ...]


def load(
    name_or_path: str | Path,
    *,
    symbols: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Dataset:
    """Read and check a dataset.

    name_or_path: a bundled name (`coinbase-4h`), a folder with a dataset.toml, or a file such as
    `BTC-USD-4h.csv` or `.csv.gz` (columns open_time,open,high,low,close,volume; then the instrument has the
    default grid of `n1v1.values.Instrument`).
    start, end: ISO dates or moments, UTC without an offset. Kept are the bars that open at or after `start`
    and before `end`. Rows outside are checked all the same.

    Raises:
        UnknownName: no such dataset or symbol. The message names the nearest one.
        InvalidData: rows that cannot be bars, by file and line; a file that cannot be read; nothing left.
    """
    manifest = _manifest(name_or_path)
    chosen = _chosen(manifest, symbols)
    first_ns = moment_ns(start) if start else 0
    end_ns = moment_ns(end) if end else None
    bars: dict[str, Bars] = {}
    problems = []
    for instrument, path in chosen:
        try:
            whole = _read(path, instrument, manifest.timeframe)
        except InvalidData as problem:
            problems.append(str(problem))
            continue
        bars[instrument.symbol] = _between(whole, first_ns, end_ns, path)
    if problems:
        raise InvalidData("\n".join(problems))
    return Dataset(
        name=manifest.name,
        timeframe=manifest.timeframe,
        instruments=tuple(instrument for instrument, _ in chosen),
        bars=bars,
    )


def instruments(name_or_path: str | Path, *, symbols: Sequence[str] | None = None) -> tuple[Instrument, ...]:
    """What a dataset says about its instruments, without reading a bar. Raises UnknownName or InvalidData."""
    return tuple(instrument for instrument, _ in _chosen(_manifest(name_or_path), symbols))


def bundled() -> tuple[str, ...]:
    """Names of the datasets that come with the package."""
    return tuple(sorted(path.parent.name for path in BUNDLED.glob(f"*/{MANIFEST}")))


def _manifest(name_or_path: str | Path) -> _Manifest:
    if str(name_or_path) in bundled():
        return _manifest_of_folder(BUNDLED / name_or_path)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _manifest_of_folder(path)
    if path.is_file():
        return _manifest_of_file(path)
    raise UnknownName(f"no dataset {str(name_or_path)!r}{nearest(str(name_or_path), bundled())}")


def _manifest_of_folder(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise InvalidData(f"{folder} is no dataset: it has no {MANIFEST}")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        timeframe_ns(content["timeframe"])
        files = tuple((_instrument(entry), folder / entry["file"]) for entry in content["instruments"])
        return _Manifest(name=content["name"], timeframe=content["timeframe"], files=files)
    except KeyError as missing:
        raise InvalidData(f"{path}: {missing} is missing") from None
    except (tomllib.TOMLDecodeError, TypeError, ValueError, ArithmeticError) as problem:
        raise InvalidData(f"{path}: {problem}") from problem


def _instrument(entry: dict[str, Any]) -> Instrument:
    """Decimals are written as text in TOML, because its numbers are floats."""
    decimals = {"tick_size", "lot_size", "quantum", "max_price", "max_quantity"}
    fields: dict[str, Any] = {key: Decimal(value) if key in decimals else value for key, value in entry.items()}
    del fields["file"]
    return Instrument(**fields)


def _manifest_of_file(path: Path) -> _Manifest:
    match = _CSV_NAME.fullmatch(path.name)
    if match is None:
        raise InvalidData(
            f"{path}: a file of bars is named BASE-QUOTE-TIMEFRAME.csv or .csv.gz, such as BTC-USD-4h.csv"
        )
    symbol = f"{match['base']}-{match['quote']}"
    instrument = Instrument(symbol=symbol, base=match["base"], quote=match["quote"])
    return _Manifest(name=path.name, timeframe=match["timeframe"], files=((instrument, path),))


def _chosen(manifest: _Manifest, symbols: Sequence[str] | None) -> tuple[tuple[Instrument, Path], ...]:
    """Sorted by symbol, so that a dataset does not depend on the order in which symbols were asked for."""
    by_symbol = {instrument.symbol: (instrument, path) for instrument, path in manifest.files}
    for symbol in symbols or ():
        if symbol not in by_symbol:
            raise UnknownName(f"dataset {manifest.name} has no {symbol!r}{nearest(symbol, by_symbol)}")
    return tuple(by_symbol[symbol] for symbol in sorted(set(symbols or by_symbol)))


def _read(path: Path, instrument: Instrument, timeframe: str) -> Bars:
    table = BarTable(instrument=instrument, timeframe=timeframe, source=path.name)
    table.read(_text(path).splitlines())
    return Bars.of_events(table.finish())


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InvalidData(f"{path.name}: the file is damaged: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise InvalidData(f"{path.name}: the file is not UTF-8 text: {problem}") from problem
    except OSError as problem:
        raise InvalidData(f"{path.name}: the file cannot be read: {problem}") from problem


def _between(bars: Bars, first_ns: int, end_ns: int | None, path: Path) -> Bars:
    kept = bars.between(first_ns, end_ns)
    if not len(kept):
        raise InvalidData(f"{path.name}: no bars between the start and the end that were asked for")
    return kept
