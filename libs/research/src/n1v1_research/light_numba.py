"""Importing numba without SciPy, which takes as long to import as numba itself, and without cffi.

Where SciPy is installed, numba loads scipy.linalg to know whether a BLAS is there. The answer decides how np.convolve
and np.correlate multiply (through BLAS or in a loop), nothing else: np.dot asks again when it is compiled. With cffi,
functions of a C library can be compiled in. Kernels use none of them; who needs them imports numba first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def import_numba() -> None:
    """Does nothing that is noticed once SciPy, cffi or numba's own array functions are imported."""
    with _absent("scipy"), _absent("cffi"):
        import_module("numba.np.arraymath")


@contextmanager
def _absent(package: str) -> Iterator[None]:
    """As if it were not installed; None in sys.modules is how Python itself says so."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # see above
    try:
        yield
    finally:
        del sys.modules[package]
