"""From the section execution to the rules by which orders are divided."""

from __future__ import annotations

from decimal import Decimal

import pytest

from n1v1.errors import UnknownName
from n1v1.styles import NO_RULES, SECOND_NS, Method, Style
from n1v1_common.settings.core import styles_of
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings


def configured(*overrides: str) -> Settings:
    return load((), {}, overrides).settings


def test_an_installation_that_says_nothing_sends_every_order_whole() -> None:
    assert styles_of(configured()) == NO_RULES
    assert NO_RULES.always_whole


def test_a_style_is_for_all_and_another_for_one_strategy() -> None:
    rules = styles_of(
        configured(
            "execution.style=twap",
            "execution.parts=4",
            "execution.interval_seconds=1.5",
            'execution.strategy_styles={"EMACrossStrategy": "split"}',
            "execution.large_order=500",
        )
    )
    assert rules.default == Style(Method.TWAP, 4, 3 * SECOND_NS // 2)
    assert rules.by_instance == {"ema_cross": Style(Method.SPLIT, 4, 3 * SECOND_NS // 2)}
    assert rules.large_value == Decimal(500)
    assert not rules.watches_market


@pytest.mark.parametrize("style", ["vwap", "adaptive"])
def test_styles_that_look_at_the_market_let_execution_hear_bars(style: str) -> None:
    assert styles_of(configured(f"execution.style={style}")).watches_market
    assert styles_of(configured(f'execution.strategy_styles={{"ema_cross": "{style}"}}')).watches_market


def test_a_style_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="style"):
        configured("execution.style=twep")


def test_a_strategy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="ema_crass"):
        styles_of(configured('execution.strategy_styles={"ema_crass": "twap"}'))
