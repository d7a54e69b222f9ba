"""What the signals service takes from the settings."""

from __future__ import annotations

from n1v1.signals.stage import Instance
from n1v1.strategies import registry
from n1v1_common.settings.model import Settings


def instances_of(settings: Settings) -> list[Instance]:
    """Every configured strategy: the active ones by name, and one for each file.

    Raises UnknownName, InvalidValue or StrategyError when a strategy cannot be had as configured.
    """
    names = [*settings.strategies.active_strategies, *(str(path) for path in settings.strategies.files)]
    instances = []
    for name in names:
        key = registry.key_of(registry.find(name))
        instances.append(Instance(key, name, settings.strategies.parameters_of(key)))
    return instances


def owned_partitions(settings: Settings) -> list[int]:
    """The partitions of this worker: every worker_count-th, beginning with its own index."""
    signals = settings.signals
    return list(range(signals.worker_index, signals.partitions, signals.worker_count))
