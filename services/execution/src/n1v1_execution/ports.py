"""What execution needs of a venue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from n1v1.errors import N1v1Error
from n1v1.events import SubmitOrder, SubmitOrderList, VenueAccepted, VenueRejected, VenueReport
from n1v1.execution.orders import Order


class VenueTrouble(N1v1Error):
    """The venue cannot be reached or does not answer. Whether it heard the request is not known."""


class OrderGateway(Protocol):
    """One account at one venue. Every call has a time limit and raises VenueTrouble when it passes."""

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        """Send an order, once. VenueTrouble leaves it in doubt: it may or may not exist."""

    async def submit_list(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        """Send orders that belong together, once and as one request: the venue takes all of them or none."""

    async def cancel(self, order: Order) -> None:
        """Take an order back, and with a leg the whole list. May be repeated.

        Whether it succeeded is what `find` says of the orders: one may have been filled meanwhile.
        """

    async def find(self, order: Order) -> Sequence[VenueReport]:
        """Everything the venue knows of an order by its client order id: accepted, executions, closed.

        Empty: the venue has never seen it.
        """
