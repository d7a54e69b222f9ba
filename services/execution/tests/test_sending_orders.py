"""An order is sent once. What nobody answered is asked for, and sent again only when it cannot exist."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from n1v1.events import (
    BarClosed,
    BarsComplete,
    Bracket,
    BreakerChanged,
    DecisionsComplete,
    Event,
    HaltsChanged,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrdersComplete,
    OrderUnknown,
    SubmitOrder,
    SubmitOrderList,
    TickerSeen,
    VenueAccepted,
    VenueClosed,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order, OrderState
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, SignalId, order_id
from n1v1.pipeline import bars_complete
from n1v1.risk.halts import Halt, Scope
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.styles import Method, Plan
from n1v1.values import PPB, Instrument, OrderType, Purpose, Side, TimeInForce
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.codec import Codec
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.streams import MARKET_FLOW
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution import handlers, patience
from n1v1_execution.adapters.best_prices import PublishedPrices
from n1v1_execution.handlers import ExecutionHandler, keep_orders_in_time
from n1v1_execution.ports import VenueTrouble

HOUR_NS = 3_600_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ONE = 100_000_000
"""Lots of one BTC, and quanta of one USD."""


RULES = VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=0)


class TroubledVenue:
    """A simulated venue on a bad line. Each trouble is used up by one request, in order.

    before: the request is lost. after: the order is taken and the answer is lost. late: it is lost, and found from
    the n-th question on.
    """

    def __init__(self, rules: VenueRules = RULES) -> None:
        self.venue = SimulatedVenue([BTC], rules)
        self.venue.open_account("main", 100_000 * ONE)
        self.submits: list[ClientOrderId] = []
        self.requests: list[str] = []
        """Everything that was sent, a list by its first order."""
        self.questions = 0
        self.troubles: list[str] = []
        self.unanswered_questions = 0
        self.found_from_question = 0
        self._in_the_air: list[SubmitOrder] = []
        self.reports: dict[ClientOrderId, list[VenueReport]] = {}

    def advance(self, number: int, price: int = 100) -> None:
        ticks = price * 100
        bar = BarClosed(
            id=f"bar:{number}",
            ts_ns=number * HOUR_NS,
            symbol="BTC-USD",
            timeframe="1h",
            open_ns=(number - 1) * HOUR_NS,
            open=ticks,
            high=ticks,
            low=ticks,
            close=ticks,
            volume=ONE,
        )
        self._remember(report for _, report in self.venue.advance((bar,)))

    takes_pairs = True

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        self.submits.append(order.client_order_id)
        self.requests.append(order.client_order_id)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "late":
            self._in_the_air.append(order)
        if trouble in ("before", "late"):
            raise VenueTrouble("reset")
        report = self._take(order)
        if trouble == "after":
            raise VenueTrouble("time-out")
        return report

    def _take(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        report = self.venue.submit("main", order)
        assert isinstance(report, VenueAccepted | VenueRejected)
        if isinstance(report, VenueAccepted):
            self._remember([report])
        return report

    async def submit_list(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        self.requests.append((orders.working or orders.pending[0]).client_order_id)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "before":
            raise VenueTrouble("reset")
        answers = self.venue.submit_list("main", orders)
        accepted = [answer for answer in answers if isinstance(answer, VenueAccepted)]
        self._remember(accepted)
        if trouble == "after":
            raise VenueTrouble("time-out")
        return accepted or next(answer for answer in answers if isinstance(answer, VenueRejected))

    async def cancel(self, order: Order) -> None:
        self.requests.append(f"cancel {order.client_order_id}")
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble != "before":
            answers = self.venue.cancel_list("main", order.symbol, order.client_order_id)
            self._remember([answer for answer in answers if isinstance(answer, VenueClosed)])
        if trouble:
            raise VenueTrouble(trouble)

    def _remember(self, reports: Iterable[VenueReport]) -> None:
        for report in reports:
            self.reports.setdefault(report.client_order_id, []).append(report)

    async def find(self, order: Order) -> Sequence[VenueReport]:
        self.questions += 1
        if self.unanswered_questions:
            self.unanswered_questions -= 1
            raise VenueTrouble("away")
        if self._in_the_air and self.questions >= self.found_from_question:
            self._take(self._in_the_air.pop())
        return list(self.reports.get(order.client_order_id, ()))


class Bench:
    """The handler as the stage loop drives it, with a commit that keeps everything."""

    def __init__(self, venue: TroubledVenue, *, absence_after_s: float = 0.05) -> None:
        self.venue = venue
        self.state = MemoryHotState()
        self.flags = BreakerFlags(self.state)
        self.said: list[Event] = []
        self.saved: list[dict[str, object]] = []
        self.rows: dict[str, str] = {}
        self.absence_after_s = absence_after_s
        self.exits_without_redis = True
        self.prices: PublishedPrices | None = None
        self.start()

    def start(self) -> None:
        """A new process: what was saved is all it knows."""
        self.stage = Execution(account="main", venue="simulator")
        self.handler = ExecutionHandler(
            stage=self.stage,
            gateway=self.venue,
            flags=self.flags,
            instruments=[BTC],
            absence_after_s=self.absence_after_s,
            metrics=Metrics(),
            prices=self.prices,
            exits_without_redis=self.exits_without_redis,
        )
        self.handler.commit = self.commit
        if self.saved:
            self.handler.restore(self.saved[-1])

    async def commit(self, decide: Callable[[], Sequence[Event]]) -> None:
        self._store(list(decide()))

    def _store(self, said: list[Event]) -> None:
        for effect in self.handler.effects(said):
            if "INTO orders" in effect.statement:
                self.rows |= {row[0]: row[9] for row in effect.rows}
        self.said += said
        self.saved.append(self.handler.snapshot())

    async def step(self, *events: Event, then_send: bool = True) -> None:
        said: list[Event] = []
        for event in events:
            said += await self.handler.handle(event)
        self._store(said)
        if then_send:
            await self.handler.after_step()

    def heard_of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.said if isinstance(event, kind)]


@pytest.fixture
def venue() -> TroubledVenue:
    venue = TroubledVenue()
    venue.advance(1)
    return venue


@pytest.fixture
async def bench(venue: TroubledVenue, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(patience, "ASK_AGAIN_S", 0.005)
    bench = Bench(venue)
    await bench.flags.close("main", version=1)
    return bench


def approved(
    number: int = 1,
    *,
    side: Side = Side.BUY,
    reduce_only: bool = False,
    bar: int = 1,
    bracket: Bracket | None = None,
    limit: int | None = None,
) -> OrderApproved:
    signal = SignalId(f"ema_cross:BTC-USD:{number}")
    return OrderApproved(
        id=f"approved:{number}",
        ts_ns=bar * HOUR_NS,
        cause_id=signal,
        order_id=order_id("main", signal),
        signal_id=signal,
        account="main",
        instance="ema_cross",
        symbol="BTC-USD",
        side=side,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        lots=ONE,
        limit_ticks=limit,
        time_in_force=TimeInForce.GTC,
        reduce_only=reduce_only,
        reference_ticks=10_000,
        valid_until_ns=(bar + 1) * HOUR_NS,
        purpose=Purpose.EXIT if reduce_only else Purpose.ENTRY,
        bracket=bracket,
    )


def decided(bar: int = 1) -> DecisionsComplete:
    return DecisionsComplete(id=f"decisions:{bar}", ts_ns=bar * HOUR_NS, account="main", approved=1, refused=0)


def bars(bar: int) -> BarsComplete:
    return bars_complete(bar * HOUR_NS, (), bar)


def orders_at(venue: TroubledVenue) -> int:
    return len(venue.venue.orders)


async def test_an_answered_order_is_sent_once_and_completes_its_bar_time(bench: Bench, venue: TroubledVenue) -> None:
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue), venue.questions) == (1, 1, 0)
    assert len(bench.heard_of(OrderAccepted)) == 1
    assert [event.ts_ns for event in bench.heard_of(OrdersComplete)] == [HOUR_NS]


async def test_an_order_that_arrived_without_an_answer_is_found_and_not_sent_again(
    bench: Bench, venue: TroubledVenue
) -> None:
    venue.troubles = ["after"]
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue)) == (1, 1)
    assert len(bench.heard_of(OrderUnknown)) == 1
    assert len(bench.heard_of(OrderAccepted)) == 1
    assert len(bench.heard_of(OrdersComplete)) == 1


async def test_an_order_that_never_arrived_is_sent_again_under_a_new_name_after_the_window(
    bench: Bench, venue: TroubledVenue
) -> None:
    venue.troubles = ["before"]
    await bench.step(approved(), decided())
    first, second = venue.submits
    assert first.endswith("-1")
    assert second.endswith("-2")
    assert orders_at(venue) == 1
    assert venue.questions > 2, "it was asked for during the window"
    assert len(bench.heard_of(OrdersComplete)) == 1


async def test_an_order_that_turns_up_late_within_the_window_is_not_sent_again(
    bench: Bench, venue: TroubledVenue
) -> None:
    venue.troubles, venue.found_from_question = ["late"], 4
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue), venue.questions) == (1, 1, 4)


async def test_absence_counts_only_when_it_was_asked_for_after_the_window(
    bench: Bench, venue: TroubledVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that was asked within the window and answered after it says nothing of the time in between."""
    now = iter([0.0, 0.04, 0.06, 0.06, 0.07])

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return next(now)

    monkeypatch.setattr(handlers, "time", Clock)
    venue.troubles, venue.found_from_question = ["late"], 2
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue)) == (1, 1)


