"""What decides a run beside its data: strategies, risk, costs and what the account starts with."""

from __future__ import annotations

import hashlib
import math
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
from n1v1.strategies.plain import PythonStrategy
from n1v1.styles import NO_RULES, StyleRules
from n1v1_research.results.document import hash_of


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Equal configurations over equal data are equal runs, in every engine.

    initial_cash: in quanta of the quote currency. venue: its name, as it stands in orders.
    styles: how orders are carried out.
    risk_managers, anomaly_detectors: names of plug-ins in the order in which they are asked, see n1v1.risk.plugins.
    """

    instances: tuple[Instance, ...]
    policy: RiskPolicy
    rules: VenueRules
    initial_cash: int
    account: str = "main"
    venue: str = "simulator"
    risk_managers: tuple[str, ...] = ()
    anomaly_detectors: tuple[str, ...] = ()
    styles: StyleRules = NO_RULES

    def as_json(self) -> dict[str, Any]:
        """Everything that decides the run, as plain values; nothing of where files lie or servers listen.

        Parameters stand with their defaults (a classic strategy keeps them to itself); a strategy from a file is its
        class and the hash of the file.
        """
        return {
            "account": {"id": self.account, "initial_cash": self.initial_cash},
            "strategies": [_instance(instance) for instance in sorted(self.instances, key=lambda i: i.name)],
            "risk": _plain(self.policy),
            "plugins": _plain({"risk_managers": self.risk_managers, "anomaly_detectors": self.anomaly_detectors}),
            "venue": {"name": self.venue, "rules": _plain(self.rules)},
        } | ({} if self.styles == NO_RULES else {"execution": _plain(self.styles)})

    @property
    def hash(self) -> str:
        return hash_of(self.as_json())

    def with_costs_times(self, factor: Decimal) -> Configuration:
        """The same with fees and slippage multiplied, as sensitivity tables want it.

        Raises InvalidValue when a cost would reach the whole of what is traded.
        """
        rules, policy = self.rules, self.policy
        maker = rules.maker_fee_rate_ppb
        dearer = replace(
            rules,
            fee_rate_ppb=_times(rules.fee_rate_ppb, factor),
            maker_fee_rate_ppb=None if maker is None else _times(maker, factor),
            min_fee=_times(rules.min_fee, factor),
            slippage_ppb=_times(rules.slippage_ppb, factor),
            impact_ppb=_times(rules.impact_ppb, factor),
        )
        return replace(self, rules=dearer, policy=replace(policy, cost_ppb=_times(policy.cost_ppb, factor)))


def _instance(instance: Instance) -> dict[str, Any]:
    strategy = registry.find(instance.strategy)
    parameters = dict(instance.parameters)
    if issubclass(strategy, Strategy):
        parameters = strategy.parameters(parameters)._asdict()
    elif issubclass(strategy, PythonStrategy):
        parameters = strategy.parameters(parameters)
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


def _times(cost: int, factor: Decimal) -> int:
    """Rounded up: a cost is never rounded in our favour."""
    return math.ceil(cost * factor)
