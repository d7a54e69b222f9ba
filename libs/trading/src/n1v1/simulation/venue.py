"""The simulated venue: a matching engine over closed bars, in integers, without clock or chance.

What it assumes, so that nobody has to guess what a backtest believed:

- An order takes effect after the bar at which it was sent: nothing fills at a price that was already known.
- A MARKET order fills whole at the open of its symbol's next bar, moved against the taker by the slippage.
- A LIMIT order takes at an open which, slipped, beats its limit; an IOC or FOK order is decided at its first
  open. A GTC order otherwise rests and fills at its limit once a bar trades through it by at least one tick:
  a touch may have been somebody ahead of us in the queue.
- Bars show no depth, so a fill is never limited by volume.
- Orders are served in the order of arrival, over all symbols: they compete for the same cash.
- Fees are paid in the quote currency on both sides, as Coinbase does, where the bundled data comes from
  (Binance charges what is received, so a BUY there pays in the base asset).
- What a MARKET BUY may spend after a gap: what is locked for it and what else is free. If that is too little,
  the affordable whole steps are filled and the rest expires.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from n1v1 import rounding
from n1v1.errors import InvalidData, InvalidValue
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
from n1v1.simulation import rejections
from n1v1.simulation.holdings import Balance, Holdings
from n1v1.simulation.orders import OrderState, VenueOrder, VenueTrade
from n1v1.simulation.rejections import Rejection
from n1v1.values import PPB, Instrument, Liquidity, OrderType, Side, TimeInForce

AccountReport = tuple[str, VenueReport]

IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRules:
    """Costs, in parts per billion of the traded value (fee) and of the price (slippage)."""

    fee_rate_ppb: int
    slippage_ppb: int

    def __post_init__(self) -> None:
        for name in ("fee_rate_ppb", "slippage_ppb"):
            if not 0 <= getattr(self, name) < PPB:
                raise InvalidValue(f"{name} must be at least 0 and below {PPB}, got {getattr(self, name)}")


class SimulatedVenue:
    """One venue with its accounts. One owner calls it, and the order of the calls is its history."""

    def __init__(self, instruments: Iterable[Instrument], rules: VenueRules) -> None:
        self.rules = rules
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        _refuse_mixed_units(self.instruments.values())
        self.clock_ns: int | None = None
        """The close of the last bars; None before the first, when the market is closed."""
        self._holdings = Holdings()
        self._last_close: dict[str, int] = {}
        self._last_close_ns: dict[str, int] = {}
        self._orders: list[VenueOrder] = []
        self._open: dict[str, dict[int, VenueOrder]] = {symbol: {} for symbol in self.instruments}
        self._by_client_id: dict[tuple[str, str, str], list[VenueOrder]] = {}
        self._trades: dict[tuple[str, str], list[VenueTrade]] = defaultdict(list)
        self._trade_count = 0

    # --- commands ------------------------------------------------------------------------------------------

    def open_account(self, account: str, cash_quanta: int) -> None:
        """Raises InvalidValue when the account exists or the cash is negative."""
        if cash_quanta < 0:
            raise InvalidValue(f"an account cannot open with {cash_quanta} quanta of cash")
        self._holdings.open_account(account)
        for instrument in self.instruments.values():
            self._holdings.issue(account, instrument.base, 0)
        self._holdings.issue(account, self.quote, cash_quanta)

    def submit(self, account: str, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        """Accept or reject; nothing fills before the next bar. A rejected order uses up no order id."""
        refused = self._refused(account, order)
        if refused is not None:
            return self._rejected(order.client_order_id, order.symbol, refused)
        asset, amount = self._amount_to_lock(order)
        if not self._holdings.lock(account, asset, amount):
            return self._rejected(order.client_order_id, order.symbol, rejections.INSUFFICIENT_BALANCE)
        accepted = self._book(account, order, locked=amount)
        return VenueAccepted(
            ts_ns=accepted.accepted_ns,
            client_order_id=accepted.client_order_id,
            symbol=accepted.symbol,
            venue_order_id=accepted.venue_order_id,
        )

    def submit_list(self, account: str, orders: SubmitOrderList) -> list[VenueReport]:
        """Accept or reject the list as a whole, with one report for each of its orders, the working one first."""
        every = (*((orders.working,) if orders.working else ()), *orders.pending)
        return [self._rejected(order.client_order_id, order.symbol, rejections.NO_LISTS) for order in every]

    def cancel(self, account: str, symbol: str, client_order_id: str) -> VenueClosed | VenueRejected:
        order = self.order(account, symbol, client_order_id)
        if order is None or not order.is_open:
            return self._rejected(ClientOrderId(client_order_id), symbol, rejections.UNKNOWN_ORDER)
        return self._close(order, OrderState.CANCELLED, ts_ns=self._now(), reason="cancelled by the client")

    def advance(self, bars: Sequence[BarClosed]) -> list[AccountReport]:
        """Match everything open against the bars that close at one time, and move the clock there.

        Raises InvalidData, with nothing changed, when the bars do not close together, do not follow the last
        ones, repeat a symbol or name one that is not traded here.
        """
        close_ns = self._checked_close(bars)
        by_symbol = {bar.symbol: bar for bar in bars}
        reports: list[AccountReport] = []
        for order in self._effective_orders(by_symbol):
            reports += self._at_open(order, by_symbol[order.symbol])
        for order in self._effective_orders(by_symbol):
            reports += self._within_bar(order, by_symbol[order.symbol])
        for bar in bars:
            self._last_close[bar.symbol] = bar.close
            self._last_close_ns[bar.symbol] = bar.ts_ns
        self.clock_ns = close_ns
        return reports

    # --- questions -----------------------------------------------------------------------------------------

    @property
    def quote(self) -> str:
        return next(iter(self.instruments.values())).quote

    @property
    def orders(self) -> tuple[VenueOrder, ...]:
        """Every order ever accepted, in order of arrival; the order with number n is the (n-1)th."""
        return tuple(self._orders)

    @property
    def accounts(self) -> tuple[str, ...]:
        return self._holdings.accounts

    @property
    def fees_collected(self) -> dict[str, int]:
        return self._holdings.fees

    def order(self, account: str, symbol: str, client_order_id: str) -> VenueOrder | None:
        """The newest order of that name, open or not, or None. A name may be used again once it is closed."""
        named = self._by_client_id.get((account, symbol, client_order_id))
        return named[-1] if named else None

    def orders_named(self, account: str, symbol: str, client_order_id: str) -> tuple[VenueOrder, ...]:
        """Every order that was ever sent under that name, newest first."""
        return tuple(reversed(self._by_client_id.get((account, symbol, client_order_id), ())))

    def order_by_number(self, account: str, symbol: str, number: int) -> VenueOrder | None:
        """The order that the venue numbered so, if it is of this account and symbol."""
        if not 0 < number <= len(self._orders):
            return None
        order = self._orders[number - 1]
        return order if (order.account, order.symbol) == (account, symbol) else None

    def open_orders(self, account: str, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        """By arrival."""
        books = self._open.values() if symbol is None else [self._open.get(symbol, {})]
        found = (order for book in books for order in book.values() if order.account == account)
        return tuple(sorted(found, key=attrgetter("number")))

    def trades(self, account: str, symbol: str, from_id: int = 1) -> Sequence[VenueTrade]:
        """Executions with a number of at least `from_id`, oldest first."""
        trades = self._trades.get((account, symbol), [])
        return trades[bisect_left(trades, from_id, key=attrgetter("number")) :]

    def balances(self, account: str) -> dict[str, Balance]:
        """By asset. Raises UnknownName for an account that was never opened."""
        return self._holdings.balances(account)

    def last_close(self, symbol: str) -> int | None:
        return self._last_close.get(symbol)

    def state_hash(self) -> str:
        """Equal for two venues when accounts, orders, executions and last prices are equal."""
        state = hashlib.blake2b(digest_size=16)
        state.update(repr((self.clock_ns, sorted(self._last_close.items()), self._trade_count)).encode())
        for account in sorted(self.accounts):
            state.update(repr((account, sorted(self.balances(account).items()))).encode())
        for order in self._orders:
            state.update(repr(order).encode())
        for key in sorted(self._trades):
            state.update(repr(self._trades[key]).encode())
        return state.hexdigest()

    # --- accepting -----------------------------------------------------------------------------------------

    def _refused(self, account: str, order: SubmitOrder) -> Rejection | None:
        instrument = self.instruments.get(order.symbol)
        if instrument is None:
            return rejections.INVALID_SYMBOL
        last_ticks = self._last_close.get(order.symbol)
        if last_ticks is None:
            return rejections.MARKET_IS_CLOSED
        refused = rejections.refused_by_filters(order, instrument, last_ticks=last_ticks)
        if refused is not None:
            return refused
        known = self.order(account, order.symbol, order.client_order_id)
        return rejections.DUPLICATE_ORDER if known is not None and known.is_open else None

    def _rejected(self, client_order_id: ClientOrderId, symbol: str, why: Rejection) -> VenueRejected:
        return VenueRejected(
            ts_ns=self.clock_ns or 0,
            client_order_id=client_order_id,
            symbol=symbol,
            code=why.code,
            reason=why.reason,
        )

    def _amount_to_lock(self, order: SubmitOrder) -> tuple[str, int]:
        """(asset, amount): a SELL locks base; a BUY cash at its limit or the slipped last close, with fee."""
        instrument = self.instruments[order.symbol]
        if order.side is Side.SELL:
            return instrument.base, order.lots
        ticks = order.limit_ticks
        if ticks is None:
            ticks = self._slipped(self._last_close[order.symbol], order.side)
        value = rounding.notional(instrument, ticks=ticks, lots=order.lots)
        return instrument.quote, value + self._fee(value)

    def _book(self, account: str, command: SubmitOrder, *, locked: int) -> VenueOrder:
        now = self._now()
        order = VenueOrder(
            number=len(self._orders) + 1,
            account=account,
            client_order_id=command.client_order_id,
            symbol=command.symbol,
            side=command.side,
            type=command.type,
            time_in_force=command.time_in_force,
            lots=command.lots,
            limit_ticks=command.limit_ticks,
            locked=locked,
            accepted_ns=now,
            updated_ns=now,
        )
        self._orders.append(order)
        self._open[order.symbol][order.number] = order
        self._by_client_id.setdefault((account, order.symbol, order.client_order_id), []).append(order)
        return order

    def _now(self) -> int:
        if self.clock_ns is None:
            raise InvalidValue("no order can exist before the first bar")
        return self.clock_ns

    # --- matching ------------------------------------------------------------------------------------------

    def _checked_close(self, bars: Sequence[BarClosed]) -> int:
        if not bars:
            raise InvalidData("the venue cannot advance without a bar")
        close_ns = bars[0].ts_ns
        if self.clock_ns is not None and close_ns <= self.clock_ns:
            raise InvalidData(f"bars that close at {close_ns} do not follow the clock at {self.clock_ns}")
        seen: set[str] = set()
        for bar in bars:
            if bar.ts_ns != close_ns:
                raise InvalidData(f"the {bar.symbol} bar closes at {bar.ts_ns}, the others at {close_ns}")
            if bar.symbol in seen or bar.symbol not in self.instruments:
                raise InvalidData(f"a second bar of {bar.symbol}, or a bar of a symbol that is not traded here")
            if bar.open_ns < self._last_close_ns.get(bar.symbol, bar.open_ns):
                raise InvalidData(f"the {bar.symbol} bar opens at {bar.open_ns}, before the last one closed")
            seen.add(bar.symbol)
        return close_ns

    def _effective_orders(self, bars: dict[str, BarClosed]) -> list[VenueOrder]:
        """Open orders that were there when their bar opened, by arrival."""
        found = [
            order
            for symbol, bar in bars.items()
            for order in self._open[symbol].values()
            if order.accepted_ns <= bar.open_ns
        ]
        return sorted(found, key=attrgetter("number"))

    def _at_open(self, order: VenueOrder, bar: BarClosed) -> list[AccountReport]:
        """What the order takes at the open, and its end if it may not rest."""
        ticks = self._slipped(bar.open, order.side)
        if order.type is OrderType.MARKET:
            return self._fill_affordable(order, ticks=ticks, ts_ns=bar.open_ns)
        if _takes(order, ticks):
            filled = self._fill(order, order.lots, ticks=ticks, ts_ns=bar.open_ns, liquidity=Liquidity.TAKER)
            return [(order.account, filled)]
        if order.time_in_force in IMMEDIATE:
            return [(order.account, self._expire(order, ts_ns=bar.open_ns, reason="not fillable at the open"))]
        return []

    def _within_bar(self, order: VenueOrder, bar: BarClosed) -> list[AccountReport]:
        """The fill of a resting order that the bar traded through: nobody knows when, so at its close."""
        if order.limit_ticks is None or not _is_traded_through(order.side, order.limit_ticks, bar):
            return []
        filled = self._fill(order, order.lots, ticks=order.limit_ticks, ts_ns=bar.ts_ns, liquidity=Liquidity.MAKER)
        return [(order.account, filled)]

    def _fill_affordable(self, order: VenueOrder, *, ticks: int, ts_ns: int) -> list[AccountReport]:
        lots = self._affordable(order, ticks) if order.side is Side.BUY else order.lots
        reports: list[AccountReport] = []
        if lots > 0:
            filled = self._fill(order, lots, ticks=ticks, ts_ns=ts_ns, liquidity=Liquidity.TAKER)
            reports.append((order.account, filled))
        if order.is_open:
            expired = self._expire(order, ts_ns=ts_ns, reason="the open is too far from the last close to pay for")
            reports.append((order.account, expired))
        return reports

    def _affordable(self, order: VenueOrder, ticks: int) -> int:
        """The most whole steps of `order` that its lock and the free cash pay for, fee included."""
        instrument = self.instruments[order.symbol]
        cash = order.locked + self._holdings.free(order.account, instrument.quote)
        if self._cost(instrument, ticks, order.lots) <= cash:
            return order.lots
        before_fee = cash * PPB // (PPB + self.rules.fee_rate_ppb)
        lots = min(order.lots, rounding.affordable_lots(instrument, cash_quanta=before_fee, ticks=ticks))
        # The fee is rounded up, so the estimate can be one quantum too dear.
        while lots > 0 and self._cost(instrument, ticks, lots) > cash:
            lots -= instrument.step_lots
        return lots

    def _fill(self, order: VenueOrder, lots: int, *, ticks: int, ts_ns: int, liquidity: Liquidity) -> VenueFilled:
        instrument = self.instruments[order.symbol]
        value = rounding.notional(instrument, ticks=ticks, lots=lots)
        fee = self._fee(value)
        self._unlock(order)
        self._holdings.trade(order.account, instrument, order.side, lots=lots, value=value, fee=fee)
        order.filled_lots += lots
        order.value += value
        order.fee += fee
        order.updated_ns = ts_ns
        if order.remaining_lots == 0:
            self._leave_book(order, OrderState.FILLED)
        trade = self._record_trade(order, lots, ticks=ticks, value=value, fee=fee, liquidity=liquidity)
        return VenueFilled(
            ts_ns=ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            trade_id=trade.trade_id,
            side=order.side,
            lots=lots,
            ticks=ticks,
            value=value,
            fee=fee,
            liquidity=liquidity,
            remaining_lots=order.remaining_lots,
        )

    def _record_trade(
        self, order: VenueOrder, lots: int, *, ticks: int, value: int, fee: int, liquidity: Liquidity
    ) -> VenueTrade:
        self._trade_count += 1
        trade = VenueTrade(
            number=self._trade_count,
            order_number=order.number,
            client_order_id=order.client_order_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            lots=lots,
            ticks=ticks,
            value=value,
            fee=fee,
            liquidity=liquidity,
            ts_ns=order.updated_ns,
        )
        self._trades[order.account, order.symbol].append(trade)
        return trade

    def _expire(self, order: VenueOrder, *, ts_ns: int, reason: str) -> VenueClosed:
        return self._close(order, OrderState.EXPIRED, ts_ns=ts_ns, reason=reason)

    def _close(self, order: VenueOrder, state: OrderState, *, ts_ns: int, reason: str) -> VenueClosed:
        self._unlock(order)
        order.updated_ns = ts_ns
        self._leave_book(order, state)
        return VenueClosed(
            ts_ns=ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            remaining_lots=order.remaining_lots,
            expired=state is OrderState.EXPIRED,
            reason=reason,
        )

    def _leave_book(self, order: VenueOrder, state: OrderState) -> None:
        order.state = state
        del self._open[order.symbol][order.number]

    def _unlock(self, order: VenueOrder) -> None:
        instrument = self.instruments[order.symbol]
        asset = instrument.quote if order.side is Side.BUY else instrument.base
        self._holdings.release(order.account, asset, order.locked)
        order.locked = 0

    def _slipped(self, ticks: int, side: Side) -> int:
        return rounding.slipped_price(ticks, side.sign, slippage_ppb=self.rules.slippage_ppb)

    def _fee(self, value: int) -> int:
        return rounding.fee(value, rate_ppb=self.rules.fee_rate_ppb)

    def _cost(self, instrument: Instrument, ticks: int, lots: int) -> int:
        value = rounding.notional(instrument, ticks=ticks, lots=lots)
        return value + self._fee(value)


def _takes(order: VenueOrder, ticks: int) -> bool:
    """Whether a LIMIT order fills at the slipped open. One that may rest must be beaten, not met."""
    if order.limit_ticks is None:
        return True
    gain = (order.limit_ticks - ticks) * order.side.sign
    return gain >= 0 if order.time_in_force in IMMEDIATE else gain > 0


def _is_traded_through(side: Side, limit_ticks: int, bar: BarClosed) -> bool:
    return bar.low < limit_ticks if side is Side.BUY else bar.high > limit_ticks


def _refuse_mixed_units(instruments: Iterable[Instrument]) -> None:
    """Raises InvalidValue unless one asset has one unit and all instruments are quoted in one currency."""
    units: dict[str, object] = {}
    quotes = set()
    for instrument in instruments:
        quotes.add(instrument.quote)
        for asset, unit in ((instrument.base, instrument.lot_size), (instrument.quote, instrument.quantum)):
            if units.setdefault(asset, unit) != unit:
                raise InvalidValue(f"{asset} is counted in units of {units[asset]} and of {unit}")
    if len(quotes) != 1:
        raise InvalidValue(f"a simulated venue has one quote currency, got {sorted(quotes) or 'no instrument'}")
