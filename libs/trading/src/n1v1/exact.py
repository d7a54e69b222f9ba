"""Products that are too wide for 64 bits, and their quotients: the only arithmetic that a compiler cannot be left to.

Python's integers have no limit, so here the formulas are what they say. A compiled driver replaces these two functions
by its own, which give the same integers (`n1v1_research.compiled.exact`, with a property test that says so).
"""

from __future__ import annotations

from n1v1.kernels import kernel


@kernel
def mul_div(a: int, b: int, c: int) -> int:
    """a * b / c, rounded towards minus infinity. c is positive, and the result fits in int64."""
    return a * b // c


@kernel
def mul_div_up(a: int, b: int, c: int) -> int:
    """a * b / c, rounded towards plus infinity. c is positive, and the result fits in int64."""
    return -(-a * b // c)
