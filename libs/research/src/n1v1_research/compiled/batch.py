"""An indicator over whole columns, compiled: what `n1v1.indicators.batch.batch` answers, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from n1v1.errors import InvalidValue
from n1v1.kernels import new_record
from n1v1_research.compiled.kernels import compiled_driver
from n1v1_research.compiled.records import local_record

Column = NDArray[np.float64]


def batch(step: Callable[..., Any], layout: np.dtype[Any], *columns: Column, params: tuple[Any, ...]) -> Any:
    """What `step` answers on every bar, from a new state of that layout: an array, or as many as it has answers.

    step: a kernel, called as step(state, *values of the bar, *params).
    columns: one per value, equally long, oldest first. Their length is that of the answer, with NaN in the warm-up.
    Compiled when it first meets a kernel (and params of these types), which takes a second or so, and then kept.

    Raises InvalidValue when there is no column or the columns are not equally long.
    """
    bars = tuple(np.ascontiguousarray(column, dtype=np.float64) for column in columns)
    lengths = {len(column) for column in bars}
    if len(lengths) != 1:
        raise InvalidValue(f"{step.__name__} takes columns of one length, got {[len(column) for column in bars]}")
    count = answer_count(step, layout, len(bars), params)
    if count == 1:
        answer = np.empty(len(bars[0]))
        compiled_pass(step, layout, _one_answer)(bars, params, answer)
        return answer
    answers = np.empty((count, len(bars[0])))
    compiled_pass(step, layout, _several_answers)(bars, params, answers)
    return tuple(answers)


def answer_count(step: Callable[..., Any], layout: np.dtype[Any], columns: int, params: tuple[Any, ...]) -> int:
    """How many numbers `step` answers: asked of its plain form."""
    answer = step(new_record(layout), *(1.0,) * columns, *params)
    return len(answer) if isinstance(answer, tuple) else 1


@cache
def compiled_pass(step: Callable[..., Any], layout: np.dtype[Any], driver: Callable[..., Any]) -> Any:
    """The driver, `_one_answer` or `_several_answers`, of one kernel: (columns, params, answers) -> None."""
    bound = {"step": step, "new_state": local_record(layout)}
    name = f"{step.__module__}.{step.__qualname__}"
    return compiled_driver(driver, name, bound, sources=(step,), layouts=(layout,))


def _one_answer(columns, params, answer):  # type: ignore[no-untyped-def]  # compiled
    state = new_state()  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
    for i in range(len(answer)):
        answer[i] = step(state, *bar_at(columns, i), *params)  # type: ignore[name-defined]  # noqa: F821


def _several_answers(columns, params, answers):  # type: ignore[no-untyped-def]  # compiled
    state = new_state()  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
    for i in range(answers.shape[1]):
        answer = step(state, *bar_at(columns, i), *params)  # type: ignore[name-defined]  # noqa: F821
        for k in range(len(answer)):
            answers[k, i] = answer[k]


def bar_at(columns: tuple[Column, ...], i: int) -> tuple[float, ...]:
    """The i-th value of every column. Compiled code unrolls it."""
    return tuple(column[i] for column in columns)


@overload(bar_at)
def _bar_at(columns, i):  # type: ignore[no-untyped-def]  # numba's form: it answers with the code to compile
    if len(columns) == 1:
        return lambda columns, i: (columns[0][i],)
    return lambda columns, i: (columns[0][i], *bar_at(columns[1:], i))
