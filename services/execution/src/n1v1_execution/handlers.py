"""The conversation with the venue: journal first, send once, and ask instead of sending again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from n1v1.events import (
    BarsComplete,
    CancelOrder,
    Event,
    OrderApproved,
    OrderEvent,
    OrderFilled,
    Outcome,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueCommand,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order, OrderState
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, order_of_client_order_id
from n1v1.values import Instrument
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.storage.journal import Effect
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.ports import OrderGateway, VenueTrouble
from n1v1_execution.rows import fills_effect, orders_effect

log = structlog.get_logger()

ASK_AGAIN_S = 0.2

Answer = VenueAccepted | VenueRejected | Sequence[VenueAccepted]
"""What a venue says to a request."""

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
    ) -> None:
        self._stage = stage
        self._gateway = gateway
        self._flags = flags
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._absence_after_s = absence_after_s
        self._metrics = metrics
        self._commands: list[VenueCommand] = []
        self._touched: dict[OrderId, Order] = {}
        self._in_doubt_gauge = metrics.gauge("execution_orders_unknown")
        self.commit: Commit | None = None

    async def handle(self, event: Event) -> Sequence[Event]:
        said: list[Event] = []
        if isinstance(event, BarsComplete):
            for order in self._stage.open_orders:
                said += self._noted(self._heard(await self._news_of(order)))
        said += self._noted(self._stage.handle(event))
        if isinstance(event, OrderApproved):
            self._touch(event.order_id)
        return said

    def _noted(self, outcome: Outcome) -> Sequence[Event]:
        """The events of an outcome; its commands wait until the step is stored."""
        self._commands += outcome.commands
        return outcome.events

    async def _news_of(self, order: Order) -> Sequence[VenueReport]:
        if not order.state.is_at_venue:  # it was never sent
            return ()
        reports = await self._ask(order)
        if not reports:
            log.error("the venue does not know an order that it had accepted", order=order.order_id)
        return reports

    async def _ask(self, order: Order) -> Sequence[VenueReport]:
        """What the venue knows of an open order. Asked until it answers: without it the bar time cannot settle."""
        while True:
            try:
                return await self._gateway.find(order)
            except VenueTrouble as error:
                log.warning("the venue does not answer", order=order.order_id, reason=str(error))
                await asyncio.sleep(ASK_AGAIN_S)

    def _heard(self, reports: Sequence[VenueReport]) -> Outcome:
        for report in reports:
            self._touch(order_of_client_order_id(report.client_order_id))
        return self._stage.report(*reports)

    def _touch(self, order_id: OrderId | None) -> None:
        """Remember an order whose row has to be written, itself too: the stage may forget it when it is closed."""
        order = self._stage.order(order_id) if order_id else None
        if order is not None:
            self._touched[order.order_id] = order

    def _touch_all(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, OrderEvent):
                self._touch(event.order_id)

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

    async def _carry_out(self, commands: Sequence[VenueCommand]) -> None:
        """What follows from a command comes before the next one: its further attempts, the exit after a cancel."""
        waiting = deque(commands)
        while waiting:
            waiting.extendleft(reversed(await self._carried_out(waiting.popleft())))

    async def _carried_out(self, command: VenueCommand) -> Sequence[VenueCommand]:
        match command:
            case CancelOrder():
                return await self._cancel(self._order_of(command.client_order_id))
            case SubmitOrderList():
                assert command.working is not None, "execution gives the legs together with their entry"
                order = self._order_of(command.working.client_order_id)
                return await self._submit(order, partial(self._gateway.submit_list, command))
            case SubmitOrder():
                order = self._order_of(command.client_order_id)
                return await self._submit(order, partial(self._gateway.submit, command))

    async def _submit(self, order: Order, send: Callable[[], Awaitable[Answer]]) -> Sequence[VenueCommand]:
        """Send an order, or an entry with its legs, once. Answers what follows: another attempt if it never arrived."""
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
        try:
            await self._gateway.cancel(order)
        except VenueTrouble as error:
            log.warning("a cancel is in doubt", client_order_id=order.client_order_id, reason=str(error))
        asked = [listed for listed in self._stage.listed_with(order) if listed.state.is_open]
        reports = [report for listed in asked for report in await self._ask(listed)]
        commands = await self._commit(self._heard(reports))
        if order.is_to_be_cancelled:
            await asyncio.sleep(ASK_AGAIN_S)
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
        """A no on behalf of the venue while the account is halted. Orders that reduce a position always go out."""
        if order.reduce_only:
            return None
        halt = await self._flags.is_open(order.account)
        if not halt.is_open:
            return None
        return VenueRejected(
            ts_ns=order.decided_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            code=0,
            reason=f"not sent, the account is halted: {halt.reason}",
        )

    async def _resolve(self, order: Order) -> Sequence[VenueCommand]:
        """Ask for an order in doubt, and for all that was sent with it; believe in the absence of all of them, and
        only when they could not arrive any more.

        Answers what follows: the next attempt of a request that never arrived and is still valid.
        """
        await self._commit(Outcome(tuple(self._stage.no_answer(order.order_id, "no answer is remembered"))))
        deadline = time.monotonic() + self._absence_after_s
        commands: list[VenueCommand] = []
        while in_doubt := [listed for listed in self._stage.listed_with(order) if listed.state.is_in_doubt]:
            asked = time.monotonic()
            reports = [report for listed in in_doubt for report in await self._ask(listed)]
            if reports:
                commands += await self._commit(self._heard(reports))
            elif asked >= deadline:
                log.warning("an order never reached the venue", order=order.order_id, attempt=order.attempt)
                self._touch_listed(in_doubt)
                return [*commands, *await self._commit(self._stage.never_arrived(in_doubt[0].order_id))]
            else:
                await asyncio.sleep(ASK_AGAIN_S)
        return commands

    def _touch_listed(self, orders: Sequence[Order]) -> None:
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
        return self._stage.snapshot()

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._stage.restore(saved)
        self._commands.clear()
        self._touched.clear()


def _timed(report: VenueReport, order: Order) -> VenueReport:
    """A venue's no carries no time: it has that of its order."""
    is_timeless = isinstance(report, VenueRejected) and not report.ts_ns
    return replace(report, ts_ns=order.decided_ns) if is_timeless else report
