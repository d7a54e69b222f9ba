"""The settings of risk: limits, sizing, exits, the circuit breaker, protections, anomalies, the adaptive policy.

Names and defaults are those of the original, with one difference: what would change the results of an installation that
says nothing about it (stops of the policy, trailing stops, time exits, protections, anomalies, the adaptive policy) is
off until it is switched on. A strategy's own stops and targets always act.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from n1v1_common.settings.section import Fraction, Names, Section

Ratio = Annotated[Decimal, Field(gt=0, le=100)]
Minutes = Annotated[int, Field(ge=0, le=525_600)]
Lookback = Annotated[int, Field(ge=2, le=256)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class RiskManagement(Section):
    max_position_size: Fraction = Decimal("0.3")
    """Largest position in one symbol, as a fraction of equity."""
    max_exposure: Annotated[Decimal, Field(gt=0, le=100)] | None = None
    """Largest value of all positions and entries together, as a fraction of equity; empty: no such limit."""
    max_open_risk: Fraction | None = None
    """What all positions together may lose before their stops end them, as a fraction of equity; one without a stop
    counts with its whole value; empty: no such limit."""
    max_drawdown: Fraction = Decimal("0.1")
    """From peak to trough, as a fraction of the peak of equity: past it no new exposure is taken."""
    max_daily_drawdown: Fraction = Decimal("0.1")
    """Loss within one UTC day, as a fraction of equity at its start: past it no new exposure until the next
    day."""
    emergency_loss_factor: Annotated[Decimal, Field(ge=1, le=100)] = Decimal("1.5")
    """A daily loss of this many times max_daily_drawdown closes every position and halts the account until
    somebody resumes it."""
    max_concurrent_trades: int = Field(default=5, ge=1)
    """Most positions open at once."""
    max_orders: int = Field(default=0, ge=0, le=128)
    """Most orders approved within order_window_seconds, in market time: past it no entries; 0: no limit."""
    order_window_seconds: int = Field(default=60, ge=1)
    """Belongs to max_orders and max_same_orders."""
    max_same_orders: int = Field(default=0, ge=0, le=128)
    """Most entries on one symbol and side approved within order_window_seconds, in market time: a strategy that enters
    again and again is refused; 0: no limit."""
    stale_after_bars: Annotated[Decimal, Field(gt=0, le=1000)] = Decimal(2)
    """Paper and live only: a symbol whose last bar is older than so many bars by the clock takes no entries until its
    bars come in time again."""
    exits_without_redis: bool = True
    """Whether orders that reduce a position are sent while nobody can tell whether the account is halted, because Redis
    does not answer. false: they are refused then, and a position is left to its stop."""
    circuit_breaker_enabled: bool = True
    """Whether the circuit breaker may halt the account. Its thresholds are in the section circuit_breaker."""
    require_stop_loss: bool = False
    """Refuse entries without a stop. The original README's example strategy has none, hence the default."""
    batch_wait_ms: int = Field(default=250, ge=1)
    """Live only: how long risk waits for the signals of every worker before it decides about a bar time."""
    limit_order_bars: int = Field(default=1, ge=1)
    """For how many bars an entry at a limit is valid."""
    cut_to_free_cash: bool = False
    """Make an entry as small as the free cash allows instead of refusing it."""
    position_sizing_method: Literal[
        "fixed_fraction", "fixed_percent", "fixed_fractional", "adaptive_atr", "volatility", "kelly", "martingale"
    ] = "fixed_fraction"
    """How large an entry is whose strategy wishes nothing, before the limits cut it. fixed_fraction:
    position_fraction of equity. fixed_percent: that fraction of equity. fixed_fractional: its stop would lose
    risk_per_trade of equity. adaptive_atr: a move of atr_k_factor x ATR would. volatility: a move of one ATR would lose
    position_fraction of equity. kelly: half of Kelly's fraction for the measured win rate and payoff.
    martingale: position_fraction doubled after every loss; needs allow_dangerous."""
    position_fraction: Fraction = Decimal("0.1")
    """Notional of one entry as a fraction of equity (also `position_size`)."""
    fixed_percent: Fraction = Decimal("0.1")
    """See position_sizing_method."""
    risk_per_trade: Fraction = Decimal("0.02")
    """What one trade may lose, as a fraction of equity."""
    atr_k_factor: Ratio = Decimal(2)
    """See position_sizing_method."""
    kelly_assumed_win_rate: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.55")
    """The win rate that is assumed before trades were measured, and counts as kelly_prior_trades ever after."""
    kelly_prior_trades: int = Field(default=20, ge=1)
    """See kelly_assumed_win_rate."""
    kelly_fraction: Fraction = Decimal("0.5")
    """How much of Kelly's fraction is taken: all of it is for those who know their win rate for certain."""
    martingale_max_streak: int = Field(default=3, ge=1, le=10)
    """How often a martingale doubles at most."""
    allow_dangerous: bool = False
    """Permits position_sizing_method=martingale, which doubles what was lost until all is lost."""
    stop_loss_method: Literal["none", "percentage", "atr", "fixed"] = "none"
    """The stop of an entry whose strategy wishes none. percentage: stop_loss_percentage. atr: atr_sl_multiplier x ATR.
    fixed: stop_loss_distance. The original's default is atr."""
    stop_loss_percentage: Fraction = Decimal("0.02")
    """Distance of a stop as a fraction of the price."""
    atr_sl_multiplier: Ratio = Decimal(2)
    """Distance of a stop in ATR (14 bars)."""
    stop_loss_distance: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """Distance of a stop in quote currency; needed by stop_loss_method=fixed."""
    take_profit_method: Literal["none", "fixed", "trend"] = "none"
    """The target of an entry that has a stop and whose strategy wishes no target, in distances of its stop. fixed:
    risk_reward_ratio. trend: tp_base_multiplier x 0.8, 1.2 or 1.5 by the ADX (also `enable_adaptive_tp`)."""
    risk_reward_ratio: Ratio = Decimal(2)
    """See take_profit_method; also the payoff that Kelly's formula assumes."""
    tp_base_multiplier: Ratio = Decimal(2)
    """See take_profit_method."""
    enable_trailing_stop: bool = False
    """Give entries whose strategy wishes none a trailing stop. The original's default is true."""
    trailing_stop_method: Literal["percentage", "atr"] = "percentage"
    """percentage: trailing_distance. atr: trailing_atr_multiplier x ATR, as a fraction of the price."""
    trailing_distance: Fraction = Decimal("0.02")
    """How far the stop trails, as a fraction of the best price; whole basis points."""
    trailing_atr_multiplier: Ratio = Decimal("1.5")
    """See trailing_stop_method."""
    trailing_step_size: Annotated[Decimal, Field(ge=0, lt=1)] = Decimal("0.005")
    """The smallest move of a trailing stop, as a fraction of the price."""
    enable_time_exit: bool = False
    """Close a position after max_bars_in_trade bars. The original's default is true."""
    max_bars_in_trade: int = Field(default=50, ge=1)
    """See enable_time_exit."""
    exit_on_regime_change: bool = False
    """Close a position when the market is no longer what it was when it was opened: rising or falling (ADX of 14 bars
    at least 25, by the larger directional movement) or ranging (also `enable_regime_based_exit`). The original's
    default is true."""
    plugins: Names = ()
    """Risk managers of your own that are asked about every entry, in this order, by their names in the entry-point
    group n1v1.risk_managers."""

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if self.position_sizing_method == "martingale" and not self.allow_dangerous:
            raise ValueError("position_sizing_method=martingale also needs allow_dangerous=true")
        if self.stop_loss_method == "fixed" and not self.stop_loss_distance:
            raise ValueError("stop_loss_method=fixed also needs stop_loss_distance, in quote currency")
        return self


