"""Where one venue's protocol differs from another's: its limits, its filters, and what of the past it still serves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from n1v1.values import Instrument
from n1v1_exchange_simulator.binance.filters import Rulebook, binance_rules, grid_rules
from n1v1_exchange_simulator.binance.limits import RateLimits

UNLIMITED = RateLimits(is_enforced=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRules:
    """has_all_filters: Binance's, not only those of the instruments' own grid, which are all that the backtest knows.

    The default suits a replay that must end as the backtest does: it refuses nothing that the backtest would not.
    """

    rate_limits: RateLimits = field(default_factory=lambda: UNLIMITED)
    has_all_filters: bool = False
    serves_listen_keys: bool = False

    def rulebook(self, instruments: Iterable[Instrument]) -> Rulebook:
        rules_of = binance_rules if self.has_all_filters else grid_rules
        return Rulebook(rules_of(instrument) for instrument in instruments)
