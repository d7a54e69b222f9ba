"""Settings that configure the services configure a run in this process alike."""

from __future__ import annotations

from n1v1_cli.in_process import configuration_of
from n1v1_common.settings.load import load
from n1v1_research import datasets


def test_plugins_that_the_settings_name_are_in_the_configuration_in_their_order() -> None:
    named = ('risk_management.plugins=["b", "a"]', 'anomaly_detection.plugins=["wicks"]')
    configuration = configuration_of(load((), {}, named).settings, datasets.load("coinbase-4h", end="2016-06-01"))
    assert (configuration.risk_managers, configuration.anomaly_detectors) == (("b", "a"), ("wicks",))
