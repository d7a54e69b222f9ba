"""Kernels of the core, compiled: the very same functions, run by numba over NumPy records instead of plain ones."""
