"""Whole columns of decimal numbers as integer units of a power of ten, exactly; every value that is none is named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from n1v1.errors import InvalidData, InvalidValue
from n1v1.values import decimal_places, to_units
from n1v1_research.datasets.arrow import ArrowColumn, values_of
from n1v1_research.datasets.columns import Column

SHORTEST_IS_UNIQUE_BELOW = 1e15
"""A decimal of at most 15 digits is the only one of at most 15 that its nearest float stands for (IEEE 754 binary64:
DBL_DIG is 15), so it is the shortest one that reads back as that float: what repr writes."""

NOISE = 1e-12
"""Sums and products of floats are off by some 1e-16 of their value for each operation."""

_DECIMAL128 = np.dtype([("low", "<i8"), ("high", "<i8")])
_WIDE = Context(prec=400)


@dataclass(frozen=True)
class Units:
    """values: 0 where there is a complaint. complaints: by row. rounded: how many values were finer than the unit."""

    values: Column
    complaints: Mapping[int, str]
    rounded: int = 0


def units_of(column: ArrowColumn, unit: Decimal, *, what: str, rounds: bool = False) -> Units:
    """Every value of a column of texts, decimals, integers or floats as a whole number of `unit`, as `to_units` has it.

    A float is read by its shortest decimal form. Not whole, not a number, negative, missing or too large for int64 is a
    complaint; with `rounds` what is finer than the unit is rounded half to even instead, and counted.
    """
    if pa.types.is_float64(column.type):
        return _of_floats(_floats(column), unit, what=what, rounds=rounds)
    texts = column.cast(pa.string())
    values = _of_plain_texts(texts, decimal_places(unit))
    if values is not None:
        return Units(values, {})
    return _one_by_one(texts.to_pylist(), np.zeros(len(texts), dtype=np.int64), range(len(texts)), unit, what, rounds)


def on_grid(values: NDArray[np.float64], places: int) -> NDArray[np.bool_]:
    """Which floats have a shortest decimal form of at most 15 digits, `places` of them behind the point."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * 10.0**places)
        # Dividing by an exact power of ten gives the float nearest to the decimal: equal, it is that decimal's float.
        is_exact: NDArray[np.bool_] = (np.abs(scaled) < SHORTEST_IS_UNIQUE_BELOW) & (scaled / 10.0**places == values)
    return is_exact


def _of_floats(values: NDArray[np.float64], unit: Decimal, *, what: str, rounds: bool) -> Units:
    places = decimal_places(unit)
    is_exact = on_grid(values, places) & (values >= 0)
    units = np.rint(np.where(is_exact, values, 0) * 10.0**places).astype(np.int64)
    doubtful = np.flatnonzero(~is_exact).tolist()
    texts = {row: repr(float(values[row])) for row in doubtful}
    return _one_by_one(texts, units, doubtful, unit, what, rounds)


def _of_plain_texts(texts: ArrowColumn, places: int) -> Column | None:
    """None when one of them needs a closer look: no number, negative, too fine or too large.

    A decimal128 of `places` digits behind the point is kept as the integer that we want, in 16 bytes.
    """
    if texts.null_count:
        return None
    try:
        words = values_of(texts.cast(pa.decimal128(38, places)), _DECIMAL128)
    except pa.ArrowInvalid:
        return None
    fits = not words["high"].any() and bool((words["low"] >= 0).all())
    return np.ascontiguousarray(words["low"]) if fits else None


def _floats(column: ArrowColumn) -> NDArray[np.float64]:
    """Missing values as NaN."""
    return values_of(column.fill_null(math.nan) if column.null_count else column, "<f8")


def _one_by_one(
    texts: Any, units: Column, rows: Iterable[int], unit: Decimal, what: str, rounds: bool
) -> Units:  # texts: what can be asked for the text of a row
    complaints, rounded = {}, 0
    for row in rows:
        try:
            units[row], was_rounded = _units(texts[row], unit, what, rounds)
            rounded += was_rounded
        except (InvalidData, InvalidValue) as problem:
            complaints[row] = str(problem)
    return Units(units, complaints, rounded)


def _units(text: str | None, unit: Decimal, what: str, rounds: bool) -> tuple[int, bool]:
    value = number(text, what=what)
    if value < 0:
        raise InvalidData(f"{what} {text} is negative")
    if not rounds:
        return to_units(value, unit, what=what), False
    rounded = value.quantize(unit, rounding=ROUND_HALF_EVEN, context=_WIDE)
    return to_units(rounded, unit, what=what), rounded != value


def number(text: str | None, *, what: str) -> Decimal:
    """Raises InvalidData for anything but a finite number."""
    if text is None or not text.strip():
        raise InvalidData(f"{what} is missing")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidData(f"{what} {text!r} is not a number") from None
    if not value.is_finite():
        raise InvalidData(f"{what} {text!r} is not a number")
    return value


def places_needed(columns: Iterable[ArrowColumn], *, at_most: int) -> int:
    """Digits behind the point that every value of the columns can be written with.

    Where some need more than `at_most`: those that are needed when the noise of float arithmetic is taken away, which
    is less than NOISE of a value. What is no number does not count.
    """
    columns = list(columns)
    for places in range(at_most + 1):
        if all(_all_fit(column, places) for column in columns):
            return places
    values = np.concatenate([np.empty(0), *(finite_values(column) for column in columns)])
    return next((places for places in range(at_most) if _nearly_fit(values, places)), at_most)


def _all_fit(column: ArrowColumn, places: int) -> bool:
    if pa.types.is_float64(column.type):
        return bool(on_grid(_floats(column), places).all())
    return _of_plain_texts(column.cast(pa.string()), places) is not None


def _nearly_fit(values: NDArray[np.float64], places: int) -> bool:
    scaled = values * 10.0**places
    return bool((np.abs(scaled - np.rint(scaled)) <= NOISE * np.abs(scaled)).all())


def finite_values(column: ArrowColumn) -> NDArray[np.float64]:
    """The numbers of a column, as nearly as floats say them."""
    if pa.types.is_float64(column.type):
        values = _floats(column)
        return values[np.isfinite(values)]
    return np.array([value for text in column.cast(pa.string()).to_pylist() if (value := _float(text)) is not None])


def _float(text: str | None) -> float | None:
    try:
        return float(number(text, what="value"))
    except InvalidData:  # whoever converts the column will complain
        return None
