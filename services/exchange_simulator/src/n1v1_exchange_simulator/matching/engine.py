"""What happens to the orders of one symbol: they enter the book, trade, trigger, end.

An order is matched to its end before the next one moves: stops that its trades trigger, and legs that they bring
alive, wait in a row until then. `contingencies` says what the orders of a list mean for one another, `recorded` what
recorded events do to the book.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from n1v1.rounding import notional
from n1v1.values import Instrument, TimeInForce
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, PublicTrade
from n1v1_exchange_simulator.matching import triggers
from n1v1_exchange_simulator.matching.book import BookSide
from n1v1_exchange_simulator.matching.contingencies import Contingencies
from n1v1_exchange_simulator.matching.costs import Appetite, Costs
from n1v1_exchange_simulator.matching.lists import Family
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.participation import Impact, Participation, TradedVolume
from n1v1_exchange_simulator.matching.planning import AS_SHOWN, Incoming, Plan, Step, Terms, plan
from n1v1_exchange_simulator.matching.publication import Publication
from n1v1_exchange_simulator.matching.recorded import RecordedMarket
from n1v1_exchange_simulator.matching.reporting import Reporter
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.matching.wallets import MARKET, Wallets
from n1v1_exchange_simulator.venue import (
    ExpiryReason,
    NewOrder,
    OrderStatus,
    PreventedMatch,
    ReportKind,
    SelfTradePrevention,
    Trade,
)

ENDS_TAKER = frozenset({SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH})
ENDS_MAKER = frozenset({SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_BOTH})


class SymbolEngine:
    """trades, prevented: by account, oldest first. is_open: while it is not, nothing trades here."""

    def __init__(self, instrument: Instrument, rules: MatchingRules, wallets: Wallets, reporter: Reporter) -> None:
        self.instrument = instrument
        self.rules = rules
        self.is_open = True
        self.costs = Costs(instrument, rules)
        self._has_new_fees = False
        self.trades: dict[str, list[Trade]] = {}
        self.prevented: dict[str, list[PreventedMatch]] = {}
        self._wallets = wallets
        self._reporter = reporter
        self._bids, self._asks = (
            BookSide(
                is_bid=is_bid,
                step_lots=instrument.step_lots,
                queue_shrinks_by_cancels=rules.queue_shrinks_by_cancels,
            )
            for is_bid in (True, False)
        )
        self.public = Publication(instrument.symbol, self._bids, self._asks, trades_kept=rules.trades_kept)
        self._triggers = triggers.Triggers()
        self._due: deque[MatchedOrder] = deque()
        self._waiting: dict[int, MatchedOrder] = {}
        """Orders that may not trade now, for want of volume or because the market is closed."""
        self._prevented_count = 0
        volume = TradedVolume()
        self._impact = Impact(rules.impact_model, rules.impact_ppb, volume)
        self._participation = Participation(rules.participation_ppb, volume, instrument.step_lots)
        self._recorded = RecordedMarket(
            self,
            instrument,
            self._bids,
            self._asks,
            volume=volume,
            participation=self._participation,
            tape_trades=rules.tape_trades,
        )
        self._lists = Contingencies(self, instrument, wallets, reporter, oco_legs_share=rules.oco_legs_share)

    # --- orders ----------------------------------------------------------------------------------------------

    def start(self, order: MatchedOrder) -> None:
        """An accepted order, which is in the venue's books, begins to live."""
        if order.is_stop:
            self._triggers.add(order, self.public.last_ticks)
            self.set_aside(order)
            self._reporter.order(self.instrument, order, ReportKind.NEW)
            return
        self.set_aside(order)
        self._begin_working(order)
        self._reporter.order(self.instrument, order, ReportKind.NEW)
        self._enter(order)

    def send(self, order: MatchedOrder) -> None:
        """An accepted order is on its way here; `arrive` is when it is there."""
        self.set_aside(order)
        self._reporter.order(self.instrument, order, ReportKind.NEW)

    def arrive(self, order: MatchedOrder) -> None:
        if not order.is_open:
            return
        if order.is_stop:
            self._triggers.add(order, self.public.last_ticks)
            if triggers.is_reached(order.request, order.stop_ticks, self.public.last_ticks):
                self._triggers.remove(order)
                self._trigger(order)
            return
        self._begin_working(order)
        self._enter(order)

    def say_pending(self, order: MatchedOrder) -> None:
        """A leg whose working order has not filled has been accepted."""
        self._reporter.order(self.instrument, order, ReportKind.NEW)

    def cancel(self, order: MatchedOrder, name: str) -> None:
        """And what ends with it: of a leg the whole list, of a working order the legs that wait for its first fill."""
        family = order.family
        if family is not None and order.is_leg:
            family.is_ending = True
        self._close(order, OrderStatus.CANCELED, ReportKind.CANCELED, cancel_name=name)
        if family is not None and order.is_leg:
            self.cancel_family(family, name)

    def cancel_family(self, family: Family, name: str) -> None:
        family.is_ending = True
        for order in family.orders:
            if order.is_open:
                self._close(order, OrderStatus.CANCELED, ReportKind.CANCELED, cancel_name=name)
        self._lists.conclude(family)

    def expire(self, order: MatchedOrder, expiry: ExpiryReason) -> None:
        self._close(order, OrderStatus.EXPIRED, ReportKind.EXPIRED, expiry=expiry)

    def shrink(self, order: MatchedOrder, lots: int, previous_name: str) -> None:
        """Ask for `lots` in all from now on; the place in the queue stays."""
        order.open_lots = min(order.open_lots, lots - order.filled_lots - order.prevented_lots)
        order.lots = lots
        if order.is_resting:
            self.trim(order)
        self.set_aside(order)
        self._reporter.order(self.instrument, order, ReportKind.REPLACED, previous_name=previous_name)

    def finish(self) -> None:
        """Let everything happen that the last order has set in motion."""
        while self._due:
            order = self._due.popleft()
            order.is_due = False
            if order.is_open and order.open_lots:
                self._enter(order)

    def change_fees(self, orders: Iterable[MatchedOrder], *, maker_ppb: int, taker_ppb: int) -> None:
        """From here on. orders: open ones, for which as much is set aside as they may need now, or what is there."""
        self.costs.change_rates(maker_ppb=maker_ppb, taker_ppb=taker_ppb)
        self._has_new_fees = True
        for order in orders:
            self.set_aside(order)

    def set_aside(self, order: MatchedOrder) -> None:
        """Bring the hold in line with what the order, or the dearest leg of its list, may still need."""
        self._wallets.hold(order.hold, self.needed(order))

    def plan_for(self, account: str, order: NewOrder, prevention: SelfTradePrevention, appetite: Appetite) -> Plan:
        incoming = Incoming(account, order.limit_ticks, prevention)
        return plan(self._opposite(order.side.sign > 0), incoming, appetite, self.instrument, self._terms(order))

    def _terms(self, order: NewOrder) -> Terms:
        if not self._impact.is_felt and not self._participation.is_capped:
            return AS_SHOWN
        now_ns, is_buy, limit_ticks = self._reporter.now_ns, order.side.sign > 0, order.limit_ticks

        def paid_ticks(ticks: int, lots: int) -> int:
            return self._impact.paid_ticks(ticks, is_buy=is_buy, lots=lots, limit_ticks=limit_ticks, ts_ns=now_ns)

        return Terms(
            self._participation.left(now_ns) if self._participation.is_capped else None,
            paid_ticks if self._impact.is_felt else None,
        )

    def appetite_of(self, order: NewOrder, *, cash: int | None) -> Appetite:
        """cash: what a buyer at any price can pay, with the fee; None where it need not be looked at."""
        if order.spend_quanta:
            return Appetite(self.instrument, lots=self._most_lots(), cash=order.spend_quanta)
        if cash is None:
            return Appetite(self.instrument, lots=order.lots)
        return Appetite(self.instrument, lots=order.lots, cash=cash, rate_ppb=self.costs.buyers_taker_ppb)

    def would_take(self, order: NewOrder) -> bool:
        side = self._opposite(order.side.sign > 0)
        best = side.best()
        return best is not None and side.is_within(best.ticks, order.limit_ticks)

    # --- what the market did -----------------------------------------------------------------------------------

    def apply(self, event: DepthSnapshot | DepthChange | PublicTrade) -> None:
        """While the market is closed the recorded book goes on, and recorded trades do not happen."""
        if not isinstance(event, PublicTrade):
            self._recorded.on_depth(event, is_open=self.is_open)
        elif self.is_open:
            self._recorded.on_trade(event)
            self._try_again()
        if self._due:
            self.finish()

    def open(self) -> None:
        """Trading begins again, with whoever waited and with the recorded book as it is now."""
        if not self.is_open:
            self.is_open = True
            self._recorded.uncross()
            self._try_again()

    def close(self) -> None:
        self.is_open = False

    def wait(self, order: MatchedOrder) -> None:
        """Out of the book until it may trade."""
        if order.is_resting:
            self._side(order.is_buy).remove(order, _limit(order))
        self._waiting[order.number] = order

    def _try_again(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for order in waiting.values():
                self.make_due(order)

    def print(self, ticks: int, lots: int, *, is_buyer_maker: bool) -> None:
        """A trade among others."""
        self.public.print_trade(ts_ns=self._reporter.now_ns, ticks=ticks, lots=lots, is_buyer_maker=is_buyer_maker)
        self._on_price(ticks)

    # --- entering the book -------------------------------------------------------------------------------------

    def _enter(self, order: MatchedOrder) -> None:
        if order.is_resting:  # a leg that has grown
            self._side(order.is_buy).remove(order, _limit(order))
        if not self.is_open:
            self.wait(order)
            return
        if order.request.is_post_only and self.would_take(order.request):
            self.expire(order, ExpiryReason.EXCHANGE_CANCELED)
            return
        self.set_aside(order)
        met = self._plan(order)
        if order.request.time_in_force is TimeInForce.FOK and met.lots < order.open_lots:
            self.expire(order, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
            return
        if order.request.spend_quanta:
            self._begin_spending(order, met)
        while met.steps and order.is_open:
            self._carry_out(order, met.steps)
            if not order.is_open or not order.open_lots or order.request.spend_quanta:
                break
            met = self._plan(order)
        if order.is_open:
            self._rest_or_expire(order, met)

    def _plan(self, order: MatchedOrder) -> Plan:
        return self.plan_for(order.account, order.request, order.self_trade_prevention, self._appetite(order))

    def _appetite(self, order: MatchedOrder) -> Appetite:
        if order.request.spend_quanta:
            return self.appetite_of(order.request, cash=None)
        if order.limit_ticks is None and order.is_buy:
            cash = self._wallets.free(order.account, self.instrument.quote)
            return Appetite(self.instrument, lots=order.open_lots, cash=cash, rate_ppb=self.costs.buyers_taker_ppb)
        return Appetite(self.instrument, lots=order.open_lots)

    def _begin_spending(self, order: MatchedOrder, met: Plan) -> None:
        """From here on it asks for so many lots. Where the book ends before the amount, one step more is asked for, so
        that the last fill does not end the order."""
        order.open_lots = sum(step.lots for step in met.steps if step.maker is None or not _skips(order, step))
        if met.is_dry:
            order.open_lots += self.instrument.step_lots

    def _carry_out(self, taker: MatchedOrder, steps: Sequence[Step]) -> None:
        """What was planned. A maker may have left since, with a list that one of these trades ended; and a leg that
        meets its own entry cuts it short rather than trade with it."""
        for maker, ticks, planned, is_prevented, level_ticks in steps:
            if maker is not None and maker.family is not None and maker.family is taker.family:
                self._lists.cut_entry_short(maker.family)
            if not taker.is_open:
                return
            if maker is None:
                lots = min(planned, taker.open_lots)
                self._side(not taker.is_buy).take_recorded(level_ticks, lots)
                self.trade(taker, None, ticks, lots)
            elif maker.is_resting and is_prevented:
                self._prevent(taker, maker, ticks)
            elif maker.is_resting:
                self.trade(taker, maker, ticks, min(planned, maker.shown_lots, taker.open_lots))

    def _rest_or_expire(self, order: MatchedOrder, met: Plan) -> None:
        request = order.request
        is_patient = request.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK) and not request.spend_quanta
        if met.is_capped and is_patient:
            self.wait(order)
        elif order.limit_ticks is None:
            self.expire(order, ExpiryReason.INSUFFICIENT_LIQUIDITY if met.is_dry else ExpiryReason.EXCHANGE_CANCELED)
        elif request.time_in_force is TimeInForce.IOC:
            self.expire(order, ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED)
        elif request.time_in_force is TimeInForce.FOK:
            self.expire(order, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
        else:
            self._side(order.is_buy).add(order, _limit(order))

    def _begin_working(self, order: MatchedOrder) -> None:
        order.is_working = True
        order.working_ns = self._reporter.now_ns

    # --- trades ------------------------------------------------------------------------------------------------

    def trade(self, taker: MatchedOrder | None, maker: MatchedOrder | None, ticks: int, lots: int) -> None:
        """At least one of them is an order of a client; None is a recorded one."""
        assert lots > 0, "a trade of nothing would be made for ever"
        for order in (taker, maker):
            if order is not None and order.family is not None and order.is_leg:
                self._lists.cut_entry_short(order.family)
        known = maker if maker is not None else taker
        assert known is not None, "a trade between recorded orders is not ours"
        if self._participation.is_capped and (taker is None or maker is None):
            self._participation.use(self._reporter.now_ns, lots)
        is_buyer_maker = known.is_buy == (known is maker)
        value = notional(self.instrument, ticks, lots)
        number = self.public.print_trade(
            ts_ns=self._reporter.now_ns, ticks=ticks, lots=lots, is_buyer_maker=is_buyer_maker
        )
        buyer, seller = (maker, taker) if is_buyer_maker else (taker, maker)
        self._exchange(buyer, seller, lots, value)
        trades = [
            (order, self._book(order, number, ticks=ticks, lots=lots, value=value, is_maker=order is maker))
            for order in (taker, maker)
            if order is not None
        ]
        for order, trade in trades:
            self._reporter.order(self.instrument, order, ReportKind.TRADE, trade=trade)
        for order, _ in trades:
            if order.family is not None:
                self._lists.after_fill(order, order.family)
        self._on_price(ticks)

    def _exchange(self, buyer: MatchedOrder | None, seller: MatchedOrder | None, lots: int, value: int) -> None:
        for order in (buyer, seller):
            if order is not None:
                self._wallets.hold(order.hold, 0)
        buying = MARKET if buyer is None else buyer.account
        selling = MARKET if seller is None else seller.account
        self._wallets.transfer(selling, buying, self.instrument.base, lots)
        self._wallets.transfer(buying, selling, self.instrument.quote, value)

    def _book(self, order: MatchedOrder, number: int, *, ticks: int, lots: int, value: int, is_maker: bool) -> Trade:
        """One side of a trade: the fee, the order's totals, its place in the book and its hold."""
        commission, asset = self._charge(order, lots=lots, value=value, is_maker=is_maker)
        order.filled_lots += lots
        order.value_quanta += value
        order.open_lots -= lots
        if order.request.spend_quanta:
            order.lots = order.filled_lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.open_lots else OrderStatus.FILLED
        if order.is_resting:
            self._side(order.is_buy).after_fill(order, ticks, lots)
        if order.family is not None and order.is_leg:
            self._lists.give_up_siblings(order, order.family, lots)
        self.set_aside(order)
        trade = Trade(
            number=number,
            order_number=order.number,
            list_number=order.list_number,
            account=order.account,
            symbol=self.instrument.symbol,
            side=order.request.side,
            lots=lots,
            ticks=ticks,
            value_quanta=value,
            commission=commission,
            commission_asset=asset,
            is_maker=is_maker,
            ts_ns=self._reporter.now_ns,
        )
        self.trades.setdefault(order.account, []).append(trade)
        return trade

    def _charge(self, order: MatchedOrder, *, lots: int, value: int, is_maker: bool) -> tuple[int, str]:
        commission, asset = self.costs.commission(is_buy=order.is_buy, is_maker=is_maker, lots=lots, value=value)
        token = self.rules.fee_token
        if token is not None:
            in_token = self.costs.token_commission(is_maker=is_maker, value=value)
            if self._wallets.free(order.account, token.asset) >= in_token:
                commission, asset = in_token, token.asset
        if self.rules.min_fee or self._has_new_fees:  # what was set aside may not be enough for it
            commission = min(commission, self._wallets.free(order.account, asset))
        self._wallets.charge(order.account, asset, commission)
        return commission, asset

    def _prevent(self, taker: MatchedOrder, maker: MatchedOrder, ticks: int) -> None:
        """What happens instead of a trade between two orders of one account, by the taker's mode."""
        mode = taker.self_trade_prevention
        common = min(taker.open_lots, maker.open_lots)
        is_mutual = mode is SelfTradePrevention.DECREMENT
        takers = common if is_mutual else taker.open_lots if mode in ENDS_TAKER else 0
        makers = common if is_mutual else maker.open_lots if mode in ENDS_MAKER else 0
        self._prevented_count += 1
        match = PreventedMatch(
            number=self._prevented_count,
            symbol=self.instrument.symbol,
            account=taker.account,
            taker_number=taker.number,
            maker_number=maker.number,
            maker_symbol=self.instrument.symbol,
            ticks=ticks,
            taker_lots=taker.open_lots if takers else 0,
            maker_lots=maker.open_lots if makers else 0,
            mode=mode,
            ts_ns=self._reporter.now_ns,
        )
        self.prevented.setdefault(taker.account, []).append(match)
        for order, lots in ((taker, takers), (maker, makers)):
            if lots:
                self._give_up_prevented(order, lots, match)

    def _give_up_prevented(self, order: MatchedOrder, lots: int, match: PreventedMatch) -> None:
        order.prevented_lots += lots
        order.open_lots -= lots
        if not order.open_lots:
            self._close(
                order,
                OrderStatus.EXPIRED_IN_MATCH,
                ReportKind.TRADE_PREVENTION,
                prevented=match,
                prevented_lots=lots,
            )
            return
        if order.is_resting:
            self.trim(order)
        self.set_aside(order)
        self._reporter.order(self.instrument, order, ReportKind.TRADE_PREVENTION, prevented=match, prevented_lots=lots)

    # --- stops -------------------------------------------------------------------------------------------------

    def _on_price(self, ticks: int) -> None:
        for order in self._triggers.on_price(ticks):
            self._trigger(order)

    def _trigger(self, order: MatchedOrder) -> None:
        """From here on it is a market or a limit order. A leg that triggers ends the others of its list."""
        if order.family is not None and order.is_leg:
            self._lists.cut_entry_short(order.family)
            self._lists.end_other_legs(order.family, order)
        self._begin_working(order)
        self._reporter.order(self.instrument, order, ReportKind.NEW)
        self.make_due(order)

    def begin_leg(self, leg: MatchedOrder) -> None:
        """A leg whose working order has filled."""
        leg.status = OrderStatus.NEW
        last = self.public.last_ticks
        if leg.is_stop:
            self._triggers.add(leg, last)
            self._reporter.order(self.instrument, leg, ReportKind.NEW)
            if triggers.is_reached(leg.request, leg.request.stop_ticks, last):
                self._triggers.remove(leg)
                self._trigger(leg)
            return
        self._begin_working(leg)
        self._reporter.order(self.instrument, leg, ReportKind.NEW)
        self.make_due(leg)

    def make_due(self, order: MatchedOrder) -> None:
        if not order.is_due:
            order.is_due = True
            self._due.append(order)

    # --- ends --------------------------------------------------------------------------------------------------

    def _close(
        self,
        order: MatchedOrder,
        status: OrderStatus,
        kind: ReportKind,
        *,
        expiry: ExpiryReason = ExpiryReason.NONE,
        cancel_name: str = "",
        prevented: PreventedMatch | None = None,
        prevented_lots: int = 0,
    ) -> None:
        """Off the book with a remainder, and with it what waits for it in its list."""
        if order.is_resting:
            self._side(order.is_buy).remove(order, _limit(order))
        self._triggers.remove(order)
        self._waiting.pop(order.number, None)
        order.status = status
        order.open_lots = 0
        self.set_aside(order)
        self._reporter.order(
            self.instrument,
            order,
            kind,
            expiry=expiry,
            cancel_name=cancel_name,
            prevented=prevented,
            prevented_lots=prevented_lots,
        )
        if order.family is not None:
            self._lists.after_end(order, order.family)

    # --- small words -------------------------------------------------------------------------------------------

    def needed(self, order: MatchedOrder) -> int:
        if not order.is_leg:
            return self.costs.set_aside(order)
        assert order.family is not None, "a leg has a family"
        return max(self.costs.set_aside(leg) for leg in order.family.legs)

    def _side(self, is_buy: bool) -> BookSide:
        return self._bids if is_buy else self._asks

    def _opposite(self, is_buy: bool) -> BookSide:
        return self._asks if is_buy else self._bids

    def trim(self, order: MatchedOrder) -> None:
        self._side(order.is_buy).trim(order, _limit(order))

    def _most_lots(self) -> int:
        return int(self.instrument.max_quantity / self.instrument.lot_size)


def _limit(order: MatchedOrder) -> int:
    assert order.limit_ticks is not None, "only orders with a limit rest"
    return order.limit_ticks


def _skips(taker: MatchedOrder, step: Step) -> bool:
    """Whether a prevented match costs the taker nothing."""
    return step.is_prevented and taker.self_trade_prevention is SelfTradePrevention.EXPIRE_MAKER
