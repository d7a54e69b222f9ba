"""A venue's table of fees from a CSV file: see `exchange.fee_schedule`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from n1v1.errors import InvalidValue
from n1v1.simulation.fees import FeeTier, check_rates, in_order
from n1v1.values import Instrument
from n1v1_common.settings.rates import rate_ppb

COLUMNS = ("since", "volume", "taker_bps", "maker_bps")


@dataclass(frozen=True, slots=True)
class FeeRow:
    """One line of the file. volume: in quote currency."""

    since_ns: int
    volume: Decimal
    taker_ppb: int
    maker_ppb: int


def fee_tiers(path: Path, instrument: Instrument) -> tuple[FeeTier, ...]:
    """By date and volume. instrument: for the unit of volumes.

    Raises InvalidValue naming the file, and the line where one is to blame.
    """
    rows = fee_rows(path)
    try:
        return in_order(
            [
                FeeTier(
                    since_ns=row.since_ns,
                    volume=instrument.quanta(row.volume),
                    taker_ppb=row.taker_ppb,
                    maker_ppb=row.maker_ppb,
                )
                for row in rows
            ]
        )
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error}") from error


def fee_rows(path: Path) -> list[FeeRow]:
    """As they stand in the file. Raises InvalidValue naming it, and the line where one is to blame."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidValue(f"exchange.fee_schedule: cannot read {path}: {error.strerror}") from error
    rows = csv.DictReader(text.splitlines(), strict=True, skipinitialspace=True)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise InvalidValue(f"{path}: expected the columns {', '.join(COLUMNS)}; got {', '.join(rows.fieldnames or ())}")
    found = []
    for row in rows:
        try:
            found.append(_row(row))
        except (InvalidValue, InvalidOperation, ValueError) as error:
            raise InvalidValue(f"{path}, line {rows.line_num}: {_what(error)}") from error
    return found


def _what(error: Exception) -> str:
    return "expected a number" if isinstance(error, InvalidOperation) else str(error)


def _row(row: Mapping[str, str | None]) -> FeeRow:
    if None in row or None in row.values():
        raise ValueError(f"expected {len(COLUMNS)} values")
    since, volume, taker, maker = (str(row[column]).strip() for column in COLUMNS)
    taker_ppb, maker_ppb = rate_ppb(Decimal(taker)), rate_ppb(Decimal(maker or taker))
    check_rates(taker_ppb, maker_ppb)
    return FeeRow(_midnight_ns(since) if since else 0, Decimal(volume or 0), taker_ppb, maker_ppb)


def _midnight_ns(text: str) -> int:
    day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    return int(day.timestamp()) * 1_000_000_000
