"""The simulated venue: a matching engine over closed bars, in integers, without clock or chance.

What it assumes, so that nobody has to guess what a backtest believed, is told in docs/simulation.md. In short:

- An order takes effect after the bar at which it was sent: nothing fills at a price that was already known.
- A MARKET order fills at the open of its symbol's next bar, moved against the taker by the slippage.
- A LIMIT order takes at an open which, slipped, beats its limit; an IOC or FOK order is decided at its first
  open. A GTC order otherwise rests and fills at its limit once a bar trades through it by at least one tick:
  a touch may have been somebody ahead of us in the queue.
- A stop that the open has passed fills there; one that the bar reaches fills at its stop; both slipped.
- If a bar reaches both the stop and the target of a list, what hurts comes first.
- Bars of one time are matched symbol by symbol, in the order of names; within a symbol by arrival at the open and
  by price along the bar's path.
- Fees are paid in the quote currency on both sides, as Coinbase does, where the bundled data comes from
  (Binance charges what is received, so a BUY there pays in the base asset).
- What a BUY may spend after a gap: what is locked for it and what else is free. If that is too little, the
  affordable whole steps are filled and the rest expires.

The matching itself is `n1v1.simulation.matching`: kernels, which a compiled driver shares.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from n1v1.bars import ClosedBar
from n1v1.errors import InvalidData, InvalidValue
from n1v1.events import (
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.fast_forward import QuietBars
from n1v1.ids import ClientOrderId
from n1v1.kernels import Record, new_record
from n1v1.simulation import records, rejections
from n1v1.simulation.accepting import accept
from n1v1.simulation.assumptions import AssumptionCount, AssumptionCounts
from n1v1.simulation.book import Matching, is_leg, lock, unlock
from n1v1.simulation.holdings import Balance, Holdings
from n1v1.simulation.markets import Book, SymbolMarket
from n1v1.simulation.matching import NO_BAR, cancel, match_bar, open_budget
from n1v1.simulation.orders import VenueOrder, VenueTrade, new_order
from n1v1.simulation.rejections import Rejection
from n1v1.simulation.rules import VenueRules
from n1v1.values import Instrument, Liquidity

__all__ = ["AccountReport", "SimulatedVenue", "VenueRules"]

AccountReport = tuple[str, VenueReport]


class SimulatedVenue:
    """One venue with its accounts. One owner calls it, and the order of the calls is its history."""

    def __init__(self, instruments: Iterable[Instrument], rules: VenueRules) -> None:
        self.rules = rules
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        _refuse_mixed_units(self.instruments.values())
        self.clock_ns: int | None = None
        """The close of the last bars; None before the first, when the market is closed."""
        shortable = [instrument.base for instrument in self.instruments.values() if instrument.can_short]
        self._holdings = Holdings(shortable)
        record = rules.record()
        self._markets = {symbol: SymbolMarket(instrument, record) for symbol, instrument in self.instruments.items()}
        self._orders: list[VenueOrder] = []
        self._by_client_id: dict[tuple[str, str, str], list[VenueOrder]] = {}
        self._trades: dict[tuple[str, str], list[VenueTrade]] = defaultdict(list)
        self._trade_count = 0
        self._counts = AssumptionCounts()
        self._bar: Record = new_record(records.BAR)
        self._budget: Record = new_record(records.BUDGET)
        self._happenings: list[Record] = []

    # --- commands ------------------------------------------------------------------------------------------

    def open_account(self, account: str, cash_quanta: int) -> None:
        """Raises InvalidValue when the account exists or the cash is negative."""
        if cash_quanta < 0:
            raise InvalidValue(f"an account cannot open with {cash_quanta} quanta of cash")
        self._holdings.open_account(account)
        for instrument in self.instruments.values():
            self._holdings.issue(account, instrument.base, 0)
        self._holdings.issue(account, self.quote, cash_quanta)

    def deposit(self, account: str, asset: str, change: int) -> None:
        """Bring `change` into the world, or take it out of it when it is negative.

        Raises InvalidValue when the account has no such asset or less of it is free.
        """
        balance = self._holdings.balances(account).get(asset)
        if balance is None or balance.free + min(change, 0) < 0:
            raise InvalidValue(f"{account} cannot pay {-change} of {asset}: it has {balance}")
        self._holdings.issue(account, asset, change)

    def submit(self, account: str, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        """Accept or reject; nothing fills before the next bar. A rejected order uses up no order id."""
        return self._submit(account, (order,), has_working=False)[0]

    def would_reject(self, account: str, order: SubmitOrder) -> VenueRejected | None:
        """What `submit` would answer if it rejected the order; changes nothing."""
        refused = self._refused(account, (order,))
        if refused is None:
            market = self._markets[order.symbol]
            is_first = account not in market.books
            first = 0 if is_first else len(market.books[account].records)
            verdict = self._verdict(account, market, self._new_orders(account, (order,), has_working=False))
            if verdict == records.ACCEPTED:
                self._take_back(account, market, first, is_first=is_first)
                return None
            refused = rejections.VERDICTS[verdict]
        return self._report_rejection(order.client_order_id, order.symbol, refused)

    def submit_list(self, account: str, orders: SubmitOrderList) -> list[VenueAccepted | VenueRejected]:
        """Accept or reject the list as a whole, with one report for each of its orders, the working one first."""
        whole = (*((orders.working,) if orders.working is not None else ()), *orders.pending)
        refused = rejections.refused_list(orders)
        if refused is not None:
            return self._rejected(whole, refused)
        return self._submit(account, whole, has_working=orders.working is not None)

    def cancel_list(self, account: str, symbol: str, client_order_id: str) -> list[VenueClosed | VenueRejected]:
        """Cancel an order and what ends with it, and report all of that, the named order first.

        A leg takes its whole list with it. A working order that has filled nothing takes its legs; one that has
        filled something leaves them to protect what it has filled.
        """
        order = self.order(account, symbol, client_order_id)
        if order is None or not order.is_open:
            refused = rejections.UNKNOWN_ORDER
            return [self._report_rejection(ClientOrderId(client_order_id), symbol, refused)]
        market = self._markets[symbol]
        book = market.books[account]
        wallet = self._wallet(account, market)
        index = book.records.index(order.record)
        count = cancel(
            market.instrument,
            book.records,
            len(book.records),
            index,
            self._now(),
            market.rules,
            wallet,
            self._budget,
            self._room_for(book),
        )
        reports = [self._closed(book.orders[each.order], each) for each in self._happenings[:count]]
        self._after_change(account, market, book)
        return sorted(reports, key=lambda report: report.client_order_id != client_order_id)

    def amend(self, account: str, symbol: str, number: int, *, lots: int, client_order_id: str) -> None:
        """Make an open order smaller, and with a leg the other one of its list. client_order_id: its name from now on.

        The caller has seen that `lots` are whole steps, fewer than before and more than are filled.
        """
        market = self._markets[symbol]
        book = market.books[account]
        amended = next(order for order in book.orders if order.number == number)
        at = Matching(
            market.instrument,
            book.records,
            len(book.records),
            NO_BAR,
            market.rules,
            self._wallet(account, market),
            self._budget,
            self._happenings,
        )
        unfilled = lots - amended.filled_lots
        for index, record in enumerate(book.records):
            if record is amended.record or (
                is_leg(record) and is_leg(amended.record) and record.list_number == amended.list_number
            ):
                unlock(at, index)
                record.lots = record.filled_lots + unfilled
                record.open_lots = min(record.open_lots, unfilled)
                lock(at, index)
        amended.record.updated_ns = self._now()
        self._rename(amended, client_order_id)
        self._after_change(account, market, book)

    def fee_rates_ppb(self, symbol: str) -> tuple[int, int]:
        """(maker, taker)."""
        rules = self._markets[symbol].rules
        return int(rules.maker_fee_ppb), int(rules.taker_fee_ppb)

    def set_fees(self, symbol: str, *, maker_ppb: int, taker_ppb: int) -> None:
        """From the next execution on. What is set aside already stays; what it does not pay for is not bought."""
        market, record = self._markets[symbol], self.rules.record()
        record.maker_fee_ppb, record.taker_fee_ppb = maker_ppb, taker_ppb
        market.rules = record

    def advance(self, bars: Sequence[ClosedBar]) -> list[AccountReport]:
        """Match everything open against the bars that close at one time, and move the clock there.

        Raises InvalidData, with nothing changed, when the bars do not close together, do not follow the last
        ones, repeat a symbol or name one that is not traded here.
        """
        close_ns = self._checked_close(bars)
        reports: list[AccountReport] = []
        for bar in bars if len(bars) == 1 else sorted(bars, key=attrgetter("symbol")):
            market = self._markets[bar.symbol]
            if not (market.quiet_low < bar.low and bar.high < market.quiet_high and close_ns < market.quiet_until_ns):
                reports += self._match(market, bar)
            market.last_close = bar.close
            market.last_close_ns = close_ns
        self.clock_ns = close_ns
        return reports

    def quiet_bars(self, symbol: str) -> QuietBars:
        """Which bars of the symbol `advance` would only move the clock with; none if it is not traded here."""
        market = self._markets.get(symbol)
        if market is None:
            return QuietBars(0, 0, 0, 0)
        return QuietBars(market.quiet_low, market.quiet_high, market.last_close_ns, market.quiet_until_ns)

    def pass_bar(self, bar: ClosedBar) -> None:
        """As `advance` with one bar that is quiet, and follows the last one or others that were."""
        market = self._markets[bar.symbol]
        market.last_close = bar.close
        market.last_close_ns = self.clock_ns = bar.ts_ns

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
        markets = self._markets.values() if symbol is None else filter(None, [self._markets.get(symbol)])
        books = filter(None, (market.books.get(account) for market in markets))
        return tuple(sorted((order for book in books for order in book.orders), key=attrgetter("number")))

    def trades(self, account: str, symbol: str, from_id: int = 1) -> Sequence[VenueTrade]:
        """Executions with a number of at least `from_id`, oldest first."""
        trades = self._trades.get((account, symbol), [])
        return trades[bisect_left(trades, from_id, key=attrgetter("number")) :]

    def balances(self, account: str) -> dict[str, Balance]:
        """By asset. Raises UnknownName for an account that was never opened."""
        return self._holdings.balances(account)

    def last_close(self, symbol: str) -> int | None:
        market = self._markets.get(symbol)
        return None if market is None else market.last_close

    def assumptions(self) -> Mapping[str, AssumptionCount]:
        """How many executions each assumption decided, and what they traded: see `assumptions.Assumption`."""
        return self._counts.all()

    def state_hash(self) -> str:
        """Equal for two venues when accounts, orders, executions and last prices are equal."""
        state = hashlib.blake2b(digest_size=16)
        closes = [(symbol, self._markets[symbol].last_close) for symbol in sorted(self._markets)]
        state.update(repr((self.clock_ns, closes, self._trade_count)).encode())
        for account in sorted(self.accounts):
            state.update(repr((account, sorted(self.balances(account).items()))).encode())
        for order in self._orders:
            state.update(repr(order.contents()).encode())
        for key in sorted(self._trades):
            state.update(repr(self._trades[key]).encode())
        return state.hexdigest()

    # --- accepting -----------------------------------------------------------------------------------------

    def _submit(
        self, account: str, commands: Sequence[SubmitOrder], *, has_working: bool
    ) -> list[VenueAccepted | VenueRejected]:
        """One order, or the orders of one list, the working one first."""
        refused = self._refused(account, commands)
        if refused is not None:
            return self._rejected(commands, refused)
        market = self._markets[commands[0].symbol]
        orders = self._new_orders(account, commands, has_working=has_working)
        verdict = self._verdict(account, market, orders)
        if verdict != records.ACCEPTED:
            return self._rejected(commands, rejections.VERDICTS[verdict])
        book = market.book_of(account)
        for order in orders:
            self._orders.append(order)
            self._by_client_id.setdefault((account, order.symbol, order.client_order_id), []).append(order)
        self._after_change(account, market, book)
        return [_accepted(order) for order in orders]

    def _verdict(self, account: str, market: SymbolMarket, orders: Sequence[VenueOrder]) -> int:
        """Put the orders into the account's book if they can be accepted; otherwise leave everything as it was."""
        assert market.last_close is not None, "otherwise the market is closed and the order refused"
        is_first = account not in market.books
        book, wallet = market.book_of(account), self._wallet(account, market)
        first = len(book.records)
        book.add(orders)
        verdict = accept(
            market.instrument,
            book.records,
            first,
            len(book.records),
            market.last_close,
            self._now(),
            market.rules,
            wallet,
        )
        if verdict != records.ACCEPTED:
            self._take_back(account, market, first, is_first=is_first)
        return verdict

    @staticmethod
    def _take_back(account: str, market: SymbolMarket, first: int, *, is_first: bool) -> None:
        """Books are matched in the order in which accounts first had an order: one refused must not count."""
        market.books[account].drop_from(first)
        if is_first:
            del market.books[account]

    def _refused(self, account: str, commands: Sequence[SubmitOrder]) -> Rejection | None:
        names = set()
        for command in commands:
            market = self._markets.get(command.symbol)
            if market is None:
                return rejections.INVALID_SYMBOL
            if market.last_close is None:
                return rejections.MARKET_IS_CLOSED
            refused = rejections.refused_parameters(command, market.instrument)
            if refused is not None:
                return refused
            known = self.order(account, command.symbol, command.client_order_id)
            if command.client_order_id in names or (known is not None and known.is_open):
                return rejections.DUPLICATE_ORDER
            names.add(command.client_order_id)
        return None

    def _new_orders(self, account: str, commands: Sequence[SubmitOrder], *, has_working: bool) -> list[VenueOrder]:
        number = len(self._orders) + 1
        list_number = number if len(commands) > 1 else 0
        return [
            new_order(
                account,
                command,
                number=number + index,
                list_number=list_number,
                is_working=has_working and index == 0,
            )
            for index, command in enumerate(commands)
        ]

    def _rejected(self, commands: Sequence[SubmitOrder], why: Rejection) -> list[VenueAccepted | VenueRejected]:
        return [self._report_rejection(command.client_order_id, command.symbol, why) for command in commands]

    def _report_rejection(self, client_order_id: ClientOrderId, symbol: str, why: Rejection) -> VenueRejected:
        return VenueRejected(
            ts_ns=self.clock_ns or 0,
            client_order_id=client_order_id,
            symbol=symbol,
            code=why.code,
            reason=why.reason,
        )

    def _rename(self, order: VenueOrder, client_order_id: str) -> None:
        if client_order_id == order.client_order_id:
            return
        self._by_client_id[order.account, order.symbol, order.client_order_id].remove(order)
        order.client_order_id = ClientOrderId(client_order_id)
        self._by_client_id.setdefault((order.account, order.symbol, client_order_id), []).append(order)

    def _now(self) -> int:
        if self.clock_ns is None:
            raise InvalidValue("no order can exist before the first bar")
        return self.clock_ns

    # --- matching ------------------------------------------------------------------------------------------

    def _checked_close(self, bars: Sequence[ClosedBar]) -> int:
        if not bars:
            raise InvalidData("the venue cannot advance without a bar")
        close_ns = bars[0].ts_ns
        if self.clock_ns is not None and close_ns <= self.clock_ns:
            raise InvalidData(f"bars that close at {close_ns} do not follow the clock at {self.clock_ns}")
        for bar in bars:
            if bar.ts_ns != close_ns:
                raise InvalidData(f"the {bar.symbol} bar closes at {bar.ts_ns}, the others at {close_ns}")
            market = self._markets.get(bar.symbol)
            if market is None:
                raise InvalidData(f"a bar of {bar.symbol}, which is not traded here")
            if bar.open_ns < market.last_close_ns:
                raise InvalidData(f"the {bar.symbol} bar opens at {bar.open_ns}, before the last one closed")
        if len(bars) > 1 and len({bar.symbol for bar in bars}) < len(bars):
            raise InvalidData(f"two bars of one symbol close at {close_ns}")
        return close_ns

    def _match(self, market: SymbolMarket, bar: ClosedBar) -> Iterator[AccountReport]:
        """Match every account that has orders of this symbol, in the order in which they first had one."""
        _load_bar(self._bar, bar)
        open_budget(self._bar, market.rules, self._budget)
        for account, book in market.books.items():
            if not book.orders:
                continue
            count = match_bar(
                market.instrument,
                book.records,
                len(book.records),
                self._bar,
                market.rules,
                self._wallet(account, market),
                self._budget,
                self._room_for(book),
            )
            yield from self._reports(account, market, book, count)
            self._after_change(account, market, book)

    def _reports(self, account: str, market: SymbolMarket, book: Book, count: int) -> Iterator[AccountReport]:
        for happening in self._happenings[:count]:
            order = book.orders[happening.order]
            if happening.kind == records.EXECUTED:
                self._counts.add(happening)
                yield account, self._filled(order, market.instrument, happening)
            elif happening.kind == records.ENDED:
                yield account, self._closed(order, happening)
            elif happening.kind == records.TOUCHED:
                self._counts.add(happening)

    def _filled(self, order: VenueOrder, instrument: Instrument, happening: Record) -> VenueFilled:
        self._holdings.trade(
            order.account,
            instrument,
            order.side,
            lots=happening.lots,
            value=happening.value,
            fee=happening.fee,
        )
        trade = self._record_trade(order, happening)
        return VenueFilled(
            ts_ns=trade.ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            trade_id=trade.trade_id,
            side=order.side,
            lots=trade.lots,
            ticks=trade.ticks,
            value=trade.value,
            fee=trade.fee,
            liquidity=trade.liquidity,
            remaining_lots=happening.remaining,
        )

    def _record_trade(self, order: VenueOrder, happening: Record) -> VenueTrade:
        self._trade_count += 1
        trade = VenueTrade(
            number=self._trade_count,
            order_number=order.number,
            client_order_id=order.client_order_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            lots=happening.lots,
            ticks=happening.ticks,
            value=happening.value,
            fee=happening.fee,
            liquidity=Liquidity.MAKER if happening.is_maker else Liquidity.TAKER,
            ts_ns=happening.ts_ns,
        )
        self._trades[order.account, order.symbol].append(trade)
        return trade

    def _closed(self, order: VenueOrder, happening: Record) -> VenueClosed:
        return VenueClosed(
            ts_ns=happening.ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            remaining_lots=happening.remaining,
            expired=order.record.state == records.EXPIRED,
            reason=rejections.REASONS[happening.reason],
        )

    def _wallet(self, account: str, market: SymbolMarket) -> Record:
        """What the account has free now. Raises UnknownName for an account that was never opened."""
        quote = self._holdings.free(account, market.instrument.quote)
        wallet: Record = market.book_of(account).wallet
        wallet.cash = quote
        wallet.held = self._holdings.free(account, market.instrument.base)
        return wallet

    def _room_for(self, book: Book) -> list[Record]:
        """`happenings` with room for whatever may happen to a book."""
        missing = records.HAPPENINGS_PER_ORDER * len(book.records) - len(self._happenings)
        self._happenings += [new_record(records.HAPPENING) for _ in range(missing)]
        return self._happenings

    def _after_change(self, account: str, market: SymbolMarket, book: Book) -> None:
        """Bring balances, the book and the range of quiet bars in line with what a kernel has done."""
        self._holdings.arrange(account, market.instrument.quote, free=book.wallet.cash)
        self._holdings.arrange(account, market.instrument.base, free=book.wallet.held)
        book.forget_the_dead()
        market.find_quiet_range()


def _accepted(order: VenueOrder) -> VenueAccepted:
    return VenueAccepted(
        ts_ns=order.accepted_ns,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        venue_order_id=order.venue_order_id,
    )


def _load_bar(record: Record, bar: ClosedBar) -> None:
    record.open = bar.open
    record.high = bar.high
    record.low = bar.low
    record.close = bar.close
    record.volume = bar.volume
    record.open_ns = bar.open_ns
    record.close_ns = bar.ts_ns


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