class CircuitBreaker(Section):
    equity_drawdown_threshold: Fraction = Decimal("0.1")
    """Drawdown of equity from its peak that trips the breaker (also
    `risk_management.circuit_breaker_threshold`)."""
    consecutive_losses_threshold: int = Field(default=5, ge=1)
    """Losing trades in a row that trip the breaker."""
    volatility_spike_threshold: Annotated[Decimal, Field(gt=0, le=10)] | None = None
    """Standard deviation of a bar's return over 20 bars that trips the breaker, as a fraction; empty: not looked at.
    The original's default is 0.05."""
    trip_on_market_anomaly: bool = False
    """Whether a critical anomaly trips the breaker; see anomaly_detection."""
    max_triggers_per_hour: int = Field(default=3, ge=0, le=15)
    """More trips than this within monitoring_window_minutes are an emergency: every position is closed, and only
    `n1v1 resume` ends it; 0: never."""
    monitoring_window_minutes: int = Field(default=60, ge=1)
    """See max_triggers_per_hour; also what counts as a repeated trip for the cooldown."""
    enable_cooldown_enforcement: bool = True
    """true: the breaker closes by itself after its cooldown and recovery, in market time. false: it stays open until
    `n1v1 resume`."""
    cooling_period_minutes: Minutes = 5
    """How long the account stays halted, in event time, before it may recover."""
    recovery_period_minutes: Minutes = 10
    """How much longer no entries are taken, to see whether it is over."""
    cooldown_strategy: Literal["fixed", "exponential", "fibonacci"] = "exponential"
    """How the cooldown grows with every trip within monitoring_window_minutes."""
    base_cooldown_minutes: Minutes | None = None
    """The cooldown that grows; empty: cooling_period_minutes. The original's default is 5, as is that of
    cooling_period_minutes."""
    cooldown_multiplier: Annotated[Decimal, Field(ge=1, le=100)] = Decimal(2)
    """For cooldown_strategy=exponential."""
    max_cooldown_minutes: int = Field(default=60, ge=1)
    """The longest cooldown."""

    @property
    def cooldown_minutes(self) -> int:
        """What the first trip's cooldown takes."""
        is_base = self.base_cooldown_minutes is not None and self.cooldown_strategy != "fixed"
        return (self.base_cooldown_minutes or 0) if is_base else self.cooling_period_minutes

    @model_validator(mode="after")
    def _cooldown_fits(self) -> Self:
        if self.cooldown_minutes > self.max_cooldown_minutes:
            raise ValueError(
                f"max_cooldown_minutes={self.max_cooldown_minutes} is less than the cooldown of {self.cooldown_minutes}"
            )
        return self


