"""What is refused before anything is started for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1.errors import InvalidValue
from n1v1.values import Instrument
from n1v1_common.settings.core import check_strategies
from n1v1_common.settings.load import load

BTC = Instrument("BTC-USD", "BTC", "USD")
UNSAVABLE = """
from n1v1.strategies.plain import PythonStrategy


class Unsavable(PythonStrategy):
    def __init__(self):
        self.lock = {lock}

    def on_bar(self, bar):
        return None
"""


def check(path: Path, *, lock: str, timeframes: str = "()") -> None:
    path.write_text(UNSAVABLE.format(lock=lock) + f"\n    timeframes = {timeframes}\n")
    settings = load((), {}, ('strategies.active_strategies=["ema_cross"]', f'strategies.files=["{path}"]')).settings
    check_strategies(settings, BTC)


def test_a_strategy_whose_state_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"Unsavable\.self\.lock"):
        check(tmp_path / "unsavable.py", lock="__import__('threading').Lock()")


def test_one_whose_state_can_be_saved_is_not(tmp_path: Path) -> None:
    check(tmp_path / "savable.py", lock="None")


def test_a_higher_timeframe_that_the_bars_cannot_make_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="1m"):
        check(tmp_path / "shorter.py", lock="None", timeframes='("1m",)')
