"""What risk measures of a symbol's bars: only what the policy uses. Prices are in ticks, so no unit is converted."""

from __future__ import annotations

import numpy as np

from n1v1.indicators.adx import ADX, adx
from n1v1.indicators.atr import ATR, atr
from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation
from n1v1.kernels import Record, kernel
from n1v1.risk.anomalies import ANOMALIES, CRITICAL, observe_anomalies
from n1v1.risk.breaker import CAUSE_ANOMALY, CAUSE_VOLATILITY, note_cause

ATR_PERIOD = 14
ADX_PERIOD = 14
REGIME_ADX = 25.0
"""From here on a market has a trend; its direction is that of the larger directional movement (Wilder)."""
RANGING, RISING, FALLING = 1, 2, 3
"""Regimes. 0: not known yet."""
VOLATILITY_PERIOD = 20
"""Bars whose returns' standard deviation may trip the breaker."""

MARKET = np.dtype(
    [
        ("atr_ticks", "f8"),
        ("adx", "f8"),
        ("volatility", "f8"),
        ("previous_close", "f8"),
        ("atr_state", ATR),
        ("adx_state", ADX),
        ("return_state", STANDARD_DEVIATION),
        ("regime", "i8"),
        ("anomaly", ANOMALIES),
    ]
)
"""atr_ticks, adx (0 to 100), volatility (standard deviation of a bar's return, a fraction), regime: 0 until there are
enough bars, and where the policy does not look at them."""


@kernel
def observe_bar(
    policy: Record, account: Record, symbol: Record, opened: int, high: int, low: int, close: int, volume: int
) -> None:
    """A bar has closed: after the fills of its time, before its equity. Needed only when policy.watches_bars."""
    if symbol.position.lots != 0 and symbol.is_dust == 0:
        symbol.bars_held += 1
    market = symbol.market
    if policy.watches_range:
        measured = atr(market.atr_state, float(high), float(low), float(close), _atr_period(policy))
        market.atr_ticks = measured if measured == measured else 0.0
    if policy.watches_trend:
        strength, up, down = adx(market.adx_state, float(high), float(low), float(close), ADX_PERIOD)
        market.adx = strength if strength == strength else 0.0
        market.regime = _regime(strength, up, down)
    if policy.watches_volatility:
        _observe_volatility(policy, account, market, float(close))
    if policy.watches_anomalies:
        severity = observe_anomalies(policy, market.anomaly, float(opened), float(close), float(volume))
        if severity == CRITICAL and policy.trips_on_anomaly:
            note_cause(account, CAUSE_ANOMALY)


@kernel
def _regime(strength: float, up: float, down: float) -> int:
    """Of an ADX and its two directional movements; NaN is not known."""
    if strength != strength:
        return 0
    if strength < REGIME_ADX:
        return RANGING
    return RISING if up > down else FALLING


@kernel
def _atr_period(policy: Record) -> int:
    """The adaptive policy has a period of its own, and then everybody uses it: one ATR per symbol."""
    return int(policy.volatility_period if policy.is_adaptive else ATR_PERIOD)


@kernel
def _observe_volatility(policy: Record, account: Record, market: Record, close: float) -> None:
    if market.previous_close > 0.0:
        change = close / market.previous_close - 1.0
        _, deviation = standard_deviation(market.return_state, change, VOLATILITY_PERIOD, 1)
        is_spike = deviation >= policy.trips_on_volatility
        if is_spike and market.volatility < policy.trips_on_volatility:
            note_cause(account, CAUSE_VOLATILITY)
        market.volatility = deviation if deviation == deviation else 0.0
    market.previous_close = close


@kernel
def take_severity(policy: Record, account: Record, symbol: Record, severity: int) -> None:
    """What detectors of the user's own see in the bar that was just observed."""
    anomaly = symbol.market.anomaly
    anomaly.severity = max(severity, anomaly.severity) if policy.watches_anomalies else severity
    if severity == CRITICAL and policy.trips_on_anomaly:
        note_cause(account, CAUSE_ANOMALY)


@kernel
def time_exit_due(policy: Record, symbol: Record) -> bool:
    """Whether the position has been held for as many bars as the policy allows, and nothing is being done about it."""
    return bool(policy.max_bars_held > 0 and is_at_rest(symbol) and symbol.bars_held >= policy.max_bars_held)


@kernel
def regime_exit_due(policy: Record, symbol: Record) -> bool:
    """Whether the market has another regime than when the position was opened, and nothing is being done about it.

    A position that was opened before its regime was known keeps.
    """
    return bool(
        policy.exits_on_regime_change
        and is_at_rest(symbol)
        and symbol.entered_regime != 0
        and symbol.market.regime != symbol.entered_regime
    )


@kernel
def is_at_rest(symbol: Record) -> bool:
    """Whether something is held and no order of ours is about to change that."""
    return bool(symbol.position.lots != 0 and symbol.is_dust == 0 and symbol.has_order == 0)
