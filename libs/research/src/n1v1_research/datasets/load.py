"""Finding a dataset and reading it: bundled, imported, a folder with dataset.toml, or one CSV file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData, UnknownName, nearest
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.kept import kept_bars, sha256_of
from n1v1_research.datasets.moments import moment_ns
from n1v1_research.datasets.store import Store
from n1v1_research.datasets.stored import Entry, read_bars

BUNDLED = Path(__file__).parent.parent / "data"
MANIFEST = "dataset.toml"

DEFAULT_DATASET = "coinbase-4h"

_CSV_NAME = re.compile(r"(?P<base>[A-Z0-9]+)-(?P<quote>[A-Z0-9]+)-(?P<timeframe>[1-9][0-9]*[smhdw])\.csv(\.gz)?")


@dataclass(frozen=True)
class _Manifest:
    """What dataset.toml says, or what the name of a lone CSV file says."""

    name: str
    timeframe: str
    files: Mapping[str, tuple[Instrument, Path]]
    id: None = None
    """Known once the files are read."""

    @property
    def instruments(self) -> dict[str, Instrument]:
        return {symbol: instrument for symbol, (instrument, _) in self.files.items()}

    def read(self, symbol: str) -> Bars:
        instrument, path = self.files[symbol]
        return _read_csv(path, instrument, self.timeframe)


@dataclass(frozen=True)
class _Imported:
    """A dataset of the store, as a manifest."""

    entry: Entry

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def timeframe(self) -> str:
        return self.entry.timeframe

    @property
    def instruments(self) -> dict[str, Instrument]:
        return {series.instrument.symbol: series.instrument for series in self.entry.series}

    @property
    def id(self) -> str:
        return self.entry.id

    def read(self, symbol: str) -> Bars:
        return read_bars(self.entry, symbol)


def load(
    name_or_path: str | Path,
    *,
    symbols: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    store: Path | None = None,
) -> Dataset:
    """Read and check a dataset.

    name_or_path: a bundled name (`coinbase-4h`); the name, the id or the beginning of the id of one that
    `n1v1 data import` has stored; a folder with a dataset.toml; or a file such as `BTC-USD-4h.csv` or `.csv.gz`
    (columns open_time,open,high,low,close,volume; then the instrument has the default grid of
    `n1v1.values.Instrument`). The first of these that there is counts.
    start, end: ISO dates or moments, UTC without an offset. Kept are the bars that open at or after `start`
    and before `end`. Rows outside are checked all the same.
    store: the folder of imported datasets; None: the user's, see `store.default_folder`.

    Raises:
        UnknownName: no such dataset or symbol. The message names the nearest one.
        InvalidData: rows that cannot be bars, by file and line; a file that cannot be read; nothing left.
    """
    found = _find(name_or_path, store)
    chosen = _chosen(found, symbols)
    first_ns = moment_ns(start) if start else 0
    end_ns = moment_ns(end) if end else None
    bars: dict[str, Bars] = {}
    problems = []
    for instrument in chosen:
        try:
            whole = found.read(instrument.symbol)
        except InvalidData as problem:
            problems.append(str(problem))
            continue
        bars[instrument.symbol] = _between(whole, first_ns, end_ns, f"{found.name} {instrument.symbol}")
    if problems:
        raise InvalidData("\n".join(problems))
    dataset = Dataset(name=found.name, timeframe=found.timeframe, instruments=chosen, series=bars)
    is_whole = len(chosen) == len(found.instruments) and start is None and end is None
    if is_whole and found.id is not None:
        dataset.keep_id(found.id)
    return dataset


def instruments(
    name_or_path: str | Path, *, symbols: Sequence[str] | None = None, store: Path | None = None
) -> tuple[Instrument, ...]:
    """What a dataset says about its instruments, without reading a bar. Raises UnknownName or InvalidData."""
    return _chosen(_find(name_or_path, store), symbols)


def bundled() -> tuple[str, ...]:
    """Names of the datasets that come with the package."""
    return tuple(sorted(path.parent.name for path in BUNDLED.glob(f"*/{MANIFEST}")))


def _find(name_or_path: str | Path, store_folder: Path | None) -> _Manifest | _Imported:
    name, store = str(name_or_path), Store(store_folder)
    if name in bundled():
        return _manifest_of_folder(BUNDLED / name)
    if (entry := store.find(name)) is not None:
        return _Imported(entry)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _manifest_of_folder(path)
    if path.is_file():
        return _manifest_of_file(path)
    raise UnknownName(f"no dataset {name!r}{nearest(name, [*bundled(), *store.names()])}")


def _manifest_of_folder(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise InvalidData(f"{folder} is no dataset: it has no {MANIFEST}")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        timeframe_ns(content["timeframe"])
        files = {entry["symbol"]: (_instrument(entry), folder / entry["file"]) for entry in content["instruments"]}
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
    return _Manifest(name=path.name, timeframe=match["timeframe"], files={symbol: (instrument, path)})


def _chosen(found: _Manifest | _Imported, symbols: Sequence[str] | None) -> tuple[Instrument, ...]:
    """Sorted by symbol, so that a dataset does not depend on the order in which symbols were asked for."""
    by_symbol = found.instruments
    for symbol in symbols or ():
        if symbol not in by_symbol:
            raise UnknownName(f"dataset {found.name} has no {symbol!r}{nearest(symbol, by_symbol)}")
    return tuple(by_symbol[symbol] for symbol in sorted(set(symbols or by_symbol)))


def _read_csv(path: Path, instrument: Instrument, timeframe: str) -> Bars:
    def read() -> Bars:
        # Imported here because pyarrow takes longer to import than this package needs to find a dataset.
        from n1v1_research.datasets.checking import check, refusal
        from n1v1_research.datasets.sources import OWN_CSV, read_table

        table = read_table(path, OWN_CSV)
        checked = check([table], instrument, timeframe, OWN_CSV)
        if checked.bad_rows:
            raise InvalidData(refusal(path.name, checked.bad_rows))
        return checked.bars

    try:
        sha256 = sha256_of(path)
    except OSError as problem:
        raise InvalidData(f"{path}: cannot be read: {problem.strerror}") from problem
    return kept_bars(path, sha256, instrument, timeframe, read)


def _between(bars: Bars, first_ns: int, end_ns: int | None, what: str) -> Bars:
    kept = bars.between(first_ns, end_ns)
    if not len(kept):
        raise InvalidData(f"{what}: no bars between the start and the end that were asked for")
    return kept
