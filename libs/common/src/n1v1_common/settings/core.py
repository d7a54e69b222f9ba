"""From settings to what the core is configured with: exact, checked, the same in every driver."""

from __future__ import annotations

from n1v1.risk.policy import RiskPolicy
from n1v1.signals.stage import Instance
from n1v1.strategies import registry
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument, to_ppb
from n1v1_common.settings.model import Settings

BPS = 10_000


def fee_rate_ppb(settings: Settings) -> int:
    return to_ppb(settings.exchange.fee_rate_bps / BPS)


def slippage_ppb(settings: Settings) -> int:
    return to_ppb(settings.exchange.slippage_bps / BPS)


def policy_of(settings: Settings) -> RiskPolicy:
    """The limits of the account."""
    limits, breaker = settings.risk_management, settings.circuit_breaker
    return RiskPolicy(
        position_fraction_ppb=to_ppb(limits.position_fraction),
        max_position_ppb=to_ppb(limits.max_position_size),
        max_drawdown_ppb=to_ppb(limits.max_drawdown),
        breaker_drawdown_ppb=to_ppb(breaker.equity_drawdown_threshold) if limits.circuit_breaker_enabled else None,
        max_positions=limits.max_concurrent_trades,
        cost_ppb=fee_rate_ppb(settings) + slippage_ppb(settings),
        valid_for_ns=timeframe_ns(settings.market.timeframe),
    )


def instances_of(settings: Settings) -> list[Instance]:
    """Every configured strategy: the active ones by name, and one for each file.

    Raises UnknownName, InvalidValue or StrategyError when a strategy cannot be had as configured.
    """
    names = [*settings.strategies.active_strategies, *(str(path) for path in settings.strategies.files)]
    keys = {name: registry.key_of(registry.find(name)) for name in names}
    return [Instance(key, name, settings.strategies.parameters_of(key)) for name, key in keys.items()]


def check_strategies(settings: Settings, instrument: Instrument) -> None:
    """Build every configured strategy once, before anything is started for it.

    Raises UnknownName, InvalidValue or StrategyError: what was expected, what came and where.
    """
    for instance in instances_of(settings):
        registry.runner(instance.strategy, instance.parameters, instrument)
