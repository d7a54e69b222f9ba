"""Which instruments the configured system trades, and on which grids.

Live they are the venue's own, which it was asked for before the services start and which every one of them reads from
a file of the state folder. What the folder has journalled is counted in their units: the file never changes what it
says of a symbol.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidData, UnknownName, nearest
from n1v1.values import Instrument
from n1v1_common.settings.model import Settings
from n1v1_research.datasets import DEFAULT_DATASET, instruments

FILE_NAME = "instruments.json"
_DECIMALS = frozenset({"tick_size", "lot_size", "quantum", "max_price", "max_quantity"})


def instruments_of(settings: Settings) -> tuple[Instrument, ...]:
    """The symbols of the settings: live with the venue's grids once it was asked for them, else with the dataset's.

    Raises UnknownName for a symbol that is not there, InvalidData for a file that cannot be read.
    """
    market = settings.market
    if not settings.is_simulated and (path := file_of(settings)).exists():
        return _chosen(read_instruments(path, settings.venue), market.symbols, path)
    return instruments(market.dataset or DEFAULT_DATASET, symbols=market.symbols, store=settings.datasets_dir)


def file_of(settings: Settings) -> Path:
    return settings.paths.state_dir / FILE_NAME


def keep_instruments(path: Path, venue: str, found: Sequence[Instrument]) -> None:
    """Add what is new to the file, all of it or nothing. Raises InvalidData when a symbol has another grid there."""
    known = read_instruments(path, venue) if path.exists() else {}
    for instrument in found:
        before = known.setdefault(instrument.symbol, instrument)
        if changed := _what_differs(before, instrument):
            raise InvalidData(
                f"{venue} has another grid for {instrument.symbol} than when this state folder was begun: {changed}. "
                f"What is journalled here is counted in the old units: close its positions, and begin another folder "
                f"(paths.state_dir), or remove {path} if nothing of it was ever traded"
            )
    content = {"venue": venue, "instruments": [_record(instrument) for instrument in known.values()]}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_instruments(path: Path, venue: str) -> dict[str, Instrument]:
    """By symbol. Raises InvalidData for a file that cannot be read, or is of another venue."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        of_venue, records = content["venue"], [_instrument(record) for record in content["instruments"]]
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as problem:
        raise InvalidData(f"{path}: expected the instruments of {venue}: {problem}") from problem
    if of_venue != venue:
        raise InvalidData(
            f"{path} has the instruments of {of_venue}, and exchange.name is {venue}: give each venue a paths.state_dir"
        )
    return {instrument.symbol: instrument for instrument in records}


def _chosen(known: dict[str, Instrument], symbols: Sequence[str], path: Path) -> tuple[Instrument, ...]:
    for symbol in symbols:
        if symbol not in known:
            raise UnknownName(f"{path} does not have {symbol}{nearest(symbol, known)}; n1v1 up asks the venue for it")
    return tuple(known[symbol] for symbol in symbols)


def _what_differs(before: Instrument, now: Instrument) -> str:
    """Of what units and orders depend on: the highest price follows from the market and may be another each day."""
    names = ("tick_size", "lot_size", "quantum", "step_lots", "min_notional")
    pairs = [(name, getattr(before, name), getattr(now, name)) for name in names]
    return ", ".join(f"{name} was {old}, is {new}" for name, old, new in pairs if old != new)


def _record(instrument: Instrument) -> dict[str, Any]:
    given = {each.name for each in fields(instrument) if each.init}
    return {
        name: str(value) if name in _DECIMALS else value for name, value in asdict(instrument).items() if name in given
    }


def _instrument(record: dict[str, Any]) -> Instrument:
    values: dict[str, Any] = {name: Decimal(value) if name in _DECIMALS else value for name, value in record.items()}
    return Instrument(**values)
