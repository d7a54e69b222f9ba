"""A configuration without a settings file: one strategy, the usual costs, the limits of the paper account."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from n1v1.risk.policy import RiskPolicy
from n1v1.signals.stage import Instance
from n1v1.simulation.venue import VenueRules
from n1v1.strategies import registry
from n1v1.timeframes import timeframe_ns
from n1v1.values import to_ppb
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.datasets import Dataset


def configuration_of(
    strategy: str,
    dataset: Dataset,
    *,
    parameters: Mapping[str, Any],
    cash: Decimal | int,
    fee: Decimal | str,
    slippage: Decimal | str,
) -> Configuration:
    """See `Backtester.of`."""
    key = registry.key_of(registry.find(strategy))
    rules = VenueRules(fee_rate_ppb=to_ppb(fee), slippage_ppb=to_ppb(slippage))
    return Configuration(
        instances=(Instance(key, strategy, dict(parameters)),),
        policy=policy(timeframe=dataset.timeframe, cost_ppb=to_ppb(fee) + to_ppb(slippage)),
        rules=rules,
        initial_cash=dataset.instruments[0].quanta(Decimal(cash)),
    )


def policy(*, timeframe: str, cost_ppb: int) -> RiskPolicy:
    """The limits that `n1v1 backtest --strategy` has when nobody sets others."""
    return RiskPolicy(
        position_fraction_ppb=to_ppb("0.1"),
        max_position_ppb=to_ppb("0.45"),
        max_drawdown_ppb=to_ppb("0.5"),
        breaker_drawdown_ppb=to_ppb("0.6"),
        max_positions=5,
        cost_ppb=cost_ppb,
        valid_for_ns=timeframe_ns(timeframe),
    )
