"""How much our orders may have of what the market trades, and what they cost it when they take it."""

from __future__ import annotations

from collections import deque

from n1v1.kernels import Record, new_record
from n1v1.simulation import records
from n1v1.simulation.costs import taker_ticks
from n1v1.simulation.rules import SlippageModel
from n1v1.values import PPB

WINDOW_NS = 60_000_000_000


class TradedVolume:
    """Lots that changed hands in the last minute."""

    def __init__(self) -> None:
        self._trades: deque[tuple[int, int]] = deque()
        self._lots = 0

    def add(self, ts_ns: int, lots: int) -> None:
        self._trades.append((ts_ns, lots))
        self._lots += lots

    def at(self, ts_ns: int) -> int:
        while self._trades and self._trades[0][0] <= ts_ns - WINDOW_NS:
            self._lots -= self._trades.popleft()[1]
        return self._lots


class Participation:
    """All orders of clients together trade with recorded ones at most this share of a minute's recorded volume."""

    def __init__(self, share_ppb: int | None, recorded: TradedVolume, step_lots: int) -> None:
        """share_ppb: None: no cap."""
        self.is_capped = share_ppb is not None
        self._share_ppb = share_ppb or 0
        self._recorded = recorded
        self._ours = TradedVolume()
        self._step_lots = step_lots

    def left(self, ts_ns: int) -> int:
        """Whole steps. Only to be asked where there is a cap."""
        allowed = self._recorded.at(ts_ns) * self._share_ppb // PPB - self._ours.at(ts_ns)
        return max(0, allowed - allowed % self._step_lots)

    def use(self, ts_ns: int, lots: int) -> None:
        self._ours.add(ts_ns, lots)


class Impact:
    """What a taker pays on top of the recorded prices that he sweeps: the backtest's own kernel, with the volume of the
    last minute in place of the bar's, and without its spread, which a book has itself."""

    def __init__(self, model: SlippageModel, impact_ppb: int, recorded: TradedVolume) -> None:
        self.is_felt = impact_ppb > 0
        self._recorded = recorded
        self._rules: Record = new_record(records.RULES)
        self._rules.slippage_model = list(SlippageModel).index(model)
        self._rules.impact_ppb = impact_ppb

    def paid_ticks(self, ticks: int, *, is_buy: bool, lots: int, limit_ticks: int | None, ts_ns: int) -> int:
        """At a recorded price by a taker who wants `lots`; never beyond his limit."""
        paid = taker_ticks(self._rules, ticks, 1 if is_buy else -1, lots, self._recorded.at(ts_ns))
        if limit_ticks is None:
            return paid
        return min(paid, limit_ticks) if is_buy else max(paid, limit_ticks)
