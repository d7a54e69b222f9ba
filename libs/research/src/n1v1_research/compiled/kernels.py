"""Compiling a kernel: a copy of the function whose globals are the compiled kernels that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from types import CodeType, FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.types import unliteral

import n1v1.exact
from n1v1.errors import InvalidValue
from n1v1.kernels import KERNELS, kernel
from n1v1_research.cache_folder import cache_folder
from n1v1_research.compiled import exact
from n1v1_research.compiled.cache import keep_between_processes

Function = Callable[..., Any]

REPLACED: Mapping[Function, Function] = {
    n1v1.exact.mul_div: exact.mul_div,
    n1v1.exact.mul_div_up: exact.mul_div_up,
}
"""Kernels whose plain form relies on Python's unlimited integers."""

HOW: Mapping[str, Any] = {"error_model": "numpy", "nogil": True}
"""Division by zero gives inf or NaN, as NumPy does; kernels guard where it matters. Fast-math stays off: it may change
results."""
WITHOUT_COUNTING: Mapping[str, Any] = {"_nrt": False}
"""Arrays that are passed on are not counted, which takes longer than most kernels. Nothing in a kernel is allocated."""

WITHOUT_WRAPPERS: Mapping[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""What only compiled code calls needs no way in for Python. They would be a third of the time that compiling takes."""

INLINED: set[Function] = set()
INLINED_PACKAGES = ("n1v1.indicators.", "n1v1.simulation.")
"""An indicator that is not a part of its caller keeps its state in memory: half as fast. What matches orders takes much
and is called often: an order costs two thirds. Compiling takes half as long again."""


def inlined(function: Function) -> Function:
    """A kernel that becomes a part of its caller: for one that is called in one place and takes much."""
    INLINED.add(function)
    return kernel(function)


@cache
def compiled(function: Function) -> Any:
    """The kernel as a compiled function that Python can call.

    Raises InvalidValue for a function that is no kernel.
    """
    if function not in KERNELS:
        raise InvalidValue(f"{function!r} is no kernel: decorate it with n1v1.kernels.kernel")
    return numba.njit(_copy(REPLACED.get(function, function), {}), **HOW, **WITHOUT_COUNTING)


@cache
def _called(function: Function) -> Any:
    """The kernel as a compiled function that other compiled functions call, and nobody else."""
    is_inlined = function in INLINED or function.__module__.startswith(INLINED_PACKAGES)
    copy = _copy(REPLACED.get(function, function), {})
    dispatcher = numba.njit(copy, forceinline=is_inlined, **HOW, **WITHOUT_COUNTING, **WITHOUT_WRAPPERS)
    dispatcher.get_call_template = partial(_call_template, dispatcher)
    return dispatcher


def _call_template(dispatcher: Any, args: Any, kws: Any) -> Any:
    """Numba would compile a kernel anew for every constant that it is called with."""
    plain, named = [unliteral(arg) for arg in args], {name: unliteral(arg) for name, arg in kws.items()}  # type: ignore[no-untyped-call]  # as numba has it
    return type(dispatcher).get_call_template(dispatcher, tuple(plain), named)


def compiled_driver(
    driver: Function,
    name: str,
    bound: Mapping[str, Any],
    *,
    sources: Iterable[Function] = (),
    layouts: Iterable[Any] = (),
    allocates: bool = True,
) -> Any:
    """`driver` with some of its globals bound: compiled when it is first called, and kept between processes.

    name: tells apart what is made from one driver, such as the strategy that it runs.
    bound: globals by name; kernels among them are compiled and become a part of the driver.
    sources, layouts: functions and record layouts that decide what it does, besides the driver. With everything they
    call and every constant they read, they name the folder in which it is kept.
    allocates: whether the driver itself makes arrays; if not, it is spared the counting of those it is given.
    """
    INLINED.update(value for value in bound.values() if value in KERNELS)
    copy = _copy(driver, {key: _called(value) if value in KERNELS else value for key, value in bound.items()})
    copy.__qualname__ = copy.__name__ = f"{driver.__name__}_{name}"
    dispatcher = numba.njit(copy, **HOW, **({} if allocates else WITHOUT_COUNTING))
    reached = [function for source in (driver, *sources) for function in _reached(source)]
    files = {_code(function).co_filename for function in reached} | {__file__, exact.__file__}
    constants = [text for function in reached for text in _constants(function)]
    facts = [*sorted(set(constants)), *(repr(layout.descr) for layout in layouts)]
    keep_between_processes(dispatcher, files, facts, cache_folder(), allocates=allocates)
    return dispatcher


def _reached(function: Function) -> set[Function]:
    """A function and every kernel that it calls, directly or not."""
    found: set[Function] = set()
    waiting = [function]
    while waiting:
        function = waiting.pop()
        if function not in found:
            found.add(function)
            waiting += _kernels_called(function).values()
    return found


def _constants(function: Function) -> Iterator[str]:
    """Globals that are compiled into the function as their present values."""
    assert isinstance(function, FunctionType)
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, int | float | str | tuple):
            yield f"{function.__module__}.{name}={value!r}"
        elif isinstance(value, np.ndarray):
            yield f"{function.__module__}.{name}={value.tolist()!r}"


def _copy(function: Function, bound: Mapping[str, Any]) -> FunctionType:
    assert isinstance(function, FunctionType)
    inner = {name: _called(called) for name, called in _kernels_called(function).items() if name not in bound}
    names = {**function.__globals__, **inner, **bound}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


def _kernels_called(function: Function) -> dict[str, Function]:
    assert isinstance(function, FunctionType)
    used = ((name, function.__globals__.get(name)) for name in function.__code__.co_names)
    return {name: value for name, value in used if isinstance(value, FunctionType) and value in _kernels()}


def _kernels() -> frozenset[Function]:
    return _kernels_known(len(KERNELS))


@cache
def _kernels_known(count: int) -> frozenset[Function]:
    """Kernels are only ever added, so their number says whether the set is still complete."""
    return frozenset(KERNELS)


def _code(function: Function) -> CodeType:
    assert isinstance(function, FunctionType)
    return function.__code__
