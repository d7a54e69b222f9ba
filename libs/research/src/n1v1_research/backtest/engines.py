"""Engines: ways to play a configuration over a dataset. All of them leave equal records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from n1v1.errors import UnknownName, nearest
from n1v1.run_hash import RunRecords
from n1v1.simulation.assumptions import AssumptionCount
from n1v1.values import Purpose
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.datasets import Dataset

Progress = Callable[[int], None]
"""Told how many bar times are done, now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What an engine leaves: the records, and beside them what orders were for and what assumptions decided.

    purposes: by order id; where one is missing it is read from the records. decided: as the venue counts it.
    instead: why another engine than the one that was asked for has run, as a sentence; empty when none has.
    """

    records: RunRecords
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    decided: Mapping[str, AssumptionCount] = field(default_factory=dict)
    instead: str = ""


class Engine(Protocol):
    """Raises StrategyError when a strategy raises."""

    def __call__(self, configuration: Configuration, dataset: Dataset, progress: Progress) -> Played: ...


# name: where it is, as module:function. The first is the default. Imported when it is used: a compiler takes a while.
ENGINES = {
    "scan": "n1v1_research.scan.engine:play",
    "pipeline": "n1v1_research.backtest.pipeline:play",
}
DEFAULT_ENGINE = next(iter(ENGINES))


def engine(name: str) -> Engine:
    """Raises UnknownName with the nearest name."""
    if name not in ENGINES:
        raise UnknownName(f"no engine is called {name!r}{nearest(name, ENGINES)}")
    module, _, function = ENGINES[name].partition(":")
    found: Engine = getattr(import_module(module), function)
    return found
