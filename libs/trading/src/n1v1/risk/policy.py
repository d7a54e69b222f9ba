"""What risk enforces: one frozen object per account, in exact fractions (parts per billion) and nanoseconds.

`RiskPolicy.record()` is the same as a POLICY record, which is what the kernels read. There an optional limit that is
not set is 0. A policy that sets no more than the limits of its first fields has nothing else switched on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, new_record
from n1v1.values import PPB

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
RING = 128
"""How many recent orders and closed trades an account remembers; limits that count them cannot be larger."""
TRIGGER_RING = 16
DAYS_KEPT = 64
"""How many days' equities an account remembers."""


class SizingMethod(IntEnum):
    """How large an entry is whose strategy wishes nothing. All but the first two need what their names say."""

    FIXED_FRACTION = 0  # position_fraction of equity
    FIXED_PERCENT = 1  # fixed_percent of equity
    FIXED_FRACTIONAL = 2  # what a stop would lose is risk_per_trade of equity
    ADAPTIVE_ATR = 3  # what a move of atr_k x ATR would lose is risk_per_trade of equity
    VOLATILITY = 4  # what a move of one ATR would lose is position_fraction of equity
    KELLY = 5  # half of what Kelly's formula says for the measured win rate and payoff
    MARTINGALE = 6  # position_fraction, doubled after every loss in a row


class StopMethod(IntEnum):
    NONE = 0
    PERCENTAGE = 1  # stop_ppb of the price
    ATR = 2  # stop_atr_multiplier x ATR
    FIXED = 3  # stop_distance in quote currency


class TargetMethod(IntEnum):
    NONE = 0
    FIXED = 1  # the distance of the stop x reward
    TREND = 2  # the distance of the stop x target_base x how strong the trend is


class TrailMethod(IntEnum):
    NONE = 0
    PERCENTAGE = 1  # trail_ppb of the price
    ATR = 2  # trail_atr_multiplier x ATR


