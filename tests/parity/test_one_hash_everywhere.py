"""One run, one hash: on every machine, with every supported Python and by either engine.

The hash is written down here. Whoever changes what a run does changes it too, and says so in CHANGELOG.md.
"""

from __future__ import annotations

import pytest

from n1v1.run_hash import run_hash
from n1v1.signals.stage import Instance
from n1v1_research.backtest.defaults import configuration_of
from n1v1_research.backtest.engines import engine
from n1v1_research.datasets import load

THE_HASH = "7e1b9424a30bfde10f4eff8a614c07122365ed709f75a9574f764295807daa7b"


@pytest.mark.parametrize("name", ["pipeline", "scan"])
def test_a_year_of_two_markets_ends_with_the_hash_that_is_written_down(name: str) -> None:
    dataset = load("coinbase-4h", start="2021-01-01", end="2022-01-01")
    usual = configuration_of("macd", dataset, parameters={}, cash=10_000, fee="0.001", slippage="0.0005")
    instances = (*usual.instances, Instance("reversion", "bollinger_reversion", {"max_holding_period": 6}))
    configuration = type(usual)(
        instances=instances, policy=usual.policy, rules=usual.rules, initial_cash=usual.initial_cash
    )
    records = engine(name)(configuration, dataset, lambda _: None).records
    assert len(records.fills) > 100, "a year without trades proves nothing"
    assert run_hash(records) == THE_HASH
