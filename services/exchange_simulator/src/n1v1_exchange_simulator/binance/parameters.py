"""Reading a request's parameters strictly, as Binance does: all that is sent is read, or the request is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self, TypeVar
from urllib.parse import parse_qsl

import orjson

from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.time_units import TimeUnit

_Choice = TypeVar("_Choice", bound=StrEnum)

_INTEGER = r"^[0-9]{1,20}$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"


class Parameters:
    """What a client sent, decoded. Every read is remembered; `finish` complains about what nobody read.

    sent: values as text; over the WebSocket API arrays and numbers as the literal JSON that was written.
    """

    def __init__(self, sent: Mapping[str, str], unit: TimeUnit = TimeUnit.MILLISECOND) -> None:
        """unit: what the client wants the times of its answer in."""
        self.unit = unit
        self._sent = dict(sent)
        self._read: set[str] = set()

    @classmethod
    def of_request(cls, query: str, body: str, unit: TimeUnit = TimeUnit.MILLISECOND) -> Self:
        """From a raw query string and a raw form body; what stands in both is taken from the query."""
        return cls(_decoded(body) | _decoded(query), unit)

    @property
    def sent(self) -> Mapping[str, str]:
        """Without counting as read."""
        return self._sent

    def optional(self, name: str) -> str | None:
        self._read.add(name)
        value = self._sent.get(name)
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return value

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise errors.missing(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.optional(name)
        if value is None:
            return None
        if not re.fullmatch(_INTEGER, value):
            raise errors.illegal_characters(name, _INTEGER)
        return int(value)

    def limit(self, *, default: int, most: int) -> int:
        value = self.integer("limit")
        if value is None:
            return default
        if value == 0:
            raise errors.illegal_characters("limit", f"1 to {most}")
        return min(value, most)

    def choice(self, name: str, choices: type[_Choice], refusal: ApiError) -> _Choice:
        """Raises `refusal` for a text that is none of `choices`."""
        value = self.text(name)
        if value not in choices.__members__.values():
            raise refusal
        return choices(value)

    def optional_choice(self, name: str, choices: type[_Choice], default: _Choice) -> _Choice:
        if self.optional(name) is None:
            return default
        return self.choice(name, choices, errors.missing(name))

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise errors.illegal_characters(name, "true or false")
        return value.lower() == "true"

    def client_id(self, name: str) -> str | None:
        """A name that a client gave to an order, a list or a cancel."""
        value = self.optional(name)
        if value is not None and not re.fullmatch(CLIENT_ID, value):
            raise errors.illegal_characters(name, CLIENT_ID)
        return value

    def texts(self, name: str) -> list[str] | None:
        """A JSON array of texts, such as symbols=["A","B"]."""
        value = self.optional(name)
        if value is None:
            return None
        try:
            listed = orjson.loads(value)
        except orjson.JSONDecodeError:
            listed = None
        if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
            raise errors.illegal_characters(name, '["A","B"]')
        if len(set(listed)) < len(listed):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        return listed

    def refuse(self, *names: str) -> None:
        """Raises ApiError -1106 for what is sent and has no meaning here."""
        for name in names:
            if self.optional(name) is not None:
                raise errors.not_wanted(name)

    def ignore(self, *names: str) -> None:
        """Parameters that a client may send and that change nothing here."""
        self._read.update(names)

    def finish(self) -> None:
        """Raises ApiError -1104 when something was sent that nobody read."""
        unread = self._sent.keys() - self._read
        if unread:
            raise errors.unread(len(self._sent) - len(unread), len(self._sent))


def _decoded(form: str) -> dict[str, str]:
    """Bytes that are no UTF-8 become replacement characters, which no parameter may have."""
    readable = form.encode(errors="surrogateescape").decode(errors="replace")
    pairs: Iterable[tuple[str, str]] = parse_qsl(readable, keep_blank_values=True)
    decoded: dict[str, str] = {}
    for name, value in pairs:
        if name in decoded:
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        decoded[name] = value
    return decoded
