"""Turn a Parquet file of bars into the CSV that `load` reads.

    python -m n1v1_research.datasets.convert BTC-USD-4h.parquet BTC-USD.csv.gz

Source columns: timestamp (int64 milliseconds UTC, the bar's start); open, high, low, close, volume
(float64).
A float is read by its shortest decimal form, which gives back what the venue wrote; digits finer than the
grid are rounded half to even and counted. The result is the same to the byte wherever it is made.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from pyarrow import parquet  # type: ignore[import-untyped]  # it ships no types

from n1v1_research.datasets.sources import OWN_COLUMNS

PRICE_GRID = Decimal("0.01")
VOLUME_GRID = Decimal("0.00000001")

Row = tuple[int, float, float, float, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m n1v1_research.datasets.convert", description=__doc__)
    parser.add_argument("source", type=Path, help="Parquet file of bars")
    parser.add_argument("destination", type=Path, help="where the .csv.gz goes")
    arguments = parser.parse_args()
    text, rows, rounded = to_csv(_rows(arguments.source))
    arguments.destination.write_bytes(compressed(text))
    sys.stdout.write(f"{arguments.destination}: {rows} bars, {rounded} values rounded to the grid\n")
    return 0


def to_csv(rows: Iterator[Row]) -> tuple[str, int, int]:
    """The CSV text, how many bars it has, and how many values were finer than the grid."""
    lines, rounded = [",".join(OWN_COLUMNS)], 0
    for timestamp_ms, *values in rows:
        exact = [Decimal(repr(value)) for value in values]
        grid = [_on_grid(price, PRICE_GRID) for price in exact[:4]] + [_on_grid(exact[4], VOLUME_GRID)]
        rounded += sum(before != after for before, after in zip(exact, grid, strict=True))
        opened = datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(",".join([opened, *(f"{value.normalize():f}" for value in grid)]))
    return "\n".join(lines) + "\n", len(lines) - 1, rounded


def compressed(text: str) -> bytes:
    """Gzip without a file name or a time in its header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    return buffer.getvalue()


def _on_grid(value: Decimal, grid: Decimal) -> Decimal:
    return value.quantize(grid, rounding=ROUND_HALF_EVEN)


def _rows(source: Path) -> Iterator[Row]:
    table = parquet.read_table(source, columns=["timestamp", *OWN_COLUMNS[1:]])
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return zip(*columns, strict=True)


if __name__ == "__main__":
    sys.exit(main())
