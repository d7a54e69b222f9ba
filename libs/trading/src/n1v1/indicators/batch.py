"""An indicator over whole columns: the same kernel, bar after bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.kernels import new_record

Column = NDArray[np.float64]


def batch(step: Callable[..., Any], layout: np.dtype[Any], *columns: Column, params: tuple[Any, ...]) -> Any:
    """What `step` answers on every bar, from a new state of that layout: an array, or as many as it has answers.

    step: called as step(state, *values of the bar, *params).
    columns: one per value, equally long, oldest first. Their length is that of the answer, with NaN in the warm-up.
    """
    state = new_record(layout)
    answers = [step(state, *bar, *params) for bar in zip(*(column.tolist() for column in columns), strict=True)]
    table = np.array(answers, dtype=np.float64)
    return table if table.ndim == 1 else tuple(table.T)