async def test_a_venue_that_is_away_is_asked_until_it_answers(bench: Bench, venue: TroubledVenue) -> None:
    venue.troubles, venue.unanswered_questions = ["after"], 5
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue), venue.questions) == (1, 1, 6)


async def test_an_order_is_not_sent_while_one_before_it_is_in_doubt(bench: Bench, venue: TroubledVenue) -> None:
    venue.troubles = ["before"]
    await bench.step(approved(1), approved(2), decided())
    names = [(order_id("main", SignalId(f"ema_cross:BTC-USD:{number}"))) for number in (1, 2)]
    assert venue.submits == [f"n1v1-{names[0]}-1", f"n1v1-{names[0]}-2", f"n1v1-{names[1]}-1"]
    assert [order.client_order_id for order in venue.venue.orders] == venue.submits[1:], "served in the order decided"


async def test_killed_before_sending_the_order_is_asked_for_and_then_sent(bench: Bench, venue: TroubledVenue) -> None:
    await bench.step(approved(), decided(), then_send=False)
    bench.start()
    await bench.handler.after_step()
    assert (len(venue.submits), orders_at(venue)) == (1, 1)
    assert venue.questions >= 1, "nobody remembers whether it was sent: ask first"


async def test_killed_after_the_venue_took_it_the_order_is_not_sent_again(bench: Bench, venue: TroubledVenue) -> None:
    await bench.step(approved(), decided(), then_send=False)
    [order] = bench.stage.open_orders
    assert isinstance(venue._take(_command(order)), VenueAccepted)
    bench.start()
    await bench.handler.after_step()
    assert (len(venue.submits), orders_at(venue)) == (0, 1)
    assert len(bench.heard_of(OrderAccepted)) == 1


