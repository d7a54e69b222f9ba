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
    ("execution",): "exchange.recv_window_ms",
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
    ("trading", "order"): "risk_management.require_stop_loss",
    ("risk_management", "position_size"): "risk_management.position_fraction",
    ("risk_management", "position_sizing_method"): "risk_management.position_sizing",
    ("risk_management", "risk_per_trade"): "risk_management.position_fraction",
    ("risk_management", "fixed_percent"): "risk_management.position_fraction",
    ("risk_management", "risk_reward_ratio"): "risk_management.require_stop_loss",
    ("risk_management", "atr_k_factor"): "risk_management.position_sizing",
    ("risk_management", "kelly_assumed_win_rate"): "risk_management.position_sizing",
    ("risk_management", "stop_loss_method"): "risk_management.require_stop_loss",
    ("risk_management", "stop_loss_percentage"): "risk_management.require_stop_loss",
    ("risk_management", "enable_trailing_stop"): "risk_management.require_stop_loss",
    ("risk_management", "reliability"): "risk_management.circuit_breaker_enabled",
    ("circuit_breaker", "volatility_spike_threshold"): "circuit_breaker.equity_drawdown_threshold",
    ("circuit_breaker", "max_triggers_per_hour"): "circuit_breaker.cooling_period_minutes",
    ("circuit_breaker", "monitoring_window_minutes"): "circuit_breaker.cooling_period_minutes",
    ("circuit_breaker", "recovery_period_minutes"): "circuit_breaker.cooling_period_minutes",
    ("circuit_breaker", "cooldown_strategy"): "circuit_breaker.cooling_period_minutes",
}


def refusal(key: Key) -> str | None:
    """Why a key of the original configuration is refused; None when it is not one of them."""
    for depth in range(len(key), 0, -1):
        if near := NO_MEANING_YET.get(key[:depth]):
            return f"the original accepts this, but it has no meaning here yet; the nearest setting is {near}"
    return None
