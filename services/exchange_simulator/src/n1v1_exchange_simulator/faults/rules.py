"""Faults of the market's rules: a symbol is halted, or its tick size changes, while the venue runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from n1v1_exchange_simulator.binance.filters import PriceFilter, Rulebook, SymbolRules, SymbolStatus
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import MarketFault, RuleFault, Subject, SymbolHalt, TickSize
from n1v1_exchange_simulator.market_events import MarketEvent


class RuleFaults:
    """Keeps the rulebook as the faults that are due have it, and logs each fault of the market when it begins."""

    def __init__(self, faults: Faults, rulebook: Rulebook, symbols: Iterable[str]) -> None:
        self._faults = faults
        self._rulebook = rulebook
        self._usual = {symbol: rulebook.of(symbol) for symbol in symbols}
        self._has_changed = False
        faults.on_change.append(self.look)
        self.look()

    def on_market(self, events: Sequence[MarketEvent]) -> None:
        """The venue's time has moved."""
        del events
        self.look()

    def look(self) -> None:
        if not len(self._faults) and not self._has_changed:
            return
        for active in self._faults.of(MarketFault):
            if not active.matches:
                self._faults.try_to_fire(active, Subject(symbol=active.fault.symbol or ""))
        due = [active.fault for active in self._faults.of(RuleFault)]
        for symbol, usual in self._usual.items():
            concerned = [fault for fault in due if fault.concerns(Subject(symbol=symbol))]
            self._rulebook.change(_disturbed(usual, concerned))
        self._has_changed = bool(due)


def _disturbed(rules: SymbolRules, faults: Sequence[RuleFault]) -> SymbolRules:
    for fault in faults:
        match fault:
            case SymbolHalt():
                rules = replace(rules, status=SymbolStatus.HALT)
            case TickSize(ticks=ticks):
                filters = (
                    replace(each, tick=ticks) if isinstance(each, PriceFilter) else each for each in rules.filters
                )
                rules = replace(rules, filters=tuple(filters))
    return rules