async def test_killed_between_two_attempts_the_second_is_found_under_its_own_name(
    bench: Bench, venue: TroubledVenue
) -> None:
    venue.troubles = ["before", "after"]
    await bench.step(approved(), decided())
    assert (len(venue.submits), orders_at(venue)) == (2, 1)
    attempts = Counter(name.rsplit("-", 1)[1] for name in venue.submits)
    assert attempts == {"1": 1, "2": 1}


async def test_a_fill_is_counted_once_however_often_the_venue_tells_of_it(bench: Bench, venue: TroubledVenue) -> None:
    await bench.step(approved(), decided())
    venue.advance(2)
    [name] = venue.reports
    venue.reports[name] *= 2
    await bench.step(bars(2))
    [fill] = bench.heard_of(OrderFilled)
    assert isinstance(fill, OrderFilled)
    assert (fill.lots, fill.is_final) == (ONE, True)
    assert set(bench.rows.values()) == {OrderState.FILLED}


async def test_an_order_past_its_validity_is_rejected_unsent_and_written_down(
    bench: Bench, venue: TroubledVenue
) -> None:
    await bench.step(bars(3), approved(), decided())
    assert venue.submits == []
    [rejected] = bench.heard_of(OrderRejected)
    assert isinstance(rejected, OrderRejected)
    assert "validity ended" in rejected.reason
    assert set(bench.rows.values()) == {OrderState.REJECTED}