class ProtectionSection(Section):
    enabled: bool = False
    """Whether it is in force."""
    stop_duration: Annotated[int, Field(ge=0)] = 60
    """How long entries are locked, in minutes."""
    stop_duration_candles: Annotated[int, Field(ge=0)] | None = None
    """The same in bars, instead."""
    unlock_at: TimeOfDay | None = None
    """Until when entries are locked, as the time of a day in UTC (07:30), instead."""


class TradesSection(ProtectionSection):
    lookback_period: Annotated[int, Field(ge=1)] = 60
    """Which trades count: those that closed within so many minutes."""
    lookback_period_candles: Annotated[int, Field(ge=1)] | None = None
    """The same in bars, instead."""
    trade_limit: int = Field(default=1, ge=1, le=128)
    """How many trades it takes."""


class StoplossGuard(TradesSection):
    """Locks after trade_limit stop-losses."""

    trade_limit: int = Field(default=10, ge=1, le=128)
    """How many trades it takes."""
    only_per_pair: bool = False
    """Count and lock the symbol alone, not the account."""
    only_per_side: bool = False
    """Count and lock only long or only short trades."""
    required_profit: Annotated[Decimal, Field(gt=-1, lt=100)] = Decimal(0)
    """Only stops that brought less than this fraction count."""


class MaxDrawdown(TradesSection):
    """Locks the account when the profits of the last trades have fallen too far below their highest sum."""

    max_allowed_drawdown: Annotated[Decimal, Field(ge=0, lt=100)] = Decimal(0)
    """How far, as a sum of the trades' fractions."""


class LowProfitPairs(TradesSection):
    """Locks a symbol whose last trades brought too little."""

    required_profit: Annotated[Decimal, Field(gt=-100, lt=100)] = Decimal(0)
    """Less than this sum of the trades' fractions is too little."""
    only_per_side: bool = False
    """Count and lock only long or only short trades."""


class CooldownPeriod(ProtectionSection):
    """Locks a symbol after each of its trades."""


