"""What must hold of RSI, MACD and stochastic on any bars, shown on recorded ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from n1v1.events import BarClosed
from n1v1.kernels import new_record, store_record
from n1v1.strategies.base import BAR, LONG, NO_SIGNAL, SHORT, CompiledRunner
from n1v1.strategies.registry import find

SETUPS: list[tuple[str, dict[str, Any]]] = [
    ("rsi", {}),
    ("rsi", {"smoothing": "ewm", "trigger": "level", "volume_filter": True}),
    ("macd", {}),
    ("macd", {"fast_period": 3, "slow_period": 7, "signal_period": 4, "histogram_threshold_pct": 0.001}),
    ("stochastic", {}),
    ("stochastic", {"volume_filter": False, "k_smoothing": 3}),
]
over_every_setup = pytest.mark.parametrize(("name", "parameters"), SETUPS, ids=str)


def runner(name: str, parameters: dict[str, Any], market: Any) -> CompiledRunner:
    strategy = find(name)
    return CompiledRunner(strategy, strategy.parameters(parameters), market.instrument)


def bars(market: Any, count: int) -> tuple[BarClosed, ...]:
    return tuple(market.bars[:count])


@over_every_setup
@pytest.mark.parametrize("symbol", ["BTC-USD", "ETH-USD"])
def test_compiled_and_plain_give_the_same_signals_and_the_same_state_to_the_bit(
    name: str,
    parameters: dict[str, Any],
    symbol: str,
    recorded: Callable[[str], Any],
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    strategy, market = find(name), recorded(symbol)
    params = strategy.parameters(parameters)
    fast, state, bar = compiled(strategy.on_bar), np.zeros(1, strategy.State), np.zeros(1, BAR)
    plain_state, plain_bar = new_record(strategy.State), new_record(BAR)
    answered = set()
    for recorded_bar in market.bars:
        fill(plain_bar, recorded_bar, market)
        store_record(plain_bar, bar[0:1].reshape(()))
        signal = strategy.on_bar(params, plain_state, plain_bar)
        assert fast(params, state[0], bar[0]) == signal
        answered.add(signal)
    stored = np.zeros((), strategy.State)
    store_record(plain_state, stored)
    assert stored.tobytes() == state.tobytes()
    assert answered == {LONG, SHORT, NO_SIGNAL}


def fill(seen: Any, bar: BarClosed, market: Any) -> None:
    price = market.instrument.price_float
    seen.open, seen.high, seen.low, seen.close = price(bar.open), price(bar.high), price(bar.low), price(bar.close)
    seen.volume, seen.close_ns = market.instrument.quantity_float(bar.volume), bar.ts_ns


@over_every_setup
def test_bars_still_to_come_change_nothing_that_was_said(
    name: str, parameters: dict[str, Any], recorded: Callable[[str], Any]
) -> None:
    market = recorded("ETH-USD")
    whole = runner(name, parameters, market)
    everything = [whole.on_bar(bar) for bar in bars(market, 600)]
    for cut in (1, 40, 333):
        fresh = runner(name, parameters, market)
        assert [fresh.on_bar(bar) for bar in bars(market, cut)] == everything[:cut]


@over_every_setup
@pytest.mark.parametrize("cut", [0, 7, 34, 300])
def test_a_momentum_strategy_goes_on_from_its_saved_state(
    name: str, parameters: dict[str, Any], cut: int, recorded: Callable[[str], Any]
) -> None:
    market = recorded("ETH-USD")
    undisturbed, before, after = (runner(name, parameters, market) for _ in range(3))
    expected = [undisturbed.on_bar(bar) for bar in bars(market, 500)]
    for bar in bars(market, cut):
        before.on_bar(bar)
    after.load(before.save())
    assert [after.on_bar(bar) for bar in bars(market, 500)[cut:]] == expected[cut:]
    assert after.save() == undisturbed.save()


@over_every_setup
def test_the_warm_up_ends_on_the_bar_that_was_declared(
    name: str, parameters: dict[str, Any], recorded: Callable[[str], Any]
) -> None:
    market = recorded("BTC-USD")
    declared = find(name).warmup_bars(find(name).parameters(parameters))
    running = runner(name, parameters, market)
    verdicts = [running.on_bar(bar) for bar in bars(market, declared)]
    for seen, verdict in enumerate(verdicts[:-1], start=1):
        assert (verdict.action, verdict.reason) == (None, f"warming up: {seen} of {declared} bars")
    assert verdicts[-1].values
    assert not any(np.isnan(value) for _, value in verdicts[-1].values)


@over_every_setup
def test_some_market_brings_a_signal_on_the_very_bar_that_ends_the_warm_up(
    name: str, parameters: dict[str, Any], recorded: Callable[[str], Any]
) -> None:
    market = recorded("ETH-USD")
    declared = find(name).warmup_bars(find(name).parameters(parameters))
    starts = range(0, 2_900, 11)
    assert any(_last_verdict(name, parameters, market, start, declared).action for start in starts)


def _last_verdict(name: str, parameters: dict[str, Any], market: Any, start: int, count: int) -> Any:
    running = runner(name, parameters, market)
    return [running.on_bar(bar) for bar in market.bars[start : start + count]][-1]


@pytest.mark.parametrize(
    ("name", "parameters", "warmup"),
    [
        ("rsi", {}, 16),
        ("rsi", {"trigger": "level"}, 15),
        ("rsi", {"volume_filter": True, "volume_period": 50}, 51),
        ("macd", {}, 35),
        ("stochastic", {}, 17),
        ("stochastic", {"k_smoothing": 3}, 19),
        ("stochastic", {"volume_period": 30}, 31),
    ],
)
def test_warm_up_lengths(name: str, parameters: dict[str, Any], warmup: int) -> None:
    assert find(name).warmup_bars(find(name).parameters(parameters)) == warmup
