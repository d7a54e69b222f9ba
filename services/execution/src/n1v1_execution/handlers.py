"""The conversation with the venue: journal first, send once, and ask instead of sending again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from n1v1.events import (
    BarsComplete,
    CancelOrder,
    DecisionsComplete,
    EquityMarked,
    Event,
    HaltsChanged,
    OrderApproved,
    OrderEvent,
    OrderFilled,
    Outcome,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueCommand,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order, OrderState
from n1v1.execution.parents import Quote
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, order_of_client_order_id
from n1v1.styles import Method
from n1v1.values import Instrument, Purpose, TimeInForce
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.storage.journal import Effect
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.differences import Difference, Suspicions
from n1v1_execution.guarding import LOOKUPS_WITHOUT_RESULT, Guarding
from n1v1_execution.ledger_watch import LedgerWatch
from n1v1_execution.news import reports_of
from n1v1_execution.patience import pause, until_answered
from n1v1_execution.ports import BestPrices, Deposit, OrderGateway, OrderUpdate, VenueTrouble
from n1v1_execution.protection import Protection
from n1v1_execution.reconciliation import Reconciliation
from n1v1_execution.rows import fills_effect, orders_effect

log = structlog.get_logger()

LOOK_AT_CLOCK_S = 0.5
"""A quarter of the shortest usual interval between two parts of an order."""
Answer = VenueAccepted | VenueRejected | Sequence[VenueAccepted]
"""What a venue says to a request."""

Act = Callable[[Callable[[], Sequence[Event]]], Awaitable[None]]
"""Decides something that no message caused: StageLoop.act."""

Commit = Callable[[Callable[[], Sequence[Event]]], Awaitable[None]]
"""Stores and publishes the events of a decision while a step is being carried out: StageLoop.commit_within_step."""


class ExecutionHandler:
    """One account at one venue.

    absence_after_s: how long after sending "no such order" becomes believable: the request's own validity window
    plus what the venue may need to work on it.
    """

    def __init__(
        self,
        *,
        stage: Execution,
        gateway: OrderGateway,
        flags: BreakerFlags,
        instruments: Sequence[Instrument],
        absence_after_s: float,
        metrics: Metrics,
        reconciliation: Reconciliation | None = None,
        protection: Protection | None = None,
        prices: BestPrices | None = None,
        needs_stream: bool = False,
        exits_without_redis: bool = True,
    ) -> None:
        """reconciliation: None in lockstep, where the market waits for us and we ask for every open order.
        protection: where the venue cannot take an entry and its legs as one list. prices: None where market_data
        publishes none, and in lockstep. needs_stream: new orders go out
        only while somebody says that the user stream is alive (`is_connected`).
        exits_without_redis: whether orders that reduce a position go out while nobody can tell whether the account is
        halted.
        """
        self._stage = stage
        self._gateway = gateway
        self._flags = flags
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._absence_after_s = absence_after_s
        self._metrics = metrics
        self._commands: list[VenueCommand] = []
        self._touched: dict[OrderId, Order] = {}
        self._reconciliation = reconciliation
        self._protection = protection
        self._guarding: Guarding | None = None
        if protection is not None:
            self._guarding = Guarding(
                protection=protection, stage=stage, gateway=gateway, books=self, absence_after_s=absence_after_s
            )
        self._prices = prices
        self._needs_stream = needs_stream
        self._exits_without_redis = exits_without_redis
        self._ledger = LedgerWatch(stage, self._instruments)
        self._suspicions = Suspicions(stage.account)
        self._updates: deque[OrderUpdate | Deposit] = deque()
        self._to_ask: dict[OrderId, Order] = {}
        self._must_reconcile = False
        self._market_ns = 0
        self.is_connected = False
        self.is_reconciled = False
        """Whether the last comparison with the venue was carried through, whatever it found."""
        self._in_doubt_gauge = metrics.gauge("execution_orders_unknown")
        self.commit: Commit | None = None

    async def handle(self, event: Event) -> Sequence[Event]:
        said: list[Event] = []
        if isinstance(event, OrderApproved) and event.plan is not None and event.plan.method is Method.ADAPTIVE:
            await self._look_at_books({event.symbol})
        elif isinstance(event, DecisionsComplete):
            await self._look_at_books(self._stage.symbols_to_bid(max(event.ts_ns, self._market_ns)))
        if isinstance(event, BarsComplete):
            self._market_ns = event.ts_ns
            for order in self._stage.open_orders:
                said += self._noted(self._heard(await self._news_of(order)))
        if isinstance(event, OrderApproved) and (refusal := await self._why_no_exit(event)):
            said += self._noted(self._stage.refuse(event, refusal))
        else:
            said += self._noted(self._stage.handle(event))
        if isinstance(event, OrderApproved):
            self._touch(event.order_id)
        if isinstance(event, EquityMarked) and event.account == self._stage.account:
            said += self._suspect(self._ledger.compare(event))
        if isinstance(event, HaltsChanged) and event.account == self._stage.account:
            self._trust_again(event)
        return said

    async def _why_no_exit(self, approved: OrderApproved) -> str:
        """Asked before the exit's protection is taken back, which the position keeps when there is a reason."""
        is_pair = approved.purpose is Purpose.STOP_LOSS and approved.bracket is not None
        if is_pair and not self._gateway.takes_pairs:
            return "not sent: the stop has a target, and this venue cannot tie the two together"
        if not approved.reduce_only or self._exits_without_redis:
            return ""
        halt = await self._flags.is_open(approved.account)
        return "" if halt.is_known else f"not sent, {halt.reason}"

    def _trust_again(self, changed: HaltsChanged) -> None:
        """Somebody has looked at what was suspicious and has resumed it: what the others have is right."""
        resumed = self._suspicions.hear(changed)
        self._ledger.forgive(resumed)
        if self._reconciliation is not None:
            self._reconciliation.forgive(resumed)

    def _suspect(self, differences: Sequence[Difference]) -> Sequence[Event]:
        """The halts that follow from what does not agree. Each is said once."""
        commands = self._suspicions.add(differences, self._market_ns)
        for difference in differences if commands else ():
            scope = difference.symbol or "the account"
            log.error("our books differ", kind=difference.kind, what=difference.what, halts=scope)
            self._metrics.counter("execution_reconcile_differences_total", kind=difference.kind).inc()
        return commands

    def _noted(self, outcome: Outcome) -> Sequence[Event]:
        """The events of an outcome; its commands wait until the step is stored."""
        if outcome.commands:
            reached(CrashPoint.BEFORE_JOURNAL)
        self._commands += outcome.commands
        return outcome.events

    async def _news_of(self, order: Order) -> Sequence[VenueReport]:
        if not order.state.is_at_venue:  # it was never sent
            return ()
        if self._is_guarded(order):  # there in several generations, or not yet: that there is no news says nothing
            return await self._ask(order)
        deadline = time.monotonic() + self._absence_after_s
        while not (reports := await self._ask(order)):
            if time.monotonic() >= deadline:
                log.error("the venue does not know an order that it had accepted", order=order.order_id)
                return ()
            await pause()  # its queries may lag behind what it does
        return reports

    async def _ask(self, order: Order) -> Sequence[VenueReport]:
        """What the venue knows of an open order. Asked until it answers: without it the bar time cannot settle."""
        return await until_answered(partial(self._find, order), about=order.order_id)

    def _heard(self, reports: Sequence[VenueReport]) -> Outcome:
        for report in reports:
            self._touch(order_of_client_order_id(report.client_order_id))
        outcome = self._stage.report(*reports)
        if any(isinstance(report, VenueFilled) and report.remaining_lots for report in reports):
            reached(CrashPoint.PARTIAL_FILL)
        if self._reconciliation is not None:
            self._book(outcome.events, self._reconciliation)
        return outcome

    def _book(self, events: Sequence[Event], reconciliation: Reconciliation) -> None:
        for event in events:
            if isinstance(event, OrderFilled):
                reconciliation.book(event)
                self._ledger.book(event, self._market_ns)

    # --- outside lockstep: what the user stream says, and the comparison with the venue -----------------------------

    def hear(self, updates: Iterable[OrderUpdate | Deposit]) -> None:
        """Put down what the user stream says; `news` takes it up within a step."""
        self._updates.extend(updates)

    def ask_to_reconcile(self) -> None:
        self._must_reconcile, self.is_reconciled = True, False

    def news(self) -> Sequence[Event]:
        """What follows from what was heard. An update that leaves a question makes its order one to be asked for."""
        said: list[Event] = []
        while self._updates:
            update = self._updates.popleft()
            if isinstance(update, Deposit):
                self._take_note(update)
                continue
            order = self._order_in(update)
            if order is None:
                self._must_reconcile = True
                continue
            reports = reports_of(update, order, self._instruments[order.symbol])
            if reports is None:
                self._to_ask[order.order_id] = order
            else:
                said += self._noted(self._heard(reports))
        return said

    def _take_note(self, deposit: Deposit) -> None:
        log.warning("the venue says that something was paid in", asset=deposit.asset, amount=str(deposit.amount))
        if self._reconciliation is not None:
            self._reconciliation.announce(deposit)

    def _order_in(self, update: OrderUpdate) -> Order | None:
        order_id = order_of_client_order_id(update.client_order_id)
        if order_id is not None:
            return self._stage.order(order_id)
        named = (order for order in self._stage.open_orders if order.venue_order_id == update.venue_order_id)
        return next(named, None)

    async def _keep_in_step(self) -> None:
        """What a live account needs at the end of every step."""
        while self._to_ask:
            _, order = self._to_ask.popitem()
            await self._carry_out(await self._commit(self._heard(await self._ask(order))))
        self._take_back_expired()
        if self._must_reconcile and self._reconciliation is not None:
            await self._reconcile(self._reconciliation)

    def _take_back_expired(self) -> None:
        """Entries that end by time, at a venue that does not end them: we do."""
        if self._protection is None:
            return
        now_ns = max(self._market_ns, time.time_ns())
        for order in self._stage.open_orders:
            if order.time_in_force is TimeInForce.GTD and order.valid_until_ns <= now_ns:
                order.is_unwanted = True

    async def _reconcile(self, reconciliation: Reconciliation) -> None:
        try:
            differences = await reconciliation.run(self._find, self.apply)
        except VenueTrouble as error:
            log.warning("the account could not be compared with the venue's", reason=str(error))
            return
        self._must_reconcile, self.is_reconciled = False, True
        await self.halt(differences)

    @property
    def has_doubts(self) -> bool:
        """Whether the last comparison has found something that a second one has to confirm."""
        return self._reconciliation is not None and self._reconciliation.has_doubts

    async def _find(self, order: Order) -> Sequence[VenueReport]:
        """What the venue says of an order."""
        if self._guarding is not None and self._is_guarded(order):
            return await self._guarding.find(order)
        return await self._gateway.find(order)

    def _is_guarded(self, order: Order) -> bool:
        """Whether it protects an entry that the venue could not take together with it."""
        return self._guarding is not None and order.is_leg_of_entry

    # --- what is kept while a step is carried out --------------------------------------------------------------------

    async def store(self, changed: Iterable[Order] = ()) -> None:
        self._touch_listed(changed)
        await self._commit(Outcome())

    async def apply(self, reports: Sequence[VenueReport]) -> None:
        await self._carry_out(await self._commit(self._heard(reports)))

    async def halt(self, differences: Sequence[Difference]) -> None:
        await self._commit(Outcome(tuple(self._suspect(differences))))

    async def _try_to_cancel(self, order: Order) -> None:
        try:
            await self._gateway.cancel(order)
        except VenueTrouble as error:
            log.warning("a cancel is in doubt", client_order_id=order.client_order_id, reason=str(error))

    def _touch(self, order_id: OrderId | None) -> None:
        """Remember an order whose row has to be written, itself too: the stage may forget it when it is closed."""
        order = self._stage.order(order_id) if order_id else None
        if order is not None:
            self._touched[order.order_id] = order

    def _touch_all(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, OrderEvent):
                self._touch(event.order_id)

    def is_due(self, now_ns: int) -> bool:
        """Whether an order that is carried out in parts, or has to end by time, waits for something."""
        return self._stage.due_ns <= now_ns

    async def look_at_books(self, now_ns: int) -> None:
        """Before `work`, so that orders which follow the market are priced by its newest word."""
        await self._look_at_books(self._stage.symbols_to_bid(now_ns))

    async def _look_at_books(self, symbols: Iterable[str]) -> None:
        if self._prices is None:
            return
        for symbol in symbols:
            seen = await self._prices.newest(symbol)
            if seen is not None and seen.bid_ticks is not None and seen.ask_ticks is not None:
                self._stage.see_quote(symbol, Quote(seen.ts_ns, seen.bid_ticks, seen.ask_ticks))

    def work(self, now_ns: int) -> Sequence[Event]:
        return self._noted(self._stage.work(now_ns))

    def has_work(self) -> bool:
        """A cancel is decided without a word: what is said of it is what the venue answers."""
        return bool(self._commands)

    async def after_step(self) -> None:
        """Carry out what the step decided, and what an earlier life had decided and may not have carried out.

        One after the other, each to its end: the venue serves by arrival, so an order that is sent after one in
        doubt would be served before it, and a run with a fault in it would not end like one without.
        """
        commands, self._commands = self._commands, []
        await self._carry_out(commands)
        while in_doubt := self._stage.orders_in_doubt:
            await self._carry_out(await self._resolve(in_doubt[0]))
        await self._carry_out(self._stage.cancels_due)
        if self._reconciliation is not None:
            await self._keep_in_step()
            await self._carry_out(self._stage.cancels_due)
        if self._guarding is not None:
            await self._guarding.keep()

    async def _carry_out(self, commands: Sequence[VenueCommand]) -> None:
        """What follows from a command comes before the next one: its further attempts, the exit after a cancel."""
        waiting = deque(commands)
        while waiting:
            waiting.extendleft(reversed(await self._carried_out(waiting.popleft())))

    async def _carried_out(self, command: VenueCommand) -> Sequence[VenueCommand]:
        match command:
            case CancelOrder():
                order_id = order_of_client_order_id(command.client_order_id)
                listed = self._stage.order(order_id) if order_id else None
                return await self._cancel(listed) if listed else ()  # None: closed, and forgotten since
            case SubmitOrderList():
                first = command.working or command.pending[0]
                order = self._order_of(first.client_order_id)
                send = self._guarding.submit if self._guarding and command.working else self._gateway.submit_list
                return await self._submit(order, partial(send, command))
            case SubmitOrder():
                order = self._order_of(command.client_order_id)
                return await self._submit(order, partial(self._gateway.submit, command))

    async def _submit(self, order: Order, send: Callable[[], Awaitable[Answer]]) -> Sequence[VenueCommand]:
        """Send an order, or an entry with its legs, once. Answers what follows: another attempt if it never arrived."""
        reached(CrashPoint.JOURNALLED_NOT_SENT)
        try:
            answer = await self._halted(order) or await send()
        except VenueTrouble as error:
            reason = str(error)
            log.warning("an order is in doubt", client_order_id=order.client_order_id, reason=reason)
            await self._commit(Outcome(tuple(self._stage.no_answer(order.order_id, reason))))
            return await self._resolve(order)
        reports = [answer] if isinstance(answer, VenueReport) else answer
        return await self._commit(self._heard([_timed(report, order) for report in reports]))

    async def _cancel(self, order: Order) -> Sequence[VenueCommand]:
        """Take back an order that the venue has, with its list, and believe only what it then says of each.

        Answers what follows: the same again while the venue has any of them, or the exit that waited for this.
        """
        if not order.is_to_be_cancelled:
            return ()  # it was closed meanwhile, by another cancel of its list or by a fill
        if self._protection is not None and order.is_leg_of_entry:
            return ()  # a leg is not at the venue under this name: its guard takes it back
        reached(CrashPoint.CANCEL_RACING_A_FILL)
        await self._try_to_cancel(order)
        asked = [listed for listed in self._stage.listed_with(order) if listed.state.is_open]
        reports = [report for listed in asked for report in await self._ask(listed)]
        commands = await self._commit(self._heard(reports))
        if order.is_to_be_cancelled:
            await pause()
        return commands

    async def _commit(self, outcome: Outcome) -> Sequence[VenueCommand]:
        assert self.commit is not None
        await self.commit(lambda: outcome.events)
        self._in_doubt_gauge.set(len(self._stage.orders_in_doubt))
        return outcome.commands

    def _order_of(self, client_order_id: ClientOrderId) -> Order:
        order_id = order_of_client_order_id(client_order_id)
        order = self._stage.order(order_id) if order_id else None
        assert order is not None, f"{client_order_id} is none of our orders"
        return order

    async def _halted(self, order: Order) -> VenueRejected | None:
        """A no on behalf of the venue while the account is halted. Orders that reduce a position go out."""
        if order.reduce_only:
            return None
        reason = await self._why_halted(order)
        if not reason:
            return None
        return VenueRejected(
            ts_ns=order.decided_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            code=0,
            reason=f"not sent, {reason}",
        )

    async def _why_halted(self, order: Order) -> str:
        if self._needs_stream and not self.is_connected:
            return "the user stream is not proven alive"
        if suspicion := self._suspicions.against(order.symbol):
            return f"our books differ: {suspicion}"
        halt = await self._flags.is_open(order.account, instance=order.instance, symbol=order.symbol)
        return f"halted: {halt.reason}" if halt.is_open else ""

    async def _resolve(self, order: Order) -> Sequence[VenueCommand]:
        """Ask for an order in doubt, and for all that was sent with it; believe in the absence of all of them, and
        only when they could not arrive any more.

        Answers what follows: the next attempt of a request that never arrived and is still valid.
        """
        await self._commit(Outcome(tuple(self._stage.no_answer(order.order_id, "no answer is remembered"))))
        deadline = time.monotonic() + self._absence_after_s
        commands: list[VenueCommand] = []
        lookups = 0
        while in_doubt := [listed for listed in self._stage.listed_with(order) if listed.state.is_in_doubt]:
            asked = time.monotonic()
            reports = [report for listed in in_doubt for report in await self._ask(listed)]
            if reports:
                commands += await self._commit(self._heard(reports))
                lookups = 0
                continue
            lookups += asked >= deadline
            if lookups >= LOOKUPS_WITHOUT_RESULT and not await self._is_explained_by_a_trade(order):
                log.warning("an order never reached the venue", order=order.order_id, attempt=order.attempt)
                self._touch_listed(in_doubt)
                return [*commands, *await self._commit(self._stage.never_arrived(in_doubt[0].order_id))]
            await pause()
        return commands

    async def _is_explained_by_a_trade(self, order: Order) -> bool:
        """An order may have been executed and still not be found: lists of a venue lag behind one another."""
        if self._reconciliation is None:
            return False
        return await until_answered(partial(self._reconciliation.explains, order), about=order.order_id)

    def _touch_listed(self, orders: Iterable[Order]) -> None:
        """Their attempt changes, which no event says."""
        for order in orders:
            self._touch(order.order_id)

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        self._touch_all(events)
        touched, self._touched = self._touched, {}
        orders = [touched[order_id] for order_id in sorted(touched)]
        fills = [event for event in events if isinstance(event, OrderFilled)]
        for filled in fills:
            self._metrics.counter("execution_fills_total", symbol=filled.symbol).inc()
        return (orders_effect(orders, self._instruments), fills_effect(fills, self._instruments))

    def open_causes(self) -> Collection[str]:
        """What is said next of an open order follows from its submission; of one that waits, from its approval."""
        return {
            order.approval_id if order.state is OrderState.WAITING else f"submitted:{order.public_id}"
            for order in self._stage.open_orders
        }

    def snapshot(self) -> dict[str, Any]:
        saved = self._stage.snapshot()
        if self._reconciliation is not None:
            saved["reconciliation"] = self._reconciliation.snapshot()
            saved["ledger"] = self._ledger.snapshot()
            saved["suspicions"] = self._suspicions.snapshot()
        if self._protection is not None:
            saved["guards"] = self._protection.snapshot()
        return saved

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._stage.restore(saved)
        self._market_ns = int(saved["market_ns"])
        if self._reconciliation is not None and "reconciliation" in saved:
            self._reconciliation.restore(saved["reconciliation"])
            self._ledger.restore(saved.get("ledger"))
            self._suspicions.restore(saved.get("suspicions"))
        if self._protection is not None:
            self._protection.restore(saved.get("guards", ()))
        self._to_ask.clear()
        self._commands.clear()
        self._touched.clear()


async def keep_orders_in_time(handler: ExecutionHandler, act: Act) -> None:
    """Send parts of orders, and end orders, when their time has come by the clock and not only at a bar's close."""
    while True:
        await asyncio.sleep(LOOK_AT_CLOCK_S)
        now_ns = time.time_ns()
        if handler.is_due(now_ns):
            await handler.look_at_books(now_ns)
            await act(partial(handler.work, now_ns))


def _timed(report: VenueReport, order: Order) -> VenueReport:
    """A venue's no carries no time, and at some venues its yes: it has that of its order."""
    return report if report.ts_ns else replace(report, ts_ns=order.decided_ns)
