"""What the original README and its configuration call things, and what became of them.

SPELLINGS are other names of settings we have. NO_MEANING_YET are names that the original accepts and we do
not act on: they are refused with the nearest setting that does something, because ignoring them silently
would let somebody believe in a protection that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from n1v1_common.settings.tree import Key


def _as_it_is(value: object) -> object:
    return value


def _fraction_to_bps(value: object) -> object:
    """0.001 (0.1 %) is 10 bps. What is no number stays, so that the check of types names it."""
    try:
        return Decimal(str(value)) * 10_000
    except InvalidOperation:
        return value


def _our_sizing(value: object) -> object:
    """The original's `fixed` divides by the distance of the stop and then cuts: in effect a fraction of equity."""
    return "fixed_fraction" if value == "fixed" else value


def _target_method(value: object) -> object:
    if str(value).lower() in ("true", "1", "yes", "on"):
        return "trend"
    return "fixed" if str(value).lower() in ("false", "0", "no", "off") else value


@dataclass(frozen=True, slots=True)
class Spelling:
    name: Key
    means: Key
    convert: Callable[[object], object] = _as_it_is


SPELLINGS = {
    spelling.name: spelling
    for spelling in (
        Spelling(("exchange", "sandbox"), ("exchange", "testnet")),
        Spelling(("exchange", "markets"), ("market", "symbols")),
        Spelling(("trading", "symbol"), ("market", "symbols")),
        Spelling(("trading", "initial_balance"), ("account", "initial_balance")),
        Spelling(("paper", "initial_balance"), ("account", "initial_balance")),
        Spelling(("trading", "max_concurrent_trades"), ("risk_management", "max_concurrent_trades")),
        Spelling(("trading", "trade_fee"), ("exchange", "fee_rate_bps"), _fraction_to_bps),
        Spelling(("trading", "slippage"), ("exchange", "slippage_bps"), _fraction_to_bps),
        Spelling(("risk_management", "circuit_breaker_threshold"), ("circuit_breaker", "equity_drawdown_threshold")),
        Spelling(("circuit_breaker", "enabled"), ("risk_management", "circuit_breaker_enabled")),
        Spelling(("risk_management", "position_size"), ("risk_management", "position_fraction")),
        Spelling(("risk_management", "position_sizing"), ("risk_management", "position_sizing_method"), _our_sizing),
        Spelling(("risk_management", "enable_adaptive_tp"), ("risk_management", "take_profit_method"), _target_method),
        Spelling(("risk_management", "ENABLE_TIME_EXIT"), ("risk_management", "enable_time_exit")),
        Spelling(("risk_management", "MAX_BARS_IN_TRADE"), ("risk_management", "max_bars_in_trade")),
        Spelling(("risk_management", "enable_regime_based_exit"), ("risk_management", "exit_on_regime_change")),
    )
}

NO_MEANING_YET: dict[Key, str] = {
    ("backtesting",): "market.dataset",
    ("multi_timeframe",): "market.timeframe",
    ("ml",): "strategies.strategy_config",
    ("strategy_selector",): "strategies.active_strategies",
    ("ensemble",): "strategies.active_strategies",
    ("market_regime",): "strategies.strategy_config",
    ("predictive_models",): "strategies.strategy_config",
    ("optimization",): "strategies.strategy_config",
    ("portfolio",): "account.initial_balance",
    ("notifications",): "monitoring.alerting_enabled",
    ("logging",): "environment.log_level",
    ("cache",): "redis.url",
    ("journal",): "postgres.dsn",
    ("advanced",): "environment.debug",
    ("exchange", "passphrase"): "exchange.api_secret",
    ("trading", "order_timeout"): "exchange.recv_window_ms",
    ("trading", "portfolio_mode"): "market.symbols",
    ("trading", "pair_allocation"): "risk_management.position_fraction",
    ("trading", "order"): "risk_management.take_profit_method",
    ("risk_management", "enable_regime_based_exit"): "risk_management.enable_time_exit",
    ("risk_management", "exit_on_regime_change"): "risk_management.enable_time_exit",
    ("risk_management", "timeframe"): "market.timeframe",
    ("risk_management", "reliability"): "risk_management.circuit_breaker_enabled",
    ("circuit_breaker", "max_history_size"): "circuit_breaker.monitoring_window_minutes",
    ("anomaly_detection", "max_history"): "anomaly_detection.price_zscore.lookback",
}


def refusal(key: Key) -> str | None:
    """Why a key of the original configuration is refused; None when it is not one of them."""
    for depth in range(len(key), 0, -1):
        if near := NO_MEANING_YET.get(key[:depth]):
            return f"the original accepts this, but it has no meaning here yet; the nearest setting is {near}"
    return None