async def test_every_order_of_a_busy_bar_time_ends_up_in_its_row(bench: Bench, venue: TroubledVenue) -> None:
    """More at once than the stage keeps in mind."""
    late = [approved(number) for number in range(40)]
    await bench.step(bars(3), *late, decided())
    assert len(bench.rows) == 40
    assert set(bench.rows.values()) == {OrderState.REJECTED}


async def test_a_rejection_has_the_time_of_its_order_when_the_venue_gives_none(
    bench: Bench, venue: TroubledVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no(order: SubmitOrder) -> VenueRejected:
        return VenueRejected(
            ts_ns=0, client_order_id=order.client_order_id, symbol=order.symbol, code=-2010, reason="no money"
        )

    monkeypatch.setattr(venue, "submit", no)
    await bench.step(approved(), decided())
    [rejected] = bench.heard_of(OrderRejected)
    assert rejected.ts_ns == HOUR_NS


@pytest.mark.parametrize("flag", ["missing", "open"])
async def test_while_the_account_is_halted_nothing_that_adds_exposure_is_sent(
    venue: TroubledVenue, bench: Bench, flag: str
) -> None:
    await bench.step(approved(0), decided())
    venue.advance(2)
    await bench.step(bars(2))
    bench.flags = BreakerFlags(MemoryHotState())
    if flag == "open":
        await bench.flags.open("main", reason="drill", version=1)
    bench.start()
    await bench.step(approved(1), approved(2, side=Side.SELL, reduce_only=True), decided())
    assert [name.rsplit("-", 1)[0] for name in venue.submits[1:]] == [
        f"n1v1-{order_id('main', SignalId('ema_cross:BTC-USD:2'))}"
    ]
    halted = next(event for event in bench.heard_of(OrderRejected) if "halted" in event.reason)  # type: ignore[attr-defined]  # narrowed by heard_of
    assert isinstance(halted, OrderRejected)
    assert ("drill" if flag == "open" else "is not there") in halted.reason
    assert len(bench.heard_of(OrdersComplete)) == 2


BRACKET = Bracket(stop_ticks=9_000, target_ticks=12_000)
ENTRY = f"n1v1-{order_id('main', SignalId('ema_cross:BTC-USD:1'))}"
EXIT = f"n1v1-{order_id('main', SignalId('ema_cross:BTC-USD:2'))}-1"


def leave(bar: int = 2) -> OrderApproved:
    return approved(2, side=Side.SELL, reduce_only=True, bar=bar)


async def protected(bench: Bench, venue: TroubledVenue) -> None:
    """One BTC is held, bought at 100; its stop waits at 90, its target at 120."""
    await bench.step(approved(bracket=BRACKET), decided())
    venue.advance(2)
    await bench.step(bars(2))


@pytest.mark.parametrize(
    ("trouble", "requests"), [("", [f"{ENTRY}-1"]), ("after", [f"{ENTRY}-1"]), ("before", [f"{ENTRY}-1", f"{ENTRY}-2"])]
)
async def test_an_entry_and_its_legs_arrive_once_whatever_becomes_of_the_answer(
    bench: Bench, venue: TroubledVenue, trouble: str, requests: list[str]
) -> None:
    venue.troubles = [trouble] if trouble else []
    await bench.step(approved(bracket=BRACKET), decided())
    assert venue.requests == requests
    attempt = requests[-1][-1]
    assert [order.client_order_id for order in venue.venue.orders] == [
        f"{ENTRY}-{attempt}",
        f"{ENTRY}-stop-{attempt}",
        f"{ENTRY}-target-{attempt}",
    ]
    assert len(bench.heard_of(OrderUnknown)) == (3 if trouble else 0)
    assert len(bench.heard_of(OrderAccepted)) == 3
    assert len(bench.heard_of(OrdersComplete)) == 1
    assert set(bench.rows.values()) == {OrderState.ACCEPTED}


MOVED = f"n1v1-{order_id('main', SignalId('ema_cross:BTC-USD:2'))}"


def move(bar: int = 2) -> OrderApproved:
    return replace(
        leave(bar),
        purpose=Purpose.STOP_LOSS,
        type=OrderType.STOP,
        trigger_ticks=9_500,
        bracket=Bracket(target_ticks=12_000),
    )


def at_venue(venue: TroubledVenue) -> list[str]:
    return [order.client_order_id for order in venue.venue.open_orders("main")]


@pytest.mark.parametrize(
    ("troubles", "attempt"),
    [([], 1), (["after"], 1), (["before"], 1), (["", "after"], 1), (["", "before"], 2), (["before", "before"], 1)],
)
async def test_a_stop_is_moved_once_whatever_becomes_of_cancel_and_answer(
    bench: Bench, venue: TroubledVenue, troubles: list[str], attempt: int
) -> None:
    """The first trouble is that of the cancel, which is repeated where it never arrived; the next is the pair's, or
    that of the repeated cancel."""
    await protected(bench, venue)
    venue.troubles = [*troubles]
    await bench.step(move(), decided(2))
    assert at_venue(venue) == [f"{MOVED}-{attempt}", f"{MOVED}-target-{attempt}"]
    assert len(bench.heard_of(OrdersComplete)) == 2
    venue.advance(3, price=94)
    await bench.step(bars(3))
    assert bench.stage.open_orders == []
    assert venue.venue.balances("main")["BTC"].free == 0


async def test_killed_while_a_stop_is_moved_it_is_moved_by_the_next_life(bench: Bench, venue: TroubledVenue) -> None:
    await protected(bench, venue)
    await bench.step(move(), decided(2), then_send=False)
    bench.start()
    await bench.step()
    assert at_venue(venue) == [f"{MOVED}-1", f"{MOVED}-target-1"]


async def test_where_stop_and_target_cannot_be_tied_together_the_old_ones_stay(
    bench: Bench, venue: TroubledVenue
) -> None:
    await protected(bench, venue)
    before = at_venue(venue)
    venue.takes_pairs = False
    await bench.step(move(), decided(2))
    assert at_venue(venue) == before
    assert {event.order_id for event in bench.heard_of(OrderRejected)} == {MOVED[5:], f"{MOVED[5:]}-target"}  # type: ignore[attr-defined]  # narrowed by heard_of


async def test_an_exit_goes_out_after_the_legs_are_cancelled(bench: Bench, venue: TroubledVenue) -> None:
    await protected(bench, venue)
    await bench.step(leave(), decided(2))
    assert venue.requests[1:] == [f"cancel {ENTRY}-stop-1", EXIT]
    assert len(bench.heard_of(OrderCancelled)) == 2
    assert [event.ts_ns for event in bench.heard_of(OrdersComplete)] == [HOUR_NS, 2 * HOUR_NS]
    venue.advance(3)
    await bench.step(bars(3))
    assert bench.stage.open_orders == []
    assert venue.venue.balances("main")["BTC"].free == 0


async def test_the_trace_of_an_exit_that_waits_is_kept_until_it_is_sent(bench: Bench, venue: TroubledVenue) -> None:
    await protected(bench, venue)
    exit_ = leave()
    await bench.step(exit_, decided(2), then_send=False)
    assert exit_.id in bench.handler.open_causes()
    await bench.handler.after_step()
    assert bench.handler.open_causes() == {f"submitted:{exit_.order_id}"}


@pytest.mark.parametrize("trouble", ["before", "after"])
async def test_a_cancel_without_an_answer_is_repeated_until_the_venue_says_closed(
    bench: Bench, venue: TroubledVenue, trouble: str
) -> None:
    await protected(bench, venue)
    venue.troubles = [trouble]
    await bench.step(leave(), decided(2))
    cancel = f"cancel {ENTRY}-stop-1"
    assert venue.requests[1:] == ([cancel, cancel, EXIT] if trouble == "before" else [cancel, EXIT])


async def test_a_leg_that_filled_before_the_cancel_arrived_makes_the_exit_superfluous(
    bench: Bench, venue: TroubledVenue
) -> None:
    await protected(bench, venue)
    venue.advance(3, price=80)  # nobody has asked about it yet
    await bench.step(leave(bar=3), decided(3))
    assert venue.requests[1:] == [f"cancel {ENTRY}-stop-1"]
    assert [event.purpose for event in bench.heard_of(OrderFilled)] == [Purpose.ENTRY, Purpose.STOP_LOSS]  # type: ignore[attr-defined]  # narrowed by heard_of
    (given_up,) = bench.heard_of(OrderRejected)
    assert isinstance(given_up, OrderRejected)
    assert given_up.reason == "the position was closed by its stop loss"
    assert [event.ts_ns for event in bench.heard_of(OrdersComplete)] == [HOUR_NS, 3 * HOUR_NS]


async def test_killed_while_an_exit_waits_the_legs_are_cancelled_and_it_is_sent(
    bench: Bench, venue: TroubledVenue
) -> None:
    await protected(bench, venue)
    await bench.step(leave(), decided(2), then_send=False)
    bench.start()
    await bench.handler.after_step()
    assert venue.requests[1:] == [f"cancel {ENTRY}-stop-1", EXIT]


async def test_killed_after_the_cancel_arrived_the_exit_is_still_sent_once(bench: Bench, venue: TroubledVenue) -> None:
    await protected(bench, venue)
    await bench.step(leave(), decided(2), then_send=False)
    (stop, *_) = bench.stage.cancels_due
    leg = next(order for order in bench.stage.open_orders if order.client_order_id == stop.client_order_id)
    await venue.cancel(leg)
    bench.start()
    await bench.handler.after_step()
    assert venue.requests[-1] == EXIT
    assert venue.requests.count(EXIT) == 1


async def test_an_open_breaker_takes_back_an_entry_that_rests(bench: Bench, venue: TroubledVenue) -> None:
    await bench.step(approved(bracket=BRACKET, limit=9_500), decided())
    opened = BreakerChanged(id="b", ts_ns=HOUR_NS, account="main", is_open=True, reason="drill", actor="test")
    await bench.step(opened)
    assert venue.requests[1:] == [f"cancel {ENTRY}-1"]
    assert venue.venue.open_orders("main") == ()
    assert bench.stage.open_orders == []


async def test_a_halt_takes_back_the_resting_entries_of_its_scope_and_leaves_the_others(
    bench: Bench, venue: TroubledVenue
) -> None:
    await bench.step(approved(bracket=BRACKET, limit=9_500), decided())
    for instance, requests in (("other", []), ("ema_cross", [f"cancel {ENTRY}-1"])):
        halt = Halt(scope=Scope(instance=instance, symbol="BTC-USD"), reason="drill", actor="ann", since_ns=1)
        await bench.step(HaltsChanged(id=f"h:{instance}", ts_ns=HOUR_NS, account="main", halts=(halt,)))
        assert venue.requests[1:] == requests
    assert bench.stage.open_orders == []


async def test_an_entry_that_was_approved_before_its_symbol_was_halted_is_not_sent(
    bench: Bench, venue: TroubledVenue
) -> None:
    halt = Halt(scope=Scope(symbol="BTC-USD"), reason="drill", actor="ann", since_ns=1)
    await bench.flags.close("main", version=2, halts=[halt])
    await bench.step(approved(), decided())
    assert venue.requests == []
    (refused,) = bench.heard_of(OrderRejected)
    assert isinstance(refused, OrderRejected)
    assert "BTC-USD by ann: drill" in refused.reason


@pytest.mark.parametrize("allowed", [True, False])
async def test_without_redis_an_exit_goes_out_or_leaves_the_stop_where_it_is(
    bench: Bench, venue: TroubledVenue, allowed: bool
) -> None:
    bench.exits_without_redis = allowed
    bench.start()
    await protected(bench, venue)
    bench.flags = BreakerFlags(MemoryHotState())
    bench.start()
    await bench.step(leave(), decided(2))
    if allowed:
        assert venue.requests[1:] == [f"cancel {ENTRY}-stop-1", EXIT]
        return
    assert venue.requests[1:] == []
    (refused,) = bench.heard_of(OrderRejected)
    assert isinstance(refused, OrderRejected)
    assert "breaker state unknown" in refused.reason
    assert len(venue.venue.open_orders("main")) == 2, "stop and target still protect the position"
    venue.advance(3, price=80)
    await bench.step(bars(3))
    assert [event.purpose for event in bench.heard_of(OrderFilled)] == [Purpose.ENTRY, Purpose.STOP_LOSS]  # type: ignore[attr-defined]  # narrowed by heard_of


async def test_a_decided_cancel_is_work_though_nothing_is_said(bench: Bench, venue: TroubledVenue) -> None:
    await protected(bench, venue)
    assert not bench.handler.has_work()
    assert await bench.handler.handle(leave()) == []
    assert bench.handler.has_work()
    await bench.handler.after_step()
    assert not bench.handler.has_work()


def _command(order: Order) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        lots=order.lots,
    )


