"""The reason of a signal follows from the parameters and the signal: every driver can say it without the state."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.strategies import registry
from n1v1.strategies.base import ACTIONS, LONG, NOTHING, Strategy

KEYS = (
    *("ema_cross", "rsi", "macd", "stochastic", "bollinger_reversion", "keltner_channel", "donchian_breakout"),
    *("atr_breakout", "vwap_pullback", "obv"),
)


@pytest.mark.parametrize("key", KEYS)
def test_the_reason_of_a_signal_is_the_one_that_is_known_without_the_state(key: str, recorded: Any) -> None:
    market = recorded("BTC-USD")
    strategy = registry.find(key)
    params = strategy.parameters({})
    said = {ACTIONS[code]: code for code in ACTIONS}
    runner = registry.runner(key, {}, market.instrument)
    signals = [verdict for verdict in map(runner.on_bar, market.bars) if verdict.action is not None]
    assert signals
    assert {v.reason for v in signals} == {
        strategy.reason(params, said[action]) for action in {v.action for v in signals if v.action is not None}
    }


@pytest.mark.parametrize("key", KEYS)
def test_without_an_explanation_the_signals_are_the_same_and_quiet_bars_share_one_answer(
    key: str, recorded: Any
) -> None:
    market = recorded("BTC-USD")
    explained, quiet = (registry.runner(key, {}, market.instrument) for _ in range(2))
    for bar in market.bars:
        asked, short = explained.on_bar(bar), quiet.on_bar(bar, False)
        if asked.action is None:
            assert short is NOTHING
        else:
            assert (short.action, short.strength, short.reason, short.wish) == (
                *(asked.action, asked.strength),
                *(asked.reason, asked.wish),
            )


def test_a_strategy_that_gives_no_reasons_has_plain_ones() -> None:
    assert Strategy.reason((), LONG) == "the rule says long"
    assert Strategy.explain((), None, 0) == ("the rule says nothing", ())
