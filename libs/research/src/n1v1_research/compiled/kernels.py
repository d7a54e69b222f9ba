"""Compiling a kernel: a copy of the function whose globals are the compiled kernels that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import numba

import n1v1.exact
from n1v1.errors import InvalidValue
from n1v1.kernels import KERNELS
from n1v1_research.compiled import exact
from n1v1_research.compiled.cache import cache_folder, keep_between_processes

Function = Callable[..., Any]

REPLACED: Mapping[Function, Function] = {
    n1v1.exact.mul_div: exact.mul_div,
    n1v1.exact.mul_div_up: exact.mul_div_up,
}
"""Kernels whose plain form relies on Python's unlimited integers."""

HOW: Mapping[str, Any] = {"error_model": "numpy", "nogil": True}
"""Division by zero gives inf or NaN, as NumPy does; kernels guard where it matters. Fast-math stays off: it may change
results."""


@cache
def compiled(kernel: Function) -> Any:
    """The kernel as a function that other compiled functions can call, inlined where LLVM finds it worth it.

    Raises InvalidValue for a function that is no kernel.
    """
    if kernel not in KERNELS and kernel not in REPLACED.values():
        raise InvalidValue(f"{kernel!r} is no kernel: decorate it with n1v1.kernels.kernel")
    return numba.njit(_copy(REPLACED.get(kernel, kernel), {}), **HOW)


def compiled_driver(
    driver: Function,
    name: str,
    bound: Mapping[str, Any],
    *,
    sources: Iterable[Function] = (),
    layouts: Iterable[Any] = (),
) -> Any:
    """`driver` with some of its globals bound: compiled when it is first called, and kept between processes.

    name: tells apart what is made from one driver, such as the strategy that it runs.
    bound: globals by name; kernels among them are compiled.
    sources, layouts: functions and record layouts that decide what it does, besides the driver. With everything they
    call, they name the folder in which it is kept.
    """
    copy = _copy(driver, {key: compiled(value) if value in KERNELS else value for key, value in bound.items()})
    copy.__qualname__ = copy.__name__ = f"{driver.__name__}_{name}"
    dispatcher = numba.njit(copy, **HOW)
    files = [path for function in (driver, *sources) for path in source_files(function)]
    keep_between_processes(dispatcher, [*files, __file__, exact.__file__], layouts, cache_folder())
    return dispatcher


def source_files(function: Function) -> set[str]:
    """The files of a function and of every kernel that it reaches."""
    found: dict[Function, str] = {}
    _follow(function, found)
    return set(found.values())


def _follow(function: Function, found: dict[Function, str]) -> None:
    if function in found:
        return
    found[function] = _code(function).co_filename
    for called in _kernels_called(function).values():
        _follow(called, found)


def _copy(function: Function, bound: Mapping[str, Any]) -> FunctionType:
    assert isinstance(function, FunctionType)
    inner = {name: compiled(called) for name, called in _kernels_called(function).items() if name not in bound}
    names = {**function.__globals__, **inner, **bound}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


def _kernels_called(function: Function) -> dict[str, Function]:
    assert isinstance(function, FunctionType)
    used = ((name, function.__globals__.get(name)) for name in _names(function.__code__))
    return {name: value for name, value in used if isinstance(value, FunctionType) and value in _kernels()}


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names


def _kernels() -> frozenset[Function]:
    return _kernels_known(len(KERNELS))


@cache
def _kernels_known(count: int) -> frozenset[Function]:
    """Kernels are only ever added, so their number says whether the set is still complete."""
    return frozenset(KERNELS)


def _code(function: Function) -> CodeType:
    assert isinstance(function, FunctionType)
    return function.__code__