FOUR_PARTS = Plan(method=Method.TWAP, parts=4, interval_ns=HOUR_NS, step_lots=1_000, least_lots=1_000)


@pytest.mark.parametrize("restarts", [False, True], ids=["one life", "a new process after every step"])
async def test_parts_of_an_order_are_each_at_the_venue_once_over_a_line_that_loses_requests_and_answers(
    bench: Bench, venue: TroubledVenue, restarts: bool
) -> None:
    """The second part's answer is lost, the third part's request: sent again under a name of its own."""
    parted = replace(approved(), plan=FOUR_PARTS, valid_until_ns=9 * HOUR_NS)
    troubles = {2: ["after"], 3: ["before"]}
    for hour in (1, 2, 3, 4, 5):
        if hour > 1:
            venue.advance(hour)
        venue.troubles = troubles.get(hour, [])
        await bench.step(*([parted] if hour == 1 else [bars(hour)]), decided(hour))
        if restarts:
            bench.start()
            await bench.handler.after_step()
    child = f"n1v1-{parted.order_id}"
    assert venue.submits == [f"{child}-1-1", f"{child}-2-1", f"{child}-3-1", f"{child}-3-2", f"{child}-4-1"]
    assert [order.lots for order in venue.venue.orders] == [ONE // 4] * 4
    fills = [event for event in bench.heard_of(OrderFilled) if isinstance(event, OrderFilled)]
    assert [(fill.order_id, fill.lots) for fill in fills] == [(parted.order_id, ONE // 4)] * 4
    assert [fill.is_final for fill in fills] == [False, False, False, True]
    assert bench.stage.open_orders == []
    assert bench.rows[parted.order_id] == OrderState.FILLED
    assert bench.rows[f"{parted.order_id}-3"] == OrderState.FILLED


async def test_live_a_part_goes_out_when_its_time_has_come_by_the_clock(
    bench: Bench, venue: TroubledVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "LOOK_AT_CLOCK_S", 0.001)
    now = time.time_ns()
    late = Plan(method=Method.TWAP, parts=2, interval_ns=HOUR_NS, step_lots=1_000, least_lots=1_000)
    begun = now - HOUR_NS + 20_000_000
    await bench.step(replace(approved(), ts_ns=begun, plan=late, valid_until_ns=now + HOUR_NS))
    assert len(venue.submits) == 1
    acted = asyncio.Event()

    async def act(decide: Callable[[], Sequence[Event]]) -> None:
        await bench.commit(decide)
        await bench.handler.after_step()
        acted.set()

    clock = asyncio.create_task(keep_orders_in_time(bench.handler, act))
    await asyncio.wait_for(acted.wait(), 5)
    clock.cancel()
    assert len(venue.submits) == 2


async def test_an_order_that_follows_the_market_waits_at_the_best_price_that_market_data_has_published(
    venue: TroubledVenue, bench: Bench
) -> None:
    bus, codec = MemoryBus(), Codec([BTC])
    await bus.declare([MARKET_FLOW])
    bench.prices = PublishedPrices(bus, codec)
    bench.start()
    plan = Plan(method=Method.ADAPTIVE, parts=3, interval_ns=HOUR_NS, step_lots=1_000, least_lots=1_000)
    for bar, best in ((1, 9_901), (2, 9_905), (3, None)):
        if best is not None:
            seen = ticker(bar * HOUR_NS, bid=best, ask=best + 10)
            await bus.publish([Outgoing(*codec.encode(seen), seen.id)])
        if bar > 1:
            venue.advance(bar)
        entry = [replace(approved(), plan=plan, valid_until_ns=9 * HOUR_NS)] if bar == 1 else [bars(bar)]
        await bench.step(*entry, decided(bar))
    sent = [order.limit_ticks for order in venue.venue.orders]
    assert sent == [9_901, 9_905, None], "at last at the market"


def ticker(ts_ns: int, *, bid: int, ask: int) -> TickerSeen:
    return TickerSeen(
        id=f"ticker:{ts_ns}",
        ts_ns=ts_ns,
        symbol="BTC-USD",
        bid_ticks=bid,
        bid_lots=ONE,
        ask_ticks=ask,
        ask_lots=ONE,
    )


class Killed(BaseException):
    """The process ends here; nobody may catch it."""


class Fate:
    """By its seed: where requests and answers get lost, and where the process is killed."""

    def __init__(self, seed: int, bench: Bench, venue: TroubledVenue) -> None:
        self._chance = random.Random(seed)
        self._venue = venue
        self._until_first = self._chance.randint(1, 6)
        self.kills = 0
        for name in ("submit", "submit_list", "cancel"):
            setattr(venue, name, partial(self._sent, getattr(venue, name)))
        bench.commit = self._committed(bench.commit)  # type: ignore[method-assign, assignment]  # a process that may die there

    def choose(self, *things: Any) -> Any:
        return self._chance.choice(things)

    def _die(self, chance: float) -> None:
        self._until_first -= 1
        if self._until_first == 0 or self._chance.random() < chance:
            self.kills += 1
            raise Killed

    async def _sent(self, send: Callable[[Any], Awaitable[Any]], what: Any) -> Any:
        self._die(0.15)
        self._venue.troubles = [self.choose("", "", "", "before", "after")]
        try:
            answer = await send(what)
        finally:
            self._die(0.15)
        return answer

    def _committed(self, commit: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        async def committed(decide: Any) -> None:
            self._die(0.1)
            await commit(decide)
            self._die(0.1)

        return committed


@pytest.mark.parametrize("seed", range(200))
async def test_killed_at_any_moment_the_books_are_the_venues(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries with stop and target, stops that are moved, exits, all of them filled in parts: each process ends between
    any two of its steps, requests and answers get lost, and the next process goes on with what was stored."""
    monkeypatch.setattr(patience, "ASK_AGAIN_S", 0.001)
    venue = TroubledVenue(replace(RULES, participation_ppb=PPB * 6 // 10))
    venue.advance(1)
    bench = Bench(venue, absence_after_s=0.01)
    await bench.flags.close("main", version=1)
    fate = Fate(seed, bench, venue)
    bench.start()
    for bar in range(1, 13):
        if bar > 1:
            venue.advance(bar, price=fate.choose(88, 94, 96, 100, 104, 125))
            await until_carried_out(bench, bars(bar))
        await until_carried_out(bench, *decision(bench, bar, fate), decided(bar))
    assert fate.kills
    trades = [trade.trade_id for trade in venue.venue.trades("main", "BTC-USD")]
    filled = [event.trade_id for event in bench.heard_of(OrderFilled)]  # type: ignore[attr-defined]  # narrowed by heard_of
    assert sorted(filled) == sorted(trades), "each trade is told once"
    held = venue.venue.balances("main")["BTC"]
    assert bench.stage.held_lots("BTC-USD") == held.free + held.locked
    assert sorted(order.client_order_id for order in bench.stage.open_orders) == sorted(at_venue(venue))
    names = [order.client_order_id.rsplit("-", 1)[0] for order in venue.venue.orders]
    assert len(names) == len(set(names)), "no order is there under two attempts"


async def until_carried_out(bench: Bench, *events: Event) -> None:
    """As the stage loop: what was not stored is heard again, and what was stored is carried out."""
    stored = len(bench.saved)
    while True:
        try:
            await bench.step(*(events if len(bench.saved) == stored else ()))
        except Killed:
            bench.start()
            continue
        return


def decision(bench: Bench, bar: int, fate: Fate) -> list[OrderApproved]:
    """What risk would permit."""
    at_work = [order for order in bench.stage.open_orders if not order.protects]
    held = bench.stage.held_lots("BTC-USD")
    if at_work or bar == 12:
        return []
    if not held:
        return [approved(bar, bar=bar, bracket=fate.choose(BRACKET, Bracket(stop_ticks=9_000), None))]
    leaving = replace(approved(bar, side=Side.SELL, reduce_only=True, bar=bar), lots=held)
    target = fate.choose(None, Bracket(target_ticks=13_000))
    moved = replace(leaving, purpose=Purpose.STOP_LOSS, type=OrderType.STOP, trigger_ticks=8_700 + bar, bracket=target)
    return fate.choose([leaving], [moved], [moved], [])  # type: ignore[no-any-return]  # one of these
