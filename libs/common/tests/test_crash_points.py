"""Points at which a drill stops or kills a service; SIGUSR1 stands in for the signals that would end this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from n1v1_common import crash_points
from n1v1_common.crash_points import FOLDER_VARIABLE, CrashPoint, arm, reached
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.model import Settings


@pytest.fixture
def heard() -> Iterator[list[int]]:
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: signals.append(number))
    yield signals
    signal.signal(signal.SIGUSR1, before)
    crash_points.allow("risk", Settings(), {})


def test_the_third_passage_sends_the_signal_and_the_next_life_gets_past_it(tmp_path: Path, heard: list[int]) -> None:
    crash_points.allow("risk", Settings(), {FOLDER_VARIABLE: str(tmp_path)})
    file = arm(tmp_path, "risk", CrashPoint.BEFORE_COMMIT, passage=3, action=signal.SIGUSR1)
    reached(CrashPoint.BEFORE_COMMIT)
    reached(CrashPoint.BEFORE_COMMIT)
    assert (heard, file.exists()) == ([], True)
    reached(CrashPoint.BEFORE_COMMIT)
    assert (heard, file.exists()) == ([signal.SIGUSR1], False)
    reached(CrashPoint.BEFORE_COMMIT)
    assert len(heard) == 1


def test_other_points_and_other_services_are_not_concerned(tmp_path: Path, heard: list[int]) -> None:
    crash_points.allow("risk", Settings(), {FOLDER_VARIABLE: str(tmp_path)})
    arm(tmp_path, "risk", CrashPoint.BEFORE_COMMIT, passage=1, action=signal.SIGUSR1)
    arm(tmp_path, "portfolio", CrashPoint.COMMITTED_NOT_PUBLISHED, passage=1, action=signal.SIGUSR1)
    reached(CrashPoint.COMMITTED_NOT_PUBLISHED)
    assert heard == []


def test_without_the_variable_nothing_can_be_armed(
    tmp_path: Path, heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    crash_points.allow("risk", Settings(), {})
    arm(tmp_path, "risk", CrashPoint.BEFORE_COMMIT, passage=1, action=signal.SIGUSR1)
    reached(CrashPoint.BEFORE_COMMIT)
    assert heard == []


def test_in_live_mode_the_variable_is_refused(tmp_path: Path) -> None:
    live = Settings.model_validate(
        {
            "environment": {"mode": "live", "i_understand_live": True},
            "exchange": {"name": "binance", "api_key": "key", "api_secret": "secret"},
        }
    )
    with pytest.raises(ConfigError, match="stop and kill services; never with"):
        crash_points.allow("risk", live, {FOLDER_VARIABLE: str(tmp_path)})
