"""Where one venue's protocol differs from another's: its limits, its filters, and what of the past it still serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from n1v1.values import Instrument
from n1v1_exchange_simulator.binance.filters import Rulebook, SymbolRules, binance_rules, grid_rules
from n1v1_exchange_simulator.binance.limits import RateLimits
from n1v1_exchange_simulator.binance.user_streams import EventTiming
from n1v1_exchange_simulator.conversations import ConversationLimits
from n1v1_exchange_simulator.venue import SelfTradePrevention

UNLIMITED = RateLimits(is_enforced=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRules:
    """has_all_filters: Binance's, not only those of the instruments' own grid, which are all that the backtest knows.
    self_trade_prevention: the venue's mode for orders that name none, and the modes that they may name; by_symbol: of
    symbols that have their own. event_timing: of an account's events against the answers to its commands.

    The default suits a replay that must end as the backtest does: it refuses nothing that the backtest would not.
    """

    rate_limits: RateLimits = field(default_factory=lambda: UNLIMITED)
    has_all_filters: bool = False
    serves_listen_keys: bool = False
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE
    self_trade_prevention_modes: frozenset[SelfTradePrevention] = frozenset(SelfTradePrevention)
    self_trade_prevention_by_symbol: Mapping[str, tuple[SelfTradePrevention, frozenset[SelfTradePrevention]]] = field(
        default_factory=dict
    )
    event_timing: EventTiming = field(default_factory=EventTiming)

    @property
    def conversations(self) -> ConversationLimits:
        """How often a client may connect is one of the rate limits."""
        return ConversationLimits() if self.rate_limits.is_enforced else ConversationLimits(connects_max=None)

    def rulebook(self, instruments: Iterable[Instrument]) -> Rulebook:
        return Rulebook(self._rules_of(instrument) for instrument in instruments)

    def _rules_of(self, instrument: Instrument) -> SymbolRules:
        usual = (self.self_trade_prevention, self.self_trade_prevention_modes)
        default, modes = self.self_trade_prevention_by_symbol.get(instrument.symbol, usual)
        rules = binance_rules(instrument) if self.has_all_filters else grid_rules(instrument)
        return replace(rules, self_trade_prevention=default, self_trade_prevention_modes=modes)
