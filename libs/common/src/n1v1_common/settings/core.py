"""From settings to what the core is configured with: exact, checked, the same in every driver."""

from __future__ import annotations

from n1v1.signals.stage import Instance
from n1v1.strategies import registry
from n1v1.values import Instrument
from n1v1_common.settings.model import Settings
from n1v1_common.settings.policy import policy_of

__all__ = ["check_strategies", "instances_of", "policy_of"]


def instances_of(settings: Settings) -> list[Instance]:
    """Every configured strategy: the active ones by name, and one for each file.

    Raises UnknownName, InvalidValue or StrategyError when a strategy cannot be had as configured.
    """
    names = [*settings.strategies.active_strategies, *(str(path) for path in settings.strategies.files)]
    keys = {name: registry.key_of(registry.find(name)) for name in names}
    return [Instance(key, name, settings.strategies.parameters_of(key)) for name, key in keys.items()]


def check_strategies(settings: Settings, instrument: Instrument) -> None:
    """Build every configured strategy once, and save its state, before anything is started for it.

    Raises UnknownName, InvalidValue or StrategyError: what was expected, what came and where.
    """
    for instance in instances_of(settings):
        registry.runner(instance.strategy, instance.parameters, instrument, settings.market.timeframe).save()
