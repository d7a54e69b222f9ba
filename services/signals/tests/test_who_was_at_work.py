"""The note of who was at work, over several lives of a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1.signals.stage import Instance
from n1v1_signals.at_work import AtWork

BAR_NS = 1_609_459_200_000_000_000


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "slow.py"
    path.write_text("first version")
    return path


def life(folder: Path, *instances: Instance) -> tuple[AtWork, dict[str, str]]:
    """A worker that has just been started, and whom it does not run any more."""
    at_work = AtWork(folder, "signals", limit_s=0)
    return at_work, dict(at_work.quarantined(instances))


def test_who_was_at_work_on_one_bar_in_two_deaths_is_not_run_any_more(tmp_path: Path, strategy: Path) -> None:
    slow = Instance("slow", str(strategy))
    for _ in range(2):
        worker, quarantined = life(tmp_path, slow)
        assert quarantined == {}
        worker.watch("slow", "BTC-USD", BAR_NS)
    for _ in range(2):
        _, quarantined = life(tmp_path, slow)
        assert quarantined == {
            "slow": "the worker died 2 times while it was at work on the BTC-USD bar of 2021-01-01 00:00"
        }


def test_deaths_at_rest_or_on_different_bars_are_accidents(tmp_path: Path, strategy: Path) -> None:
    slow = Instance("slow", str(strategy))
    for step in range(3):
        worker, quarantined = life(tmp_path, slow)
        assert quarantined == {}
        worker.watch("slow", "BTC-USD", BAR_NS + step)
        if step == 1:
            worker.rest()


def test_a_strategy_that_was_mended_begins_anew(tmp_path: Path, strategy: Path) -> None:
    slow = Instance("slow", str(strategy))
    for _ in range(2):
        worker, _ = life(tmp_path, slow)
        worker.watch("slow", "BTC-USD", BAR_NS)
    assert life(tmp_path, slow)[1]
    strategy.write_text("second version")
    assert life(tmp_path, slow)[1] == {}
