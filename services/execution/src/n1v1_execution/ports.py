"""What execution needs of a venue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from n1v1.errors import N1v1Error
from n1v1.events import SubmitOrder, VenueAccepted, VenueRejected, VenueReport
from n1v1.execution.orders import Order


class VenueTrouble(N1v1Error):
    """The venue cannot be reached or does not answer. Whether it heard the request is not known."""


class OrderGateway(Protocol):
    """One account at one venue. Every call has a time limit and raises VenueTrouble when it passes."""

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        """Send an order, once. VenueTrouble leaves it in doubt: it may or may not exist."""

    async def find(self, order: Order) -> Sequence[VenueReport]:
        """Everything the venue knows of an order by its client order id: accepted, executions, closed.

        Empty: the venue has never seen it.
        """
