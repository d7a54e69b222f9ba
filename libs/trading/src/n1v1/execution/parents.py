"""An order that is carried out in parts: what of it is due, and what the market looks like meanwhile.

Arithmetic only; the stage sends the children and hears of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from n1v1.bars import ClosedBar
from n1v1.events import Bracket
from n1v1.exact import mul_div
from n1v1.execution.orders import Order
from n1v1.styles import SECOND_NS, VOLUME_LOOKBACK_NS, Method, Plan, StyleRules
from n1v1.values import INT64_MAX, PPB, Side

ATR_BARS = 14
BARS_KEPT = 128
QUOTE_FRESH_NS = 5 * SECOND_NS
"""Best prices older than that are those of a market that nobody hears of: as long as a book may be silent."""


@dataclass(slots=True)
class Parent:
    """order: as it was approved; it is never sent itself. began_ns: when its first part is due.

    volumes: how much each part is of the whole, in relation to the others. step: parts whose time has come.
    children: how many orders were made of it. is_replacing: the child that rests is being cancelled for the next one.
    why_ended, was_refused, has_expired: how it is to end once no child is open. accepted: orders that the venue is
    known to have a part of.
    """

    order: Order
    plan: Plan
    bracket: Bracket | None
    began_ns: int
    volumes: list[int]
    step: int = 0
    children: int = 0
    is_replacing: bool = False
    why_ended: str = ""
    was_refused: bool = False
    has_expired: bool = False
    accepted: list[str] = field(default_factory=list)

    @property
    def is_working(self) -> bool:
        """Whether there may be further children."""
        return self.order.state.is_open and not self.order.is_unwanted

    @property
    def is_over(self) -> bool:
        """Whether there will be no further child."""
        return self.order.is_unwanted or (self.has_all_steps and not self.is_replacing)

    @property
    def has_all_steps(self) -> bool:
        return self.step == self.plan.parts

    @property
    def wake_ns(self) -> int:
        """When there is something to do, if nothing happens before."""
        if not self.is_working:
            return INT64_MAX
        next_ns = INT64_MAX if self.has_all_steps else self.began_ns + self.step * self.plan.interval_ns
        return min(next_ns, self.order.valid_until_ns + 1)

    def parts_due(self, now_ns: int) -> int:
        return max(0, min(self.plan.parts, (now_ns - self.began_ns) // self.plan.interval_ns + 1))

    def lots_due(self, open_lots: int) -> int:
        """What the next child is to buy or sell, after `step` parts are due; 0: nothing yet.

        open_lots: what the children at the venue may still fill. What an earlier child has missed is made up for.
        """
        left = self.order.remaining_lots - open_lots
        due = min(left, self._schedule(self.step) - self.order.filled_lots - open_lots)
        if self.has_all_steps or 0 < left - due < self.plan.least_lots <= due:
            return max(0, left)
        return due if due >= self.plan.least_lots else 0

    def _schedule(self, parts: int) -> int:
        """How much the first `parts` parts are together, in whole steps."""
        if parts == 0:
            return 0
        sums = list(accumulate(self.volumes))
        lots = mul_div(self.order.lots, sums[parts - 1], sums[-1])
        return lots - lots % self.plan.step_lots

    def saved(self) -> dict[str, Any]:
        return {
            "order_id": self.order.order_id,
            "plan": asdict(self.plan),
            "bracket": asdict(self.bracket) if self.bracket else None,
            "began_ns": self.began_ns,
            "volumes": list(self.volumes),
            "step": self.step,
            "children": self.children,
            "is_replacing": self.is_replacing,
            "why_ended": self.why_ended,
            "was_refused": self.was_refused,
            "has_expired": self.has_expired,
            "accepted": list(self.accepted),
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any], order: Order) -> Parent:
        given = {name: value for name, value in saved.items() if name != "order_id"}
        plan, bracket = saved["plan"], saved["bracket"]
        given["plan"] = Plan(**{**plan, "method": Method(plan["method"])})
        given["bracket"] = Bracket(**bracket) if bracket else None
        return cls(order=order, **given)


class Seen(NamedTuple):
    """What is remembered of a bar. Prices in ticks."""

    ts_ns: int
    high: int
    low: int
    close: int
    volume: int


class Quote(NamedTuple):
    """The best prices of a book at a moment, in ticks."""

    ts_ns: int
    bid: int
    ask: int


class MarketWatch:
    """The last bars of every symbol, and its best prices where they are heard, for styles that look at the market.

    Best prices are not saved: those of another life are old.
    """

    def __init__(self) -> None:
        self._bars: dict[str, deque[Seen]] = {}
        self._quotes: dict[str, Quote] = {}

    def see_quote(self, symbol: str, quote: Quote) -> None:
        self._quotes[symbol] = quote

    def observe(self, bar: ClosedBar) -> None:
        bars = self._bars.setdefault(bar.symbol, deque(maxlen=BARS_KEPT))
        if not bars or bar.ts_ns > bars[-1].ts_ns:
            bars.append(Seen(bar.ts_ns, bar.high, bar.low, bar.close, bar.volume))

    def volumes(self, symbol: str, parts: int, now_ns: int) -> list[int]:
        """How the volume before `now_ns` was spread over equal stretches of time; evenly when nothing was traded.

        At least as many bars as there are parts are looked at, and otherwise those of the last hour.
        """
        bars = [bar for bar in self._bars.get(symbol, ()) if bar.ts_ns <= now_ns]
        recent = sum(bar.ts_ns > now_ns - VOLUME_LOOKBACK_NS for bar in bars)
        bars = bars[-max(parts, recent) :]
        volumes = [0] * parts
        for place, bar in enumerate(bars):
            volumes[place * parts // len(bars)] += bar.volume
        return volumes if sum(volumes) > 0 else [1] * parts

    def bid(self, symbol: str, side: Side, rules: StyleRules, *, now_ns: int, otherwise: int) -> int:
        """Where an order waits for the market to come: at the best price of its side of the book, and where nobody
        hears the book a share of the ATR better than the last close.

        otherwise: the price to go by when no bar has been seen.
        """
        quote = self._quotes.get(symbol)
        if quote is not None and now_ns - quote.ts_ns <= QUOTE_FRESH_NS:
            return quote.bid if side is Side.BUY else quote.ask
        bars = self._bars.get(symbol)
        close = bars[-1].close if bars else otherwise
        distance = mul_div(_average_range([*bars] if bars else []), rules.price_atr_ppb, PPB)
        distance = min(distance, mul_div(close, rules.price_limit_ppb, PPB))
        return max(1, close - side.sign * distance)

    def saved(self) -> dict[str, list[list[int]]]:
        return {symbol: [list(bar) for bar in bars] for symbol, bars in self._bars.items()}

    def restore(self, saved: Mapping[str, Sequence[Sequence[int]]]) -> None:
        self._bars = {symbol: deque((Seen(*bar) for bar in bars), BARS_KEPT) for symbol, bars in saved.items()}


def _average_range(bars: Sequence[Seen]) -> int:
    """The mean of the last true ranges (Wilder's, from close to close), in ticks; 0 without two bars."""
    last = bars[-(ATR_BARS + 1) :]
    ranges = [max(bar.high, before.close) - min(bar.low, before.close) for before, bar in pairwise(last)]
    return sum(ranges) // len(ranges) if ranges else 0
