"""From the settings of risk to the policy of the core: exact, checked, the same in every driver."""

from __future__ import annotations

from n1v1.risk.policy import (
    HOUR_NS,
    MINUTE_NS,
    AdaptiveRules,
    AnomalyRules,
    BreakerRules,
    Cooldown,
    CooldownMethod,
    DrawdownGuard,
    Exits,
    LowProfitGuard,
    RiskPolicy,
    Sizing,
    SizingMethod,
    StoplossGuard,
    StopMethod,
    TargetMethod,
    TrailMethod,
)
from n1v1.timeframes import timeframe_ns
from n1v1.values import to_ppb
from n1v1_common.settings.model import Settings
from n1v1_common.settings.risk import ProtectionSection, TradesSection

BPS = 10_000


def policy_of(settings: Settings) -> RiskPolicy:
    """The limits of the account."""
    limits, breaker = settings.risk_management, settings.circuit_breaker
    bar_ns = timeframe_ns(settings.market.timeframe)
    daily_loss = to_ppb(limits.max_daily_drawdown)
    emergency = to_ppb(limits.max_daily_drawdown * limits.emergency_loss_factor)
    return RiskPolicy(
        position_fraction_ppb=to_ppb(limits.position_fraction),
        max_position_ppb=to_ppb(limits.max_position_size),
        max_exposure_ppb=None if limits.max_exposure is None else to_ppb(limits.max_exposure),
        max_open_risk_ppb=None if limits.max_open_risk is None else to_ppb(limits.max_open_risk),
        max_drawdown_ppb=to_ppb(limits.max_drawdown),
        max_daily_loss_ppb=daily_loss,
        emergency_loss_ppb=min(emergency, to_ppb(1)),
        breaker_drawdown_ppb=to_ppb(breaker.equity_drawdown_threshold) if limits.circuit_breaker_enabled else None,
        max_positions=limits.max_concurrent_trades,
        max_orders=limits.max_orders,
        max_same_orders=limits.max_same_orders,
        order_window_ns=limits.order_window_seconds * 1_000_000_000,
        cost_ppb=to_ppb((settings.exchange.fee_rate_bps + settings.exchange.slippage_bps) / BPS),
        valid_for_ns=bar_ns,
        limit_valid_for_ns=limits.limit_order_bars * bar_ns,
        sizing=_sizing(settings),
        exits=_exits(settings),
        breaker=_breaker(settings),
        cooldown=_cooldown(settings, bar_ns),
        stoploss_guard=_stoploss_guard(settings, bar_ns),
        low_profit_guard=_low_profit_guard(settings, bar_ns),
        drawdown_guard=_drawdown_guard(settings, bar_ns),
        anomalies=_anomalies(settings),
        adaptive=_adaptive(settings),
    )


def _sizing(settings: Settings) -> Sizing:
    limits = settings.risk_management
    return Sizing(
        sizing_method=SizingMethod[limits.position_sizing_method.upper()],
        fixed_percent_ppb=to_ppb(limits.fixed_percent),
        risk_per_trade_ppb=to_ppb(limits.risk_per_trade),
        atr_k=float(limits.atr_k_factor),
        kelly_win_rate=float(limits.kelly_assumed_win_rate),
        kelly_payoff=float(limits.risk_reward_ratio),
        kelly_prior_trades=limits.kelly_prior_trades,
        kelly_fraction=float(limits.kelly_fraction),
        martingale_max_streak=limits.martingale_max_streak,
        allow_dangerous=limits.allow_dangerous,
        cuts_to_cash=limits.cut_to_free_cash,
    )


def _exits(settings: Settings) -> Exits:
    limits = settings.risk_management
    trail = TrailMethod[limits.trailing_stop_method.upper()] if limits.enable_trailing_stop else TrailMethod.NONE
    return Exits(
        stop_method=StopMethod[limits.stop_loss_method.upper()],
        stop_ppb=to_ppb(limits.stop_loss_percentage),
        stop_atr_multiplier=float(limits.atr_sl_multiplier),
        stop_distance=float(limits.stop_loss_distance),
        target_method=TargetMethod[limits.take_profit_method.upper()],
        reward=float(limits.risk_reward_ratio),
        target_base=float(limits.tp_base_multiplier),
        trail_method=trail,
        trail_ppb=to_ppb(limits.trailing_distance),
        trail_atr_multiplier=float(limits.trailing_atr_multiplier),
        trail_step_ppb=to_ppb(limits.trailing_step_size),
        max_bars_held=limits.max_bars_in_trade if limits.enable_time_exit else 0,
        exits_on_regime_change=limits.exit_on_regime_change,
        requires_stop=limits.require_stop_loss,
    )


