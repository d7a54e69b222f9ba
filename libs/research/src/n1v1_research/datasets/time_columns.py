"""Whole columns of times as nanoseconds UTC; every value that is none is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Literal

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types

from n1v1.errors import InvalidData
from n1v1_research.datasets.arrow import ArrowColumn, values_of
from n1v1_research.datasets.columns import Column
from n1v1_research.datasets.exact import Units, units_of
from n1v1_research.datasets.moments import moment_ns

TimeUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]

_UNIT_AS_NS_FRACTION = {"s": Decimal("1e-9"), "ms": Decimal("1e-6"), "us": Decimal("1e-3"), "ns": Decimal(1)}
_LARGEST: tuple[tuple[float, TimeUnit], ...] = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
"""A number below 1e11 is seconds (until the year 5138), below 1e14 milliseconds, and so on: from 1973 on no moment of
one unit can be taken for one of another."""


def moments_of(column: ArrowColumn, unit: TimeUnit, zone: tzinfo) -> Units:
    """A column of times as `Units` of one nanosecond.

    unit: what numbers count since 1970; auto: by their size. Raises InvalidData when the column holds no times at all.
    """

    if pa.types.is_temporal(column.type):
        return _of_timestamps(column, zone)
    found = unit_of(column) if unit == "auto" else unit
    if found == "iso":
        return _of_texts(column.cast(pa.string()), zone)
    return units_of(column, _UNIT_AS_NS_FRACTION[found], what="time")


def unit_of(column: ArrowColumn) -> TimeUnit:
    """What the first value of a column is: a number of what, or a text."""
    first = next((value for value in column.slice(0, 100).to_pylist() if value not in (None, "")), None)
    try:
        size = abs(float(first)) if first is not None else 0.0
    except (TypeError, ValueError):
        return "iso"
    return next((unit for limit, unit in _LARGEST if size < limit), "ns")


def _of_timestamps(column: ArrowColumn, zone: tzinfo) -> Units:
    """Timestamps or dates; those without a zone are in `zone`."""
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise InvalidData(f"a column of {column.type} holds no moments")
    is_placed = getattr(column.type, "tz", None) is not None
    try:
        nanoseconds = column.cast(pa.timestamp("ns", "UTC" if is_placed else None)).cast(pa.int64()).fill_null(0)
    except pa.ArrowInvalid as problem:
        raise InvalidData(f"time out of range: {problem}") from problem
    complaints = dict.fromkeys(_missing_rows(column), "time is missing")
    if is_placed or zone is UTC:
        return Units(values_of(nanoseconds, "<i8"), complaints)
    return _placed(values_of(nanoseconds, "<i8"), complaints, zone)


def _missing_rows(column: ArrowColumn) -> list[int]:
    if not column.null_count:
        return []
    return [row for row, is_missing in enumerate(column.is_null().to_pylist()) if is_missing]


def _placed(values: Column, complaints: dict[int, str], zone: tzinfo) -> Units:
    """Local times, given as nanoseconds since 1970 by the clock on the wall, as UTC."""
    placed, complaints = np.zeros(len(values), dtype=np.int64), dict(complaints)
    for row, (microseconds, rest_ns) in enumerate(zip(*map(np.ndarray.tolist, np.divmod(values, 1_000)), strict=True)):
        wall_clock = datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
        try:
            placed[row] = moment_ns(wall_clock.isoformat(), zone) + rest_ns
        except InvalidData as problem:
            complaints.setdefault(row, str(problem))
    return Units(placed, complaints)


def _of_texts(texts: ArrowColumn, zone: tzinfo) -> Units:
    """All with an offset, or all without one in UTC, is what can be read in one go."""
    kinds = [pa.timestamp("ns", "UTC"), *([pa.timestamp("ns")] if zone is UTC else [])]
    for kind in kinds if texts.null_count == 0 else []:
        try:
            return Units(values_of(texts.cast(kind), "<i8"), {})
        except pa.ArrowInvalid:
            continue
    return _one_by_one(texts.to_pylist(), zone)


def _one_by_one(texts: Sequence[str | None], zone: tzinfo) -> Units:
    values, complaints = np.zeros(len(texts), dtype=np.int64), {}
    for row, text in enumerate(texts):
        if not text:
            complaints[row] = "time is missing"
            continue
        try:
            values[row] = moment_ns(text, zone)
        except (InvalidData, OverflowError) as problem:
            complaints[row] = str(problem)
    return Units(values, complaints)
