"""The portfolio's ledger, as every mark of the account tells it, held against our own fills.

A mark of bar time t has every fill that was said before our FillsComplete(t). So a symbol whose position has not moved
since then must be in it as our fills have made it; one that has moved is compared at a later mark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from n1v1.events import EquityMarked, OrderFilled
from n1v1.execution.stage import Execution
from n1v1.values import Instrument
from n1v1_execution.differences import Difference

LEDGER = "ledger"


class LedgerWatch:
    def __init__(self, stage: Execution, instruments: Mapping[str, Instrument]) -> None:
        self._stage = stage
        self._instruments = instruments
        self._moved_ns: dict[str, int] = {}
        """The bar time after which a symbol's position last moved."""
        self._spent = 0
        self._cash: int | None = None
        """What the ledger has in cash when our fills are left out: it does not change."""
        self._accepted: dict[str, Decimal] = defaultdict(Decimal)
        """By symbol, and '' for cash: differences that somebody has looked at."""

    def book(self, filled: OrderFilled, market_ns: int) -> None:
        self._moved_ns[filled.symbol] = market_ns
        self._spent += filled.side.sign * filled.value + filled.fee

    def compare(self, mark: EquityMarked) -> list[Difference]:
        marked = {symbol: lots for symbol, lots, _ in mark.positions}
        still = [symbol for symbol in self._instruments if self._moved_ns.get(symbol, -1) < mark.ts_ns]
        found = [each for symbol in still for each in self._position(symbol, marked.get(symbol, 0))]
        if found or len(still) < len(self._instruments):
            return found
        return self._of_cash(mark.cash)

    def _position(self, symbol: str, marked: int) -> list[Difference]:
        instrument, ours = self._instruments[symbol], self._stage.held_lots(symbol)
        amount = instrument.quantity(marked) - instrument.quantity(ours)
        if amount == self._accepted[symbol]:
            return []
        what = (
            f"the ledger has {instrument.quantity(marked):f} {instrument.base}, our fills {instrument.quantity(ours):f}"
        )
        return [Difference(LEDGER, symbol, what, symbol, amount)]

    def _of_cash(self, marked: int) -> list[Difference]:
        left = marked + self._spent
        if self._cash is None:
            self._cash = left
        instrument = next(iter(self._instruments.values()))
        amount = instrument.cash(left - self._cash)
        if amount == self._accepted[""]:
            return []
        expected = instrument.cash(self._cash - self._spent)
        what = f"the ledger has {instrument.cash(marked):f} {instrument.quote}, our fills leave {expected:f}"
        return [Difference(LEDGER, "", what, "", amount)]

    def forgive(self, differences: Iterable[Difference]) -> None:
        """Somebody has looked at them: what the ledger has is right."""
        self._accepted |= {each.about: each.amount for each in differences if each.kind == LEDGER}

    def snapshot(self) -> dict[str, Any]:
        return {
            "moved_ns": dict(self._moved_ns),
            "spent": self._spent,
            "cash": self._cash,
            "accepted": {about: str(amount) for about, amount in self._accepted.items() if amount},
        }

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """None: a state of before there was a watch. Cash is watched from the next mark on."""
        saved = saved or {"moved_ns": {}, "spent": 0, "cash": None, "accepted": {}}
        self._moved_ns = {symbol: int(ns) for symbol, ns in saved["moved_ns"].items()}
        self._spent, self._cash = int(saved["spent"]), saved["cash"]
        self._accepted = defaultdict(Decimal, {about: Decimal(amount) for about, amount in saved["accepted"].items()})
