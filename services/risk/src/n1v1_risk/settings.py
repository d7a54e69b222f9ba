"""What the risk service takes from the settings."""

from __future__ import annotations

from n1v1.risk.policy import RiskPolicy
from n1v1.timeframes import timeframe_ns
from n1v1.values import to_ppb
from n1v1_common.settings.model import Settings

BPS_PPB = 100_000


def policy_of(settings: Settings) -> RiskPolicy:
    """The limits of the account, exact."""
    limits, breaker, exchange = settings.risk_management, settings.circuit_breaker, settings.exchange
    return RiskPolicy(
        position_fraction_ppb=to_ppb(limits.position_fraction),
        max_position_ppb=to_ppb(limits.max_position_size),
        max_drawdown_ppb=to_ppb(limits.max_drawdown),
        breaker_drawdown_ppb=to_ppb(breaker.equity_drawdown_threshold) if limits.circuit_breaker_enabled else None,
        max_positions=limits.max_concurrent_trades,
        cost_ppb=int((exchange.fee_rate_bps + exchange.slippage_bps) * BPS_PPB),
        valid_for_ns=timeframe_ns(settings.market.timeframe),
    )
