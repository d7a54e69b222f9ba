"""The matching venue as `Exchange` drives it: fed by steps of a recording, and remembering what became public."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import MarketEvent
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.matching.venue import MatchingVenue
from n1v1_exchange_simulator.venue import Report


class OrderBookVenue(MatchingVenue):
    """`ReplayedVenue` over trades and depth."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        rules: MatchingRules,
        *,
        by_symbol: Mapping[str, MatchingRules] | None = None,
        start_ns: int = 0,
    ) -> None:
        super().__init__(instruments, rules, by_symbol=by_symbol, start_ns=start_ns)
        self._public: list[MarketEvent] = []
        self.listeners.append(self)

    def apply_step(self, events: Sequence[MarketEvent]) -> Sequence[Report]:
        return [report for event in events for report in self.apply(event)]

    def on_market(self, events: Sequence[MarketEvent]) -> None:
        self._public += events

    def take_public(self) -> Sequence[MarketEvent]:
        taken, self._public = self._public, []
        return taken
