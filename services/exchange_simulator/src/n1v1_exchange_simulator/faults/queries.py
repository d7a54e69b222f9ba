"""Queries that are answered from yesterday: orders that a replica does not know yet, accounts out of a cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from n1v1_exchange_simulator.faults import answers
from n1v1_exchange_simulator.faults.active import Active, Faults
from n1v1_exchange_simulator.faults.descriptions import OrderNotVisible, StaleAccount, Subject

ACCOUNT = "/api/v3/account"
REMEMBERED = 10_000

OrderKey = tuple[str, int]
"""Symbol and orderId."""


class LaggingQueries:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._accepted: dict[OrderKey, float] = {}
        self._accounts: dict[str, tuple[float, web.Response]] = {}

    def answer(self, subject: Subject, response: web.StreamResponse) -> web.StreamResponse:
        """What the client gets to read instead of `response`, which is the truth."""
        if not isinstance(response, web.Response) or response.status != 200:
            return response
        if subject.method != "GET":
            self._remember(response)
            return response
        for active in self._faults.of(OrderNotVisible):
            if active.fault.concerns(subject):
                response = self._without_new_orders(active, subject, response)
        for cached in self._faults.of(StaleAccount):
            if subject.path == ACCOUNT and cached.fault.concerns(subject):
                response = self._out_of_cache(cached, subject, response)
        return response

    def _remember(self, response: web.Response) -> None:
        if not self._faults.of(OrderNotVisible):
            return
        for key in _orders_in(_json_of(response)):
            self._accepted.setdefault(key, time.monotonic())
        while len(self._accepted) > REMEMBERED:
            del self._accepted[next(iter(self._accepted))]

    def _without_new_orders(
        self, active: Active[OrderNotVisible], subject: Subject, response: web.Response
    ) -> web.Response:
        known = _json_of(response)
        since = time.monotonic() - active.fault.delay_ms / 1_000
        new = {key for key in _orders_in(known) if self._accepted.get(key, since) > since}
        if not new or self._faults.try_to_fire(active, subject) is None:
            return response
        if isinstance(known, list):
            return _json([order for order in known if not new.intersection(_orders_in(order))])
        return answers.order_not_visible()

    def _out_of_cache(self, active: Active[StaleAccount], subject: Subject, response: web.Response) -> web.Response:
        now = time.monotonic()
        kept = self._accounts.get(subject.account)
        is_fresh = kept is None or now - kept[0] >= active.fault.age_ms / 1_000
        if is_fresh or self._faults.try_to_fire(active, subject) is None:
            self._accounts[subject.account] = now, response
            return response
        assert kept is not None, "else it would be fresh"
        return web.Response(body=kept[1].body, content_type="application/json")


def _orders_in(answer: Any) -> Iterator[OrderKey]:  # Any: whatever JSON holds
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


def _json_of(response: web.Response) -> Any:  # Any: whatever JSON holds
    if response.content_type != "application/json" or not isinstance(response.body, bytes):
        return None
    return orjson.loads(response.body)


def _json(answer: object) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json")
