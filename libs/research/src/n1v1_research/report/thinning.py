"""Fewer points that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


def extremes(values: NDArray[np.float64] | NDArray[np.int64], points: int) -> NDArray[np.intp]:
    """Indices of at most about `points` values: the first, the last, and the lowest and highest of equal stretches.

    Every peak and trough stays, so a line through them looks as the whole would. Ascending, each once.
    """
    count = len(values)
    if count <= points:
        return np.arange(count)
    stretch = -(-2 * count // points)
    whole = count // stretch * stretch
    rows = np.asarray(values[:whole]).reshape(-1, stretch)
    starts = np.arange(0, whole, stretch)
    rest = np.asarray(values[whole:])
    ends = [0, count - 1]
    if len(rest):
        ends += [whole + int(rest.argmin()), whole + int(rest.argmax())]
    return np.unique(np.concatenate((starts + rows.argmin(axis=1), starts + rows.argmax(axis=1), ends)))


def at_most(count: int, items: Sequence[Item]) -> Sequence[Item]:
    """Every n-th of the items, so that no more than `count` are left."""
    return items[:: -(-len(items) // count)] if len(items) > count else items
