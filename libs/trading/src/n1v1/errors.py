"""The core's errors. An ordinary no is never an exception: see `n1v1.risk.reasons.Refused`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class N1v1Error(Exception):
    """Root of every error raised by n1v1."""


class InvalidValue(N1v1Error, ValueError):
    """A value that cannot exist: off the tick grid, negative, too large for exact arithmetic."""


class InvalidData(N1v1Error, ValueError):
    """Market data that contradicts itself. The message names the row."""


class UnknownName(N1v1Error, LookupError):
    """A name nobody registered. The message names the nearest valid one."""


class InvalidTransition(N1v1Error):
    """An order was asked to do what its state table does not allow: our own mistake."""


class LedgerImbalance(N1v1Error):
    """A ledger transaction whose entries do not sum to zero: our own mistake, nothing may be posted."""


class UndefinedStatistic(N1v1Error, ValueError):
    """A statistic that the data does not determine, such as the Sharpe ratio of a flat curve."""


class StrategyError(N1v1Error):
    """A strategy raised or answered something that is no signal. Carries the instance and the bar."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """' (did you mean x?)' or the list of valid names: the end of an error message about `name`."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (valid: {', '.join(names)})" if names else ""
