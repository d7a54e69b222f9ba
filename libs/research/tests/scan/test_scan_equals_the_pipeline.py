"""Whatever the bars, strategies, parameters and policy: the compiled engine leaves the rows that the stages leave."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n1v1.errors import InvalidValue
from n1v1.risk.policy import Exits, RiskPolicy, Sizing, SizingMethod, StopMethod, TargetMethod, TrailMethod
from n1v1.run_hash import first_difference, run_hash
from n1v1.signals.stage import Instance
from n1v1.simulation.latency import lognormal_latencies
from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule
from n1v1.simulation.venue import VenueRules
from n1v1.values import PPB, Instrument, to_ppb
from n1v1_research.backtest import pipeline
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.datasets import Bars, Dataset, load
from n1v1_research.scan import engine

MINUTE = 60_000_000_000
PERCENT = PPB // 100
SYMBOLS = ("AAA-USD", "BBB-USD", "CCC-USD")

LIMIT_ENTRIES = Path(__file__).with_name("limit_entries.py")

INSTANCES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ema_cross", {"fast_ema": 2, "slow_ema": 5}),
    ("ema_cross", {"fast_ema": 3, "slow_ema": 9, "stop_loss_pct": 0.002, "take_profit_pct": 0.004}),
    ("rsi", {"rsi_period": 4, "trigger": "level", "stop_loss_pct": 0.01}),
    ("macd", {"fast_period": 3, "slow_period": 6, "signal_period": 3, "stop_loss_pct": 0.0, "take_profit_pct": 0.0}),
    ("bollinger_reversion", {"period": 6, "volume_filter": False, "max_holding_period": 4, "take_profit_pct": 0.003}),
    ("donchian_breakout", {"channel_period": 5, "breakout_threshold": 0.0, "volume_filter": False}),
    ("vwap_pullback", {}),
    ("my_breakout", {"required_history": 12}),
    (str(LIMIT_ENTRIES), {}),
    (str(LIMIT_ENTRIES), {"every": 3, "away": 0.004, "stop": 0.002}),
)


@st.composite
def markets(draw: st.DrawFn) -> Dataset:
    """One to three symbols on a few dozen to a few hundred minutes, some of them missing."""
    seed = draw(st.integers(0, 2**32 - 1))
    count, length = draw(st.integers(1, 3)), draw(st.integers(20, 300))
    swing = draw(st.sampled_from([0.0005, 0.003, 0.02]))
    present = draw(st.sampled_from([1.0, 0.8]))
    can_short = draw(st.booleans())
    random = np.random.default_rng(seed)
    return Dataset(
        "random",
        "1m",
        tuple(Instrument(symbol, symbol[:3], "USD", can_short=can_short) for symbol in SYMBOLS[:count]),
        {symbol: _bars(random, length, swing=swing, present=present) for symbol in SYMBOLS[:count]},
    )


def _bars(random: np.random.Generator, length: int, *, swing: float, present: float) -> Bars:
    """Prices that wander, jump over nights that are not there, and stand still for a while."""
    steps = random.normal(0.0, swing, length) * (random.random(length) < 0.9)
    close = np.maximum(2, np.round(20_000 * np.exp(np.cumsum(steps)))).astype(np.int64)
    gap = np.round(close * random.normal(0.0, swing / 3, length)).astype(np.int64)
    open_ = np.maximum(2, np.concatenate([close[:1], close[:-1]]) + gap)
    reach = np.round(close * np.abs(random.normal(0.0, swing, (2, length)))).astype(np.int64)
    high, low = np.maximum(open_, close) + reach[0], np.maximum(1, np.minimum(open_, close) - reach[1])
    volume = random.integers(0, 10**11, length)
    open_ns = np.arange(length, dtype=np.int64) * MINUTE
    kept = random.random(length) < present
    kept[0] = True
    return Bars(open_ns, open_ns + MINUTE, open_, high, low, close, volume).rows(kept)


@st.composite
def policies(draw: st.DrawFn) -> RiskPolicy:
    share = st.sampled_from([2 * PERCENT, 10 * PERCENT, 33 * PERCENT, PPB])
    exits = Exits(
        stop_method=draw(st.sampled_from(StopMethod)),
        stop_distance=1.5,
        stop_ppb=draw(st.sampled_from([PERCENT // 5, PERCENT])),
        target_method=draw(st.sampled_from(TargetMethod)),
        trail_method=draw(st.sampled_from(TrailMethod)),
        trail_ppb=draw(st.sampled_from([PERCENT // 5, PERCENT])),
        max_bars_held=draw(st.sampled_from([0, 3, 20])),
        exits_on_regime_change=draw(st.booleans()),
    )
    sizing = Sizing(
        sizing_method=draw(st.sampled_from([m for m in SizingMethod if m is not SizingMethod.MARTINGALE])),
        cuts_to_cash=draw(st.booleans()),
    )
    return RiskPolicy(
        position_fraction_ppb=draw(share),
        max_position_ppb=draw(share),
        max_drawdown_ppb=draw(st.sampled_from([5 * PERCENT, PPB])),
        breaker_drawdown_ppb=draw(st.sampled_from([None, PERCENT, 10 * PERCENT])),
        max_positions=draw(st.integers(1, 3)),
        cost_ppb=to_ppb("0.002"),
        valid_for_ns=MINUTE,
        limit_valid_for_ns=draw(st.sampled_from([0, 3 * MINUTE, 5 * MINUTE // 2])),
        max_exposure_ppb=draw(st.sampled_from([None, 50 * PERCENT])),
        max_open_risk_ppb=draw(st.sampled_from([None, PERCENT // 5, 20 * PERCENT])),
        max_daily_loss_ppb=draw(st.sampled_from([None, PERCENT])),
        emergency_loss_ppb=draw(st.sampled_from([None, 2 * PERCENT])),
        exits=exits,
        sizing=sizing,
    )


@st.composite
def rules(draw: st.DrawFn) -> VenueRules:
    model = draw(st.sampled_from(SlippageModel))
    return VenueRules(
        fee_rate_ppb=draw(st.sampled_from([0, PERCENT // 10])),
        maker_fee_rate_ppb=draw(st.sampled_from([None, 0])),
        slippage_ppb=draw(st.sampled_from([0, 500_000])),
        slippage_model=model,
        impact_ppb=0 if model is SlippageModel.FIXED else PERCENT,
        latency_ns=draw(st.sampled_from([0, 0, MINUTE // 2])),
        latencies_ns=draw(st.sampled_from([(), lognormal_latencies(MINUTE, 1.0)])),
        participation_ppb=draw(st.sampled_from([None, None, PERCENT])),
        path=draw(st.sampled_from(IntrabarPath)),
        seed=7,
        touch=draw(st.sampled_from(TouchRule)),
        queue_ppb=PPB // 2,
    )


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    chosen = draw(st.lists(st.sampled_from(INSTANCES), min_size=1, max_size=3))
    return Configuration(
        instances=tuple(Instance(f"i{n}", key, parameters) for n, (key, parameters) in enumerate(chosen)),
        policy=draw(policies()),
        rules=draw(rules()),
        initial_cash=draw(st.sampled_from([50, 10_000])) * 100_000_000,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(dataset=markets(), configuration=configurations())
def test_two_engines_leave_the_same_rows(dataset: Dataset, configuration: Configuration) -> None:
    compiled = engine.play(configuration, dataset, _nobody)
    one_by_one = pipeline.play(configuration, dataset, _nobody)
    assert first_difference(one_by_one.records, compiled.records) is None
    assert compiled.decided == one_by_one.decided


def test_years_of_recorded_bars_end_alike() -> None:
    dataset = load("coinbase-4h", start="2020-01-01", end="2021-01-01")
    configuration = Configuration(
        instances=tuple(Instance(f"i{n}", key, parameters) for n, (key, parameters) in enumerate(INSTANCES)),
        policy=replace(_policy(), max_positions=2),
        rules=VenueRules(fee_rate_ppb=to_ppb("0.001"), slippage_ppb=to_ppb("0.0005")),
        initial_cash=dataset.instruments[0].quanta(Decimal(10_000)),
    )
    compiled = engine.play(configuration, dataset, _nobody)
    assert len(compiled.records.fills) > 200, "a year without trades proves nothing"
    assert run_hash(compiled.records) == run_hash(pipeline.play(configuration, dataset, _nobody).records)


def test_entries_at_limits_fill_or_end_with_their_time_in_both_engines() -> None:
    configuration = Configuration(
        instances=(Instance("limits", str(LIMIT_ENTRIES), {"away": 0.003, "stop": 0.02}),),
        policy=replace(_policy(), limit_valid_for_ns=2 * 4 * 60 * MINUTE),
        rules=VenueRules(fee_rate_ppb=to_ppb("0.001"), slippage_ppb=to_ppb("0.0005")),
        initial_cash=10**12,
    )
    dataset = load("coinbase-4h", start="2020-01-01", end="2020-07-01")
    compiled = engine.play(configuration, dataset, _nobody)
    assert first_difference(pipeline.play(configuration, dataset, _nobody).records, compiled.records) is None
    limit_orders = [order for order in compiled.records.orders if order[3] == "LIMIT"]
    assert {order[5] for order in limit_orders} == {"FILLED", "EXPIRED"}


def test_plugins_are_not_passed_over_in_silence() -> None:
    dataset = load("coinbase-4h", start="2020-01-01", end="2020-01-03")
    configuration = Configuration(
        instances=(Instance("ema_cross", "ema_cross", {}),),
        policy=_policy(),
        rules=VenueRules(fee_rate_ppb=0, slippage_ppb=0),
        initial_cash=10**12,
        anomaly_detectors=("wicks",),
    )
    with pytest.raises(InvalidValue, match="runs no plug-ins, and these are named: wicks; use --engine pipeline"):
        engine.play(configuration, dataset, _nobody)


def test_a_strategy_that_raises_ends_the_run(tmp_path: Any) -> None:
    from n1v1.errors import StrategyError

    path = tmp_path / "fragile.py"
    path.write_text(
        "from n1v1.strategies.plain import PythonStrategy\n\n\n"
        "class Fragile(PythonStrategy):\n"
        "    def on_bar(self, bar):\n"
        "        return 1 / 0\n"
    )
    dataset = load("coinbase-4h", start="2020-01-01", end="2020-01-03")
    configuration = Configuration(
        instances=(Instance("fragile", str(path), {}),),
        policy=_policy(),
        rules=VenueRules(fee_rate_ppb=0, slippage_ppb=0),
        initial_cash=10**12,
    )
    with pytest.raises(StrategyError, match="fragile on BTC-USD raised ZeroDivisionError"):
        engine.play(configuration, dataset, _nobody)


def _policy() -> RiskPolicy:
    return RiskPolicy(
        position_fraction_ppb=10 * PERCENT,
        max_position_ppb=50 * PERCENT,
        max_drawdown_ppb=PPB,
        breaker_drawdown_ppb=None,
        max_positions=5,
        cost_ppb=to_ppb("0.0015"),
        valid_for_ns=4 * 60 * MINUTE,
    )


def _nobody(_: int) -> None:
    """Progress that nobody watches."""
