"""The conversation with the venue: journal first, send once, and ask instead of sending again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from n1v1.events import (
    BarsComplete,
    Event,
    OrderFilled,
    OrderSubmitted,
    OrderUnknown,
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
        self._touched: set[OrderId] = set()
        self._in_doubt_gauge = metrics.gauge("execution_orders_unknown")
        self.commit: Commit | None = None

    async def handle(self, event: Event) -> Sequence[Event]:
        said: list[Event] = []
        if isinstance(event, BarsComplete):
            for order in self._stage.open_orders:
                said += self._report_all(await self._ask(order))
        outcome = self._stage.handle(event)
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
        order_id = order_of_client_order_id(report.client_order_id)
        if order_id is not None:
            self._touched.add(order_id)
        return self._stage.report(report)

    def _report_all(self, reports: Sequence[VenueReport]) -> Sequence[Event]:
        return [event for report in reports for event in self._report(report)]

    async def after_step(self) -> None:
        """Carry out what the step decided. Orders in doubt that no command sends are asked for."""
        assert self.commit is not None
        commands, self._commands = self._commands, []
        for command in commands:
            await self._send(command)
        while self._stage.orders_in_doubt:
            self._in_doubt_gauge.set(len(self._stage.orders_in_doubt))
            for order in self._stage.orders_in_doubt:
                await self._resolve(order)
        self._in_doubt_gauge.set(0)

    async def _send(self, command: SubmitOrder) -> None:
        assert self.commit is not None
        try:
            report = await self._halted(command) or await self._gateway.submit(command)
        except VenueTrouble as error:
            reason = str(error)
            log.warning("an order is in doubt", client_order_id=command.client_order_id, reason=reason)
            order_id = order_of_client_order_id(command.client_order_id)
            assert order_id is not None
            await self.commit(lambda: self._stage.no_answer(order_id, reason))
            return
        await self.commit(lambda: self._report(report))

    async def _halted(self, command: SubmitOrder) -> VenueRejected | None:
        """A no on behalf of the venue while the account is halted. Orders that reduce a position always go out."""
        order_id = order_of_client_order_id(command.client_order_id)
        order = self._stage.order(order_id) if order_id else None
        if order is None or order.reduce_only:
            return None
        halt = await self._flags.is_open(order.account)
        if not halt.is_open:
            return None
        return VenueRejected(
            ts_ns=order.decided_ns,
            client_order_id=command.client_order_id,
            symbol=command.symbol,
            code=0,
            reason=f"not sent, the account is halted: {halt.reason}",
        )

    async def _resolve(self, order: Order) -> None:
        """Ask for an order in doubt, and believe in its absence only when it could not arrive any more."""
        assert self.commit is not None
        await self.commit(lambda: self._stage.no_answer(order.order_id, "no answer is remembered"))
        deadline = time.monotonic() + self._absence_after_s
        while True:
            reports = await self._ask(order)
            if reports:
                await self.commit(partial(self._report_all, reports))
                return
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(ASK_AGAIN_S)
        log.warning("an order never reached the venue", order=order.order_id, attempt=order.attempt)
        outcome = self._stage.never_arrived(order.order_id)
        self._touched.add(order.order_id)
        await self.commit(lambda: outcome.events)
        for command in outcome.commands:
            if isinstance(command, SubmitOrder):
                await self._send(command)

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        self._touched |= {event.order_id for event in events if isinstance(event, OrderSubmitted | OrderUnknown)}
        touched, self._touched = self._touched, set()
        orders = [order for order in map(self._stage.order, sorted(touched)) if order is not None]
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
