"""What decides a run beside its data: strategies, risk, costs and what the account starts with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from n1v1.errors import InvalidValue
from n1v1.risk.policy import RiskPolicy
from n1v1.signals.stage import Instance
from n1v1.simulation.venue import VenueRules
from n1v1.strategies import registry
from n1v1.strategies.base import Strategy
from n1v1_research.results.document import hash_of


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Equal configurations over equal data are equal runs, in every engine.

    initial_cash: in quanta of the quote currency. venue: its name, as it stands in orders.
    """

    instances: tuple[Instance, ...]
    policy: RiskPolicy
    rules: VenueRules
    initial_cash: int
    account: str = "main"
    venue: str = "simulator"

    def as_json(self) -> dict[str, Any]:
        """Everything that decides the run, as plain values; nothing of where files lie or servers listen.

        Parameters stand with their defaults; a strategy from a file is its class and the hash of the file.
        """
        return {
            "account": {"id": self.account, "initial_cash": self.initial_cash},
            "strategies": [_instance(instance) for instance in sorted(self.instances, key=lambda i: i.name)],
            "risk": _plain(self.policy),
            "venue": {"name": self.venue, "rules": _plain(self.rules)},
        }

    @property
    def hash(self) -> str:
        return hash_of(self.as_json())

    def with_costs_times(self, factor: Decimal) -> Configuration:
        """The same with fees and slippage multiplied, as sensitivity tables want it.

        Raises InvalidValue when a cost would reach the whole of what is traded.
        """
        rules = _multiplied(self.rules, factor, ("fee", "slippage", "impact"))
        policy = _multiplied(self.policy, factor, ("cost",))
        return replace(self, rules=rules, policy=policy)


def _instance(instance: Instance) -> dict[str, Any]:
    strategy = registry.find(instance.strategy)
    parameters = dict(instance.parameters)
    if issubclass(strategy, Strategy):
        parameters = strategy.parameters(parameters)._asdict()
    described = {"name": instance.name, "strategy": strategy.__name__, "parameters": _plain(parameters)}
    file, _, _ = instance.strategy.partition(":")
    if file.endswith(".py"):
        described["source_sha256"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return described


def _plain(value: Any) -> Any:
    """The value as JSON has it. Raises InvalidValue for what it has no form for."""
    match value:
        case Enum():
            return value.name
        case None | bool() | int() | str() | float():
            return value
        case Decimal():
            return f"{value.normalize():f}"
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise InvalidValue(f"expected a value that JSON has a form for, got {value!r}")


def _multiplied(values: Any, factor: Decimal, kinds: Sequence[str]) -> Any:
    """A frozen record with every `..._ppb` whose name speaks of one of `kinds` multiplied, rounded up."""
    changed = {
        field.name: -int(-getattr(values, field.name) * factor // 1)
        for field in fields(values)
        if field.name.endswith("_ppb") and any(kind in field.name for kind in kinds)
    }
    return replace(values, **changed)
