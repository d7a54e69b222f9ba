"""The compiled pass raises the signals that the runners of the services raise, bar by bar."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.strategies import registry
from n1v1.strategies.base import ACTIONS, CompiledRunner, Strategy
from n1v1_research.datasets import Dataset, load
from n1v1_research.scan.market import Market
from n1v1_research.scan.signals import signals_of

TEN = (
    "ema_cross",
    "rsi",
    "macd",
    "bollinger_reversion",
    "stochastic",
    "keltner_channel",
    "donchian_breakout",
    "atr_breakout",
    "vwap_pullback",
    "obv",
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-09-01")


@pytest.mark.parametrize("key", TEN)
def test_signals_are_those_of_the_runner(key: str, dataset: Dataset) -> None:
    strategy: type[Strategy] = registry.find(key)
    params = strategy.parameters({})
    market = Market.of(dataset)
    for symbol, instrument in enumerate(market.instruments):
        found = signals_of(strategy, params, market, symbol)
        raised = {
            int(market.bars.close_ns[row]): ACTIONS[int(code)] for row, code in zip(found.at, found.codes, strict=True)
        }
        assert raised == _one_by_one(strategy, params, dataset, instrument.symbol)


def _one_by_one(strategy: type[Strategy], params: Any, dataset: Dataset, symbol: str) -> dict[int, Any]:
    runner = CompiledRunner(strategy, params, dataset.instrument(symbol))
    verdicts = ((bar.ts_ns, runner.on_bar(bar).action) for bar in dataset.bars[symbol])
    return {ts_ns: action for ts_ns, action in verdicts if action is not None}
