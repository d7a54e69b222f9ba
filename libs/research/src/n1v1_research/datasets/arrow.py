"""Columns of pyarrow as arrays of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ArrowColumn = Any
"""A pyarrow.ChunkedArray; the package has no types."""


def values_of(column: ArrowColumn, dtype: str | np.dtype[Any]) -> NDArray[Any]:
    """The numbers of a column that has no nulls, as it lays them in memory. dtype: of that layout, such as '<i8'.

    pyarrow's own to_numpy imports pandas, which takes longer than reading a million bars.
    """
    array = column.combine_chunks()
    if not len(array):
        return np.empty(0, dtype=dtype)
    return np.frombuffer(array.buffers()[1], dtype=dtype)[array.offset : array.offset + len(array)]
