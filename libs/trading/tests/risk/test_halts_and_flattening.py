"""What somebody halts takes no entries, what he flattens is closed, and neither a restart nor a replay changes that."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.events import (
    Action,
    BarsComplete,
    BreakerChanged,
    CommandCarriedOut,
    EquityMarked,
    Event,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    SignalRaised,
    SignalsComplete,
)
from n1v1.ids import FillId, SignalId, TradeId
from n1v1.risk.halts import Halt, Halts, Operation, Scope
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.values import PPB, Instrument, Liquidity, Purpose, Side

HOUR = 3_600_000_000_000
USD = 100_000_000
PRICE = 1_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
POLICY = RiskPolicy(
    position_fraction_ppb=PPB // 10,
    max_position_ppb=PPB // 2,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=PPB // 2,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=HOUR,
)
EVERYTHING, BITCOIN, CROSS = Scope(), Scope(symbol="BTC-USD"), Scope(instance="cross")


class Desk:
    """A risk stage whose hours we count. Everything fills at 10,000 when we say so."""

    def __init__(self) -> None:
        self.risk = Risk(account="main", instruments=(BTC, ETH), policy=POLICY)
        self.hour = 0
        self.equity = 100_000

    def restart(self) -> None:
        saved = json.loads(json.dumps(self.risk.snapshot()))
        self.risk = Risk(account="main", instruments=(BTC, ETH), policy=POLICY)
        self.risk.restore(saved)

    def next_hour(self, *wanted: tuple[str, str], action: Action = Action.BUY) -> list[Event]:
        """wanted: (instance, symbol) that signals."""
        self.hour += 1
        ts_ns = self.hour * HOUR
        signals = [
            SignalRaised(
                id=SignalId(f"{instance}:{symbol}:{self.hour}"),
                ts_ns=ts_ns,
                instance=instance,
                symbol=symbol,
                action=action,
                strength=1.0,
                reason="",
            )
            for instance, symbol in wanted
        ]
        marks = tuple((symbol, 0, PRICE) for symbol in ("BTC-USD", "ETH-USD"))
        equity = self.equity * USD
        heard: list[Event] = [
            *signals,
            BarsComplete(id=f"b{ts_ns}", ts_ns=ts_ns, symbols=(), sequence=self.hour),
            SignalsComplete(id=f"s{ts_ns}", ts_ns=ts_ns, partition=0, signals=len(signals)),
            EquityMarked(
                id=f"e{ts_ns}",
                ts_ns=ts_ns,
                account="main",
                cash=equity,
                equity=equity,
                peak=equity,
                fees=0,
                positions=marks,
            ),
        ]
        return [said for event in heard for said in self.risk.handle(event)]

    def command(
        self, operation: Operation, scope: Scope = EVERYTHING, *, lasts_ns: int = 0, actor: str = "anna", name: str = ""
    ) -> list[Event]:
        return self.risk.handle(
            OperatorCommand(
                id=name or f"command:{operation}:{scope}:{self.hour}",
                ts_ns=7,
                account="main",
                operation=operation,
                scope=scope,
                reason="drill",
                actor=actor,
                lasts_ns=lasts_ns,
            )
        )

    def halt(self, scope: Scope = EVERYTHING, *, lasts_ns: int = 0, actor: str = "anna") -> list[Event]:
        return self.command(Operation.HALT, scope, lasts_ns=lasts_ns, actor=actor)

    def resume(self, scope: Scope = EVERYTHING) -> list[Event]:
        return self.command(Operation.RESUME, scope)

    def flatten(self, scope: Scope = EVERYTHING, *, name: str = "") -> list[Event]:
        return self.command(Operation.FLATTEN, scope, name=name)

    def enter(self, *wanted: tuple[str, str]) -> list[OrderApproved]:
        orders = approvals(self.next_hour(*wanted))
        for order in orders:
            self.fill(order)
        return orders

    def fill(self, order: OrderApproved, *, lots: int | None = None) -> list[Event]:
        return self.risk.handle(
            OrderFilled(
                id=f"f:{order.order_id}:{lots}",
                ts_ns=order.ts_ns,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                fill_id=FillId("f"),
                trade_id=TradeId("t"),
                instance=order.instance,
                side=order.side,
                lots=lots or order.lots,
                ticks=PRICE,
                value=(lots or order.lots) * 10_000,
                fee=0,
                liquidity=Liquidity.TAKER,
                is_final=lots is None,
                purpose=order.purpose,
            )
        )

    def cancelled(self, order: OrderApproved) -> list[Event]:
        return self.risk.handle(
            OrderCancelled(
                id=f"c:{order.order_id}",
                ts_ns=order.ts_ns,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                remaining_lots=order.lots,
                reason="",
            )
        )

    def rejected(self, order: OrderApproved) -> list[Event]:
        return self.risk.handle(
            OrderRejected(
                id=f"r:{order.order_id}",
                ts_ns=order.ts_ns,
                order_id=order.order_id,
                account="main",
                symbol=order.symbol,
                reason="",
            )
        )


def approvals(said: Sequence[Event]) -> list[OrderApproved]:
    return [event for event in said if isinstance(event, OrderApproved)]


def refusals(said: Sequence[Event]) -> list[tuple[str, str, RefusalReason]]:
    return [(event.instance, event.symbol, event.reason) for event in said if isinstance(event, OrderRefused)]


def breaker(said: Sequence[Event]) -> list[bool]:
    return [event.is_open for event in said if isinstance(event, BreakerChanged)]


def answer(said: Sequence[Event]) -> CommandCarriedOut:
    (found,) = [event for event in said if isinstance(event, CommandCarriedOut)]
    return found


def halted(said: Sequence[Event]) -> tuple[Halt, ...]:
    (found,) = [event.halts for event in said if isinstance(event, HaltsChanged)]
    return found


ALL = [("cross", "BTC-USD"), ("cross", "ETH-USD"), ("other", "BTC-USD"), ("other", "ETH-USD")]


class TestAHalt:
    @pytest.mark.parametrize(
        ("scope", "held_back"),
        [
            (EVERYTHING, ALL),
            (BITCOIN, [("cross", "BTC-USD"), ("other", "BTC-USD")]),
            (CROSS, [("cross", "BTC-USD"), ("cross", "ETH-USD")]),
            (Scope(instance="cross", symbol="ETH-USD"), [("cross", "ETH-USD")]),
        ],
        ids=str,
    )
    def test_it_refuses_the_entries_of_its_scope_and_no_others(
        self, scope: Scope, held_back: list[tuple[str, str]]
    ) -> None:
        desk = Desk()
        desk.halt(scope)
        said = desk.next_hour(*ALL)
        assert [found[:2] for found in refusals(said) if found[2] is RefusalReason.HALTED] == held_back

    def test_it_says_what_is_halted_by_whom_and_answers_the_command(self) -> None:
        desk = Desk()
        desk.next_hour()
        said = desk.halt(BITCOIN, lasts_ns=2 * HOUR)
        (halt,) = halted(said)
        assert str(halt) == "BTC-USD by anna: drill (until 1970-01-01 03:00:00 UTC of market time)"
        assert (answer(said).has_changed, answer(said).until_ns, answer(said).cause_id) == (
            True,
            3 * HOUR,
            halt.command_id,
        )
        assert breaker(said) == [], "the account goes on"

    def test_of_the_account_it_opens_the_breaker_for_everybody_who_listens(self) -> None:
        desk = Desk()
        assert breaker(desk.halt()) == [True]
        assert desk.risk.breaker_reason == "drill"
        assert breaker(desk.resume()) == [False]
        assert desk.risk.breaker_reason is None

    def test_no_exit_is_held_back(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"))
        desk.halt()
        (order,) = approvals(desk.next_hour(("cross", "BTC-USD"), action=Action.SELL))
        assert order.purpose is Purpose.EXIT

    def test_it_ends_by_itself_in_market_time(self) -> None:
        desk = Desk()
        desk.next_hour()
        desk.halt(lasts_ns=2 * HOUR)
        assert len(refusals(desk.next_hour(*ALL[:1]))) == 1
        said = desk.next_hour(*ALL[:1])  # the third hour: two after it was given
        assert (halted(said), breaker(said), len(approvals(said))) == ((), [False], 1)

    def test_the_same_again_changes_nothing_unless_it_holds_longer(self) -> None:
        desk = Desk()
        desk.halt(BITCOIN, lasts_ns=5)
        assert not answer(desk.halt(BITCOIN, lasts_ns=4, actor="bob")).has_changed
        assert answer(desk.halt(BITCOIN, lasts_ns=6, actor="bob")).has_changed
        assert answer(desk.halt(BITCOIN)).has_changed
        refused = answer(desk.halt(BITCOIN, lasts_ns=99, actor="bob"))
        assert (refused.has_changed, refused.detail) == (
            False,
            "halted before: BTC-USD by anna: drill (until resumed)",
        )

    def test_resuming_ends_exactly_its_scope(self) -> None:
        desk = Desk()
        desk.halt(BITCOIN)
        desk.halt(CROSS)
        assert answer(desk.resume(Scope(instance="cross", symbol="BTC-USD"))).has_changed is False
        assert [halt.scope for halt in halted(desk.resume(CROSS))] == [BITCOIN]

    def test_an_account_is_free_only_when_neither_somebody_nor_its_loss_holds_it_back(self) -> None:
        desk = Desk()
        desk.next_hour()
        desk.halt(lasts_ns=2 * HOUR)
        desk.equity = 40_000
        assert breaker(desk.next_hour()) == [True], "it trips beneath the halt"
        said = desk.next_hour(*ALL[:1])
        assert (halted(said), breaker(said)) == ((), [])
        assert [reason for _, _, reason in refusals(said)] == [RefusalReason.BREAKER_OPEN]
        assert breaker(desk.resume()) == [False]

    def test_a_halt_that_runs_out_as_the_breaker_trips_leaves_the_account_halted_and_says_so_once(self) -> None:
        desk = Desk()
        desk.next_hour()
        desk.halt(lasts_ns=HOUR)
        desk.equity = 40_000
        said = desk.next_hour()
        assert (halted(said), breaker(said)) == ((), [True])
        assert desk.risk.breaker_reason == "equity drawdown 60.00 % reached 50.00 %"

    def test_an_unknown_symbol_is_answered_and_halts_nothing(self) -> None:
        (said,) = Desk().halt(Scope(symbol="DOGE-USD"))
        assert answer([said]).detail == "no such instrument; there are BTC-USD, ETH-USD"

    def test_another_accounts_command_is_not_ours(self) -> None:
        desk = Desk()
        command = OperatorCommand(
            id="c", ts_ns=1, account="other", operation=Operation.HALT, scope=EVERYTHING, reason="", actor="anna"
        )
        assert desk.risk.handle(command) == []
        assert desk.risk.halts == ()

    def test_a_restart_keeps_it_with_its_end(self) -> None:
        desk = Desk()
        desk.next_hour()
        desk.halt(lasts_ns=2 * HOUR)
        desk.flatten(BITCOIN)
        desk.risk.mark_stale("ETH-USD", 5)
        before = desk.risk.halts
        desk.restart()
        assert (desk.risk.halts, desk.risk.breaker_reason) == (before, "drill")
        desk.next_hour()
        assert [halt.scope.symbol for halt in halted(desk.next_hour())] == ["BTC-USD", "ETH-USD"]


class TestFlattening:
    def test_positions_of_the_scope_are_closed_at_once_and_entries_stay_out(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"), ("cross", "ETH-USD"))
        said = desk.flatten(BITCOIN)
        (order,) = approvals(said)
        assert (order.symbol, order.side, order.purpose, order.reduce_only) == (
            "BTC-USD",
            Side.SELL,
            Purpose.FLATTEN,
            True,
        )
        assert answer(said).detail == "closing BTC-USD"
        desk.fill(order)
        assert refusals(desk.next_hour(("other", "BTC-USD"))) == [("other", "BTC-USD", RefusalReason.HALTED)]

    def test_a_strategys_positions_are_those_that_it_opened(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"), ("other", "ETH-USD"))
        assert [order.symbol for order in approvals(desk.flatten(CROSS))] == ["BTC-USD"]

    def test_what_an_entry_in_flight_has_bought_is_closed_when_it_has_ended(self) -> None:
        desk = Desk()
        (entry,) = approvals(desk.next_hour(("cross", "BTC-USD")))
        desk.fill(entry, lots=entry.lots // 2)
        assert approvals(desk.flatten()) == [], "the rest of the entry is still at the venue"
        (order,) = approvals(desk.cancelled(entry))
        assert order.lots == entry.lots // 2

    def test_an_entry_that_fills_while_it_is_taken_back_is_closed_too(self) -> None:
        desk = Desk()
        (entry,) = approvals(desk.next_hour(("cross", "BTC-USD")))
        desk.flatten()
        (order,) = approvals(desk.fill(entry))
        assert (order.purpose, order.lots) == (Purpose.FLATTEN, entry.lots)

    def test_a_closing_that_fails_is_tried_again_with_the_next_bar_and_with_the_next_command(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"))
        (first,) = approvals(desk.flatten(name="first"))
        assert approvals(desk.rejected(first)) == []
        (second,) = approvals(desk.flatten(name="second"))
        assert approvals(desk.cancelled(second)) == [], "no second order within a bar time without being asked"
        (third,) = approvals(desk.next_hour())
        assert len({first.order_id, second.order_id, third.order_id}) == 3

    def test_while_a_closing_is_in_flight_there_is_no_second(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"))
        assert len(approvals(desk.flatten(name="first"))) == 1
        assert approvals(desk.flatten(name="second")) == []
        assert approvals(desk.next_hour()) == []

    def test_after_resuming_nothing_is_closed_any_more(self) -> None:
        desk = Desk()
        desk.enter(("cross", "BTC-USD"))
        (order,) = approvals(desk.flatten())
        desk.rejected(order)
        desk.resume()
        assert approvals(desk.next_hour()) == []


class TestStaleMarketData:
    def test_a_symbol_without_bars_pauses_until_they_come_again(self) -> None:
        desk = Desk()
        assert [halt.scope.symbol for halt in halted(desk.risk.mark_stale("BTC-USD", HOUR))] == ["BTC-USD"]
        said = desk.next_hour(("cross", "BTC-USD"), ("cross", "ETH-USD"))
        assert refusals(said) == [("cross", "BTC-USD", RefusalReason.STALE_MARKET_DATA)]
        assert len(approvals(said)) == 1
        assert desk.risk.mark_stale("BTC-USD", HOUR) == []
        assert halted(desk.risk.mark_fresh("BTC-USD", 2 * HOUR)) == ()
        assert len(approvals(desk.next_hour(("cross", "BTC-USD")))) == 1

    def test_resuming_a_symbol_by_hand_does_not_make_its_prices_fresh(self) -> None:
        desk = Desk()
        desk.risk.mark_stale("BTC-USD", HOUR)
        assert not answer(desk.resume(BITCOIN)).has_changed
        assert len(desk.risk.halts) == 1


SCOPES = st.builds(Scope, instance=st.sampled_from(["", "cross", "other"]), symbol=st.sampled_from(["", "BTC-USD"]))
HALTS = st.builds(
    Halt,
    scope=SCOPES,
    reason=st.just("r"),
    actor=st.just("anna"),
    since_ns=st.just(0),
    until_ns=st.integers(0, 5),
    closes=st.booleans(),
)


@settings(deadline=None)
@given(put=st.lists(HALTS, max_size=8))
def test_no_later_halt_ever_shortens_or_softens_an_earlier_one(put: list[Halt]) -> None:
    halts = Halts()
    for halt in put:
        before = halts.of(halt.scope)
        halts.put(halt)
        after = halts.of(halt.scope)
        assert after is not None
        for asked in (halt, before):
            if asked is not None:
                assert not asked.outlasts(after)
                assert after.closes or not asked.closes


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_with_a_restart_after_every_message_everything_is_said_as_without(data: st.DataObject) -> None:
    calm, restarted = Desk(), Desk()
    names: list[str] = []
    for number in range(data.draw(st.integers(1, 12))):
        act = data.draw(st.sampled_from(["hour", "halt", "resume", "flatten"]))
        scope = data.draw(SCOPES)
        lasts_ns = data.draw(st.sampled_from([0, HOUR, 3 * HOUR]))
        wanted = data.draw(st.lists(st.sampled_from(ALL), max_size=2, unique=True))
        said = []
        equity = data.draw(st.sampled_from([100_000, 40_000]))
        for desk in (calm, restarted):
            desk.equity = equity
            if act == "hour":
                said.append(desk.next_hour(*wanted))
            else:
                operation = Operation(act.upper())
                said.append(desk.command(operation, scope, lasts_ns=lasts_ns, name=f"c{number}"))
            for order in approvals(said[-1]):
                said[-1].extend(desk.fill(order))
        restarted.restart()
        assert said[0] == said[1]
        names += [event.id for event in said[0]]
    assert len(names) == len(set(names)), "a message with the id of an earlier one would not be heard"
