"""Faults of the market's rules: a symbol is halted, or its tick size or fees change, while the venue runs.

What decides about trades, a halt and the fees, is a command of the exchange: it stands in its journal, and a restart
keeps it. Without a fault that concerns them nobody touches either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from n1v1_exchange_simulator.binance.filters import PriceFilter, Rulebook, SymbolRules, SymbolStatus
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import (
    FeeChange,
    MarketFault,
    RuleFault,
    Subject,
    SymbolHalt,
    TickSize,
)

BPS_PPB = 100_000


class RuleFaults:
    """Keeps rules as the faults that are due have them, and logs each fault of the market when it begins."""

    def __init__(self, faults: Faults, rulebook: Rulebook, exchange: Exchange) -> None:
        self._faults = faults
        self._rulebook = rulebook
        self._exchange = exchange
        self._usual = {symbol: rulebook.of(symbol) for symbol in exchange.venue.instruments}
        self._touched: set[tuple[type[RuleFault], str]] = set()
        """What some fault has concerned, in this life of the venue: which symbol's halts, or fees."""
        faults.on_change.append(self.look)
        exchange.on_time.append(self.look)
        exchange.alarms.append(faults.next_change_ns)
        self._show_halts()
        self.look()

    def look(self) -> None:
        if not len(self._faults) and not self._touched:
            return
        for active in self._faults.of(MarketFault):
            if not active.matches:
                self._faults.try_to_fire(active, Subject(symbol=active.fault.symbol or ""))
        due = [active.fault for active in self._faults.of(RuleFault)]
        known = [active.fault for active in self._faults.all() if isinstance(active.fault, RuleFault)]
        for symbol in self._usual:
            self._touched |= {(type(fault), symbol) for fault in _concerning(known, symbol)}
            self._follow(symbol, _concerning(due, symbol))

    def _follow(self, symbol: str, due: Sequence[RuleFault]) -> None:
        if (SymbolHalt, symbol) in self._touched:
            is_open = not any(isinstance(fault, SymbolHalt) for fault in due)
            if self._exchange.venue.is_open(symbol) != is_open:
                self._exchange.set_trading(symbol, is_open=is_open)
            self._usual[symbol] = replace(self._usual[symbol], status=SymbolStatus.TRADING)
        if (FeeChange, symbol) in self._touched:
            wanted = next(
                (_rates(fault) for fault in due if isinstance(fault, FeeChange)), self._exchange.usual_fees[symbol]
            )
            if self._exchange.venue.fee_rates_ppb(symbol) != wanted:
                self._exchange.set_fees(symbol, maker_ppb=wanted[0], taker_ppb=wanted[1])
        self._rulebook.change(_disturbed(self._usual[symbol], due))

    def _show_halts(self) -> None:
        """Symbols that were closed in an earlier life of the venue."""
        for symbol, rules in self._usual.items():
            if not self._exchange.venue.is_open(symbol):
                self._usual[symbol] = replace(rules, status=SymbolStatus.HALT)
                self._rulebook.change(self._usual[symbol])


def _concerning(faults: Sequence[RuleFault], symbol: str) -> list[RuleFault]:
    return [fault for fault in faults if fault.concerns(Subject(symbol=symbol))]


def _rates(fault: FeeChange) -> tuple[int, int]:
    """Maker and taker, in parts per billion."""
    return int(fault.maker_bps * BPS_PPB), int(fault.taker_bps * BPS_PPB)


def _disturbed(rules: SymbolRules, faults: Sequence[RuleFault]) -> SymbolRules:
    for fault in faults:
        match fault:
            case SymbolHalt(status=status):
                rules = replace(rules, status=SymbolStatus(status))
            case TickSize(ticks=ticks):
                filters = (
                    replace(each, tick=ticks) if isinstance(each, PriceFilter) else each for each in rules.filters
                )
                rules = replace(rules, filters=tuple(filters))
    return rules
