"""What the orders of a list mean for one another: one that fills ends the other, or brings others alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from n1v1.rounding import whole_steps
from n1v1.values import Instrument
from n1v1_exchange_simulator.matching.lists import Family
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.reporting import Reporter
from n1v1_exchange_simulator.matching.wallets import Wallets
from n1v1_exchange_simulator.venue import ExpiryReason, ListKind, OrderStatus


class Engine(Protocol):
    """What becomes of one order."""

    def expire(self, order: MatchedOrder, expiry: ExpiryReason) -> None: ...

    def begin_leg(self, leg: MatchedOrder) -> None: ...

    def make_due(self, order: MatchedOrder) -> None: ...

    def trim(self, order: MatchedOrder) -> None: ...

    def needed(self, order: MatchedOrder) -> int: ...


class Contingencies:
    """oco_legs_share: as in `MatchingRules`."""

    def __init__(
        self, engine: Engine, instrument: Instrument, wallets: Wallets, reporter: Reporter, *, oco_legs_share: bool
    ) -> None:
        self._engine = engine
        self._instrument = instrument
        self._wallets = wallets
        self._reporter = reporter
        self._oco_legs_share = oco_legs_share

    def after_fill(self, order: MatchedOrder, family: Family) -> None:
        if order is family.working:
            self._bring_alive(family)
        elif order.status is OrderStatus.FILLED or not self._legs_share(family):
            self.end_other_legs(family, order)
        self.conclude(family)

    def give_up_siblings(self, order: MatchedOrder, family: Family, lots: int) -> None:
        """What one leg fills the others cannot."""
        goes_on = order.status is not OrderStatus.FILLED and self._legs_share(family)
        for leg in family.open_legs(besides=order):
            leg.open_lots = max(0, leg.open_lots - lots)
            if leg.is_resting:
                self._engine.trim(leg)
            if goes_on:
                leg.lots -= lots

    def after_end(self, order: MatchedOrder, family: Family) -> None:
        """An order of a list has ended with a remainder."""
        if not family.is_ending:
            if order.is_leg:
                self.cut_entry_short(family)
                self.end_other_legs(family, order)
            elif not order.filled_lots:
                family.is_ending = True
                for leg in family.open_legs():
                    self._engine.expire(leg, ExpiryReason.OTO_PHASE_ONE_EXPIRED)
            else:
                for leg in family.open_legs():
                    leg.lots = leg.filled_lots + leg.prevented_lots + leg.open_lots
        self.conclude(family)

    def end_other_legs(self, family: Family, order: MatchedOrder) -> None:
        family.is_ending = True
        for leg in family.open_legs(besides=order):
            self._engine.expire(leg, ExpiryReason.OCO_TRIGGER)

    def cut_entry_short(self, family: Family) -> None:
        """A position that is being closed is not built up any further."""
        if family.working is not None and family.working.is_open:
            self._engine.expire(family.working, ExpiryReason.EXCHANGE_CANCELED)

    def conclude(self, family: Family) -> None:
        if not family.is_told and family.is_done:
            family.is_told = True
            self._reporter.family(family)

    def _bring_alive(self, family: Family) -> None:
        """The working order has filled: its legs live, for as much as it has filled."""
        legs = list(family.open_legs())
        for leg in legs:
            leg.open_lots = family.alive_lots(leg)
        if not legs or not self._fund(family, legs):
            return
        for leg in legs:
            if leg.status is OrderStatus.PENDING_NEW:
                self._engine.begin_leg(leg)
            elif leg.is_open and not leg.waits_for_stop:
                self._engine.make_due(leg)

    def _fund(self, family: Family, legs: Sequence[MatchedOrder]) -> bool:
        """Set aside what the legs need. What is received for a purchase may be less than was bought: legs that only
        reduce are cut to it, others end."""
        hold = family.hold
        available = self._wallets.free(hold.account, hold.asset) + hold.amount
        needed = self._engine.needed(legs[0])
        if needed > available and all(leg.request.reduces_only and not leg.is_buy for leg in legs):
            _cut_legs(family, legs, whole_steps(self._instrument, available))
            needed = self._engine.needed(legs[0])
        if needed > available or not legs[0].open_lots:
            family.is_ending = True
            for leg in legs:
                self._engine.expire(leg, ExpiryReason.EXCHANGE_CANCELED)
            self.cut_entry_short(family)
            return False
        self._wallets.hold(hold, needed)
        return True

    def _legs_share(self, family: Family) -> bool:
        return family.kind is not ListKind.OCO or self._oco_legs_share


def _cut_legs(family: Family, legs: Sequence[MatchedOrder], lots: int) -> None:
    is_final = family.working is None or not family.working.is_open
    for leg in legs:
        leg.open_lots = min(leg.open_lots, lots)
        if is_final:
            leg.lots = leg.open_lots
