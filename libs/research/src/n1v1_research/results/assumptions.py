"""How much of a result rests on what the simulated venue had to assume."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decided:
    """One assumption: how many executions (or orders) it decided, and what they were worth in quanta."""

    assumption: str
    count: int
    value: int
