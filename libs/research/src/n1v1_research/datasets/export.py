"""Bars of a dataset as a file for other programs; what is exported and imported again is the same dataset."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow import csv

from n1v1.errors import InvalidData
from n1v1.values import Instrument, decimal_places
from n1v1_research.datasets.arrow import ArrowColumn
from n1v1_research.datasets.columns import Bars, Column
from n1v1_research.datasets.sources import FEATHER_ENDINGS, FIELDS, OWN_COLUMNS, PARQUET_ENDINGS


def export(bars: Bars, instrument: Instrument, path: Path) -> None:
    """Write open_time (UTC), open, high, low, close, volume; the ending of `path` says as what.

    .csv and .csv.gz: decimal texts. .parquet and .feather: exact decimals and timestamps. Folders on the way are made.
    Raises InvalidData for another ending.
    """
    name = path.name.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(PARQUET_ENDINGS):
        from pyarrow import parquet

        parquet.write_table(_table(bars, instrument), path, compression="zstd")
    elif name.endswith(FEATHER_ENDINGS):
        from pyarrow import feather

        feather.write_feather(_table(bars, instrument), path)
    elif name.endswith((".csv", ".csv.gz")):
        _write_csv(_table(bars, instrument), path)
    else:
        raise InvalidData(f"{path.name}: expected a name that ends in .csv, .csv.gz, .parquet or .feather")


def _table(bars: Bars, instrument: Instrument) -> ArrowColumn:
    prices = [_decimals(getattr(bars, name), instrument.tick_size) for name in FIELDS[1:5]]
    times = pa.array(bars.open_ns).cast(pa.timestamp("ns", "UTC"))
    columns = [times, *prices, _decimals(bars.volume, instrument.lot_size)]
    return pa.table(dict(zip(OWN_COLUMNS, columns, strict=True)))


def _decimals(units: Column, unit: Decimal) -> ArrowColumn:
    """A decimal128 is kept as the integer that `units` has, in 16 bytes."""
    words = np.zeros((len(units), 2), dtype="<i8")
    words[:, 0] = units
    return pa.Array.from_buffers(pa.decimal128(38, decimal_places(unit)), len(units), [None, pa.py_buffer(words)])


def _write_csv(table: ArrowColumn, path: Path) -> None:
    opened = pc.strftime(table.column(0).cast(pa.timestamp("s", "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    table = table.set_column(0, OWN_COLUMNS[0], opened)
    compression = "gzip" if path.suffix == ".gz" else None
    with pa.output_stream(path, compression=compression) as file:
        file.write(",".join(OWN_COLUMNS).encode() + b"\n")
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="none"))
