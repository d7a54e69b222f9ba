"""What market_data needs of a venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from n1v1.errors import N1v1Error
from n1v1.events import BarClosed, Event


class VenueTrouble(N1v1Error):
    """The venue cannot be reached or answers nonsense. Worth another try."""


@dataclass(frozen=True, slots=True)
class BarTime:
    """All bars that close at one time, by symbol. step: counts bar times from 1; is_last: none will follow."""

    step: int
    close_ns: int
    bars: tuple[BarClosed, ...]
    is_last: bool = False


class SteppedVenue(Protocol):
    """A venue whose clock somebody else moves."""

    async def current_step(self) -> int:
        """The step that was played last; 0 before the first."""

    async def advance(self, step: int) -> BarTime:
        """Play `step`, which is the current one (the same answer again) or the next."""


class BarFeed(Protocol):
    """A venue whose clock runs by itself."""

    def closed_bars(self, after_ns: int) -> AsyncIterator[BarClosed]:
        """Every bar that closes after `after_ns`, per symbol in order, back-filled and without an end."""


class Keeper(Protocol):
    """Somebody who keeps what was published."""

    def keep(self, events: Sequence[Event]) -> None:
        """Returns at once; writing may come later."""


class Venue(BarFeed, Protocol):
    """A venue whose clock runs by itself, over one connection."""

    async def run(self) -> None:
        """Connected whenever it can be, until cancelled. Bars and flow come only while it runs."""
