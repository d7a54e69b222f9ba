"""Protected entries where the venue cannot tie an entry to its stop and target.

The entry goes out plain. What it has filled is protected by a stop, or by a stop and a target as an OCO, kept at the
venue for exactly the lots that are held. When more fills, the protection is taken back, its end is heard of, and only
then a larger one is sent: there is a moment without protection, and none with two exits.

    IDLE ──send──> SENDING ──taken──> PLACED ──cancel──> CANCELLING ──closed──> IDLE
                      └──────refused or never arrived────────────────────────────^

Every arrow is stored before its request leaves, and each sending has client order ids of its own (a generation is the
attempt of the legs), so that after a kill the venue is asked for the very orders that may be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from n1v1.events import (
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order
from n1v1.execution.stage import Execution
from n1v1.ids import OrderId, VenueOrderId
from n1v1.rounding import notional, whole_steps
from n1v1.values import Instrument, OrderType, Side

AT_ENTRY = VenueOrderId("with its entry")
"""Of a leg that is not at the venue yet: it comes alive with what its entry fills."""


class Phase(StrEnum):
    IDLE = "IDLE"  # nothing is at the venue
    SENDING = "SENDING"  # it may be there: ask
    PLACED = "PLACED"
    CANCELLING = "CANCELLING"


@dataclass(slots=True)
class Guard:
    """What is kept at the venue for one entry.

    lots, sold_lots: of this generation. dust_lots: how many of its lots were left behind by earlier entries.
    is_market: the generation leaves at once, because the venue refused to keep it waiting. refusal: it refused even
    that.
    """

    entry_id: OrderId
    phase: Phase = Phase.IDLE
    generation: int = 0
    lots: int = 0
    sold_lots: int = 0
    dust_lots: int = 0
    is_market: bool = False
    refusal: str = ""


class Step(StrEnum):
    SEND = "send"
    ASK = "ask"
    CANCEL = "cancel"
    CLOSE = "close"  # the legs, to the stage: they can fill no more


class Protection:
    """The guards of an account. The stage knows the legs as orders that were accepted together with their entry."""

    def __init__(self, *, stage: Execution, instruments: Mapping[str, Instrument]) -> None:
        self._stage = stage
        self._instruments = instruments
        self._guards: dict[OrderId, Guard] = {}

    @property
    def guards(self) -> Sequence[Guard]:
        return list(self._guards.values())

    def begin(self, order: Order) -> Guard:
        """order: an entry with legs, or one of them. After a kill nobody may remember that its guard had begun."""
        return self._guards.setdefault(order.list_id, Guard(order.list_id))

    def accepted(self, orders: SubmitOrderList, entry: VenueAccepted) -> list[VenueAccepted]:
        """What the stage hears: the legs are as good as accepted."""
        legs = (replace(entry, client_order_id=leg.client_order_id, venue_order_id=AT_ENTRY) for leg in orders.pending)
        return [entry, *legs]

    def as_accepted(self, leg: Order, found: Sequence[VenueReport]) -> list[VenueReport]:
        """What is said of a leg in doubt, by what the venue says of its entry."""
        return [
            VenueAccepted(
                ts_ns=report.ts_ns, client_order_id=leg.client_order_id, symbol=leg.symbol, venue_order_id=AT_ENTRY
            )
            for report in found[:1]
        ]

    # --- what to do ----------------------------------------------------------------------------------------------

    def next_step(self, guard: Guard) -> Step | None:
        """None: everything is as it should be until something happens."""
        entry, legs = self.entry(guard), self.open_legs(guard)
        if not legs:
            return Step.CANCEL if guard.phase is Phase.PLACED else _unfinished(guard)
        wanted, is_unwanted = self.wanted_lots(guard), any(leg.is_unwanted for leg in legs)
        if guard.phase in (Phase.SENDING, Phase.CANCELLING):
            return Step.ASK
        if guard.phase is Phase.PLACED:
            return Step.CANCEL if is_unwanted or wanted > guard.lots - guard.sold_lots else None
        if legs[0].state.is_in_doubt or (entry is not None and entry.state.is_in_doubt):
            return None  # nobody knows yet whether the entry is there
        has_ended = entry is None or not entry.state.is_open
        if (has_ended and wanted <= 0) or (is_unwanted and has_ended):
            return Step.CLOSE
        return Step.SEND if wanted > 0 and not is_unwanted and not guard.refusal else None

    def wanted_lots(self, guard: Guard) -> int:
        """What is left to be sold, as far as the venue takes it: 0 for less than it takes in an order."""
        entry, left = self.entry(guard), self._left_lots(guard)
        if entry is None or entry.last_ticks == 0:
            return left
        instrument = self._instruments[entry.symbol]
        return left if notional(instrument, entry.last_ticks, left) >= instrument.min_notional else 0

    def _left_lots(self, guard: Guard) -> int:
        """What the entry has bought and the legs have not sold yet, with this generation's dust, in whole steps."""
        entry = self.entry(guard)
        if entry is None:
            return 0
        return whole_steps(self._instruments[entry.symbol], max(0, self._own_lots(guard, entry) + guard.dust_lots))

    def _own_lots(self, guard: Guard, entry: Order) -> int:
        return entry.filled_lots - entry.base_fee_lots - sum(leg.filled_lots for leg in self.legs(guard))

    def _dust_lots(self, symbol: str, side: Side) -> int:
        """What is held of a symbol, and neither guarded nor on its way out: left behind by entries that are over.

        side: of an entry.
        """
        entries = ((guard, self.entry(guard)) for guard in self._guards.values())
        guarded = sum(self._own_lots(guard, entry) for guard, entry in entries if entry and entry.symbol == symbol)
        exits = (order for order in self._stage.open_orders if order.symbol == symbol and order.reduce_only)
        leaving = sum(order.remaining_lots for order in exits if order.entry_id is None)
        return max(0, side.sign * self._stage.held_lots(symbol) - guarded - leaving)

    def entry(self, guard: Guard) -> Order | None:
        return self._stage.order(guard.entry_id)

    def legs(self, guard: Guard) -> list[Order]:
        """The stop first."""
        entry = self.entry(guard)
        return [] if entry is None else [order for order in self._stage.listed_with(entry) if order.entry_id]

    def open_legs(self, guard: Guard) -> list[Order]:
        return [leg for leg in self.legs(guard) if leg.state.is_open]

    # --- doing it ------------------------------------------------------------------------------------------------

    def begin_sending(self, guard: Guard) -> SubmitOrder | SubmitOrderList:
        """To be stored before it is sent."""
        legs = self.legs(guard)
        guard.phase = Phase.SENDING
        guard.generation += 1
        guard.dust_lots = self._dust_lots(legs[0].symbol, _opposite(legs[0].side))
        guard.lots, guard.sold_lots = self.wanted_lots(guard), 0
        for leg in legs:
            leg.attempt = guard.generation
            leg.lots = max(leg.lots, leg.filled_lots + guard.lots)
        orders = [_request(leg, guard.lots) for leg in legs if leg.state.is_open]
        if guard.is_market:
            return replace(
                orders[0], type=OrderType.MARKET, stop_ticks=None, limit_ticks=None, trail_ppb=None, trail_step_ppb=0
            )
        return orders[0] if len(orders) == 1 else SubmitOrderList(working=None, pending=tuple(orders))

    def taken(self, guard: Guard) -> None:
        guard.phase = Phase.PLACED

    def refused(self, guard: Guard, rejection: VenueRejected) -> bool:
        """The market is beyond the stop or the target already, or the venue keeps no more orders: leave at once.
        Answers False when that was refused as well: the position is not protected."""
        self._end_generation(guard)
        if guard.is_market:
            guard.refusal = rejection.reason
            return False
        guard.is_market = True
        return True

    def never_arrived(self, guard: Guard) -> None:
        self._end_generation(guard)

    def _end_generation(self, guard: Guard) -> None:
        guard.phase, guard.dust_lots = Phase.IDLE, 0

    def begin_cancelling(self, guard: Guard) -> Order | None:
        """To be stored before it is sent; the order to cancel, and with it its list."""
        guard.phase = Phase.CANCELLING
        orders = self.at_venue(guard)
        return orders[0] if orders else None

    def at_venue(self, guard: Guard) -> list[Order]:
        """The orders of the generation, as the venue would be asked for them."""
        legs = self.legs(guard)[:1] if guard.is_market else self.legs(guard)
        return [
            replace(
                leg,
                attempt=guard.generation,
                lots=guard.lots,
                filled_lots=0,
                venue_order_id=None,
                type=OrderType.MARKET if guard.is_market else leg.type,
                trade_ids=[],
            )
            for leg in legs
        ]

    def heard(self, guard: Guard, found: Sequence[Sequence[VenueReport]]) -> list[VenueReport]:
        """What the venue says of the orders of `at_venue`, as the stage hears it: their executions.

        Empty answers: the venue knows none of them.
        """
        known = [reports for reports in found if reports]
        if not known:
            return []
        is_over = all(any(_ends(report) for report in reports) for reports in known)
        executions = [report for reports in known for report in reports if isinstance(report, VenueFilled)]
        guard.sold_lots = sum(execution.lots for execution in executions)
        fills = self._as_of_the_legs(guard, executions)
        if is_over:
            self._end_generation(guard)
        elif guard.phase is Phase.SENDING:
            guard.phase = Phase.PLACED
        return fills

    def _as_of_the_legs(self, guard: Guard, executions: Iterable[VenueFilled]) -> list[VenueReport]:
        """A leg is done when everything that its entry has bought, and may still buy, is sold."""
        entry = self.entry(guard)
        known = {trade_id for leg in self.legs(guard) for trade_id in leg.trade_ids}
        left = self._left_lots(guard) + (entry.remaining_lots if entry is not None and entry.state.is_open else 0)
        fills: list[VenueReport] = []
        for execution in sorted(executions, key=lambda fill: (fill.ts_ns, fill.trade_id)):
            if execution.trade_id not in known:
                left -= execution.lots
                fills.append(replace(execution, remaining_lots=max(0, left)))
        return fills

    def closed(self, guard: Guard) -> list[VenueReport]:
        """The end of the legs that are still open, to the stage."""
        guard.refusal = ""
        entry = self.entry(guard)
        legs = self.open_legs(guard)
        was_used = any(leg.filled_lots for leg in self.legs(guard))
        reason = "the other leg is done" if was_used else "taken back, or its entry has ended without a fill"
        return [
            VenueClosed(
                ts_ns=leg.decided_ns if entry is None else max(leg.decided_ns, entry.decided_ns),
                client_order_id=leg.client_order_id,
                symbol=leg.symbol,
                remaining_lots=leg.remaining_lots,
                expired=not leg.is_unwanted and not was_used,
                reason=reason,
            )
            for leg in legs
        ]

    def forget_done(self) -> None:
        self._guards = {
            entry_id: guard
            for entry_id, guard in self._guards.items()
            if self.open_legs(guard) or guard.phase is not Phase.IDLE
        }

    def snapshot(self) -> list[dict[str, Any]]:
        return [asdict(guard) for guard in self._guards.values()]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        guards = [Guard(**{**entry, "phase": Phase(entry["phase"])}) for entry in saved]
        self._guards = {guard.entry_id: guard for guard in guards}


def _unfinished(guard: Guard) -> Step | None:
    return None if guard.phase is Phase.IDLE else Step.ASK


def _opposite(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _ends(report: VenueReport) -> bool:
    return isinstance(report, VenueClosed) or (isinstance(report, VenueFilled) and report.remaining_lots == 0)


def _request(leg: Order, lots: int) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=leg.client_order_id,
        symbol=leg.symbol,
        side=leg.side,
        type=leg.type,
        lots=lots,
        limit_ticks=leg.limit_ticks,
        time_in_force=leg.time_in_force,
        stop_ticks=leg.stop_ticks,
        trail_ppb=leg.trail_ppb,
        trail_step_ppb=leg.trail_step_ppb,
        reduces_only=True,
    )
