"""Indicators for plain strategies are the kernels: same numbers, same warm-up, and they survive a restart."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.indicators.bollinger import BOLLINGER, bollinger
from n1v1.kernels import new_record
from n1v1.strategies import streaming
from n1v1.strategies.bar import Bar
from n1v1.strategies.streaming import Bollinger, Ema, Indicator, RealisedVolatility, indicator_from

OF_PRICES = [
    *(streaming.Sma(5), streaming.Ema(5), streaming.Wma(5), streaming.Roc(5), streaming.Highest(5)),
    *(streaming.Lowest(5), streaming.RelativeVolume(5), streaming.Rsi(5), streaming.ZScore(5)),
    *(RealisedVolatility(5, 2190.0), streaming.Macd(3, 6, 4), Bollinger(5), streaming.StochRsi(5, 4, 3)),
]
OF_BARS = [
    *(streaming.Stochastic(5, 2, 3), streaming.Atr(5), streaming.Cci(5), streaming.Mfi(5), streaming.WilliamsR(5)),
    *(streaming.Vwap(5), streaming.Obv(), streaming.Adx(5), streaming.Donchian(5), streaming.Keltner(5, 4)),
    streaming.SuperTrend(5),
]


def fed(indicator: Any, market: Any, first: int, last: int) -> list[Any]:
    columns = (market.open, market.high, market.low, market.close, market.volume)
    rows = list(zip(*(column[first:last].tolist() for column in columns), strict=True))
    if any(type(indicator) is type(one) for one in OF_PRICES):
        return [indicator.update(row[3]) for row in rows]
    return [indicator.update(Bar._make((*row, 0, "BTC-USD"))) for row in rows]


def fresh(indicator: Any) -> Any:
    return type(indicator)(*indicator._parameters)


@pytest.mark.parametrize("kind", [*OF_PRICES, *OF_BARS], ids=lambda kind: type(kind).__name__)
def test_an_indicator_has_its_first_value_after_its_warm_up_and_keeps_it_in_its_parts(kind: Any, market: Any) -> None:
    indicator = fresh(kind)
    answers = fed(indicator, market, 0, 60)
    firsts = [answer[0] if isinstance(answer, tuple) else answer for answer in answers]
    assert [math.isnan(first) for first in firsts] == [True] * (kind.warmup - 1) + [False] * (61 - kind.warmup)
    last = answers[-1] if isinstance(answers[-1], tuple) else (answers[-1],)
    assert tuple(getattr(indicator, part) for part in indicator.parts) == last
    assert (fresh(kind).is_ready, indicator.is_ready) == (False, True)


@pytest.mark.parametrize("kind", [*OF_PRICES, *OF_BARS], ids=lambda kind: type(kind).__name__)
def test_a_restored_indicator_goes_on_as_if_nothing_had_happened(kind: Any, market: Any) -> None:
    undisturbed, before = fresh(kind), fresh(kind)
    expected = fed(undisturbed, market, 0, 60)
    for cut in (0, 3, 30):
        before = fresh(kind)
        fed(before, market, 0, cut)
        after = indicator_from(json.loads(json.dumps(before.save(), allow_nan=False)))
        assert repr(fed(after, market, cut, 60)) == repr(expected[cut:])


def test_the_numbers_are_those_of_the_kernel(market: Any) -> None:
    state = new_record(BOLLINGER)
    expected = [bollinger(state, price, 20, 2.5, 1) for price in market.close.tolist()]
    assert repr(fed(Bollinger(20, 2.5, 1), market, 0, len(expected))) == repr(expected)


def test_numbers_are_named_after_the_indicator_and_its_parts() -> None:
    assert [name for name, _ in Bollinger().numbers("bands")] == ["bands.upper", "bands.middle", "bands.lower"]
    assert [name for name, _ in Ema(3).numbers("fast")] == ["fast"]


@pytest.mark.parametrize("period", [0, -1, 257, 2.5, True])
def test_a_period_out_of_bounds_is_refused(period: Any) -> None:
    with pytest.raises(InvalidValue, match=r"Sma\.period: expected a whole number from 1 to 256, got"):
        streaming.Sma(period)


def test_an_indicator_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidValue, match="there is no indicator 'Nobody'"):
        indicator_from({"kind": "Nobody", "parameters": []})
    assert issubclass(Ema, Indicator)
