"""Which files a recording of trades or of depth is made of: a manifest in TOML, a folder, or one file.

A manifest has one table for each instrument; paths are relative to it:

    [[instruments]]
    symbol = "BTC-USDT"
    files = ["btc-usdt-20240808.ws.gz", "btc-usdt-20240809.ws.gz"]   # in a row
    tick_size = "0.01"       # these three are found in the data where they are not given
    lot_size = "0.00001"
    min_notional = "5"

In a folder the files of a symbol are called after it and sorted by name: BTC-USDT.parquet, BTC-USDT-20240809.ws.gz.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData, UnknownName, nearest
from n1v1_exchange_simulator.replay.source import Quality
from n1v1_research.datasets.grids import Grid

ENDINGS = {Quality.TRADES: ".parquet", Quality.DEPTH: ".ws.gz"}

_KEYS = ("symbol", "files", "tick_size", "lot_size", "min_notional")


@dataclass(frozen=True, slots=True)
class SymbolFiles:
    """One instrument's recording. grid: what is said of it; the data decides about the rest."""

    symbol: str
    paths: tuple[Path, ...]
    grid: Grid


def find_recording(path: Path, quality: Quality, symbols: Sequence[str]) -> tuple[SymbolFiles, ...]:
    """The files of `symbols`, in their order.

    Raises:
        InvalidData: nothing at `path`, a manifest that cannot be read, or a file that it names and that is not there.
        UnknownName: a symbol that was not recorded.
    """
    if path.suffix == ".toml":
        found = _manifest(path)
    elif path.is_dir():
        found = _named_files(sorted(path.iterdir()), quality)
    elif path.is_file():
        found = _named_files([path], quality)
    else:
        raise InvalidData(f"{path}: expected a manifest (.toml), a folder or a file of {quality}; there is nothing")
    if not found:
        raise InvalidData(f"{path}: no file is called as a symbol and ends in {ENDINGS[quality]}")
    for symbol in symbols:
        if symbol not in found:
            raise UnknownName(f"{path} has no {quality} of {symbol}{nearest(symbol, found)}")
    return tuple(found[symbol] for symbol in symbols)


def content_hash(recording: Sequence[SymbolFiles]) -> str:
    """Changes with every byte of every file."""
    whole = hashlib.sha256()
    for each in recording:
        whole.update(repr((each.symbol, each.grid, len(each.paths))).encode())
        for path in each.paths:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _named_files(paths: Sequence[Path], quality: Quality) -> dict[str, SymbolFiles]:
    name = re.compile(r"(?P<symbol>[A-Z0-9]+-[A-Z0-9]+(-PERP)?)(-[0-9-]+)?" + re.escape(ENDINGS[quality]))
    by_symbol: dict[str, list[Path]] = {}
    for path in paths:
        if (matched := name.fullmatch(path.name)) is not None:
            by_symbol.setdefault(matched["symbol"], []).append(path)
    return {symbol: SymbolFiles(symbol, tuple(files), Grid()) for symbol, files in by_symbol.items()}


def _manifest(path: Path) -> dict[str, SymbolFiles]:
    try:
        content = tomllib.loads(path.read_text())
    except OSError as problem:
        raise InvalidData(f"{path} cannot be read: {problem.strerror}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise InvalidData(f"{path}: {problem}") from problem
    entries = content.get("instruments")
    if not isinstance(entries, list) or not entries:
        raise InvalidData(f"{path}: expected one [[instruments]] table for each symbol")
    files = [_entry(path, entry) for entry in entries]
    return {each.symbol: each for each in files}


def _entry(manifest: Path, entry: Mapping[str, Any]) -> SymbolFiles:
    for key in entry:
        if key not in _KEYS:
            raise InvalidData(f"{manifest}: unknown key {key!r}{nearest(key, _KEYS)}")
    symbol, files = entry.get("symbol"), entry.get("files")
    if not isinstance(symbol, str) or not isinstance(files, list) or not files:
        raise InvalidData(f"{manifest}: an instrument needs a symbol and files, got {dict(entry)}")
    paths = tuple(manifest.parent / str(file) for file in files)
    for each in paths:
        if not each.is_file():
            raise InvalidData(f"{manifest}: there is no file {each}")
    sizes = [_decimal(manifest, entry, name) for name in ("tick_size", "lot_size", "min_notional")]
    return SymbolFiles(symbol, paths, Grid(*sizes))


def _decimal(manifest: Path, entry: Mapping[str, Any], name: str) -> Decimal | None:
    """Written as a text: a TOML float would not be exact."""
    value = entry.get(name)
    if value is None:
        return None
    try:
        return Decimal(value) if isinstance(value, str) else _not_a_text(manifest, name, value)
    except InvalidOperation:
        raise InvalidData(f"{manifest}: {name} {value!r} is no number") from None


def _not_a_text(manifest: Path, name: str, value: object) -> Decimal:
    raise InvalidData(f'{manifest}: {name} must be a number in quotes, such as "0.01"; got {value!r}')
