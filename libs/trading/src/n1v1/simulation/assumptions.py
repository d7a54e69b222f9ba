"""How much of a result each assumption of the simulation decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from n1v1.kernels import Record
from n1v1.simulation import records


class Assumption(StrEnum):
    """What decided an execution, or kept one from happening. The S-numbers are those of docs/simulation.md."""

    NONE = "none"  # the bar alone
    PATH = "path"  # S6: the bar reached stop and target; which came first is assumed
    GAP = "gap"  # S7: the bar opened beyond the stop
    TOUCH = "touch"  # S8: a limit was touched, and the queue model let it fill
    TOUCH_MISSED = "touch_missed"  # S8: a limit was touched, and the touch rule did not let it fill
    PARTICIPATION = "participation"  # S9: the cap on our share of the volume cut it
    AFFORDABILITY = "affordability"  # the cash, or the position, did not suffice for all of it


DECIDED_BY = {
    records.NOTHING: Assumption.NONE,
    records.PATH: Assumption.PATH,
    records.GAP: Assumption.GAP,
    records.TOUCH: Assumption.TOUCH,
    records.PARTICIPATION: Assumption.PARTICIPATION,
    records.AFFORDABILITY: Assumption.AFFORDABILITY,
}


@dataclass(frozen=True, slots=True)
class AssumptionCount:
    """fills: executions (for TOUCH_MISSED: touches without one). value: what they traded, or would have, in quanta."""

    fills: int = 0
    value: int = 0


class AssumptionCounts:
    def __init__(self) -> None:
        self._counts = dict.fromkeys(Assumption, AssumptionCount())

    def add(self, happening: Record) -> None:
        """Count an execution or a touch, as matching wrote it down."""
        missed = happening.kind == records.TOUCHED
        which = Assumption.TOUCH_MISSED if missed else DECIDED_BY[happening.decided_by]
        old = self._counts[which]
        self._counts[which] = AssumptionCount(old.fills + 1, old.value + happening.value)

    def all(self) -> Mapping[str, AssumptionCount]:
        return MappingProxyType({str(name): count for name, count in self._counts.items()})
