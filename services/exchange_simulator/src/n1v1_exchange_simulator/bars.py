"""The venue over recorded bars: what the backtest's `SimulatedVenue` does, told as a `Venue`.

Fills, prices, fees and their order are those of the backtest, to the byte. What bars cannot show is said here: an
iceberg is a plain order; two orders of one account never meet, so self-trade prevention has nothing to prevent; an
order by quote amount buys or sells the whole steps that the amount is worth at the last close. Executions are numbered
over all symbols in one row, as in the backtest. Balances in a report are those after the command or after the bar.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from n1v1.errors import InvalidValue, UnknownName, nearest
from n1v1.events import (
    BarClosed,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.ids import ClientOrderId
from n1v1.rounding import slipped_price
from n1v1.simulation import records, rejections
from n1v1.simulation.accepting import waits_for_its_stop
from n1v1.simulation.holdings import Balance
from n1v1.simulation.orders import OrderState, VenueOrder, VenueTrade
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import Instrument, Liquidity, Side, TimeInForce
from n1v1_exchange_simulator.market_events import DepthSnapshot, MarketEvent
from n1v1_exchange_simulator.matching import refusals
from n1v1_exchange_simulator.venue import (
    BalanceReport,
    ExpiryReason,
    ListKind,
    ListReport,
    NewOrder,
    NewOrderList,
    OrderList,
    OrderReport,
    OrderStatus,
    PreventedMatch,
    Refused,
    Report,
    ReportKind,
    SelfTradePrevention,
    Trade,
)

UNKNOWN_ORDER = Refused(code=rejections.UNKNOWN_ORDER.code, reason=rejections.UNKNOWN_ORDER.reason)
MARKET_IS_CLOSED = Refused(code=rejections.MARKET_IS_CLOSED.code, reason=rejections.MARKET_IS_CLOSED.reason)
INSUFFICIENT_BALANCE = Refused(code=rejections.INSUFFICIENT_BALANCE.code, reason=rejections.INSUFFICIENT_BALANCE.reason)

_STATUS = {
    OrderState.PENDING: OrderStatus.PENDING_NEW,
    OrderState.OPEN: OrderStatus.NEW,
    OrderState.FILLED: OrderStatus.FILLED,
    OrderState.CANCELLED: OrderStatus.CANCELED,
    OrderState.EXPIRED: OrderStatus.EXPIRED,
}

_EXPIRY = {
    rejections.REASONS[records.NOT_WHOLE]: ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED,
    rejections.REASONS[records.ITS_TIME_IS_OVER]: ExpiryReason.GOOD_TILL_DATE,
    rejections.REASONS[records.LIST_DONE]: ExpiryReason.OCO_TRIGGER,
    rejections.REASONS[records.ENTRY_UNFILLED]: ExpiryReason.OTO_PHASE_ONE_EXPIRED,
}
"""Where it is not the exchange's own doing; an order that the open could not fill goes by its time in force."""


class BarOrder:
    """A `KnownOrder`: an order of the backtest's venue together with the request that it came from."""

    def __init__(self, request: NewOrder, order: VenueOrder) -> None:
        self.request = request
        self.told_value_quanta = 0
        """The value of those fills that have been reported."""
        self._order = order
        self._working_ns = order.accepted_ns if self.is_working else None

    @property
    def number(self) -> int:
        return self._order.number

    @property
    def account(self) -> str:
        return self._order.account

    @property
    def list_number(self) -> int | None:
        return self._order.list_number

    @property
    def status(self) -> OrderStatus:
        status = _STATUS[self._order.state]
        return OrderStatus.PARTIALLY_FILLED if status is OrderStatus.NEW and self.filled_lots else status

    @property
    def is_working(self) -> bool:
        return self._order.state is not OrderState.PENDING and not waits_for_its_stop(self._order.record)

    @property
    def lots(self) -> int:
        return self._order.lots

    @property
    def filled_lots(self) -> int:
        return self._order.filled_lots

    @property
    def prevented_lots(self) -> int:
        return 0

    @property
    def value_quanta(self) -> int:
        return self._order.value

    @property
    def stop_ticks(self) -> int | None:
        return self._order.stop_ticks

    @property
    def self_trade_prevention(self) -> SelfTradePrevention:
        return self.request.self_trade_prevention or SelfTradePrevention.NONE

    @property
    def accepted_ns(self) -> int:
        return self._order.accepted_ns

    @property
    def updated_ns(self) -> int:
        return self._order.updated_ns

    @property
    def working_ns(self) -> int | None:
        """Of an order that came alive within a bar: its first fill, or else the bar's close."""
        return self._working_ns

    @property
    def is_open(self) -> bool:
        return self._order.is_open

    def note_working(self, ts_ns: int) -> None:
        if self._working_ns is None and self.is_working:
            self._working_ns = ts_ns


