"""Client order ids as each venue takes them."""

from __future__ import annotations

import hashlib
import uuid
from typing import Protocol

from n1v1.ids import ClientOrderId


class Names(Protocol):
    def written(self, name: ClientOrderId) -> str: ...

    def read(self, wire: str) -> ClientOrderId:
        """What the venue gives back; a name that is not ours comes back as it is."""


class PlainNames:
    """Letters, digits and hyphens, 36 characters at most: Binance, Bybit, Coinbase and most others."""

    def written(self, name: ClientOrderId) -> str:
        return name

    def read(self, wire: str) -> ClientOrderId:
        return ClientOrderId(wire)


class NamesWithoutHyphens:
    """Letters and digits only (okx): our names have no capitals, so that one can stand for the hyphen."""

    def written(self, name: ClientOrderId) -> str:
        return name.replace("-", "Z")

    def read(self, wire: str) -> ClientOrderId:
        return ClientOrderId(wire.replace("Z", "-"))


class NamesAsUuids:
    """A UUID derived from the name (kraken: 18 characters of text, or a UUID).

    It does not lead back to the name: what was not asked for since the start is read as it is, a stranger.
    """

    def __init__(self) -> None:
        self._names: dict[str, ClientOrderId] = {}

    def written(self, name: ClientOrderId) -> str:
        wire = str(uuid.UUID(bytes=hashlib.blake2b(name.encode(), digest_size=16).digest(), version=4))
        self._names[wire] = name
        return wire

    def read(self, wire: str) -> ClientOrderId:
        return self._names.get(wire, ClientOrderId(wire))


def names_at(venue: str) -> Names:
    match venue:
        case "okx":
            return NamesWithoutHyphens()
        case "kraken":
            return NamesAsUuids()
        case _:
            return PlainNames()