class Protections(Section):
    """Locks on entries after what the last trades brought; the four of freqtrade, with its parameters."""

    stoploss_guard: StoplossGuard = StoplossGuard()
    max_drawdown: MaxDrawdown = MaxDrawdown()
    low_profit_pairs: LowProfitPairs = LowProfitPairs()
    cooldown_period: CooldownPeriod = CooldownPeriod()


class PriceZScore(Section):
    enabled: bool = False
    """Whether unusual returns are looked for."""
    lookback: Lookback = 50
    """Bars that say what is usual."""
    z_threshold: Annotated[Decimal, Field(gt=0)] = Decimal(3)
    """Standard deviations from which a return is an anomaly: 2 low, 3 medium, 4 high, 5 critical."""


class VolumeZScore(Section):
    enabled: bool = False
    """Whether unusual volumes are looked for."""
    lookback: Lookback = 20
    """Bars that say what is usual."""
    z_threshold: Annotated[Decimal, Field(gt=0)] = Decimal(3)
    """Standard deviations from which a volume is an anomaly: 2 low, 3 medium, 4 high, 15 critical."""


class PriceGap(Section):
    enabled: bool = False
    """Whether gaps between a close and the next open are looked for."""
    gap_threshold_pct: Annotated[Decimal, Field(gt=0)] = Decimal(5)
    """Percent from which a gap is an anomaly: 3 low, 5 medium, 10 high, 15 critical."""


class Kalman(Section):
    enabled: bool = False
    """Whether prices are compared with what a Kalman filter on their logarithm expects."""
    process_noise: Annotated[Decimal, Field(gt=0)] = Decimal("0.01")
    """How far the true price may move within a bar, as a multiple of the variance of a return."""
    measurement_noise: Annotated[Decimal, Field(gt=0)] = Decimal("0.1")
    """How far the price may be from the true one, in the same unit."""
    regime_window: Lookback = 50
    """Bars that say what is usual."""
    volatility_multiplier: Ratio = Decimal(2)
    """How many usual returns count as one unusual."""
    threshold: Annotated[Decimal, Field(ge=Decimal("0.5"), le=5)] = Decimal("1.5")
    """Score from which a bar is an anomaly: 1.5 low, 2 medium, 3 high."""


class AnomalyDetection(Section):
    """Unusual bars: a medium or high anomaly makes entries smaller, a critical one refuses them."""

    price_zscore: PriceZScore = PriceZScore()
    volume_zscore: VolumeZScore = VolumeZScore()
    price_gap: PriceGap = PriceGap()
    kalman: Kalman = Kalman()
    plugins: Names = ()
    """Anomaly detectors of your own, by their names in the entry-point group n1v1.anomaly_detectors."""
    scale_down_factor: Fraction = Decimal("0.5")
    """What a medium or high anomaly leaves of an entry."""


class AdaptivePolicy(Section):
    """How much of its size an entry keeps, by the market and by how the account has been doing."""

    enabled: bool = False
    """Whether sizes are adapted."""
    min_multiplier: Ratio = Decimal("0.1")
    """Least that is left of an entry."""
    max_multiplier: Annotated[Decimal, Field(gt=0, le=10)] = Decimal(1)
    """Most that an entry grows."""
    volatility_threshold: Fraction = Decimal("0.05")
    """ATR as a fraction of the price that counts as high."""
    volatility_lookback: Lookback = 20
    """Bars of the ATR."""
    adx_trend_threshold: Annotated[Decimal, Field(gt=0, lt=100)] = Decimal(25)
    """ADX from which there is a trend."""
    performance_lookback_days: int = Field(default=30, ge=5, le=63)
    """Days whose equity and trades count."""
    min_sharpe: Annotated[Decimal, Field(ge=-10, le=10)] = Decimal("-0.5")
    """Annualised Sharpe ratio of those days below which sizes shrink."""
    max_consecutive_losses: int = Field(default=5, ge=1)
    """Losing trades in a row from which the policy is defensive."""
    kill_switch_threshold: int = Field(default=10, ge=1, le=128)
    """Losing trades within kill_switch_window_hours that stop entries."""
    kill_switch_window_hours: int = Field(default=24, ge=1)
    """See kill_switch_threshold."""
    v2: bool = False
    """Punish a losing streak once. The original does it twice: by its own factor and by the mode it leads to."""
