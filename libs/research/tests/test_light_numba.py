"""Numba is there, and SciPy is imported only by those who want it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from n1v1_research.light_numba import import_numba

import_numba()
assert "numba.np.arraymath" in sys.modules
assert not [name for name in sys.modules if name.startswith("scipy")]

import numba
import numpy as np

assert numba.njit(lambda a: np.dot(a, a))(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[7.0, 10.0], [15.0, 22.0]]
assert numba.njit(lambda a: np.convolve(a, a))(np.array([1.0, 3.0])).tolist() == [1.0, 6.0, 9.0]

import scipy.linalg
"""


def test_scipy_waits_until_somebody_needs_it_and_matrices_are_still_multiplied() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