class BarVenue:
    """`Venue` over bars. opens_ns: its time before the first bar."""

    def __init__(self, instruments: Iterable[Instrument], rules: VenueRules, *, opens_ns: int = 0) -> None:
        self.rules = rules
        self._venue = SimulatedVenue(instruments, rules)
        self._opens_ns = opens_ns
        self._orders: list[BarOrder] = []
        self._lists: dict[int, OrderList] = {}
        self._waiting: dict[int, BarOrder] = {}
        """Open orders that are not in the book yet: stops, and orders that wait for their list."""
        self._report_count = 0
        self._public: list[MarketEvent] = []
        self._updates = dict.fromkeys(self.instruments, 0)
        """How often the book has changed, by symbol."""
        self._closed_symbols: set[str] = set()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._venue.instruments

    @property
    def clock_ns(self) -> int:
        return self._opens_ns if self._venue.clock_ns is None else self._venue.clock_ns

    # --- commands ----------------------------------------------------------------------------------------------

    def open_account(self, account: str, balances: Mapping[str, int]) -> None:
        """Raises UnknownName for an asset that is not traded here, InvalidValue for a negative balance."""
        for asset, units in balances.items():
            if asset not in self._assets():
                raise UnknownName(f"no asset {asset!r}{nearest(asset, self._assets())}")
            if units < 0:
                raise InvalidValue(f"{account} cannot open with {units} of {asset}")
        self._venue.open_account(account, balances.get(self._venue.quote, 0))
        for asset, units in balances.items():
            if asset != self._venue.quote:
                self._venue.deposit(account, asset, units)

    def deposit(self, account: str, asset: str, change: int) -> Sequence[Report] | Refused:
        free = self._venue.balances(account).get(asset)
        if free is None:
            return Refused(code=-1100, reason=f"No asset {asset}.")
        if free.free + min(change, 0) < 0:
            return INSUFFICIENT_BALANCE
        self._venue.deposit(account, asset, change)
        balance = self._venue.balances(account)[asset]
        return [BalanceReport(ts_ns=self.clock_ns, account=account, asset=asset, change=change, balance=balance)]

    def place(self, account: str, order: NewOrder) -> Sequence[Report] | Refused:
        if order.symbol in self._closed_symbols:
            return MARKET_IS_CLOSED
        wanted = self._in_lots(order)
        if isinstance(wanted, Refused):
            return wanted
        answer = self._venue.submit(account, wanted)
        if isinstance(answer, VenueRejected):
            return _refused(answer)
        return [self._accepted(account, order, answer)]

    def test(self, account: str, order: NewOrder) -> Refused | None:
        if order.symbol in self._closed_symbols:
            return MARKET_IS_CLOSED
        wanted = self._in_lots(order)
        if isinstance(wanted, Refused):
            return wanted
        refused = self._venue.would_reject(account, wanted)
        return None if refused is None else _refused(refused)

    def place_list(self, account: str, orders: NewOrderList) -> Sequence[Report] | Refused:
        if any(order.symbol in self._closed_symbols for order in orders.orders):
            return MARKET_IS_CLOSED
        answers = self._venue.submit_list(account, _submitted_list(orders))
        for answer in answers:
            if isinstance(answer, VenueRejected):
                return _refused(answer)
        accepted = [answer for answer in answers if isinstance(answer, VenueAccepted)]
        reports = [
            self._accepted(account, order, answer) for order, answer in zip(orders.orders, accepted, strict=True)
        ]
        number = int(accepted[0].venue_order_id)
        self._lists[number] = OrderList(
            number=number,
            kind=orders.kind,
            name=orders.name or f"list-{number}",
            account=account,
            symbol=accepted[0].symbol,
            order_numbers=tuple(report.order.number for report in reports),
            accepted_ns=accepted[0].ts_ns,
        )
        began = ListReport(ts_ns=accepted[0].ts_ns, account=account, order_list=self._lists[number])
        return [began, *reports]

    def cancel(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        order = self.order(account, symbol, number)
        if order is None or not order.is_open:
            return UNKNOWN_ORDER
        return self._with_ended_lists(self._cancelled(account, order, name))

    def cancel_list(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        found = self._lists.get(number)
        if found is None or found.is_done or (found.account, found.symbol) != (account, symbol):
            return UNKNOWN_ORDER
        reports: list[Report] = []
        while alive := [each for each in map(self._numbered, found.order_numbers) if each.is_open]:
            # a leg takes its list with it; a working order that has filled in part leaves its legs
            reports += self._cancelled(account, alive[-1], name)
        return self._with_ended_lists(reports)

    def amend(
        self, account: str, symbol: str, number: int, *, lots: int, client_order_id: str
    ) -> Sequence[Report] | Refused:
        """Bars know no queue: it is only smaller. Of the legs of an OCO or OTOCO both are."""
        order = self.order(account, symbol, number)
        if order is None or not order.is_open:
            return UNKNOWN_ORDER
        name_before = order.request.client_order_id
        name = client_order_id or name_before
        refused = self._refused_amendment(order, lots, name)
        if refused is not None:
            return refused
        self._venue.amend(account, symbol, number, lots=lots, client_order_id=name)
        order.request = replace(order.request, client_order_id=name)
        amended = [each for each in self._list_of(order) if each is order or self._are_legs(each, order)]
        return [self._replaced(each, name_before if each is order else "") for each in amended]

    def set_trading(self, symbol: str, *, is_open: bool) -> Sequence[Report]:
        """Closed: no new orders, and bars fill none; orders can be cancelled. Raises KeyError for another symbol."""
        if is_open:
            self._closed_symbols.discard(self.instruments[symbol].symbol)
        else:
            self._closed_symbols.add(self.instruments[symbol].symbol)
        return ()

    def set_fees(self, symbol: str, *, maker_ppb: int, taker_ppb: int) -> Sequence[Report]:
        """From the next execution on. Raises KeyError for another symbol."""
        self._venue.set_fees(symbol, maker_ppb=maker_ppb, taker_ppb=taker_ppb)
        return ()

    # --- the market --------------------------------------------------------------------------------------------

    def apply_step(self, events: Sequence[MarketEvent]) -> Sequence[Report]:
        """Match everything open against the bars that close at one time."""
        bars = [event for event in events if isinstance(event, BarClosed)]
        if len(bars) < len(events):
            raise InvalidValue("a venue over bars hears of bars only; for trades and depth take another replay.quality")
        traded = [bar for bar in bars if bar.symbol not in self._closed_symbols]
        happened = self._venue.advance(traded) if traded else []
        for bar in bars:
            self._updates[bar.symbol] += 1
            if bar.symbol in self._closed_symbols:
                self._venue.pass_bar(bar)
        self._public += bars
        reports = [self._reported(account, report) for account, report in happened]
        self._note_working()
        return self._with_ended_lists(reports)

    def pass_time(self, ts_ns: int) -> Sequence[Report]:
        return ()

    def take_public(self) -> Sequence[MarketEvent]:
        taken, self._public = self._public, []
        return taken

    def book(self, symbol: str, levels: int) -> DepthSnapshot:
        """One level a side, where a market order is filled without impact; none before the first bar."""
        instrument, last = self.instruments[symbol], self._venue.last_close(symbol)
        sides: dict[Side, tuple[tuple[int, int], ...]] = {Side.BUY: (), Side.SELL: ()}
        if last is not None:
            most = instrument.lots(instrument.max_quantity)
            for side in sides:
                sides[side] = ((slipped_price(last, side.sign, slippage_ppb=self.rules.slippage_ppb), most),)
        return DepthSnapshot(
            ts_ns=self.clock_ns,
            symbol=symbol,
            last_id=self._updates[symbol],
            bids=sides[Side.SELL],
            asks=sides[Side.BUY],
        )

    # --- questions ---------------------------------------------------------------------------------------------

    def order(self, account: str, symbol: str, number: int) -> BarOrder | None:
        found = self._venue.order_by_number(account, symbol, number)
        return None if found is None else self._numbered(number)

    def named(self, account: str, symbol: str, client_order_id: str) -> BarOrder | None:
        found = self._venue.order(account, symbol, client_order_id)
        return None if found is None else self._numbered(found.number)

    def open_orders(self, account: str, symbol: str | None = None) -> Sequence[BarOrder]:
        return [self._numbered(order.number) for order in self._venue.open_orders(account, symbol)]

    def orders(self, account: str, symbol: str) -> Sequence[BarOrder]:
        return [order for order in self._orders if (order.account, order.request.symbol) == (account, symbol)]

    def lists(self, account: str) -> Sequence[OrderList]:
        return [each for each in self._lists.values() if each.account == account]

    def trades(self, account: str, symbol: str) -> Sequence[Trade]:
        return [self._trade(trade) for trade in self._venue.trades(account, symbol)]

    def prevented(self, account: str, symbol: str) -> Sequence[PreventedMatch]:
        return ()

    def balances(self, account: str) -> Mapping[str, Balance]:
        return self._venue.balances(account)

    def accounts(self) -> Sequence[str]:
        return self._venue.accounts

    def fee_rates_ppb(self, symbol: str) -> tuple[int, int]:
        return self._venue.fee_rates_ppb(symbol)

    def is_open(self, symbol: str) -> bool:
        return symbol not in self._closed_symbols

    def state_hash(self) -> str:
        """Without symbols that are closed and fees that have changed it is that of the backtest's venue."""
        usual = _rates_of(self.rules)
        changed = {symbol: rates for symbol in self.instruments if (rates := self.fee_rates_ppb(symbol)) != usual}
        state = self._venue.state_hash()
        if not self._closed_symbols and not changed:
            return state
        terms = repr((state, sorted(self._closed_symbols), sorted(changed.items())))
        return hashlib.blake2b(terms.encode(), digest_size=16).hexdigest()

    # --- from the backtest's words to the venue's ------------------------------------------------------------------

    def _assets(self) -> set[str]:
        return {asset for each in self.instruments.values() for asset in (each.base, each.quote)}

    def _numbered(self, number: int) -> BarOrder:
        return self._orders[number - 1]

    def _in_lots(self, order: NewOrder) -> SubmitOrder | Refused:
        """As the backtest's venue takes it. An order by quote amount: whole steps at the last close, rounded down."""
        if not order.spend_quanta or order.symbol not in self.instruments:
            return _submitted(order)
        ticks, instrument = self._venue.last_close(order.symbol), self.instruments[order.symbol]
        if ticks is None:
            return MARKET_IS_CLOSED
        lots = order.spend_quanta * instrument.notional_divisor // ticks
        return _submitted(replace(order, lots=lots - lots % instrument.step_lots, spend_quanta=0))

    def _accepted(self, account: str, request: NewOrder, answer: VenueAccepted) -> OrderReport:
        known = self._venue.order(account, answer.symbol, answer.client_order_id)
        assert known is not None, "the venue knows what it has just accepted"
        order = BarOrder(request, known)
        self._orders.append(order)
        if order.working_ns is None:
            self._waiting[order.number] = order
        return self._report(order, answer, ReportKind.NEW, order.status)

    def _cancelled(self, account: str, order: BarOrder, name: str) -> list[Report]:
        answers = self._venue.cancel_list(account, order.request.symbol, order.request.client_order_id)
        return [self._reported(account, answer, cancel_name=name) for answer in answers]

    def _reported(self, account: str, report: VenueReport, *, cancel_name: str = "") -> Report:
        order = self.named(account, report.symbol, report.client_order_id)
        assert order is not None, "a report is about an order that the venue knows"
        match report:
            case VenueFilled():
                return self._filled(order, report)
            case VenueClosed():
                return self._closed(order, report, cancel_name)
        raise AssertionError(f"{type(report).__name__} is no news of an order that was accepted")

    def _filled(self, order: BarOrder, fill: VenueFilled) -> OrderReport:
        order.note_working(fill.ts_ns)
        order.told_value_quanta += fill.value
        filled = order.lots - fill.remaining_lots
        status = OrderStatus.PARTIALLY_FILLED if fill.remaining_lots else OrderStatus.FILLED
        trade = Trade(
            number=int(fill.trade_id),
            order_number=order.number,
            list_number=order.list_number,
            account=order.account,
            symbol=fill.symbol,
            side=fill.side,
            lots=fill.lots,
            ticks=fill.ticks,
            value_quanta=fill.value,
            commission=fill.fee,
            commission_asset=self.instruments[fill.symbol].quote,
            is_maker=fill.liquidity is Liquidity.MAKER,
            ts_ns=fill.ts_ns,
        )
        told = self._report(order, fill, ReportKind.TRADE, status)
        return replace(told, trade=trade, filled_lots=filled, value_quanta=order.told_value_quanta)

    def _closed(self, order: BarOrder, closed: VenueClosed, cancel_name: str) -> OrderReport:
        if not closed.expired:
            report = self._report(order, closed, ReportKind.CANCELED, OrderStatus.CANCELED)
            return replace(report, cancel_name=cancel_name)
        report = self._report(order, closed, ReportKind.EXPIRED, OrderStatus.EXPIRED)
        return replace(report, expiry=_expiry(order, closed))

    def _report(self, order: BarOrder, told: VenueReport, kind: ReportKind, status: OrderStatus) -> OrderReport:
        self._report_count += 1
        return OrderReport(
            number=self._report_count,
            ts_ns=told.ts_ns,
            account=order.account,
            kind=kind,
            order=order,
            status=status,
            is_working=order.is_working,
            filled_lots=order.filled_lots,
            value_quanta=order.value_quanta,
            balances=self._balances_of(order),
        )

    def _refused_amendment(self, order: BarOrder, lots: int, name: str) -> Refused | None:
        refused = refusals.amendment(order, lots, self.instruments[order.request.symbol])
        if refused is not None or name == order.request.client_order_id:
            return refused
        known = self.named(order.account, order.request.symbol, name)
        return refusals.DUPLICATE_ORDER if known is not None and known.is_open else None

    def _list_of(self, order: BarOrder) -> list[BarOrder]:
        """The orders of its list that are open, or it alone."""
        if order.list_number is None:
            return [order]
        return [each for each in map(self._numbered, self._lists[order.list_number].order_numbers) if each.is_open]

    def _are_legs(self, *orders: BarOrder) -> bool:
        """Of one list."""
        found = self._lists[orders[0].list_number or 0]
        legs = found.order_numbers if found.kind is ListKind.OCO else found.order_numbers[1:]
        return all(order.number in legs for order in orders)

    def _replaced(self, order: BarOrder, previous_name: str) -> OrderReport:
        self._report_count += 1
        return OrderReport(
            number=self._report_count,
            ts_ns=self.clock_ns,
            account=order.account,
            kind=ReportKind.REPLACED,
            order=order,
            status=order.status,
            is_working=order.is_working,
            filled_lots=order.filled_lots,
            value_quanta=order.value_quanta,
            previous_name=previous_name or order.request.client_order_id,
            balances=self._balances_of(order),
        )

    def _balances_of(self, order: BarOrder) -> tuple[tuple[str, Balance], ...]:
        instrument, balances = self.instruments[order.request.symbol], self._venue.balances(order.account)
        return tuple((asset, balances[asset]) for asset in (instrument.base, instrument.quote))

    def _note_working(self) -> None:
        """Stops that were reached and legs that came alive, without a fill yet."""
        for number, order in list(self._waiting.items()):
            order.note_working(self.clock_ns)
            if order.working_ns is not None or not order.is_open:
                del self._waiting[number]

    def _with_ended_lists(self, reports: Sequence[Report]) -> list[Report]:
        told = [report.order.list_number for report in reports if isinstance(report, OrderReport)]
        ended = [
            self._lists[number]
            for number in dict.fromkeys(number for number in told if number is not None)
            if not any(self._numbered(each).is_open for each in self._lists[number].order_numbers)
        ]
        for each in ended:
            self._lists[each.number] = replace(each, is_done=True)
        return [
            *reports,
            *(
                ListReport(ts_ns=self.clock_ns, account=each.account, order_list=self._lists[each.number])
                for each in ended
            ),
        ]

    def _trade(self, trade: VenueTrade) -> Trade:
        return Trade(
            number=trade.number,
            order_number=trade.order_number,
            list_number=self._numbered(trade.order_number).list_number,
            account=trade.account,
            symbol=trade.symbol,
            side=trade.side,
            lots=trade.lots,
            ticks=trade.ticks,
            value_quanta=trade.value,
            commission=trade.fee,
            commission_asset=self.instruments[trade.symbol].quote,
            is_maker=trade.liquidity is Liquidity.MAKER,
            ts_ns=trade.ts_ns,
        )


def _rates_of(rules: VenueRules) -> tuple[int, int]:
    """(maker, taker)."""
    taker, maker = rules.fee_rate_ppb, rules.maker_fee_rate_ppb
    return (taker if maker is None else maker), taker


def _submitted(order: NewOrder) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(order.client_order_id),
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        lots=order.lots,
        limit_ticks=order.limit_ticks,
        time_in_force=order.time_in_force,
        stop_ticks=order.stop_ticks,
        trail_ppb=order.trail_ppb,
        trail_step_ppb=order.trail_step_ppb,
        expires_ns=order.expires_ns,
        is_post_only=order.is_post_only,
        reduces_only=order.reduces_only,
    )


def _submitted_list(orders: NewOrderList) -> SubmitOrderList:
    return SubmitOrderList(
        working=None if orders.working is None else _submitted(orders.working),
        pending=tuple(_submitted(order) for order in orders.pending),
    )


def _expiry(order: BarOrder, closed: VenueClosed) -> ExpiryReason:
    if closed.reason == rejections.REASONS[records.NOT_FILLABLE]:
        is_whole = order.request.time_in_force is TimeInForce.FOK
        return ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED if is_whole else ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED
    return _EXPIRY.get(closed.reason, ExpiryReason.EXCHANGE_CANCELED)


def _refused(answer: VenueRejected) -> Refused:
    return Refused(code=answer.code, reason=answer.reason)
