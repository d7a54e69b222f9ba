"""Random order flow: the engine and a matcher that was written to be obvious, a lot at a time, agree on everything."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.values import TimeInForce
from n1v1_exchange_simulator.venue import NewOrder, Refused, SelfTradePrevention

MODES = SelfTradePrevention


@dataclass
class Naive:
    """One order. turn: when it came to the end of the queue, which an iceberg does with each slice."""

    number: int
    account: str
    side: str
    price: int | None
    lots: int
    mode: SelfTradePrevention
    slice: int = 0
    turn: int = 0
    shown: int = 0
    filled: int = 0
    value: int = 0
    prevented: int = 0
    status: str = "NEW"

    @property
    def left(self) -> int:
        return self.lots - self.filled - self.prevented

    def crosses(self, price: int) -> bool:
        return self.price is None or (self.price >= price if self.side == "BUY" else self.price <= price)


@dataclass
class BruteForce:
    orders: list[Naive] = field(default_factory=list)
    resting: list[Naive] = field(default_factory=list)
    turns: int = 0

    def best_against(self, order: Naive) -> Naive | None:
        sign = 1 if order.side == "BUY" else -1
        others = [each for each in self.resting if each.side != order.side and order.crosses(each.price or 0)]
        return min(others, key=lambda each: (sign * (each.price or 0), each.turn), default=None)

    def rest(self, order: Naive) -> None:
        self.turns += 1
        order.turn = self.turns
        order.shown = min(order.slice, order.left) if order.slice else order.left
        if order not in self.resting:
            self.resting.append(order)

    def end(self, order: Naive, status: str) -> None:
        order.status = status
        self.resting = [each for each in self.resting if each is not order]

    def meet(self, order: Naive, maker: Naive) -> None:
        """One lot of a trade, or what is done instead."""
        if maker.account != order.account or order.mode is MODES.NONE:
            for each in (order, maker):
                each.filled += 1
                each.value += maker.price or 0
                each.status = "PARTIALLY_FILLED" if each.left else "FILLED"
            maker.shown -= 1
            if not maker.left:
                self.end(maker, "FILLED")
            elif not maker.shown:
                self.rest(maker)
        elif order.mode is MODES.DECREMENT:
            for each in (order, maker):
                each.prevented += 1
                if not each.left:
                    self.end(each, "EXPIRED_IN_MATCH")
            maker.shown = min(maker.shown, maker.left)
        else:
            for each, ends in (
                (maker, order.mode in (MODES.EXPIRE_MAKER, MODES.EXPIRE_BOTH)),
                (order, order.mode in (MODES.EXPIRE_TAKER, MODES.EXPIRE_BOTH)),
            ):
                if ends:
                    each.prevented += each.left
                    self.end(each, "EXPIRED_IN_MATCH")

    def take(self, order: Naive) -> None:
        while order.left and order.status in ("NEW", "PARTIALLY_FILLED"):
            maker = self.best_against(order)
            if maker is None:
                return
            self.meet(order, maker)

    def spend(self, order: Naive, amount: int) -> str:
        """Buy or sell lot by lot for at most `amount`. The last lot may have been prevented rather than filled."""
        last, price = "EXPIRED", 0
        while (maker := self.best_against(order)) is not None:
            price = maker.price or 0
            if price > amount:
                return last
            order.lots += 1_000  # so many it will never have
            filled = order.filled
            self.meet(order, maker)
            if order.status == "EXPIRED_IN_MATCH":
                return order.status
            last = "FILLED" if order.filled > filled else "EXPIRED_IN_MATCH"
            amount -= price
        return "EXPIRED" if amount >= price else last


@dataclass(frozen=True)
class Step:
    account: str
    side: str
    price: int
    lots: int
    kind: str
    mode: SelfTradePrevention
    slice: int
    victim: int


STEPS = st.builds(
    Step,
    account=st.sampled_from(["ann", "bob", "cat"]),
    side=st.sampled_from(["BUY", "SELL"]),
    price=st.integers(96, 104),
    lots=st.integers(1, 12),
    kind=st.sampled_from(["limit", "limit", "limit", "limit", "ioc", "fok", "maker", "market", "spend", "cancel"]),
    mode=st.sampled_from(list(MODES)),
    slice=st.sampled_from([0, 0, 1, 3]),
    victim=st.integers(0, 30),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=40))
def test_the_engine_agrees_with_brute_force(new_floor: Any, steps: list[Step]) -> None:
    floor, naive = new_floor(), BruteForce()
    for step in steps:
        if step.kind == "cancel":
            cancel_in_both(floor, naive, step)
        elif step.kind == "spend":
            spend_in_both(floor, naive, step)
        else:
            place_in_both(floor, naive, step)
        compare(floor, naive)


def cancel_in_both(floor: Any, naive: BruteForce, step: Step) -> None:
    if not naive.resting:
        return
    victim = naive.resting[step.victim % len(naive.resting)]
    assert not isinstance(floor.venue.cancel(victim.account, "COIN-USD", victim.number), Refused)
    naive.end(victim, "CANCELED")


def place_in_both(floor: Any, naive: BruteForce, step: Step) -> None:
    price = None if step.kind == "market" else step.price
    in_force = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}.get(step.kind, TimeInForce.GTC)
    slice_ = step.slice if step.kind == "limit" and step.slice < step.lots else 0
    sent: NewOrder = floor.order(
        step.side,
        step.lots,
        price,
        time_in_force=in_force,
        iceberg_lots=slice_,
        is_post_only=step.kind == "maker",
        self_trade_prevention=step.mode,
    )
    order = Naive(len(naive.orders) + 1, step.account, step.side, price, step.lots, step.mode, slice_)
    answer = floor.venue.place(step.account, sent)
    if step.kind == "maker" and naive.best_against(order) is not None:
        assert answer == Refused(code=-2010, reason="Order would immediately match and take.")
        return
    assert not isinstance(answer, Refused)
    naive.orders.append(order)
    if step.kind == "fok" and not fills_whole(naive, order):
        order.status = "EXPIRED"
        return
    naive.take(order)
    if order.status in ("NEW", "PARTIALLY_FILLED"):
        if step.kind in ("limit", "maker"):
            naive.rest(order)
        else:
            order.status = "EXPIRED"


def fills_whole(naive: BruteForce, order: Naive) -> bool:
    copied, tried = deepcopy((naive, order))
    copied.take(tried)
    return tried.filled == tried.lots


def spend_in_both(floor: Any, naive: BruteForce, step: Step) -> None:
    """A mode that only ends makers is left out: whether those behind the last fill end is nobody's rule."""
    mode = MODES.NONE if step.mode is MODES.EXPIRE_MAKER else step.mode
    amount = step.lots * 70 + step.price
    order = Naive(len(naive.orders) + 1, step.account, step.side, None, 0, mode)
    sent = floor.order(step.side, 0, spend_quanta=amount, self_trade_prevention=mode)
    best = naive.best_against(order)
    answer = floor.venue.place(step.account, sent)
    if best is None or (best.price or 0) > amount:
        assert isinstance(answer, Refused)
        return
    assert not isinstance(answer, Refused)
    naive.orders.append(order)
    order.status = naive.spend(order, amount)
    order.lots = order.filled


def compare(floor: Any, naive: BruteForce) -> None:
    for order in naive.orders:
        known = floor.venue.order(order.account, "COIN-USD", order.number)
        found = (known.status.value, known.filled_lots, known.value_quanta)
        assert found == (order.status, order.filled, order.value), (known, order)
        if not known.request.spend_quanta and order.status != "EXPIRED_IN_MATCH":
            assert known.prevented_lots == order.prevented
    for index, side in enumerate(("BUY", "SELL")):
        shown: dict[int, int] = {}
        for order in naive.resting:
            if order.side == side:
                shown[order.price or 0] = shown.get(order.price or 0, 0) + order.shown
        assert dict(floor.book()[index]) == shown
