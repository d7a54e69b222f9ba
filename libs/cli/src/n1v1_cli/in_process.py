"""From settings to a run in this process: the same settings that configure the services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from n1v1_common.settings.core import instances_of, policy_of, styles_of
from n1v1_research.backtest.configuration import Configuration

if TYPE_CHECKING:
    from n1v1.events import Event
    from n1v1_common.settings.model import Settings
    from n1v1_research.datasets import Dataset


def configuration_of(settings: Settings, dataset: Dataset) -> Configuration:
    """Raises UnknownName, InvalidValue or StrategyError: what was expected, what came and where."""
    from n1v1_common.settings.venue import venue_rules

    return Configuration(
        instances=tuple(instances_of(settings)),
        policy=policy_of(settings),
        rules=venue_rules(settings, dataset.instruments[0]),
        initial_cash=dataset.instruments[0].quanta(settings.account.initial_balance),
        account=settings.account.id,
        venue=settings.venue,
        risk_managers=settings.risk_management.plugins,
        anomaly_detectors=settings.anomaly_detection.plugins,
        styles=styles_of(settings),
    )


def events(settings: Settings, dataset: Dataset) -> Iterator[Event]:
    """Every event of the run, in order. Raises StrategyError when a strategy raises."""
    from n1v1_research.backtest import pipeline

    return pipeline.events(configuration_of(settings, dataset), dataset)
