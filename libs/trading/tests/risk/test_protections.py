"""Protections by hand: trades that close at noon and later, and what is locked until when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.kernels import Record, new_record
from n1v1.risk.account import ACCOUNT, PURPOSES, SYMBOL, book_fill, open_account, take_over
from n1v1.risk.policy import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    RING,
    Cooldown,
    DrawdownGuard,
    Guard,
    LowProfitGuard,
    RiskPolicy,
    StoplossGuard,
)
from n1v1.risk.protections import locked_until
from n1v1.values import PPB, Instrument, Purpose

PERCENT = PPB // 100
NOON = 19_000 * DAY_NS + 12 * HOUR_NS
LONG, SHORT = 1, -1
ANY_SIZE = Instrument(symbol="BTC-USD", base="BTC", quote="USD", min_notional=0)
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=PPB,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=1,
)


class Desk:
    """Two symbols, and round trips of 100,000 quanta on them."""

    def __init__(self, **guards: Any) -> None:
        self.policy = replace(POLICY, **guards).record()
        self.account: Record = new_record(ACCOUNT)
        self.symbols = [new_record(SYMBOL), new_record(SYMBOL)]
        self.symbols[1].index = 1
        open_account(self.account, 10**9, 10**9, 10**9)

    def trade(
        self, minute: int, percent: int, *, symbol: int = 0, side: int = LONG, purpose: Purpose = Purpose.STOP_LOSS
    ) -> None:
        """A round trip that is closed at a minute after noon with that profit."""
        at = NOON + minute * MINUTE_NS
        value = 100_000 + side * percent * 1_000
        for way, worth, why in ((side, 100_000, Purpose.ENTRY), (-side, value, purpose)):
            book_fill(
                self.policy,
                self.account,
                self.symbols[symbol],
                ANY_SIZE,
                side=way,
                lots=1_000,
                value=worth,
                fee=0,
                base_fee_lots=0,
                purpose=PURPOSES.index(why),
                ts_ns=at,
                is_reserved=0,
                is_final=1,
            )

    def locked(self, minute: int, *, symbol: int = 0, side: int = LONG) -> str:
        """account, symbol or nothing: what refuses an entry at a minute after noon."""
        at = NOON + minute * MINUTE_NS
        if at < locked_until(self.account, side):
            return "account"
        return "symbol" if at < locked_until(self.symbols[symbol], side) else ""


class TestATradeIsRemembered:
    def test_with_its_profit_after_fees_its_side_and_why_it_closed(self) -> None:
        desk = Desk()
        book = {"ts_ns": 5, "is_reserved": 0, "is_final": 1}
        symbol, account = desk.symbols[0], desk.account
        book_fill(desk.policy, account, symbol, ANY_SIZE, 1, 1_000, 60_000, 60, 0, 0, **book)
        book_fill(desk.policy, account, symbol, ANY_SIZE, 1, 1_000, 40_000, 40, 0, 0, **book)
        assert account.trade_count == 0
        book_fill(
            desk.policy, account, symbol, ANY_SIZE, -1, 500, 26_000, 26, 0, PURPOSES.index(Purpose.TAKE_PROFIT), **book
        )
        assert account.trade_count == 0
        stop = PURPOSES.index(Purpose.STOP_LOSS)
        book_fill(desk.policy, account, symbol, ANY_SIZE, -1, 1_500, 79_000, 79, 0, stop, **book)
        # 105,000 - 100,000 - 205 of fees, on 100,000
        assert account.trade_count == 1
        assert int(account.trade_profit_ppb[0]) == 4_795 * PPB // 100_000
        assert (int(account.trade_side[0]), int(account.trade_purpose[0])) == (LONG, stop)
        assert (account.win_count, account.loss_count, account.losses_in_a_row) == (1, 0, 0)
        assert account.cash == 10**9 + 5_000 - 205

    def test_a_fill_that_reverses_ends_one_trade_and_begins_the_next(self) -> None:
        desk = Desk()
        book = {"fee": 0, "base_fee_lots": 0, "purpose": 0, "ts_ns": 5, "is_reserved": 0, "is_final": 1}
        symbol, account = desk.symbols[0], desk.account
        book_fill(desk.policy, account, symbol, ANY_SIZE, side=1, lots=1_000, value=10_000, **book)
        book_fill(desk.policy, account, symbol, ANY_SIZE, side=-1, lots=3_000, value=27_000, **book)
        book_fill(desk.policy, account, symbol, ANY_SIZE, side=1, lots=2_000, value=17_000, **book)
        profits = [int(profit) for profit in account.trade_profit_ppb[:2]]
        assert profits == [-1_000 * PPB // 10_000, 1_000 * PPB // 18_000]
        assert [int(side) for side in account.trade_side[:2]] == [LONG, SHORT]
        assert account.held_count == 0

    def test_a_position_that_was_there_before_counts_from_its_mark(self) -> None:
        desk = Desk()
        take_over(desk.account, desk.symbols[0], ANY_SIZE, 1_000, 10_000)
        book_fill(desk.policy, desk.account, desk.symbols[0], ANY_SIZE, -1, 1_000, 110_000, 0, 0, 1, 5, 0, 1)
        assert int(desk.account.trade_profit_ppb[0]) == 10 * PERCENT


class TestCooldown:
    def test_a_symbol_rests_after_every_trade(self) -> None:
        desk = Desk(cooldown=Cooldown(lock_ns=30 * MINUTE_NS))
        desk.trade(0, 5, purpose=Purpose.TAKE_PROFIT)
        assert [desk.locked(29), desk.locked(30)] == ["symbol", ""]
        assert desk.locked(29, side=SHORT) == "symbol"
        assert desk.locked(29, symbol=1) == ""

    def test_it_can_end_at_a_time_of_the_day(self) -> None:
        desk = Desk(cooldown=Cooldown(unlock_at_ns=13 * HOUR_NS))
        desk.trade(0, 5)
        assert [desk.locked(59), desk.locked(60)] == ["symbol", ""]
        desk.trade(60, 5)
        assert [desk.locked(60 + 24 * 60 - 1), desk.locked(60 + 24 * 60)] == ["symbol", ""]


class TestStoplossGuard:
    GUARD = StoplossGuard(trade_limit=2, lookback_ns=HOUR_NS, lock_ns=30 * MINUTE_NS)

    def test_it_locks_the_account_after_that_many_stops(self) -> None:
        desk = Desk(stoploss_guard=self.GUARD)
        desk.trade(0, -1)
        assert desk.locked(1) == ""
        desk.trade(10, -1, symbol=1, purpose=Purpose.TRAILING_STOP)
        assert [desk.locked(39), desk.locked(39, symbol=1), desk.locked(40)] == ["account", "account", ""]

    def test_stops_that_are_too_old_or_too_good_do_not_count_nor_do_other_exits(self) -> None:
        desk = Desk(stoploss_guard=self.GUARD)
        desk.trade(0, -1)
        desk.trade(61, -1)
        desk.trade(62, 1, purpose=Purpose.TRAILING_STOP)
        desk.trade(63, -1, purpose=Purpose.EXIT)
        assert desk.locked(64) == ""
        desk.trade(64, -1)
        assert desk.locked(64) == "account"

    def test_it_may_count_and_lock_one_symbol(self) -> None:
        desk = Desk(stoploss_guard=replace(self.GUARD, only_per_symbol=True))
        desk.trade(0, -1)
        desk.trade(1, -1, symbol=1)
        assert desk.locked(2) == ""
        desk.trade(2, -1)
        assert [desk.locked(2), desk.locked(2, symbol=1)] == ["symbol", ""]

    def test_it_may_count_and_lock_one_side(self) -> None:
        desk = Desk(stoploss_guard=replace(self.GUARD, only_per_side=True))
        desk.trade(0, -1)
        desk.trade(1, -1, side=SHORT)
        assert desk.locked(2) == ""
        desk.trade(2, -1, side=SHORT)
        assert [desk.locked(2, side=SHORT), desk.locked(2, side=LONG)] == ["account", ""]


class TestLowProfitGuard:
    GUARD = LowProfitGuard(trade_limit=2, required_profit_ppb=2 * PERCENT, lookback_ns=HOUR_NS, lock_ns=30 * MINUTE_NS)

    def test_it_locks_a_symbol_that_brings_too_little(self) -> None:
        desk = Desk(low_profit_guard=self.GUARD)
        desk.trade(0, 1)
        desk.trade(1, -9, symbol=1)
        assert desk.locked(1) == ""
        desk.trade(2, 0)
        assert [desk.locked(31), desk.locked(31, symbol=1), desk.locked(32)] == ["symbol", "", ""]

    def test_enough_is_enough(self) -> None:
        desk = Desk(low_profit_guard=self.GUARD)
        desk.trade(0, 1)
        desk.trade(1, 1)
        assert desk.locked(1) == ""

    def test_it_may_count_one_side(self) -> None:
        desk = Desk(low_profit_guard=replace(self.GUARD, only_per_side=True))
        desk.trade(0, 0)
        desk.trade(1, 0, side=SHORT)
        assert desk.locked(1) == ""
        desk.trade(2, 0)
        assert [desk.locked(3), desk.locked(3, side=SHORT)] == ["symbol", ""]


class TestDrawdownGuard:
    GUARD = DrawdownGuard(trade_limit=3, max_allowed_ppb=5 * PERCENT, lookback_ns=HOUR_NS, lock_ns=30 * MINUTE_NS)

    def test_it_locks_when_the_sum_of_profits_has_fallen_too_far(self) -> None:
        """4, -3, -3: from 4 to -2 are six points."""
        desk = Desk(drawdown_guard=self.GUARD)
        for minute, percent in ((0, 4), (1, -3), (2, -3)):
            assert desk.locked(minute) == ""
            desk.trade(minute, percent, symbol=minute % 2)
        assert [desk.locked(31), desk.locked(32)] == ["account", ""]

    def test_what_is_allowed_is_allowed(self) -> None:
        desk = Desk(drawdown_guard=self.GUARD)
        for minute, percent in ((0, 4), (1, -3), (2, -2)):
            desk.trade(minute, percent)
        assert desk.locked(2) == ""

    def test_it_begins_anew_after_the_lookback_and_needs_its_trades(self) -> None:
        desk = Desk(drawdown_guard=self.GUARD)
        for minute, percent in ((0, -4), (61, -4), (62, -4)):
            desk.trade(minute, percent)
        assert desk.locked(62) == ""
        desk.trade(63, -1)
        assert desk.locked(63) == "account"

    def test_it_looks_at_no_more_than_an_account_remembers(self) -> None:
        desk = Desk(drawdown_guard=replace(self.GUARD, trade_limit=RING, max_allowed_ppb=PPB))
        desk.trade(0, -100)
        for _ in range(RING - 1):
            desk.trade(0, 0)
        assert desk.locked(0) == ""
        desk.trade(0, -1)
        assert desk.locked(0) == ""
        assert desk.account.trade_count == RING + 1


@pytest.mark.parametrize("wrong", [{"trade_limit": 0}, {"trade_limit": RING + 1}, {"lookback_ns": 0}, {"lock_ns": -1}])
def test_a_guard_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Guard(**wrong)
