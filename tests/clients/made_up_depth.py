"""A made-up hour of a market, as a capture of Binance's streams: so that clients have depth and trades to hear of."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

SYMBOL, WIRE_SYMBOL = "BTC-BUSD", "BTCBUSD"
BEGINS_MS = 1_704_067_200_000  # 2024-01-01
UPDATES = 36_000
EVERY_MS = 100
LEVELS = 30
MIDDLE = 5_000_000
"""Cents."""

Message = dict[str, object]


def write_capture(folder: Path) -> Path:
    """The same file each time. The book walks by a cent at most, and every third update brings a trade."""
    path = folder / f"{SYMBOL}-20240101.ws.gz"
    with gzip.open(path, "wt", compresslevel=1) as capture:
        for ms, message in _messages(Random(1)):
            capture.write(f"{ms * 1_000_000} {json.dumps(message, separators=(',', ':'))}\n")
    return path


def _messages(rng: Random) -> Iterator[tuple[int, Message]]:
    """The book as REST gives it between updates, as a client begins that records them."""
    middle, book = MIDDLE, _book(MIDDLE, rng)
    first = {"e": "depthUpdate", "E": BEGINS_MS, "s": WIRE_SYMBOL, "U": 1, "u": 1, "b": [], "a": []}
    yield BEGINS_MS, _said("depth@100ms", first)
    yield BEGINS_MS, {"lastUpdateId": 1, **_sides(book)}
    for number in range(1, UPDATES):
        ms = BEGINS_MS + number * EVERY_MS
        middle += rng.choice((-1, 0, 0, 1))
        after = _book(middle, rng)
        changes = {price: lots for price, lots in after.items() if book.get(price) != lots}
        changes |= {price: (side, 0) for price, (side, _) in book.items() if price not in after}
        book = after
        sides = _sides(changes)
        update = {"e": "depthUpdate", "E": ms, "s": WIRE_SYMBOL, "U": number + 1, "u": number + 1}
        yield ms, _said("depth@100ms", update | {"b": sides["bids"], "a": sides["asks"]})
        if number % 3 == 0:
            yield ms, _said("trade", _trade(ms, number // 3, middle, seller_took=rng.random() < 0.5))


def _said(stream: str, data: Message) -> Message:
    return {"stream": f"{WIRE_SYMBOL.lower()}@{stream}", "data": data}


def _trade(ms: int, number: int, middle: int, *, seller_took: bool) -> Message:
    price = middle - 1 if seller_took else middle + 1
    named = {"e": "trade", "E": ms, "s": WIRE_SYMBOL, "t": number, "T": ms, "m": seller_took, "M": True}
    return named | {"p": _cents(price), "q": "0.00100000"}


def _book(middle: int, rng: Random) -> dict[int, tuple[str, int]]:
    """Side and thousandths by price: a cent between the levels, the best one always there."""
    levels = {middle - 1 - step: ("bids", 500 + step * 10) for step in range(LEVELS)}
    levels |= {middle + 1 + step: ("asks", 500 + step * 10) for step in range(LEVELS)}
    touched = rng.choice(sorted(levels))
    levels[touched] = (levels[touched][0], rng.randint(100, 900))
    return levels


def _sides(levels: dict[int, tuple[str, int]]) -> dict[str, list[list[str]]]:
    return {
        name: [[_cents(price), f"{lots / 1_000:.8f}"] for price, (side, lots) in sorted(levels.items()) if side == name]
        for name in ("bids", "asks")
    }


def _cents(price: int) -> str:
    return f"{price // 100}.{price % 100:02d}000000"
