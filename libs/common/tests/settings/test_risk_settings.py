"""From configuration to the policy of the core: what is off, what is on, and how the original spells it."""

from __future__ import annotations

import pytest

from n1v1.risk.policy import HOUR_NS, MINUTE_NS, CooldownMethod, SizingMethod, StopMethod, TargetMethod, TrailMethod
from n1v1_common.settings.core import policy_of
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings


def configured(*overrides: str) -> Settings:
    return load((), {}, overrides).settings


def test_an_installation_that_says_nothing_has_limits_and_a_breaker_and_nothing_else() -> None:
    policy = policy_of(configured())
    assert (policy.max_position_ppb, policy.max_drawdown_ppb, policy.max_positions) == (300_000_000, 100_000_000, 5)
    assert (policy.max_daily_loss_ppb, policy.emergency_loss_ppb) == (100_000_000, 150_000_000)
    assert (policy.breaker_drawdown_ppb, policy.breaker.losses_to_trip) == (100_000_000, 5)
    assert (policy.exits.stop_method, policy.exits.target_method, policy.exits.trail_method) == (
        StopMethod.NONE,
        TargetMethod.NONE,
        TrailMethod.NONE,
    )
    assert policy.exits.max_bars_held == 0
    assert not policy.protects
    assert not policy.anomalies.is_on
    assert not policy.adaptive.is_adaptive
    assert policy.record().watches_bars == 0


def test_the_breaker_closes_by_itself_with_the_original_timers() -> None:
    breaker = policy_of(configured()).breaker
    assert breaker.resumes_by_itself
    assert (breaker.cooldown_method, breaker.cooldown_multiplier) == (CooldownMethod.EXPONENTIAL, 2.0)
    assert (breaker.cooldown_ns, breaker.recovery_ns, breaker.max_cooldown_ns) == (
        5 * MINUTE_NS,
        10 * MINUTE_NS,
        60 * MINUTE_NS,
    )
    assert (breaker.max_trips, breaker.trip_window_ns) == (3, HOUR_NS)


def test_a_disabled_breaker_never_trips() -> None:
    policy = policy_of(configured("risk_management.circuit_breaker_enabled=false"))
    assert (policy.breaker_drawdown_ppb, policy.breaker.losses_to_trip) == (None, 0)


def test_the_cooldown_of_the_readme_is_the_one_that_grows() -> None:
    assert policy_of(configured("circuit_breaker.cooling_period_minutes=10")).breaker.cooldown_ns == 10 * MINUTE_NS
    both = ("circuit_breaker.cooling_period_minutes=10", "circuit_breaker.base_cooldown_minutes=7")
    assert policy_of(configured(*both)).breaker.cooldown_ns == 7 * MINUTE_NS
    fixed = policy_of(configured(*both, "circuit_breaker.cooldown_strategy=fixed")).breaker
    assert (fixed.cooldown_ns, fixed.cooldown_method) == (10 * MINUTE_NS, CooldownMethod.FIXED)


@pytest.mark.parametrize("method", [method.name.lower() for method in SizingMethod if method is not method.MARTINGALE])
def test_every_sizing_method_can_be_configured(method: str) -> None:
    policy = policy_of(configured(f"risk_management.position_sizing_method={method}"))
    assert policy.sizing.sizing_method.name == method.upper()


def test_the_originals_names_of_sizing_are_understood() -> None:
    policy = policy_of(configured("risk_management.position_sizing=fixed", "risk_management.position_size=0.07"))
    assert policy.sizing.sizing_method is SizingMethod.FIXED_FRACTION
    assert policy.position_fraction_ppb == 70_000_000


def test_a_martingale_needs_a_second_word() -> None:
    martingale = "risk_management.position_sizing_method=martingale"
    with pytest.raises(ConfigError, match="needs allow_dangerous=true"):
        configured(martingale)
    policy = policy_of(configured(martingale, "risk_management.allow_dangerous=true"))
    assert policy.sizing.sizing_method is SizingMethod.MARTINGALE


def test_stops_targets_and_exits_are_those_of_the_original_once_they_are_switched_on() -> None:
    exits = policy_of(
        configured(
            "risk_management.stop_loss_method=atr",
            "risk_management.enable_adaptive_tp=true",
            "risk_management.enable_trailing_stop=true",
            "risk_management.ENABLE_TIME_EXIT=true",
        )
    ).exits
    assert (exits.stop_method, exits.stop_atr_multiplier) == (StopMethod.ATR, 2.0)
    assert (exits.target_method, exits.target_base) == (TargetMethod.TREND, 2.0)
    assert (exits.trail_method, exits.trail_ppb, exits.trail_step_ppb) == (
        TrailMethod.PERCENTAGE,
        20_000_000,
        5_000_000,
    )
    assert exits.max_bars_held == 50


def test_a_fixed_stop_needs_a_distance() -> None:
    with pytest.raises(ConfigError, match="stop_loss_distance"):
        configured("risk_management.stop_loss_method=fixed")


def test_protections_count_in_minutes_in_bars_or_to_a_time_of_day() -> None:
    policy = policy_of(
        configured(
            "market.timeframe=4h",
            "protections.stoploss_guard.enabled=true",
            "protections.low_profit_pairs.enabled=true",
            "protections.low_profit_pairs.lookback_period_candles=6",
            "protections.low_profit_pairs.stop_duration_candles=2",
            "protections.cooldown_period.enabled=true",
            "protections.cooldown_period.unlock_at=07:30",
        )
    )
    assert policy.stoploss_guard is not None
    assert policy.low_profit_guard is not None
    assert policy.cooldown is not None
    assert policy.drawdown_guard is None
    guard, low = policy.stoploss_guard, policy.low_profit_guard
    assert (guard.trade_limit, guard.lookback_ns, guard.lock_ns) == (10, HOUR_NS, HOUR_NS)
    assert (low.trade_limit, low.lookback_ns, low.lock_ns) == (1, 24 * HOUR_NS, 8 * HOUR_NS)
    assert policy.cooldown.unlock_at_ns == 7 * HOUR_NS + 30 * MINUTE_NS


def test_anomalies_and_the_adaptive_policy_have_the_defaults_of_the_original() -> None:
    policy = policy_of(
        configured(
            *(f"anomaly_detection.{name}.enabled=true" for name in ("price_zscore", "volume_zscore", "price_gap")),
            "adaptive_policy.enabled=true",
        )
    )
    anomalies, adaptive = policy.anomalies, policy.adaptive
    assert (anomalies.price_window, anomalies.volume_window, anomalies.gap_threshold_pct) == (50, 20, 5.0)
    assert anomalies.filter_window == 0
    assert (adaptive.min_multiplier, adaptive.max_multiplier, adaptive.kill_losses) == (0.1, 1.0, 10)
    assert adaptive.kill_window_ns == 24 * HOUR_NS
