"""The conversation with a venue that cannot tie an entry to its protection: `Protection` says what is to be done next,
here it is done, each request stored before it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

import structlog

from n1v1.events import SubmitOrder, SubmitOrderList, VenueAccepted, VenueRejected, VenueReport
from n1v1.execution.orders import Order
from n1v1.execution.stage import Execution
from n1v1.ids import OrderId, order_of_client_order_id
from n1v1_execution.differences import Difference
from n1v1_execution.patience import pause, until_answered
from n1v1_execution.ports import OrderGateway, VenueTrouble
from n1v1_execution.protection import Guard, Phase, Protection, Step

log = structlog.get_logger()

LOOKUPS_WITHOUT_RESULT = 2
"""So often in a row, after its time, an order must not be found before it is believed absent."""


class Books(Protocol):
    """What is kept of the account while a step is being carried out."""

    async def store(self, changed: Iterable[Order] = ()) -> None:
        """Everything as it stands. changed: orders of which something is different that no event says."""

    async def apply(self, reports: Sequence[VenueReport]) -> None:
        """Take over what the venue says, and carry out what follows from it."""

    async def halt(self, differences: Sequence[Difference]) -> None:
        """Nothing new in what they concern before somebody has looked."""


class Guarding:
    def __init__(
        self,
        *,
        protection: Protection,
        stage: Execution,
        gateway: OrderGateway,
        books: Books,
        absence_after_s: float,
    ) -> None:
        """absence_after_s: as in `ExecutionHandler`."""
        self._protection = protection
        self._stage = stage
        self._gateway = gateway
        self._books = books
        self._absence_after_s = absence_after_s
        self._sent_s: dict[OrderId, float] = {}

    async def submit(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        """Send an entry without its legs, once. They are accepted with it, and sent for what it fills."""
        assert orders.working is not None
        entry_id = order_of_client_order_id(orders.working.client_order_id)
        entry = self._stage.order(entry_id) if entry_id else None
        assert entry is not None, f"{orders.working.client_order_id} is none of our orders"
        self._protection.begin(entry)
        answer = await self._gateway.submit(orders.working)
        return answer if isinstance(answer, VenueRejected) else self._protection.accepted(orders, answer)

    async def find(self, leg: Order) -> Sequence[VenueReport]:
        """What the venue says of a leg, which is there in generations, or not yet. Raises VenueTrouble."""
        guard = self._protection.begin(leg)
        if leg.state.is_in_doubt:
            entry = self._protection.entry(guard)
            found = await self._gateway.find(entry) if entry is not None else ()
            return self._protection.as_accepted(leg, found)
        if guard.phase is Phase.IDLE:
            return ()
        found_of_each = [await self._gateway.find(order) for order in self._protection.at_venue(guard)]
        return self._protection.heard(guard, found_of_each)

    async def keep(self) -> None:
        """Whatever is held is protected, or its protection taken back, when this returns."""
        for guard in self._protection.guards:
            while (step := self._protection.next_step(guard)) is not None:
                await self._do(step, guard)
        self._protection.forget_done()

    async def _do(self, step: Step, guard: Guard) -> None:
        match step:
            case Step.SEND:
                await self._send(guard)
            case Step.ASK:
                await self._ask_for(guard)
            case Step.CANCEL:
                await self._cancel(guard)
            case Step.CLOSE:
                await self._books.apply(self._protection.closed(guard))

    async def _send(self, guard: Guard) -> None:
        request = self._protection.begin_sending(guard)
        await self._books.store(self._protection.legs(guard))
        self._sent_s[guard.entry_id] = time.monotonic()
        try:
            answer = await self._sent(request)
        except VenueTrouble as error:
            log.warning("a protection is in doubt", entry=guard.entry_id, reason=str(error))
            return
        if not isinstance(answer, VenueRejected):
            self._protection.taken(guard)
            await self._books.store()
            return
        log.warning("a protection was refused", entry=guard.entry_id, reason=answer.reason, code=answer.code)
        if not self._protection.refused(guard, answer):
            what = f"the position of {guard.entry_id} is unprotected: {answer.reason}"
            symbol = self._protection.legs(guard)[0].symbol
            await self._books.halt([Difference("order", symbol, what, guard.entry_id)])

    async def _sent(
        self, request: SubmitOrder | SubmitOrderList
    ) -> VenueAccepted | VenueRejected | Sequence[VenueAccepted]:
        if isinstance(request, SubmitOrderList):
            return await self._gateway.submit_list(request)
        return await self._gateway.submit(request)

    async def _ask_for(self, guard: Guard) -> None:
        """Until the venue has said whether it has it, or whether it is over."""
        deadline = self._sent_s.setdefault(guard.entry_id, time.monotonic()) + self._absence_after_s
        phase, lookups = guard.phase, 0
        while guard.phase is phase:
            asked = time.monotonic()
            orders = self._protection.at_venue(guard)
            found = [await self._found(order) for order in orders]
            await self._books.apply(self._protection.heard(guard, found))
            if guard.phase is not phase:
                break
            if phase is Phase.CANCELLING:
                await self._try_to_cancel(orders[0])
            lookups = lookups + 1 if asked >= deadline and not any(found) else 0
            if lookups >= LOOKUPS_WITHOUT_RESULT:
                self._protection.never_arrived(guard)
            await pause()
        self._sent_s.pop(guard.entry_id, None)

    async def _found(self, order: Order) -> Sequence[VenueReport]:
        return await until_answered(partial(self._gateway.find, order), about=order.client_order_id)

    async def _cancel(self, guard: Guard) -> None:
        order = self._protection.begin_cancelling(guard)
        await self._books.store()
        if order is not None:
            await self._try_to_cancel(order)

    async def _try_to_cancel(self, order: Order) -> None:
        try:
            await self._gateway.cancel(order)
        except VenueTrouble as error:
            log.warning("a cancel is in doubt", client_order_id=order.client_order_id, reason=str(error))