class CooldownMethod(IntEnum):
    """How the n-th trip within the breaker's window lengthens its cooldown."""

    FIXED = 0
    EXPONENTIAL = 1  # x multiplier ** (n - 1)
    FIBONACCI = 2  # x 1, 1, 2, 3, 5, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """method: for entries whose strategy wishes no size. fixed_percent_ppb, risk_per_trade_ppb: shares of equity.

    kelly_win_rate, kelly_payoff: assumed before anything was measured, and counted as kelly_prior_trades trades ever
    after, so that a few lucky trades do not decide. kelly_fraction: how much of Kelly's fraction is taken.
    martingale_max_streak: how often the size doubles at most. allow_dangerous: without it there is no martingale.
    cuts_to_cash: take what the free cash pays for instead of refusing.
    """

    sizing_method: SizingMethod = SizingMethod.FIXED_FRACTION
    fixed_percent_ppb: int = 100_000_000
    risk_per_trade_ppb: int = 20_000_000
    atr_k: float = 2.0
    kelly_win_rate: float = 0.55
    kelly_payoff: float = 2.0
    kelly_prior_trades: int = 20
    kelly_fraction: float = 0.5
    martingale_max_streak: int = 3
    allow_dangerous: bool = False
    cuts_to_cash: bool = False

    def __post_init__(self) -> None:
        _check_fractions(self, "fixed_percent_ppb", "risk_per_trade_ppb")
        _check_positive(self, "atr_k", "kelly_payoff", "kelly_prior_trades", "kelly_fraction")
        if not 0 < self.kelly_win_rate < 1 or self.kelly_fraction > 1:
            raise InvalidValue(
                "kelly_win_rate and kelly_fraction: expected more than 0 and at most 1, "
                f"got {self.kelly_win_rate} and {self.kelly_fraction}"
            )
        if not 1 <= self.martingale_max_streak <= 10:
            raise InvalidValue(f"martingale_max_streak: expected 1 to 10, got {self.martingale_max_streak}")
        if self.sizing_method is SizingMethod.MARTINGALE and not self.allow_dangerous:
            raise InvalidValue("martingale doubles what was lost until all is lost; it needs allow_dangerous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """How entries are protected where their strategies wish nothing, and when a position has been held long enough.

    stop_distance: in quote currency. reward, target_base: multiples of the distance of the stop.
    trail_step_ppb: the smallest move of a trailing stop. max_bars_held: 0 for as long as it takes.
    exits_on_regime_change: see n1v1.risk.market. requires_stop: an entry without a stop is refused.
    """

    stop_method: StopMethod = StopMethod.NONE
    stop_ppb: int = 20_000_000
    stop_atr_multiplier: float = 2.0
    stop_distance: float = 0.0
    target_method: TargetMethod = TargetMethod.NONE
    reward: float = 2.0
    target_base: float = 2.0
    trail_method: TrailMethod = TrailMethod.NONE
    trail_ppb: int = 20_000_000
    trail_atr_multiplier: float = 1.5
    trail_step_ppb: int = 5_000_000
    max_bars_held: int = 0
    exits_on_regime_change: bool = False
    requires_stop: bool = False

    def __post_init__(self) -> None:
        _check_fractions(self, "stop_ppb", "trail_ppb")
        _check_positive(self, "stop_atr_multiplier", "reward", "target_base", "trail_atr_multiplier")
        _check_not_negative(self, "stop_distance", "trail_step_ppb", "max_bars_held")
        if self.stop_method is StopMethod.FIXED and not self.stop_distance:
            raise InvalidValue("stop_distance: a fixed stop needs a distance in quote currency, got 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When the breaker trips besides the drawdown, and how it comes back. See n1v1.risk.breaker.

    losses_to_trip: losing trades in a row; 0 never. resumes_by_itself: False leaves it open until a person closes it.
    max_trips: more of them within trip_window_ns are an emergency; 0 never.
    trips_on_volatility: standard deviation of a bar's return, as a fraction; 0 never. trips_on_anomaly: critical ones.
    """

    losses_to_trip: int = 0
    trips_on_volatility: float = 0.0
    trips_on_anomaly: bool = False
    resumes_by_itself: bool = False
    cooldown_method: CooldownMethod = CooldownMethod.EXPONENTIAL
    cooldown_ns: int = 5 * MINUTE_NS
    max_cooldown_ns: int = 60 * MINUTE_NS
    cooldown_multiplier: float = 2.0
    recovery_ns: int = 10 * MINUTE_NS
    max_trips: int = 0
    trip_window_ns: int = HOUR_NS

    def __post_init__(self) -> None:
        _check_not_negative(self, "losses_to_trip", "trips_on_volatility", "cooldown_ns", "recovery_ns", "max_trips")
        _check_positive(self, "max_cooldown_ns", "trip_window_ns")
        if self.cooldown_multiplier < 1:
            raise InvalidValue(f"cooldown_multiplier: expected at least 1, got {self.cooldown_multiplier}")
        if self.max_trips >= TRIGGER_RING:
            raise InvalidValue(f"max_trips: expected less than {TRIGGER_RING}, got {self.max_trips}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """How long a protection locks: until the next `unlock_at_ns` after midnight UTC, or for lock_ns when that is -1."""

    lock_ns: int = 60 * MINUTE_NS
    unlock_at_ns: int = -1

    def __post_init__(self) -> None:
        _check_not_negative(self, "lock_ns")
        if not -1 <= self.unlock_at_ns < DAY_NS:
            raise InvalidValue(f"unlock_at_ns: expected a time of the day or -1, got {self.unlock_at_ns}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown(Lock):
    """A symbol rests after each of its trades. See n1v1.risk.protections."""

    is_on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard(Lock):
    """trade_limit: trades within lookback_ns that it takes."""

    trade_limit: int = 1
    lookback_ns: int = 60 * MINUTE_NS

    def __post_init__(self) -> None:
        Lock.__post_init__(self)
        _check_positive(self, "lookback_ns")
        if not 1 <= self.trade_limit <= RING:
            raise InvalidValue(f"trade_limit: expected 1 to {RING}, got {self.trade_limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoplossGuard(Guard):
    trade_limit: int = 10
    required_profit_ppb: int = 0
    only_per_symbol: bool = False
    only_per_side: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LowProfitGuard(Guard):
    required_profit_ppb: int = 0
    only_per_side: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownGuard(Guard):
    max_allowed_ppb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRules:
    """A detector with a window (or gap) of 0 is off; windows are in bars. See n1v1.risk.anomalies.

    scale_down_ppb: what a medium or high anomaly leaves of an entry.
    """

    price_window: int = 0
    price_threshold: float = 3.0
    volume_window: int = 0
    volume_threshold: float = 3.0
    gap_threshold_pct: float = 0.0
    filter_window: int = 0
    filter_threshold: float = 1.5
    filter_process_noise: float = 0.01
    filter_measurement_noise: float = 0.1
    filter_volatility_multiplier: float = 2.0
    scale_down_ppb: int = 500_000_000

    def __post_init__(self) -> None:
        _check_positive(self, "price_threshold", "volume_threshold", "filter_threshold", "filter_process_noise")
        _check_positive(self, "filter_measurement_noise", "filter_volatility_multiplier")
        _check_not_negative(self, "gap_threshold_pct")
        _check_fractions(self, "scale_down_ppb")
        for name in ("price_window", "volume_window", "filter_window"):
            if getattr(self, name) != 0 and not 2 <= getattr(self, name) <= CAPACITY:
                raise InvalidValue(f"{name}: expected 2 to {CAPACITY} bars, or 0; got {getattr(self, name)}")

    @property
    def is_on(self) -> bool:
        return any((self.price_window, self.volume_window, self.gap_threshold_pct, self.filter_window))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveRules:
    """See n1v1.risk.adaptive. volatility_threshold: ATR as a share of the price; trend_threshold: ADX.

    allowed_losses: in a row. kill_losses: losing trades within kill_window_ns that refuse entries.
    counts_losses_once: a losing streak is punished by its factor, not by the mode as well.
    """

    is_adaptive: bool = False
    min_multiplier: float = 0.1
    max_multiplier: float = 1.0
    volatility_threshold: float = 0.05
    volatility_period: int = 20
    trend_threshold: float = 25.0
    performance_days: int = 30
    min_sharpe: float = -0.5
    allowed_losses: int = 5
    kill_losses: int = 10
    kill_window_ns: int = DAY_NS
    counts_losses_once: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "min_multiplier", "volatility_threshold", "trend_threshold", "volatility_period")
        _check_positive(self, "allowed_losses", "kill_losses", "kill_window_ns")
        if not self.min_multiplier <= self.max_multiplier <= 10:
            raise InvalidValue(
                f"max_multiplier: expected min_multiplier ({self.min_multiplier}) to 10, got {self.max_multiplier}"
            )
        if not 5 <= self.performance_days < DAYS_KEPT:
            raise InvalidValue(f"performance_days: expected 5 to {DAYS_KEPT - 1}, got {self.performance_days}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPolicy:
    """The limits of one account.

    position_fraction_ppb: share of equity for an entry whose signal wishes none.
    max_position_ppb: largest value of one symbol's position as a share of equity.
    max_drawdown_ppb: below this peak-to-trough loss of equity no entry is allowed.
    breaker_drawdown_ppb: at this loss the breaker opens; None: no breaker by drawdown.
    max_positions: symbols held at the same time.
    cost_ppb: what an order may cost beyond its reference price (fee and slippage), reserved with it.
    valid_for_ns: how long a decision may be executed, in market time.
    limit_valid_for_ns: the same for an entry at a limit; 0: no longer than others.
    max_exposure_ppb: largest value of all positions as a share of equity; None: no such limit.
    max_open_risk_ppb: what all positions may lose together before they are stopped, as a share of equity, as it was
    when they were approved; None: no such limit.
    max_daily_loss_ppb: loss since the start of the UTC day at which entries end for the day; None: no such limit.
    emergency_loss_ppb: daily loss at which everything is closed and a person is needed; None: never.
    max_orders, order_window_ns: orders approved within a time, entries only are held back; 0 no limit.
    max_same_orders: entries on one symbol and side approved within order_window_ns; 0 no limit.
    """

    position_fraction_ppb: int
    max_position_ppb: int
    max_drawdown_ppb: int
    breaker_drawdown_ppb: int | None
    max_positions: int
    cost_ppb: int
    valid_for_ns: int
    limit_valid_for_ns: int = 0
    max_exposure_ppb: int | None = None
    max_open_risk_ppb: int | None = None
    max_daily_loss_ppb: int | None = None
    emergency_loss_ppb: int | None = None
    max_orders: int = 0
    order_window_ns: int = MINUTE_NS
    max_same_orders: int = 0
    sizing: Sizing = field(default_factory=Sizing)
    exits: Exits = field(default_factory=Exits)
    breaker: BreakerRules = field(default_factory=BreakerRules)
    cooldown: Cooldown | None = None
    stoploss_guard: StoplossGuard | None = None
    low_profit_guard: LowProfitGuard | None = None
    drawdown_guard: DrawdownGuard | None = None
    anomalies: AnomalyRules = field(default_factory=AnomalyRules)
    adaptive: AdaptiveRules = field(default_factory=AdaptiveRules)

    def __post_init__(self) -> None:
        _check_fractions(self, "position_fraction_ppb", "max_position_ppb", "max_drawdown_ppb")
        for name in ("breaker_drawdown_ppb", "max_open_risk_ppb", "max_daily_loss_ppb", "emergency_loss_ppb"):
            _check_optional_fraction(self, name)
        if self.max_exposure_ppb is not None and self.max_exposure_ppb <= 0:
            raise InvalidValue(f"max_exposure_ppb: expected more than 0, or None; got {self.max_exposure_ppb / PPB}")
        if self.max_positions < 1 or self.valid_for_ns <= 0 or self.cost_ppb < 0:
            raise InvalidValue("max_positions and valid_for_ns must be positive, cost_ppb not negative")
        _check_not_negative(self, "limit_valid_for_ns", "max_orders", "max_same_orders")
        _check_positive(self, "order_window_ns")
        for name in ("max_orders", "max_same_orders"):
            if getattr(self, name) > RING:
                raise InvalidValue(f"{name}: expected at most {RING}, got {getattr(self, name)}")

    @property
    def protects(self) -> bool:
        """Whether any protection may lock."""
        guards = (self.cooldown, self.stoploss_guard, self.low_profit_guard, self.drawdown_guard)
        return any(guard is not None for guard in guards)

    def record(self) -> Record:
        """The policy as kernels read it."""
        record = new_record(POLICY)
        _copy(self, record, prefix="")
        for name, (_, prefix) in PARTS.items():
            part = getattr(self, name)
            if part is not None:
                _copy(part, record, prefix=prefix)
        for name, is_needed in self._watched().items():
            setattr(record, name, int(is_needed))
        return record

    def _watched(self) -> dict[str, bool]:
        """What has to be looked at on every bar, so that a policy pays only for what it uses."""
        needs = {
            "watches_range": self._needs_atr(),
            "watches_trend": self._needs_adx(),
            "watches_anomalies": self.anomalies.is_on,
            "watches_volatility": self.breaker.trips_on_volatility > 0,
            "protects": self.protects,
        }
        return needs | {
            "watches_days": self.adaptive.is_adaptive or bool(self.max_daily_loss_ppb or self.emergency_loss_ppb),
            "watches_bars": any(needs[name] for name in needs if name != "protects") or self._closes_positions(),
            "closes_positions": self._closes_positions(),
        }

    def _closes_positions(self) -> bool:
        """Whether a bar may end a position that neither its strategy nor its stops have ended."""
        return self.exits.max_bars_held > 0 or self.exits.exits_on_regime_change

    def _needs_adx(self) -> bool:
        return (
            self.exits.target_method is TargetMethod.TREND
            or self.exits.exits_on_regime_change
            or self.adaptive.is_adaptive
        )

    def _needs_atr(self) -> bool:
        return (
            self.sizing.sizing_method in (SizingMethod.ADAPTIVE_ATR, SizingMethod.VOLATILITY)
            or self.exits.stop_method is StopMethod.ATR
            or self.exits.trail_method is TrailMethod.ATR
            or self.adaptive.is_adaptive
        )


PARTS: Mapping[str, tuple[type[Any], str]] = {
    "sizing": (Sizing, ""),
    "exits": (Exits, ""),
    "breaker": (BreakerRules, ""),
    "cooldown": (Cooldown, "cooldown_"),
    "stoploss_guard": (StoplossGuard, "guard_"),
    "low_profit_guard": (LowProfitGuard, "low_"),
    "drawdown_guard": (DrawdownGuard, "drop_"),
    "anomalies": (AnomalyRules, ""),
    "adaptive": (AdaptiveRules, ""),
}
"""The parts of a RiskPolicy, and what their numbers' names begin with in a POLICY."""

WATCHED = (
    "watches_range",
    "watches_trend",
    "watches_anomalies",
    "watches_volatility",
    "protects",
    "watches_days",
    "watches_bars",
    "closes_positions",
)


def _columns(part: type[Any], prefix: str) -> list[tuple[str, str, str]]:
    """(name in the part, name in POLICY, type)"""
    return [
        (entry.name, prefix + entry.name, "f8" if entry.type == "float" else "i8")
        for entry in fields(part)
        if part is not RiskPolicy or entry.name not in PARTS
    ]


def _copy(part: Any, record: Record, *, prefix: str) -> None:
    for name, column, kind in _columns(type(part), prefix):
        setattr(record, column, (float if kind == "f8" else int)(getattr(part, name) or 0))


POLICY = np.dtype(
    [
        (column, kind)
        for part, prefix in ((RiskPolicy, ""), *PARTS.values())
        for _, column, kind in _columns(part, prefix)
    ]
    + [(name, "i8") for name in WATCHED]
)
"""Every number of a RiskPolicy and of its parts under its own name, 0 where a part is None; and WATCHED."""


def _check_fractions(part: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(part, name) <= PPB:
            raise InvalidValue(f"{name}: expected more than 0 and at most 1, got {getattr(part, name) / PPB}")


def _check_optional_fraction(part: object, name: str) -> None:
    value = getattr(part, name)
    if value is not None and not 0 < value <= PPB:
        raise InvalidValue(f"{name}: expected more than 0 and at most 1, or None; got {value / PPB}")


def _check_positive(part: object, *names: str) -> None:
    for name in names:
        if not getattr(part, name) > 0:
            raise InvalidValue(f"{name}: expected more than 0, got {getattr(part, name)}")


def _check_not_negative(part: object, *names: str) -> None:
    for name in names:
        if getattr(part, name) < 0:
            raise InvalidValue(f"{name}: expected 0 or more, got {getattr(part, name)}")
