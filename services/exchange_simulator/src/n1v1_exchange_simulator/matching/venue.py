"""The venue: accounts and what they sent, over one engine for each symbol. `n1v1_exchange_simulator.venue.Venue` says
what its methods promise, `market_events.PublicMarket` the same of the public ones; bars are made by others.

Every command and every market event ends with a check that nothing was created or lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from n1v1.errors import InvalidData, InvalidValue
from n1v1.events import BarClosed
from n1v1.simulation.holdings import Balance
from n1v1.values import Instrument, Side
from n1v1_exchange_simulator.market_events import (
    AggregateTrade,
    DepthSnapshot,
    MarketEvent,
    MarketListener,
    PublicTrade,
)
from n1v1_exchange_simulator.matching import refusals
from n1v1_exchange_simulator.matching.accepting import Acceptance
from n1v1_exchange_simulator.matching.engine import SymbolEngine
from n1v1_exchange_simulator.matching.lists import Family
from n1v1_exchange_simulator.matching.orders import STOPS, MatchedOrder
from n1v1_exchange_simulator.matching.reporting import Reporter
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.matching.wallets import Hold, Wallets
from n1v1_exchange_simulator.venue import (
    ExpiryReason,
    KnownOrder,
    NewOrder,
    NewOrderList,
    OrderList,
    OrderReport,
    OrderStatus,
    PreventedMatch,
    Refused,
    Report,
    Trade,
)


class MatchingVenue:
    def __init__(
        self,
        instruments: Iterable[Instrument],
        rules: MatchingRules,
        *,
        by_symbol: Mapping[str, MatchingRules] | None = None,
        start_ns: int = 0,
    ) -> None:
        """by_symbol: the rules of symbols that have their own; how long orders are hidden and which token pays fees
        are the venue's all the same. start_ns: the time before the first market event.

        Raises InvalidValue when two instruments count one asset in different units.
        """
        self.rules = rules
        self.instruments: Mapping[str, Instrument] = {instrument.symbol: instrument for instrument in instruments}
        _refuse_mixed_units(self.instruments.values())
        self.listeners: list[MarketListener] = []
        """Told once after every command or event that changed what everybody may see."""
        token = None if rules.fee_token is None else rules.fee_token.asset
        self._wallets = Wallets()
        self._reporter = Reporter(self._wallets, token=token)
        self._reporter.now_ns = start_ns
        self._acceptance = Acceptance(self._wallets)
        self._engines = {
            symbol: SymbolEngine(instrument, (by_symbol or {}).get(symbol, rules), self._wallets, self._reporter)
            for symbol, instrument in self.instruments.items()
        }
        self._orders: list[MatchedOrder] = []
        self._by_symbol: dict[tuple[str, str], list[MatchedOrder]] = {}
        self._by_name: dict[tuple[str, str, str], list[MatchedOrder]] = {}
        self._open: dict[str, dict[int, MatchedOrder]] = {}
        self._families: dict[str, list[Family]] = {}
        self._moments: list[tuple[int, bool, int]] = []
        """When an order comes to the book, or (True) its time is over."""
        self._stirred: set[str] = set()
        """Symbols whose book may have changed since the public was told."""

    @property
    def clock_ns(self) -> int:
        return self._reporter.now_ns

    # --- commands --------------------------------------------------------------------------------------------

    def open_account(self, account: str, balances: Mapping[str, int]) -> None:
        """Raises InvalidValue when the account exists or an amount is negative."""
        self._wallets.open_account(account, balances)
        for instrument in self.instruments.values():
            for asset in (instrument.base, instrument.quote):
                self._wallets.issue(account, asset, 0)
        self._open[account] = {}
        self._wallets.check()

    def deposit(self, account: str, asset: str, change: int) -> Sequence[Report] | Refused:
        self._wallets.check_account(account)
        if self._wallets.free(account, asset) + change < 0:
            return refusals.INSUFFICIENT_BALANCE
        self._wallets.issue(account, asset, change)
        self._reporter.balance(account, asset, change)
        return self._done()

    def place(self, account: str, order: NewOrder) -> Sequence[Report] | Refused:
        checked = self._checked(account, order)
        if isinstance(checked, Refused):
            return checked
        engine = self._engines[order.symbol]
        self._begin(engine, self._accept(engine, account, checked))
        return self._done(engine)

    def test(self, account: str, order: NewOrder) -> Refused | None:
        checked = self._checked(account, order)
        return checked if isinstance(checked, Refused) else None

    def place_list(self, account: str, orders: NewOrderList) -> Sequence[Report] | Refused:
        checked = self._checked_list(account, orders)
        if isinstance(checked, Refused):
            return checked
        engine = self._engines[checked.pending[0].symbol]
        family = self._accept_list(engine, account, checked)
        self._reporter.family(family)
        for leg in family.legs if family.working is not None else ():
            engine.say_pending(leg)
        alive = family.legs if family.working is None else [family.working]
        for order in sorted(alive, key=lambda leg: not leg.is_stop):  # a limit may trade, and end the stop, at once
            self._begin(engine, order)
        return self._done(engine)

    def cancel(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        order = self._known(account, symbol, number)
        if order is None or not order.is_open:
            return refusals.UNKNOWN_ORDER
        engine = self._engines[symbol]
        engine.cancel(order, name)
        return self._done(engine)

    def cancel_list(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        first = self._known(account, symbol, number)
        if first is None or first.family is None or first.list_number != number or first.family.is_done:
            return refusals.UNKNOWN_ORDER
        engine = self._engines[symbol]
        engine.cancel_family(first.family, name)
        return self._done(engine)

    def amend(
        self, account: str, symbol: str, number: int, *, lots: int, client_order_id: str
    ) -> Sequence[Report] | Refused:
        """Of the legs of an OCO or OTOCO both become smaller. Without a client_order_id the order keeps its own."""
        order = self._known(account, symbol, number)
        if order is None or not order.is_open:
            return refusals.UNKNOWN_ORDER
        refused = self._refused_amendment(order, lots, client_order_id)
        if refused is not None:
            return refused
        engine = self._engines[symbol]
        name = order.request.client_order_id
        self._rename(order, client_order_id or name)
        engine.shrink(order, lots, name)
        if order.is_leg and order.family is not None:
            unfilled = lots - order.filled_lots - order.prevented_lots
            for leg in order.family.open_legs(besides=order):
                engine.shrink(leg, leg.filled_lots + leg.prevented_lots + unfilled, leg.request.client_order_id)
        return self._done(engine)

    # --- what the world does -----------------------------------------------------------------------------------

    def apply(self, event: MarketEvent) -> Sequence[Report]:
        """What the market is recorded to have done, and what that does to the orders here. Recorded words may overtake
        one another a little: the clock never goes back.

        Raises InvalidData for a bar, which says nothing about a book, and for a symbol that is not traded here.
        """
        engine = self._engines.get(event.symbol)
        if engine is None or isinstance(event, BarClosed | AggregateTrade):
            raise InvalidData(f"expected trades or depth of {', '.join(self._engines)}, got {event}")
        self._move_clock(event.ts_ns)
        engine.apply(event)
        return self._done(engine)

    def pass_time(self, ts_ns: int) -> Sequence[Report]:
        """Nothing happens until `ts_ns` but that orders expire."""
        self._move_clock(ts_ns)
        return self._done()

    def set_trading(self, symbol: str, *, is_open: bool) -> Sequence[Report]:
        """Closed: no new orders, and nothing trades; orders that rest stay and can be cancelled. Raises KeyError for
        another symbol."""
        engine = self._engines[symbol]
        if is_open:
            engine.open()
        else:
            engine.close()
        return self._done(engine)

    def set_fees(self, symbol: str, *, maker_ppb: int, taker_ppb: int) -> Sequence[Report]:
        """From the next execution on. Raises KeyError for another symbol."""
        engine = self._engines[symbol]
        open_here = [
            order for orders in self._open.values() for order in orders.values() if order.request.symbol == symbol
        ]
        engine.change_fees(open_here, maker_ppb=maker_ppb, taker_ppb=taker_ppb)
        return self._done(engine)

    # --- questions -------------------------------------------------------------------------------------------

    def order(self, account: str, symbol: str, number: int) -> KnownOrder | None:
        order = self._known(account, symbol, number)
        return order if order is not None and self._is_visible(order) else None

    def named(self, account: str, symbol: str, client_order_id: str) -> KnownOrder | None:
        self._wallets.check_account(account)
        order = self._newest(account, symbol, client_order_id)
        return order if order is not None and self._is_visible(order) else None

    def open_orders(self, account: str, symbol: str | None = None) -> Sequence[KnownOrder]:
        self._wallets.check_account(account)
        orders = self._open[account].values()
        return [order for order in orders if order.is_open and symbol in (None, order.request.symbol)]

    def orders(self, account: str, symbol: str) -> Sequence[KnownOrder]:
        self._wallets.check_account(account)
        return self._by_symbol.get((account, symbol), ())

    def lists(self, account: str) -> Sequence[OrderList]:
        self._wallets.check_account(account)
        return [family.as_told() for family in self._families.get(account, ())]

    def trades(self, account: str, symbol: str) -> Sequence[Trade]:
        self._wallets.check_account(account)
        engine = self._engines.get(symbol)
        return () if engine is None else tuple(engine.trades.get(account, ()))

    def prevented(self, account: str, symbol: str) -> Sequence[PreventedMatch]:
        self._wallets.check_account(account)
        engine = self._engines.get(symbol)
        return () if engine is None else tuple(engine.prevented.get(account, ()))

    def balances(self, account: str) -> Mapping[str, Balance]:
        return self._wallets.balances(account)

    def accounts(self) -> Sequence[str]:
        return self._wallets.accounts

    def fees(self) -> Mapping[str, int]:
        """What the venue has earned, by asset."""
        return self._wallets.fees

    def fee_rates_ppb(self, symbol: str) -> tuple[int, int]:
        costs = self._engines[symbol].costs
        return costs.maker_ppb, costs.taker_ppb

    def is_open(self, symbol: str) -> bool:
        return self._engines[symbol].is_open

    def book(self, symbol: str, levels: int) -> DepthSnapshot:
        return self._engines[symbol].public.book(levels, self.clock_ns)

    def recent_trades(self, symbol: str) -> Sequence[PublicTrade]:
        return tuple(self._engines[symbol].public.trades)

    def last_ticks(self, symbol: str) -> int | None:
        return self._engines[symbol].public.last_ticks

    def state_hash(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        for symbol, engine in sorted(self._engines.items()):
            public, terms = engine.public, (engine.is_open, engine.costs.maker_ppb, engine.costs.taker_ppb)
            state.update(repr((symbol, public.last_ticks, public.trade_count, terms)).encode())
            state.update(repr((sorted(engine.trades.items()), sorted(engine.prevented.items()))).encode())
        for account in sorted(self.accounts()):
            state.update(repr((account, sorted(self.balances(account).items()))).encode())
        for order in self._orders:
            state.update(repr(order.contents()).encode())
        state.update(repr(self.clock_ns).encode())
        return state.hexdigest()

    # --- accepting -------------------------------------------------------------------------------------------

    def _checked(self, account: str, order: NewOrder) -> NewOrder | Refused:
        """The order as it can be accepted, or why not."""
        self._wallets.check_account(account)
        refused = self._refused_form(account, order)
        if refused is not None:
            return refused
        engine = self._engines[order.symbol]
        cut = self._acceptance.cut(engine, account, order)
        if isinstance(cut, Refused):
            return cut
        return (
            self._acceptance.at_once(engine, cut, self.clock_ns)
            or self._acceptance.unaffordable(engine, account, cut)
            or cut
        )

    def _checked_list(self, account: str, orders: NewOrderList) -> NewOrderList | Refused:
        self._wallets.check_account(account)
        names = [order.client_order_id for order in orders.orders]
        for order in orders.orders:
            refused = self._refused_form(account, order)
            if refused is not None:
                return refused
        if len(set(names)) < len(names):
            return refusals.DUPLICATE_ORDER
        engine = self._engines[orders.pending[0].symbol] if orders.pending else None
        if engine is None:
            return refusals.WRONG_LIST
        refused = refusals.malformed_list(orders) or refusals.wrong_relation(orders, engine.public.last_ticks)
        if refused is not None:
            return refused
        return self._alive_orders_checked(engine, account, orders)

    def _alive_orders_checked(self, engine: SymbolEngine, account: str, orders: NewOrderList) -> NewOrderList | Refused:
        """A list as it can be accepted: pending orders are looked at when they come alive."""
        first = (orders.working,) if orders.working is not None else orders.pending
        cut = []
        for order in first:
            shortened = self._acceptance.cut(engine, account, order)
            if isinstance(shortened, Refused):
                return shortened
            refused = self._acceptance.at_once(engine, shortened, self.clock_ns)
            if refused is not None:
                return refused
            cut.append(shortened)
        checked = replace(orders, working=cut[0]) if orders.working is not None else replace(orders, pending=tuple(cut))
        return self._acceptance.unaffordable_list(engine, account, checked) or checked

    def _refused_form(self, account: str, order: NewOrder) -> Refused | None:
        engine = self._engines.get(order.symbol)
        if engine is None:
            return refusals.INVALID_SYMBOL
        refused = self._acceptance.form(engine, order)
        if refused is not None:
            return refused
        known = self._newest(account, order.symbol, order.client_order_id)
        return refusals.DUPLICATE_ORDER if known is not None and known.is_open else None

    def _accept(
        self, engine: SymbolEngine, account: str, request: NewOrder, *, hold: Hold | None = None
    ) -> MatchedOrder:
        instrument = engine.instrument
        asset = instrument.quote if request.side is Side.BUY else instrument.base
        order = MatchedOrder(
            number=len(self._orders) + 1,
            account=account,
            request=request,
            self_trade_prevention=request.self_trade_prevention or engine.rules.self_trade_prevention,
            hold=hold or Hold(account, asset),
            accepted_ns=self.clock_ns,
            updated_ns=self.clock_ns,
            lots=request.lots,
            open_lots=request.lots,
            stop_ticks=request.stop_ticks,
            waits_for_stop=request.type in STOPS,
        )
        self._remember(order)
        return order

    def _accept_list(self, engine: SymbolEngine, account: str, orders: NewOrderList) -> Family:
        instrument = engine.instrument
        asset = instrument.quote if orders.pending[0].side is Side.BUY else instrument.base
        family = Family(
            kind=orders.kind,
            name=orders.name,
            account=account,
            symbol=instrument.symbol,
            accepted_ns=self.clock_ns,
            hold=Hold(account, asset),
        )
        if orders.working is not None:
            family.working = self._accept(engine, account, orders.working)
        family.legs = [self._accept(engine, account, leg, hold=family.hold) for leg in orders.pending]
        for order in family.orders:
            order.family = family
            order.list_number = family.orders[0].number
        for leg in family.legs if family.working is not None else ():
            leg.status = OrderStatus.PENDING_NEW
            leg.open_lots = 0
            leg.waits_for_stop = False
        self._families.setdefault(account, []).append(family)
        return family

    def _remember(self, order: MatchedOrder) -> None:
        request = order.request
        self._orders.append(order)
        self._by_symbol.setdefault((order.account, request.symbol), []).append(order)
        self._by_name.setdefault((order.account, request.symbol, request.client_order_id), []).append(order)
        self._open[order.account][order.number] = order
        if request.expires_ns is not None:
            heappush(self._moments, (request.expires_ns, True, order.number))

    def _begin(self, engine: SymbolEngine, order: MatchedOrder) -> None:
        if engine.rules.latency_ns:
            engine.send(order)
            heappush(self._moments, (self.clock_ns + engine.rules.latency_ns, False, order.number))
        else:
            engine.start(order)

    # --- amending ----------------------------------------------------------------------------------------------

    def _refused_amendment(self, order: MatchedOrder, lots: int, client_order_id: str) -> Refused | None:
        refused = refusals.amendment(order, lots, self.instruments[order.request.symbol])
        if refused is not None or client_order_id in ("", order.request.client_order_id):
            return refused
        known = self._newest(order.account, order.request.symbol, client_order_id)
        return refusals.DUPLICATE_ORDER if known is not None and known.is_open else None

    def _rename(self, order: MatchedOrder, name: str) -> None:
        if name != order.request.client_order_id:
            order.request = replace(order.request, client_order_id=name)
            self._by_name.setdefault((order.account, order.request.symbol, name), []).append(order)

    # --- small words -------------------------------------------------------------------------------------------

    def _known(self, account: str, symbol: str, number: int) -> MatchedOrder | None:
        self._wallets.check_account(account)
        if not 0 < number <= len(self._orders):
            return None
        order = self._orders[number - 1]
        return order if (order.account, order.request.symbol) == (account, symbol) else None

    def _newest(self, account: str, symbol: str, name: str) -> MatchedOrder | None:
        """An amended order is known by its last name only."""
        orders = self._by_name.get((account, symbol, name), ())
        return next((order for order in reversed(orders) if order.request.client_order_id == name), None)

    def _is_visible(self, order: MatchedOrder) -> bool:
        return order.accepted_ns + self.rules.visible_after_ns <= self.clock_ns

    def _move_clock(self, ts_ns: int) -> None:
        """Orders whose time is over expire at their moment, and those under way arrive, before anything that happens
        then."""
        while self._moments and self._moments[0][0] <= ts_ns:
            moment, is_over, number = heappop(self._moments)
            order = self._orders[number - 1]
            if order.is_open:
                self._reporter.now_ns = max(self.clock_ns, moment)
                engine = self._engines[order.request.symbol]
                if is_over:
                    engine.expire(order, ExpiryReason.GOOD_TILL_DATE)
                else:
                    engine.arrive(order)
                engine.finish()
                self._stirred.add(order.request.symbol)
        self._reporter.now_ns = max(self.clock_ns, ts_ns)

    def _done(self, engine: SymbolEngine | None = None) -> Sequence[Report]:
        """Let follow what follows, check that nothing was lost, tell the public, and answer what happened."""
        if engine is not None:
            engine.finish()
            self._stirred.add(engine.instrument.symbol)
        self._wallets.check()
        self._tell_public()
        reports = self._reporter.take()
        self._forget_closed(reports)
        return reports

    def _tell_public(self) -> None:
        for symbol in sorted(self._stirred):
            events = self._engines[symbol].public.take(self.clock_ns)
            if events:
                for listener in self.listeners:
                    listener.on_market(events)
        self._stirred.clear()

    def _forget_closed(self, reports: Sequence[Report]) -> None:
        """Closed orders are still known, but no longer looked at for every question about open ones."""
        for report in reports:
            if isinstance(report, OrderReport) and not report.order.is_open:
                self._open[report.account].pop(report.order.number, None)


def _refuse_mixed_units(instruments: Iterable[Instrument]) -> None:
    units: dict[str, object] = {}
    for instrument in instruments:
        for asset, unit in ((instrument.base, instrument.lot_size), (instrument.quote, instrument.quantum)):
            if units.setdefault(asset, unit) != unit:
                raise InvalidValue(f"{asset} is counted in units of {units[asset]} and of {unit}")
