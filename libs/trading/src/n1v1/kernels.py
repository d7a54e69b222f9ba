"""Kernels: the functions that compute numbers, each of which exists once.

A kernel is plain Python over scalars and structured records, restricted to what a compiler understands. The
services and the event-driven engine call it as it is; a compiled driver may compile the very same function. Its
operations are IEEE double arithmetic in the written order, so both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

Record = Any
"""A NumPy structured record with attribute access (np.record). NumPy knows its fields, the type checker does not."""

KERNELS: list[Callable[..., Any]] = []
"""Every kernel, in the order of definition: what a compiled driver has to compile."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Marks a function as a kernel. The function itself stays as it is."""
    KERNELS.append(function)
    return function
