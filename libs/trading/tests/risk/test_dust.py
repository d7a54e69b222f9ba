"""Dust by hand: a bitcoin costs 10,000 dollars, an order is at least 10 dollars and a whole number of 0.00001 BTC.

The venue takes 0.105 % of what was bought as its commission, in bitcoin: of 0.1 BTC that leaves 0.099895, of which
0.09989 can be sold. 0.000005 BTC stay behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from n1v1.events import (
    Action,
    BarClosed,
    BarsComplete,
    EquityMarked,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRefused,
    SignalRaised,
    SignalsComplete,
)
from n1v1.ids import FillId, SignalId, TradeId
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.values import PPB, Instrument, Liquidity, Purpose, Side

HOUR = 3_600_000_000_000
USD = 100_000_000
PRICE = 1_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", step_lots=1_000, min_notional=10 * USD)
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
POLICY = RiskPolicy(
    position_fraction_ppb=PPB // 10,
    max_position_ppb=PPB // 2,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=1,
    cost_ppb=0,
    valid_for_ns=HOUR,
)
BOUGHT, COMMISSION, SELLABLE, DUST = 10_000_000, 10_500, 9_989_000, 500


def bar(symbol: str, ts_ns: int) -> BarClosed:
    return BarClosed(
        id=f"bar:{symbol}:{ts_ns}",
        ts_ns=ts_ns,
        symbol=symbol,
        timeframe="1h",
        open_ns=ts_ns - HOUR,
        open=PRICE,
        high=PRICE,
        low=PRICE,
        close=PRICE,
        volume=1,
    )


class Account:
    """Risk hour by hour, with an account that is worth 10,000 dollars whatever happens."""

    def __init__(self, policy: RiskPolicy = POLICY) -> None:
        self.risk = Risk(account="main", instruments=(BTC, ETH), policy=policy)
        self.hour = 0
        self.trades = 0
        self.decide()

    def decide(self, *actions: tuple[str, Action]) -> Sequence[Event]:
        self.hour += 1
        ts_ns = self.hour * HOUR
        signals = [
            SignalRaised(
                id=SignalId(f"cross:{symbol}:{self.hour}"),
                ts_ns=ts_ns,
                instance="cross",
                symbol=symbol,
                action=action,
                strength=1.0,
                reason="",
            )
            for symbol, action in actions
        ]
        heard: list[Event] = [
            BarsComplete(id=f"bars:{self.hour}", ts_ns=ts_ns, symbols=("BTC-USD", "ETH-USD"), sequence=self.hour),
            *(bar(symbol, ts_ns) for symbol in ("BTC-USD", "ETH-USD")),
            *signals,
            SignalsComplete(id=f"signals:{self.hour}", ts_ns=ts_ns, partition=0, signals=len(signals)),
            EquityMarked(
                id=f"equity:{self.hour}",
                ts_ns=ts_ns,
                account="main",
                cash=10_000 * USD,
                equity=10_000 * USD,
                peak=10_000 * USD,
                fees=0,
                positions=(("BTC-USD", 0, PRICE), ("ETH-USD", 0, PRICE)),
            ),
        ]
        return [said for event in heard for said in self.risk.handle(event)]

    def approved(self, action: Action, symbol: str = "BTC-USD") -> OrderApproved:
        (order,) = [said for said in self.decide((symbol, action)) if isinstance(said, OrderApproved)]
        return order

    def refused(self, action: Action, symbol: str = "BTC-USD") -> RefusalReason:
        (refusal,) = [said for said in self.decide((symbol, action)) if isinstance(said, OrderRefused)]
        return refusal.reason

    def fill(
        self, order: OrderApproved, *, lots: int | None = None, base_fee_lots: int = 0, is_final: bool = True
    ) -> None:
        self.trades += 1
        lots = order.lots if lots is None else lots
        self.risk.handle(
            OrderFilled(
                id=f"filled:{self.trades}",
                ts_ns=self.hour * HOUR,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                fill_id=FillId(str(self.trades)),
                trade_id=TradeId(str(self.trades)),
                instance=order.instance,
                side=order.side,
                lots=lots,
                ticks=PRICE,
                value=lots * PRICE // 100,
                fee=0,
                liquidity=Liquidity.TAKER,
                is_final=is_final,
                purpose=order.purpose,
                base_fee_lots=base_fee_lots,
            )
        )

    def cancel(self, order: OrderApproved, remaining_lots: int) -> None:
        self.risk.handle(
            OrderCancelled(
                id=f"closed:{order.order_id}",
                ts_ns=self.hour * HOUR,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                remaining_lots=remaining_lots,
                reason="",
            )
        )

    def round_trip(self) -> OrderApproved:
        """Answers the exit."""
        self.fill(self.approved(Action.BUY), base_fee_lots=COMMISSION)
        exit_ = self.approved(Action.CLOSE)
        self.fill(exit_)
        return exit_


def test_what_a_commission_has_left_does_not_keep_the_next_entry_out() -> None:
    account = Account()
    assert account.round_trip().lots == SELLABLE
    entry = account.approved(Action.BUY)
    assert (entry.side, entry.purpose, entry.lots) == (Side.BUY, Purpose.ENTRY, BOUGHT)


def test_it_stays_on_the_books_and_goes_with_the_next_exit() -> None:
    """0.000005 + 0.099895 BTC are 0.0999: all of it is a whole number of steps."""
    account = Account()
    account.round_trip()
    assert account.round_trip().lots == DUST + BOUGHT - COMMISSION == 9_990_000
    account.fill(account.approved(Action.BUY), base_fee_lots=0)
    assert account.approved(Action.CLOSE).lots == BOUGHT, "nothing was left the second time"


def test_it_takes_no_place_among_the_positions_allowed() -> None:
    account = Account()
    account.round_trip()
    assert account.approved(Action.BUY, "ETH-USD").lots > 0
    assert account.refused(Action.BUY) is RefusalReason.TOO_MANY_POSITIONS


def test_the_trade_is_over_with_its_exit_and_counted_once() -> None:
    account = Account()
    for round_trips in (1, 2, 3):
        account.round_trip()
        state = account.risk._book.state
        assert (state.trade_count, state.win_count + state.loss_count) == (round_trips, round_trips)
    assert account.risk._book.state.losses_in_a_row == 3, "each has cost its commission"


def test_it_can_be_closed_by_name_and_is_refused_for_its_size() -> None:
    account = Account()
    account.round_trip()
    assert account.refused(Action.CLOSE) is RefusalReason.BELOW_MIN_NOTIONAL
    assert account.refused(Action.SELL) is RefusalReason.SHORT_DISABLED, "to a SELL there is no position"


def test_what_a_cancelled_exit_leaves_below_the_least_order_is_dust_as_well() -> None:
    """0.0005 BTC are 5 dollars."""
    account = Account()
    account.fill(account.approved(Action.BUY))
    exit_ = account.approved(Action.CLOSE)
    account.fill(exit_, lots=BOUGHT - 50_000, is_final=False)
    assert account.refused(Action.BUY) is RefusalReason.ALREADY_IN_POSITION, "the exit is still at it"
    account.cancel(exit_, 50_000)
    assert account.risk._book.state.trade_count == 1
    account.fill(account.approved(Action.BUY))
    assert account.approved(Action.CLOSE).lots == BOUGHT + 50_000


def test_what_a_cancelled_exit_leaves_above_it_is_still_a_position() -> None:
    account = Account()
    account.fill(account.approved(Action.BUY))
    exit_ = account.approved(Action.CLOSE)
    account.fill(exit_, lots=BOUGHT - 100_000, is_final=False)
    account.cancel(exit_, 100_000)
    assert account.risk._book.state.trade_count == 0
    assert account.refused(Action.BUY) is RefusalReason.ALREADY_IN_POSITION
    assert account.approved(Action.CLOSE).lots == 100_000


def test_an_entry_that_ended_after_a_few_dollars_is_dust_and_no_trade() -> None:
    account = Account()
    entry = account.approved(Action.BUY)
    account.fill(entry, lots=50_000, is_final=False)
    account.cancel(entry, BOUGHT - 50_000)
    assert account.risk._book.state.trade_count == 0
    assert account.approved(Action.BUY, "ETH-USD").lots > 0


def test_time_is_counted_from_the_entry_and_not_from_the_dust_before_it() -> None:
    account = Account(replace(POLICY, exits=replace(POLICY.exits, max_bars_held=2)))
    account.round_trip()
    for _ in range(5):
        assert not any(isinstance(said, OrderApproved) for said in account.decide()), "nobody sells dust"
    account.fill(account.approved(Action.BUY))
    assert not any(isinstance(said, OrderApproved) for said in account.decide())
    (exit_,) = [said for said in account.decide() if isinstance(said, OrderApproved)]
    assert (exit_.purpose, exit_.lots) == (Purpose.TIME_EXIT, BOUGHT)


def test_a_restart_remembers_what_is_dust() -> None:
    account = Account()
    account.round_trip()
    saved = account.risk.snapshot()
    account.risk = Risk(account="main", instruments=(BTC, ETH), policy=POLICY)
    account.risk.restore(saved)
    assert account.approved(Action.BUY).purpose is Purpose.ENTRY
