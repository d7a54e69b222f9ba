"""The same faults for calls of the WebSocket API: method CALL, and the call's method (order.place) as the path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from n1v1_exchange_simulator.conversations import Connection, payload_of, text_frame
from n1v1_exchange_simulator.faults import answers
from n1v1_exchange_simulator.faults.active import Faults, Firing
from n1v1_exchange_simulator.faults.bans import Bans
from n1v1_exchange_simulator.faults.descriptions import (
    CALL,
    Ban,
    Delay,
    DropAfter,
    DropBefore,
    DuplicateDelivery,
    HangAfter,
    HangBefore,
    HttpError,
    Latency,
    RequestFault,
    Subject,
)
from n1v1_exchange_simulator.faults.queries import NOT_VISIBLE, LaggingQueries

Answer = Callable[[str], bytes | None]
"""Of a call's text: the frame that answers it; None: nothing is said."""


class CallFaults:
    def __init__(self, faults: Faults, accounts: Mapping[str, str], queries: LaggingQueries, bans: Bans) -> None:
        """accounts: names by API key."""
        self._faults = faults
        self._accounts = accounts
        self._queries = queries
        self._bans = bans

    def around(self, connection: Connection, answer: Answer) -> Answer:
        def with_faults(text: str) -> bytes | None:
            if not len(self._faults):
                return answer(text)
            call = _parsed(text)
            subject = self._subject_of(call, connection)
            lagging = self._lagging(subject, answer) if self._queries.is_needed else answer
            firings = self._faults.fire(RequestFault, subject)
            if not firings:
                return lagging(text)
            return _Call(self._faults, self._bans, connection, lagging, call.get("id")).under(firings, text)

        return with_faults

    def _lagging(self, subject: Subject, answer: Answer) -> Answer:
        def lagging(text: str) -> bytes | None:
            frame = answer(text)
            said = None if frame is None else orjson.loads(payload_of(frame))
            if said is None or said.get("status") != 200:
                return frame
            truth = said["result"]
            told = self._queries.told(subject, truth)
            if told is NOT_VISIBLE:
                refused = answers.order_not_visible()
                assert isinstance(refused.body, bytes), "refusals are made with a body"
                del said["result"]
                said |= {"status": refused.status, "error": orjson.loads(refused.body)}
            elif told is truth:
                return frame
            else:
                said["result"] = told
            return text_frame(orjson.dumps(said))

        return lagging

    def _subject_of(self, call: dict[str, Any], connection: Connection) -> Subject:
        sent = call.get("params")
        sent = sent if isinstance(sent, dict) else {}
        named = self._accounts.get(str(sent.get("apiKey", "")), "")
        return Subject(
            method=CALL,
            path=str(call.get("method", "")).removeprefix("v3/"),
            account=named or next(iter(sorted(connection.accounts)), ""),
            symbol=str(sent.get("symbol", "")),
        )


class _Call:
    """One call while faults fire on it."""

    def __init__(self, faults: Faults, bans: Bans, connection: Connection, answer: Answer, call_id: object) -> None:
        self._faults = faults
        self._bans = bans
        self._connection = connection
        self._answer = answer
        self._id = call_id

    def under(self, firings: list[Firing[RequestFault]], text: str) -> bytes | None:
        before_s = sum(self._delay_s(firing, "before") for firing in firings)
        if before_s:
            asyncio.get_running_loop().call_later(before_s, self._later, firings, text)
            return None
        return self._delivered(firings, text)

    def _later(self, firings: list[Firing[RequestFault]], text: str) -> None:
        frame = self._delivered(firings, text)
        if frame is not None:
            self._connection.send(frame)

    def _delivered(self, firings: list[Firing[RequestFault]], text: str) -> bytes | None:
        for firing in firings:
            match firing.fault:
                case HangBefore():
                    return None
                case DropBefore():
                    self._connection.abort()
                    return None
            refused = self._refused_before(firing.fault)
            if refused is not None:
                return self._refusal(refused)
        return self._said(firings, self._done(firings, text))

    def _done(self, firings: list[Firing[RequestFault]], text: str) -> bytes | None:
        frame = self._answer(text)
        for firing in firings:
            if isinstance(firing.fault, DuplicateDelivery):
                second = self._answer(text)
                frame = frame if firing.fault.answer == "first" else second
        return frame

    def _said(self, firings: list[Firing[RequestFault]], frame: bytes | None) -> bytes | None:
        for firing in firings:
            match firing.fault:
                case HangAfter():
                    return None
                case DropAfter():
                    self._connection.abort()
                    return None
            refused = self._refused_after(firing.fault)
            if refused is not None:
                frame = self._refusal(refused)
        after_s = sum(self._delay_s(firing, "after") for firing in firings)
        if after_s and frame is not None:
            asyncio.get_running_loop().call_later(after_s, self._connection.send, frame)
            return None
        return frame

    def _refused_before(self, fault: RequestFault) -> web.Response | None:
        match fault:
            case Ban():
                return self._bans.answer(fault)
            case HttpError(when="before"):
                return answers.of_a_call(fault)
        return answers.answer_before(fault)

    def _refused_after(self, fault: RequestFault) -> web.Response | None:
        return answers.of_a_call(fault) if isinstance(fault, HttpError) else answers.answer_after(fault)

    def _delay_s(self, firing: Firing[RequestFault], leg: str) -> float:
        delay = getattr(firing.fault, leg) if isinstance(firing.fault, Latency) else None
        if not isinstance(delay, Delay):
            return 0.0
        seconds = delay.draw_s(firing.rng)
        self._faults.note(firing, **{f"{leg}_ms": seconds * 1_000})
        return seconds

    def _refusal(self, response: web.Response) -> bytes:
        assert isinstance(response.body, bytes), "refusals are made with a body"
        error = orjson.loads(response.body)
        if (wait_s := response.headers.get("Retry-After")) is not None:
            now_ms = self._faults.timers.now_ns() // 1_000_000
            error["data"] = {"serverTime": now_ms, "retryAfter": now_ms + 1_000 * int(wait_s)}
        answer = {"id": self._id, "status": response.status, "error": error}
        return text_frame(orjson.dumps(answer))


def _parsed(text: str) -> dict[str, Any]:
    """Empty where it is no call; the API itself says what is wrong with it."""
    try:
        call = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return call if isinstance(call, dict) else {}
