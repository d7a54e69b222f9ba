"""What protects each position, as it was permitted, and whether its stop may be moved.

A stop only ever comes nearer to the price. One that trails does so by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from n1v1.events import Bracket, OrderRejected
from n1v1.ids import OrderId
from n1v1.kernels import Record
from n1v1.rounding import notional
from n1v1.values import Instrument


class Brackets:
    def __init__(self) -> None:
        self._of: dict[str, Bracket] = {}
        """By symbol: of the position, or of the last one; none for an entry that has none."""
        self._last_move: dict[str, tuple[OrderId, Bracket | None]] = {}
        """By symbol: the stop that was moved last, and what had protected the position before."""

    def entered(self, symbol: str, bracket: Bracket | None) -> None:
        """bracket: of the entry that was permitted."""
        if bracket is None:
            self._of.pop(symbol, None)
        else:
            self._of[symbol] = bracket

    def target_ticks(self, symbol: str) -> int:
        """0: none."""
        bracket = self._of.get(symbol)
        return 0 if bracket is None else bracket.target_ticks or 0

    def why_not_moved(self, closing: Record, stop_ticks: int, instrument: Instrument) -> str:
        """What is wrong with a stop that is to stand there; empty when nothing is. closing: of the position."""
        before = self._of.get(instrument.symbol)
        nearer = -closing.side  # +1 where a higher stop is nearer to the price
        if stop_ticks <= 0:
            return "to move a stop needs its price"
        if (closing.reference_ticks - stop_ticks) * nearer <= 0:
            return "the price has passed it already"
        if before is not None and before.trail_ppb is not None:
            return "the stop of this position follows the price by itself"
        if before is not None and before.stop_ticks and (stop_ticks - before.stop_ticks) * nearer <= 0:
            return f"a stop is only moved nearer to the price, and stands at {instrument.price(before.stop_ticks)}"
        if notional(instrument, stop_ticks, closing.lots) < instrument.min_notional:
            return "at that price the position is worth less than the venue accepts in an order"
        return ""

    def move(self, symbol: str, order_id: OrderId, stop_ticks: int) -> None:
        """order_id: of the stop that was permitted."""
        before = self._of.get(symbol)
        self._last_move[symbol] = (order_id, before)
        self._of[symbol] = replace(before or Bracket(), stop_ticks=stop_ticks)

    def rejected(self, event: OrderRejected) -> None:
        """A stop that could not be moved stands where it stood; of other orders nothing follows."""
        order_id, before = self._last_move.get(event.symbol, (None, None))
        if order_id == event.order_id:
            del self._last_move[event.symbol]
            self.entered(event.symbol, before)

    def snapshot(self) -> dict[str, Any]:
        moves = self._last_move.items()
        return {
            "of": {symbol: asdict(bracket) for symbol, bracket in self._of.items()},
            "last_move": {symbol: [order_id, before and asdict(before)] for symbol, (order_id, before) in moves},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """saved: empty when it was written before there were brackets to remember."""
        self._of = {symbol: Bracket(**bracket) for symbol, bracket in saved.get("of", {}).items()}
        self._last_move = {
            symbol: (OrderId(order_id), before and Bracket(**before))
            for symbol, (order_id, before) in saved.get("last_move", {}).items()
        }
