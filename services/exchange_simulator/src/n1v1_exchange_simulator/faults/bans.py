"""Who is banned until when, over REST and the WebSocket API alike."""

from __future__ import annotations

from math import ceil

from aiohttp import web

from n1v1_exchange_simulator.faults import answers
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import Ban
from n1v1_exchange_simulator.faults.timing import SECOND_NS


class Bans:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._until_ns: dict[str, int] = {}

    def answer(self, fault: Ban) -> web.Response | None:
        """From the fault's first firing on; None once the ban is over."""
        now_ns = self._faults.timers.now_ns()
        until_ns = self._until_ns.setdefault(fault.name, now_ns + fault.for_s * SECOND_NS)
        if now_ns >= until_ns:
            return None
        return answers.banned(until_ns // 1_000_000, retry_after_s=ceil((until_ns - now_ns) / SECOND_NS))
