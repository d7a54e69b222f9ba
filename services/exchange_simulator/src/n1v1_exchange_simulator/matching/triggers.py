"""Orders that wait until the last price reaches their stop."""

from __future__ import annotations

from heapq import heappop, heappush

from n1v1.exact import mul_div_up
from n1v1.rounding import PPB
from n1v1.values import OrderType
from n1v1_exchange_simulator.matching.orders import PROFIT_TAKERS, MatchedOrder
from n1v1_exchange_simulator.venue import NewOrder


class Triggers:
    def __init__(self) -> None:
        self._rising: list[tuple[int, int, MatchedOrder]] = []
        self._falling: list[tuple[int, int, MatchedOrder]] = []
        self._trailing: dict[int, MatchedOrder] = {}

    def add(self, order: MatchedOrder, last_ticks: int | None) -> None:
        """last_ticks: the price that a trailing stop begins with; None: the next one."""
        order.waits_for_stop = True
        if _trails_at_once(order.request):
            self._trail(order, last_ticks)
            return
        stop = order.stop_ticks
        assert stop is not None, "a stop without a price was refused"
        if direction(order.request) > 0:
            heappush(self._rising, (stop, order.number, order))
        else:
            heappush(self._falling, (-stop, order.number, order))

    def remove(self, order: MatchedOrder) -> None:
        """Those with a fixed stop are dropped when a price reaches it."""
        order.waits_for_stop = False
        self._trailing.pop(order.number, None)

    def on_price(self, ticks: int) -> list[MatchedOrder]:
        """Those that a trade at `ticks` triggers, the nearest stop first; trailing stops last, by number."""
        reached = []
        while self._rising and self._rising[0][0] <= ticks:
            reached.append(heappop(self._rising)[2])
        while self._falling and -self._falling[0][0] >= ticks:
            reached.append(heappop(self._falling)[2])
        triggered = [order for order in reached if order.waits_for_stop and not self._begins_to_trail(order, ticks)]
        triggered += self._trailed(ticks)
        for order in triggered:
            self.remove(order)
        return triggered

    def _begins_to_trail(self, order: MatchedOrder, ticks: int) -> bool:
        """A take-profit that trails waits for its stop first, and follows the price from there."""
        if order.request.trail_ppb is None:
            return False
        order.stop_ticks = None
        self._trail(order, ticks)
        return True

    def _trail(self, order: MatchedOrder, ticks: int | None) -> None:
        self._trailing[order.number] = order
        if ticks is not None:
            _follow(order, ticks)

    def _trailed(self, ticks: int) -> list[MatchedOrder]:
        triggered = []
        for order in self._trailing.values():
            if order.stop_ticks is not None and (ticks - order.stop_ticks) * order.request.side.sign >= 0:
                triggered.append(order)
            else:
                _follow(order, ticks)
        return triggered


def direction(order: NewOrder) -> int:
    """+1 when a rising price reaches its stop, -1 when a falling one does."""
    return -order.side.sign if order.type in PROFIT_TAKERS else order.side.sign


def is_reached(order: NewOrder, stop_ticks: int | None, last_ticks: int | None) -> bool:
    """Whether the last price is already where the order waits for it."""
    if stop_ticks is None or last_ticks is None:
        return False
    return (last_ticks - stop_ticks) * direction(order) >= 0


def trailed_ticks(order: NewOrder, best_ticks: int) -> int:
    """Where a trailing stop stands when `best_ticks` is the best price: rounded away from it, against its owner."""
    return max(1, best_ticks + order.side.sign * mul_div_up(best_ticks, order.trail_ppb or 0, PPB))


def _trails_at_once(order: NewOrder) -> bool:
    return order.type is OrderType.TRAILING_STOP or (order.trail_ppb is not None and order.type not in PROFIT_TAKERS)


def _follow(order: MatchedOrder, ticks: int) -> None:
    """Move a trailing stop for a new best price, if it is better by at least the step."""
    sign = order.request.side.sign
    best = order.best_ticks
    if best is not None and (best - ticks) * sign < max(1, mul_div_up(best, order.request.trail_step_ppb, PPB)):
        return
    order.best_ticks = ticks
    trailed = trailed_ticks(order.request, ticks)
    stop = order.stop_ticks
    order.stop_ticks = trailed if stop is None else min(stop, trailed) if sign > 0 else max(stop, trailed)
