"""Whether an order can be accepted as the market and the account stand. Nothing here changes anything."""

from __future__ import annotations

from dataclasses import replace

from n1v1.rounding import whole_steps
from n1v1.values import OrderType, Side, TimeInForce
from n1v1_exchange_simulator.matching import refusals, triggers
from n1v1_exchange_simulator.matching.engine import SymbolEngine
from n1v1_exchange_simulator.matching.orders import STOPS
from n1v1_exchange_simulator.matching.planning import Plan
from n1v1_exchange_simulator.matching.wallets import Wallets
from n1v1_exchange_simulator.venue import NewOrder, NewOrderList, Refused


class Acceptance:
    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    def form(self, engine: SymbolEngine, order: NewOrder) -> Refused | None:
        """What is wrong with the order itself."""
        if not engine.is_open:
            return refusals.MARKET_IS_CLOSED
        named = order.self_trade_prevention
        if named is not None and named not in engine.rules.allowed_preventions:
            return refusals.PREVENTION_NOT_ALLOWED
        return refusals.malformed(order, engine.instrument)

    def at_once(self, engine: SymbolEngine, order: NewOrder, now_ns: int) -> Refused | None:
        """An order that would not live: its stop is reached, it would take though post-only, its time is over."""
        if order.type in STOPS and triggers.is_reached(order, order.stop_ticks, engine.public.last_ticks):
            return refusals.WOULD_TRIGGER
        if order.is_post_only and engine.would_take(order):
            return refusals.WOULD_TAKE
        if order.time_in_force is TimeInForce.GTD and order.expires_ns is not None and order.expires_ns <= now_ns:
            return refusals.WOULD_EXPIRE
        return None

    def cut(self, engine: SymbolEngine, account: str, order: NewOrder) -> NewOrder | Refused:
        """An order that only reduces is never larger than what is free to be sold."""
        if not order.reduces_only:
            return order
        held = whole_steps(engine.instrument, self._wallets.free(account, engine.instrument.base))
        if order.side is Side.BUY or held <= 0:
            return refusals.REDUCES_NOTHING
        return order if order.spend_quanta else replace(order, lots=min(order.lots, held))

    def unaffordable(self, engine: SymbolEngine, account: str, order: NewOrder) -> Refused | None:
        """An order that the account cannot pay for."""
        if order.spend_quanta:
            return self._spending(engine, account, order)
        if order.type is OrderType.MARKET and order.side is Side.BUY:
            met = self._sweep(engine, account, order)
            needed = engine.costs.taken(met.value)
        else:
            needed = needed_for(engine, order)
        return refusals.INSUFFICIENT_BALANCE if needed > self._free(engine, account, order) else None

    def unaffordable_list(self, engine: SymbolEngine, account: str, orders: NewOrderList) -> Refused | None:
        """Of a list only the working order, or the dearest of the legs, is paid for at first."""
        if orders.working is not None:
            return self.unaffordable(engine, account, orders.working)
        refused = (self.unaffordable(engine, account, leg) for leg in orders.pending)
        return next((each for each in refused if each is not None), None)

    def _spending(self, engine: SymbolEngine, account: str, order: NewOrder) -> Refused | None:
        met = self._sweep(engine, account, order)
        if not met.steps:
            return refusals.NO_LIQUIDITY
        free = self._free(engine, account, order)
        if order.side is Side.SELL:
            return refusals.INSUFFICIENT_BALANCE if met.lots > free else None
        needed = max(order.spend_quanta, engine.costs.taken(met.value))
        return refusals.INSUFFICIENT_BALANCE if needed > free else None

    def _sweep(self, engine: SymbolEngine, account: str, order: NewOrder) -> Plan:
        prevention = order.self_trade_prevention or engine.rules.self_trade_prevention
        return engine.plan_for(account, order, prevention, engine.appetite_of(order, cash=None))

    def _free(self, engine: SymbolEngine, account: str, order: NewOrder) -> int:
        instrument = engine.instrument
        return self._wallets.free(account, instrument.quote if order.side is Side.BUY else instrument.base)


def needed_for(engine: SymbolEngine, order: NewOrder) -> int:
    """What an order sets aside before it has filled anything."""
    if order.side is Side.SELL:
        return order.lots
    ticks = order.limit_ticks or order.stop_ticks or triggers.trailed_ticks(order, engine.public.last_ticks or 0)
    return engine.costs.purchase(ticks, order.lots)
