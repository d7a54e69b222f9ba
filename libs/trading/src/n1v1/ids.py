"""Identifiers are derived, never drawn: the same cause gives the same id in every driver and after every restart."""

from __future__ import annotations

import hashlib
from itertools import product
from typing import Literal, NewType

SignalId = NewType("SignalId", str)
OrderId = NewType("OrderId", str)
ClientOrderId = NewType("ClientOrderId", str)
"""What we call an order towards the venue: the order id plus the attempt that sent it."""
VenueOrderId = NewType("VenueOrderId", str)
TradeId = NewType("TradeId", str)
"""The venue's name of one execution. Unique per (venue, symbol)."""
FillId = NewType("FillId", str)


Leg = Literal["stop", "target"]
LEGS: tuple[Leg, ...] = ("stop", "target")

_PAIRS = ["".join(pair) for pair in product("abcdefghijklmnopqrstuvwxyz234567", repeat=2)]
"""What ten bits are in base32 (RFC 4648): that of the standard library is Python, and works letter by letter."""


def digest(*parts: str | int, length: int = 16) -> str:
    """Lower-case base32 of a hash over the parts. 16 characters are 80 bits."""
    text = "\x1f".join([str(part) for part in parts]).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=20).digest(), "big")
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(150, 150 - 5 * length, -10)]
    return "".join(pairs)[:length]


def signal_id(instance: str, symbol: str, bar_close_ns: int) -> SignalId:
    return SignalId(f"{instance}:{symbol}:{bar_close_ns // 1_000_000_000}")


def order_id(account: str, signal: SignalId) -> OrderId:
    return OrderId("o-" + digest("order", account, signal))


def leg_order_id(entry: OrderId, leg: Leg) -> OrderId:
    """The order that protects what `entry` buys. Its client order id maps back to it, as that of any order does."""
    return OrderId(f"{entry}-{leg}")


def child_order_id(parent: OrderId, number: int) -> OrderId:
    """The order that carries out a part of `parent`. number: from 1 to 99, in the order in which they are sent."""
    return OrderId(f"{parent}-{number}")


def client_order_id(order: OrderId, attempt: int) -> ClientOrderId:
    """At most 36 characters of [a-z0-9-], as venues demand. A new attempt is a new id: see execution.orders."""
    return ClientOrderId(f"n1v1-{order}-{attempt}")


def order_of_client_order_id(client: ClientOrderId) -> OrderId | None:
    """The order a client order id belongs to, or None if it is not one of ours."""
    if not client.startswith("n1v1-o-"):
        return None
    return OrderId(client.removeprefix("n1v1-").rsplit("-", 1)[0])


def fill_id(venue: str, symbol: str, trade: TradeId) -> FillId:
    return FillId(f"{venue}:{symbol}:{trade}")


def bar_id(symbol: str, timeframe: str, close_ns: int) -> str:
    return f"bar:{correlation_id(symbol, close_ns)}:{timeframe}"


def correlation_id(symbol: str, bar_close_ns: int) -> str:
    """Names everything that one bar set in motion."""
    return f"{symbol}@{bar_close_ns // 1_000_000_000}"
