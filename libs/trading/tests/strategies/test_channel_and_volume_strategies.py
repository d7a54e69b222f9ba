"""What Bollinger, Keltner, Donchian, ATR, VWAP and OBV strategies have in common, on recorded bars."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n1v1.errors import InvalidValue
from n1v1.strategies import registry
from n1v1.strategies.base import ACTIONS, BAR, NO_SIGNAL, CompiledRunner, Verdict
from n1v1_research.strategy_pictures import Moment, listing, moments, picture

PAGES = Path(__file__).parents[4] / "docs" / "strategies"
CLASSES = {
    "bollinger_reversion": "BollingerReversionStrategy",
    "keltner_channel": "KeltnerChannelStrategy",
    "donchian_breakout": "DonchianBreakoutStrategy",
    "atr_breakout": "ATRBreakoutStrategy",
    "vwap_pullback": "VWAPPullbackStrategy",
    "obv": "OBVStrategy",
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((key, {}) for key in CLASSES),
    ("bollinger_reversion", {"ddof": 1, "volume_filter": False}),
    ("keltner_channel", {"squeeze_filter": False, "volume_filter": False}),
    ("donchian_breakout", {"volume_filter": False}),
    ("atr_breakout", {"volume_filter": False, "trend_filter": False}),
    ("vwap_pullback", {"daily_anchor": True}),
    ("vwap_pullback", {"trend_filter": False, "volume_multiplier": 0.0}),
    ("obv", {"volume_filter": False, "trend_filter": False}),
]
every_strategy = pytest.mark.parametrize("key", CLASSES)
every_variant = pytest.mark.parametrize(("key", "parameters"), VARIANTS)


@cache
def drawn(key: str) -> list[Moment]:
    return moments(key)


def verdicts(runner: Any, bars: Any) -> list[Verdict]:
    return [runner.on_bar(bar) for bar in bars]


@every_strategy
def test_a_strategy_is_found_by_both_names(key: str) -> None:
    assert registry.find(key) is registry.find(CLASSES[key])
    assert registry.key_of(registry.find(key)) == key


@every_variant
def test_signals_come_on_recorded_bars_and_never_in_the_warm_up(
    key: str, parameters: dict[str, Any], recorded: Any
) -> None:
    market = recorded("BTC-USD")
    strategy = registry.find(key)
    warmup = strategy.warmup_bars(strategy.parameters(parameters))
    found = verdicts(registry.runner(key, parameters, market.instrument), market.bars)
    assert all(verdict.reason.startswith("warming up") for verdict in found[: warmup - 1])
    assert not any(verdict.reason.startswith("warming up") for verdict in found[warmup - 1 :])
    actions = [verdict.action for verdict in found if verdict.action]
    assert 10 < len(actions) < len(found) / 4
    assert all(verdict.values for verdict in found[warmup - 1 :])


@every_variant
def test_what_comes_later_changes_nothing_that_was_said_before(
    key: str, parameters: dict[str, Any], recorded: Any
) -> None:
    market = recorded("ETH-USD")
    bars = market.bars[900:1_500]  # with the flash crash
    whole = verdicts(registry.runner(key, parameters, market.instrument), bars)
    for cut in np.random.default_rng(2).integers(1, len(bars), 3):
        assert verdicts(registry.runner(key, parameters, market.instrument), bars[:cut]) == whole[:cut]


@every_variant
def test_a_restored_strategy_goes_on_as_if_nothing_had_happened(
    key: str, parameters: dict[str, Any], recorded: Any
) -> None:
    market = recorded("BTC-USD")
    bars = market.bars[:400]
    undisturbed = registry.runner(key, parameters, market.instrument)
    expected = verdicts(undisturbed, bars)
    for cut in (0, 3, 20, 21, 250):
        before, after = (registry.runner(key, parameters, market.instrument) for _ in range(2))
        verdicts(before, bars[:cut])
        after.load(before.save())
        assert verdicts(after, bars[cut:]) == expected[cut:]
        assert after.save() == undisturbed.save()


@every_variant
@pytest.mark.parametrize("volume", [0.0, 1.0])
def test_a_price_that_stands_still_is_no_signal(
    key: str, parameters: dict[str, Any], volume: float, asked: Any, bars_of: Any
) -> None:
    found = asked(key, parameters, bars_of([61_234.57] * 100, [volume] * 100))
    assert {verdict.action for verdict in found} == {None}


@every_variant
def test_the_compiled_kernel_answers_the_same_and_keeps_the_same_state(
    key: str, parameters: dict[str, Any], recorded: Any, compiled: Callable[..., Any]
) -> None:
    market = recorded("BTC-USD")
    strategy = registry.find(key)
    params = strategy.parameters(parameters)
    runner = CompiledRunner(strategy, params, market.instrument)
    fast, state, seen = compiled(strategy.on_bar), np.zeros(1, strategy.State), np.zeros(1, BAR)
    price = market.instrument.price_float
    for bar in market.bars[:1_500]:
        expected = runner.on_bar(bar).action
        prices = price(bar.open), price(bar.high), price(bar.low), price(bar.close)
        seen[0] = (*prices, market.instrument.quantity_float(bar.volume), bar.ts_ns)
        signal = fast(params, state[0], seen[0])
        assert (None if signal == NO_SIGNAL else ACTIONS[signal]) is expected
    assert base64.b64decode(runner.save()["state"]) == state.tobytes()


@every_strategy
def test_every_number_has_bounds_and_its_default_is_within(key: str) -> None:
    strategy = registry.find(key)
    defaults = strategy.Params()
    numbers = {name for name, value in defaults._asdict().items() if not isinstance(value, bool)}
    assert set(strategy.bounds) == numbers
    for name, bound in strategy.bounds.items():
        assert bound.low <= getattr(defaults, name) <= bound.high
        with pytest.raises(InvalidValue, match=rf"{key}\.{name}: expected"):
            strategy.parameters({name: bound.high + 1})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("bollinger_reversion", {"period": 20, "std_dev": 2.0, "reversion_threshold": 0.01, "volume_threshold": 1.1}),
        ("bollinger_reversion", {"max_holding_period": 10, "stop_loss_pct": 0.02, "take_profit_pct": 0.04}),
        ("keltner_channel", {"sma_period": 20, "atr_period": 14, "atr_multiplier": 2.0, "volume_threshold": 1.3}),
        ("keltner_channel", {"squeeze_filter": True, "squeeze_threshold": 0.8, "position_size": 0.1}),
        ("donchian_breakout", {"channel_period": 20, "breakout_threshold": 0.001, "volume_multiplier": 1.2}),
        ("atr_breakout", {"atr_period": 14, "breakout_multiplier": 2.0, "min_atr": 0.005, "trend_period": 20}),
        (
            "vwap_pullback",
            {"vwap_period": 20, "pullback_threshold": 0.01, "volume_multiplier": 1.3, "trend_period": 10},
        ),
        ("vwap_pullback", {"confirmation_bars": 2, "min_volume_period": 10, "daily_anchor": False}),
        ("obv", {"obv_signal_period": 10, "volume_sma_period": 20, "divergence_threshold": 0.02}),
        ("obv", {"confirmation_period": 3, "trend_filter": True, "trend_period": 20, "position_size": 0.09}),
    ],
)
def test_the_defaults_are_those_of_the_original(key: str, expected: dict[str, Any]) -> None:
    defaults = registry.find(key).Params()._asdict()
    assert {name: defaults[name] for name in expected} == expected


@every_strategy
def test_the_warm_up_of_the_defaults_is_21_bars(key: str) -> None:
    strategy = registry.find(key)
    assert strategy.warmup_bars(strategy.Params()) == 21


@every_strategy
def test_the_page_of_a_strategy_says_what_it_does(key: str) -> None:
    """Its table has every parameter with its default, and its example is what the strategy says today."""
    page = (PAGES / f"{key}.md").read_text("utf-8")
    strategy = registry.find(key)
    for name, value in strategy.Params()._asdict().items():
        default = ("off", "on")[value] if isinstance(value, bool) else f"{value:g}"
        assert f"| `{name}` | {default} |" in page
    example = next(listing(drawn(key)))
    assert " ".join(example.split()) in " ".join(page.split())
    assert f"{strategy.warmup_bars(strategy.Params())} bars" in page


@every_strategy
def test_the_picture_of_a_strategy_is_the_one_that_is_drawn_today(key: str) -> None:
    assert (PAGES / f"{key}.svg").read_text("utf-8") == picture(key, drawn(key))
