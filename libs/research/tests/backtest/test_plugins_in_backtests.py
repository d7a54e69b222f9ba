"""Risk managers and anomaly detectors of the user's own take part in a backtest, or it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from n1v1.errors import InvalidValue, UnknownName
from n1v1_research.backtest import Backtester
from n1v1_research.datasets import Dataset, load

PLUGINS = """
from n1v1.risk.plugins import NO_OBJECTION, AnomalyResult, BaseAnomalyDetector, RiskManagerInterface, refuse


class OnlyFirstPosition(RiskManagerInterface):
    def evaluate_signal(self, proposal):
        return refuse("one is enough") if proposal.open_positions else NO_OBJECTION


class EveryBar(BaseAnomalyDetector):
    def detect(self, data, symbol):
        return AnomalyResult("critical", 1.0, "no bar is to be trusted")
"""
ENTRY_POINTS = """[n1v1.risk_managers]
only_first = plugins_of_a_test:OnlyFirstPosition

[n1v1.anomaly_detectors]
every_bar = plugins_of_a_test:EveryBar
"""


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves a package: a module, and beside it what it offers."""
    (tmp_path / "plugins_of_a_test.py").write_text(PLUGINS)
    metadata = tmp_path / "plugins_of_a_test-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins-of-a-test\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture(scope="module")
def bars() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-04-01")


def backtester(bars: Dataset, *, managers: tuple[str, ...] = (), detectors: tuple[str, ...] = ()) -> Backtester:
    plain = Backtester.of("ema_cross", bars, parameters={"fast_ema": 3, "slow_ema": 8}).configuration
    named = replace(plain, risk_managers=managers, anomaly_detectors=detectors)
    return Backtester(named, bars, engine="pipeline")


@pytest.mark.usefixtures("_installed")
def test_what_a_risk_manager_refuses_is_not_entered(bars: Dataset) -> None:
    without, with_one = backtester(bars).run(), backtester(bars, managers=("only_first",)).run()
    refused = [row for row in with_one.records.decisions if row[7] == "VETOED"]
    assert len(refused) > 5
    assert 0 < len(with_one.records.fills) < len(without.records.fills)


@pytest.mark.usefixtures("_installed")
def test_no_entry_is_made_while_a_detector_sees_the_worst(bars: Dataset) -> None:
    result = backtester(bars, detectors=("every_bar",)).run()
    assert result.records.decisions
    assert not result.records.fills


@pytest.mark.usefixtures("_installed")
def test_plugins_are_part_of_the_configuration(bars: Dataset) -> None:
    assert backtester(bars, managers=("only_first",)).configuration.hash != backtester(bars).configuration.hash


@pytest.mark.usefixtures("_installed")
def test_the_compiled_engine_says_that_it_cannot_run_them(bars: Dataset) -> None:
    configuration = backtester(bars, managers=("only_first",), detectors=("every_bar",)).configuration
    with pytest.raises(InvalidValue, match="only_first, every_bar; use --engine pipeline"):
        Backtester(configuration, bars, engine="scan").run()


def test_a_plugin_that_is_not_installed_is_named(bars: Dataset) -> None:
    with pytest.raises(UnknownName, match=r"no plug-in of n1v1\.risk_managers is called 'only_frist'"):
        backtester(bars, managers=("only_frist",)).run()
