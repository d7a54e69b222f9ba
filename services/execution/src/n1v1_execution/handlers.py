"""The conversation with the venue: journal first, send once, and ask instead of sending again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from n1v1.events import (
    BarsComplete,
    Event,
    OrderEvent,
    OrderFilled,
    SubmitOrder,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order
from n1v1.execution.stage import Execution
from n1v1.ids import OrderId, order_of_client_order_id
from n1v1.values import Instrument
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.storage.journal import Effect
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.ports import OrderGateway, VenueTrouble
from n1v1_execution.rows import fills_effect, orders_effect

log = structlog.get_logger()

ASK_AGAIN_S = 0.2


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
        self._commands: list[SubmitOrder] = []
        self._touched: dict[OrderId, Order] = {}
        self._in_doubt_gauge = metrics.gauge("execution_orders_unknown")
        self.commit: Commit | None = None

    async def handle(self, event: Event) -> Sequence[Event]:
        said: list[Event] = []
        if isinstance(event, BarsComplete):
            for order in self._stage.open_orders:
                reports = await self._ask(order)
                if not reports:
                    log.error("the venue does not know an order that it had accepted", order=order.order_id)
                said += self._report_all(reports)
        outcome = self._stage.handle(event)
        self._touch_all(outcome.events)
        self._commands += [command for command in outcome.commands if isinstance(command, SubmitOrder)]
        return [*said, *outcome.events]

    async def _ask(self, order: Order) -> Sequence[VenueReport]:
        """What the venue knows of an open order. Asked until it answers: without it the bar time cannot settle."""
        while True:
            try:
                return await self._gateway.find(order)
            except VenueTrouble as error:
                log.warning("the venue does not answer", order=order.order_id, reason=str(error))
                await asyncio.sleep(ASK_AGAIN_S)

    def _report(self, report: VenueReport) -> Sequence[Event]:
        self._touch(order_of_client_order_id(report.client_order_id))
        return self._stage.report(report)

    def _touch(self, order_id: OrderId | None) -> None:
        """Remember an order whose row has to be written, itself too: the stage may forget it when it is closed."""
        order = self._stage.order(order_id) if order_id else None
        if order is not None:
            self._touched[order.order_id] = order

    def _touch_all(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, OrderEvent):
                self._touch(event.order_id)

    def _report_all(self, reports: Sequence[VenueReport]) -> Sequence[Event]:
        return [event for report in reports for event in self._report(report)]

    async def after_step(self) -> None:
        """Carry out what the step decided. Orders in doubt that no command sends are asked for.

        One after the other, each to its end: the venue serves by arrival, so an order that is sent after one in
        doubt would be served before it, and a run with a fault in it would not end like one without.
        """
        commands, self._commands = self._commands, []
        for command in commands:
            await self._carry_out(command)
        for order in self._stage.orders_in_doubt:
            await self._carry_out(await self._resolve(order))

    async def _carry_out(self, command: SubmitOrder | None) -> None:
        """Send an order, and again under its next attempt, until it is known what became of it."""
        while command is not None:
            command = await self._send(command)

    async def _send(self, command: SubmitOrder) -> SubmitOrder | None:
        """Send an order once. Answers the command of its next attempt, if it never reached the venue."""
        assert self.commit is not None
        order = self._order_of(command)
        try:
            report = await self._halted(order) or await self._gateway.submit(command)
        except VenueTrouble as error:
            reason = str(error)
            log.warning("an order is in doubt", client_order_id=command.client_order_id, reason=reason)
            await self.commit(lambda: self._stage.no_answer(order.order_id, reason))
            return await self._resolve(order)
        if isinstance(report, VenueRejected) and not report.ts_ns:  # a venue's no carries no time
            report = replace(report, ts_ns=order.decided_ns)
        await self.commit(lambda: self._report(report))
        return None

    def _order_of(self, command: SubmitOrder) -> Order:
        order_id = order_of_client_order_id(command.client_order_id)
        order = self._stage.order(order_id) if order_id else None
        assert order is not None, f"{command.client_order_id} is none of our orders"
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

    async def _resolve(self, order: Order) -> SubmitOrder | None:
        """Ask for an order in doubt, and believe in its absence only when it could not arrive any more.

        Answers the command of the next attempt for an order that never arrived and is still valid.
        """
        assert self.commit is not None
        self._in_doubt_gauge.set(len(self._stage.orders_in_doubt))
        await self.commit(lambda: self._stage.no_answer(order.order_id, "no answer is remembered"))
        deadline = time.monotonic() + self._absence_after_s
        while True:
            asked = time.monotonic()
            reports = await self._ask(order)
            if reports:
                await self.commit(partial(self._report_all, reports))
                self._in_doubt_gauge.set(len(self._stage.orders_in_doubt))
                return None
            if asked >= deadline:
                break
            await asyncio.sleep(ASK_AGAIN_S)
        log.warning("an order never reached the venue", order=order.order_id, attempt=order.attempt)
        outcome = self._stage.never_arrived(order.order_id)
        self._touch(order.order_id)
        await self.commit(lambda: outcome.events)
        self._in_doubt_gauge.set(len(self._stage.orders_in_doubt))
        return next((command for command in outcome.commands if isinstance(command, SubmitOrder)), None)

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        self._touch_all(events)
        touched, self._touched = self._touched, {}
        orders = [touched[order_id] for order_id in sorted(touched)]
        fills = [event for event in events if isinstance(event, OrderFilled)]
        for filled in fills:
            self._metrics.counter("execution_fills_total", symbol=filled.symbol).inc()
        return (orders_effect(orders, self._instruments), fills_effect(fills, self._instruments))

    def open_causes(self) -> Collection[str]:
        return {f"submitted:{order.order_id}" for order in self._stage.open_orders}

    def snapshot(self) -> dict[str, Any]:
        return self._stage.snapshot()

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._stage.restore(saved)
        self._commands.clear()
        self._touched.clear()
