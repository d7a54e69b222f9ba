"""The examples of docs/writing-strategies.md run, and do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from n1v1.events import Action
from n1v1.strategies.registry import runner_of
from n1v1.testing import TESTED, bars_of, check_strategy, random_bars

PAGE = Path(__file__).parents[4] / "docs" / "writing-strategies.md"


@pytest.fixture(scope="module")
def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def defined(source: str, name: str) -> Any:
    names: dict[str, Any] = {"__name__": "example"}
    exec(source, names)
    return names[name]


def test_the_plain_example_buys_breakouts_and_keeps_what_every_strategy_keeps(examples: list[str]) -> None:
    breakout = defined(examples[0], "Breakout")
    runner = runner_of(breakout, {"period": 2}, TESTED)
    found = [runner.on_bar(bar).action for bar in bars_of([10.0, 11.0, 12.0, 11.0])]
    assert found == [None, None, Action.BUY, Action.CLOSE]
    assert check_strategy(breakout).signals > 10


def test_the_classic_example_buys_what_rises(examples: list[str]) -> None:
    rises = defined(examples[1], "Rises")
    runner = runner_of(rises, {}, TESTED)
    assert [runner.on_bar(bar).action for bar in bars_of([10.0, 11.0, 11.0])] == [None, Action.BUY, None]
    assert check_strategy(rises, {"required_history": 5}, bars=random_bars(100)).signals > 10


def test_the_check_of_the_page_passes(examples: list[str]) -> None:
    assert defined(examples[2], "check_strategy") is check_strategy
