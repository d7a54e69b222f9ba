"""Queries that are answered from yesterday: orders that a replica does not know yet, accounts out of a cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from n1v1_exchange_simulator.faults.active import Active, Faults
from n1v1_exchange_simulator.faults.descriptions import CALL, OrderNotVisible, QueryFault, StaleAccount, Subject

ACCOUNT = ("/api/v3/account", "account.status")
QUERIES = frozenset(
    {
        "order.status",
        "openOrders.status",
        "allOrders",
        "orderList.status",
        "openOrderLists.status",
        "allOrderLists",
        "account.status",
        "myTrades",
    }
)
"""Of the WebSocket API; what it is asked for otherwise changes something, or is of the market."""
REMEMBERED = 10_000

OrderKey = tuple[str, int]
"""Symbol and orderId."""

Answer = Any
"""JSON."""

NOT_VISIBLE = None
"""Instead of an answer: -2013."""


class LaggingQueries:
    """Of REST and of the WebSocket API, which answer the same."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._accepted_ns: dict[OrderKey, int] = {}
        self._accounts: dict[str, tuple[int, Answer]] = {}

    @property
    def is_needed(self) -> bool:
        """Whether there is a fault for which answers have to be read."""
        return any(isinstance(active.fault, QueryFault) for active in self._faults.all())

    def told(self, subject: Subject, truth: Answer) -> Answer:
        """What the client gets to read, or NOT_VISIBLE."""
        if not _is_query(subject):
            self._remember(truth)
            return truth
        answer = truth
        for active in self._faults.of(OrderNotVisible):
            if active.fault.concerns(subject):
                answer = self._without_new_orders(active, subject, answer)
        for cached in self._faults.of(StaleAccount):
            if subject.path in ACCOUNT and cached.fault.concerns(subject):
                answer = self._out_of_cache(cached, subject, answer)
        return answer

    def _remember(self, truth: Answer) -> None:
        if not self._faults.of(OrderNotVisible):
            return
        for key in _orders_in(truth):
            self._accepted_ns.setdefault(key, self._faults.timers.now_ns())
        while len(self._accepted_ns) > REMEMBERED:
            del self._accepted_ns[next(iter(self._accepted_ns))]

    def _without_new_orders(self, active: Active[OrderNotVisible], subject: Subject, known: Answer) -> Answer:
        since_ns = self._faults.timers.now_ns() - round(active.fault.delay_ms * 1e6)
        new = {key for key in _orders_in(known) if self._accepted_ns.get(key, since_ns) > since_ns}
        if not new or self._faults.try_to_fire(active, subject) is None:
            return known
        if isinstance(known, list):
            return [order for order in known if not new.intersection(_orders_in(order))]
        return NOT_VISIBLE

    def _out_of_cache(self, active: Active[StaleAccount], subject: Subject, answer: Answer) -> Answer:
        now_ns = self._faults.timers.now_ns()
        kept = self._accounts.get(subject.account)
        is_fresh = kept is None or now_ns - kept[0] >= active.fault.age_ms * 1e6
        if is_fresh or self._faults.try_to_fire(active, subject) is None:
            self._accounts[subject.account] = now_ns, answer
            return answer
        assert kept is not None, "else it would be fresh"
        return kept[1]


def _is_query(subject: Subject) -> bool:
    return subject.path in QUERIES if subject.method == CALL else subject.method == "GET"


def _orders_in(answer: Answer) -> Iterator[OrderKey]:
    """Orders anywhere in the answer: of lists and of cancelReplace they are further in."""
    match answer:
        case {"orderId": int(number), "symbol": str(symbol)}:
            yield symbol, number
        case dict():
            for part in answer.values():
                yield from _orders_in(part)
        case list():
            for part in answer:
                yield from _orders_in(part)
