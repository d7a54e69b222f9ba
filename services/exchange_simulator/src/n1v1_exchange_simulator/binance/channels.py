"""One stream and who hears it: every message is encoded once for each form in which somebody wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import orjson

from n1v1_exchange_simulator.binance.stream_names import Stream
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.conversations import Connection, text_frame


class Form(NamedTuple):
    """is_combined: wrapped with the stream's name."""

    is_combined: bool
    unit: TimeUnit


class Channel:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._opening = f'{{"stream":"{stream.name}","data":'.encode()
        self._hearers: dict[Form, dict[Connection, None]] = {}

    @property
    def hearers(self) -> int:
        return sum(map(len, self._hearers.values()))

    def join(self, connection: Connection, form: Form) -> None:
        self._hearers.setdefault(form, {})[connection] = None

    def leave(self, connection: Connection, form: Form) -> None:
        hearers = self._hearers[form]
        hearers.pop(connection, None)
        if not hearers:
            del self._hearers[form]

    def push(self, event: Callable[[TimeUnit], object]) -> None:
        for form, hearers in self._hearers.items():
            frame = self._frame(form, event(form.unit))
            for hearer in hearers:
                hearer.send(frame)

    def push_same(self, event: object) -> None:
        """An event without a time."""
        self.push(lambda unit: event)

    def _frame(self, form: Form, event: object) -> bytes:
        raw = orjson.dumps(event)
        return text_frame(self._opening + raw + b"}" if form.is_combined else raw)