def _breaker(settings: Settings) -> BreakerRules:
    if not settings.risk_management.circuit_breaker_enabled:
        return BreakerRules()
    breaker = settings.circuit_breaker
    return BreakerRules(
        losses_to_trip=breaker.consecutive_losses_threshold,
        trips_on_volatility=float(breaker.volatility_spike_threshold or 0),
        trips_on_anomaly=breaker.trip_on_market_anomaly,
        resumes_by_itself=breaker.enable_cooldown_enforcement,
        cooldown_method=CooldownMethod[breaker.cooldown_strategy.upper()],
        cooldown_ns=breaker.cooldown_minutes * MINUTE_NS,
        max_cooldown_ns=breaker.max_cooldown_minutes * MINUTE_NS,
        cooldown_multiplier=float(breaker.cooldown_multiplier),
        recovery_ns=breaker.recovery_period_minutes * MINUTE_NS,
        max_trips=breaker.max_triggers_per_hour,
        trip_window_ns=breaker.monitoring_window_minutes * MINUTE_NS,
    )


def _cooldown(settings: Settings, bar_ns: int) -> Cooldown | None:
    section = settings.protections.cooldown_period
    if not section.enabled:
        return None
    lock = _lock(section, bar_ns)
    return Cooldown(lock_ns=lock["lock_ns"], unlock_at_ns=lock["unlock_at_ns"])


def _stoploss_guard(settings: Settings, bar_ns: int) -> StoplossGuard | None:
    guard = settings.protections.stoploss_guard
    if not guard.enabled:
        return None
    return StoplossGuard(
        **_lock(guard, bar_ns),
        **_trades(guard, bar_ns),
        required_profit_ppb=to_ppb(guard.required_profit),
        only_per_symbol=guard.only_per_pair,
        only_per_side=guard.only_per_side,
    )


def _low_profit_guard(settings: Settings, bar_ns: int) -> LowProfitGuard | None:
    guard = settings.protections.low_profit_pairs
    if not guard.enabled:
        return None
    return LowProfitGuard(
        **_lock(guard, bar_ns),
        **_trades(guard, bar_ns),
        required_profit_ppb=to_ppb(guard.required_profit),
        only_per_side=guard.only_per_side,
    )


def _drawdown_guard(settings: Settings, bar_ns: int) -> DrawdownGuard | None:
    guard = settings.protections.max_drawdown
    if not guard.enabled:
        return None
    return DrawdownGuard(
        **_lock(guard, bar_ns), **_trades(guard, bar_ns), max_allowed_ppb=to_ppb(guard.max_allowed_drawdown)
    )


def _lock(section: ProtectionSection, bar_ns: int) -> dict[str, int]:
    hours, minutes = (int(part) for part in (section.unlock_at or "00:00").split(":"))
    in_bars = section.stop_duration_candles
    return {
        "lock_ns": section.stop_duration * MINUTE_NS if in_bars is None else in_bars * bar_ns,
        "unlock_at_ns": hours * HOUR_NS + minutes * MINUTE_NS if section.unlock_at else -1,
    }


def _trades(section: TradesSection, bar_ns: int) -> dict[str, int]:
    in_bars = section.lookback_period_candles
    return {
        "trade_limit": section.trade_limit,
        "lookback_ns": section.lookback_period * MINUTE_NS if in_bars is None else in_bars * bar_ns,
    }


def _anomalies(settings: Settings) -> AnomalyRules:
    section = settings.anomaly_detection
    price, volume, gap, kalman = section.price_zscore, section.volume_zscore, section.price_gap, section.kalman
    return AnomalyRules(
        price_window=price.lookback if price.enabled else 0,
        price_threshold=float(price.z_threshold),
        volume_window=volume.lookback if volume.enabled else 0,
        volume_threshold=float(volume.z_threshold),
        gap_threshold_pct=float(gap.gap_threshold_pct) if gap.enabled else 0.0,
        filter_window=kalman.regime_window if kalman.enabled else 0,
        filter_threshold=float(kalman.threshold),
        filter_process_noise=float(kalman.process_noise),
        filter_measurement_noise=float(kalman.measurement_noise),
        filter_volatility_multiplier=float(kalman.volatility_multiplier),
        scale_down_ppb=to_ppb(section.scale_down_factor),
    )


def _adaptive(settings: Settings) -> AdaptiveRules:
    section = settings.adaptive_policy
    return AdaptiveRules(
        is_adaptive=section.enabled,
        min_multiplier=float(section.min_multiplier),
        max_multiplier=float(section.max_multiplier),
        volatility_threshold=float(section.volatility_threshold),
        volatility_period=section.volatility_lookback,
        trend_threshold=float(section.adx_trend_threshold),
        performance_days=section.performance_lookback_days,
        min_sharpe=float(section.min_sharpe),
        allowed_losses=section.max_consecutive_losses,
        kill_losses=section.kill_switch_threshold,
        kill_window_ns=section.kill_switch_window_hours * HOUR_NS,
        counts_losses_once=section.v2,
    )
