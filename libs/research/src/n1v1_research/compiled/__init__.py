"""Kernels of the core, compiled: the very same functions, run by numba over NumPy records instead of plain ones."""

from n1v1_research.light_numba import import_numba

import_numba()  # before anything here imports numba in its heavy form
