"""What a market stream is called and what that means: btcusdt@kline_1m, btcusdt@depth20@100ms, !miniTicker@arr."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from n1v1_exchange_simulator.binance.wire import Symbols

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
PARTIAL_LEVELS = (5, 10, 20)


class StreamKind(StrEnum):
    TRADE = "trade"
    AGGREGATE_TRADE = "aggTrade"
    KLINE = "kline"
    MINI_TICKER = "miniTicker"
    TICKER = "ticker"
    BOOK_TICKER = "bookTicker"
    AVERAGE_PRICE = "avgPrice"
    DEPTH = "depth"
    ALL_MINI_TICKERS = "!miniTicker@arr"


_WITHOUT_ARGUMENTS = frozenset(StreamKind) - {StreamKind.KLINE, StreamKind.DEPTH, StreamKind.ALL_MINI_TICKERS}
_KLINE = re.compile(rf"kline_({'|'.join(INTERVALS)})")
_DEPTH = re.compile(rf"depth({'|'.join(map(str, PARTIAL_LEVELS))})?(@100ms)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """symbol: the venue's; empty for all of them. levels: 0 for the changes of the whole book. is_fast: every 100 ms
    instead of every second."""

    name: str
    kind: StreamKind
    symbol: str = ""
    timeframe: str = ""
    levels: int = 0
    is_fast: bool = False


class StreamNames:
    def __init__(self, symbols: Symbols) -> None:
        self._symbols = {texts.wire_symbol.lower(): texts.symbol for texts in symbols.all()}

    def stream(self, name: str) -> Stream | None:
        """None for a name that means nothing here; symbols are written small, as Binance demands."""
        if name == StreamKind.ALL_MINI_TICKERS:
            return Stream(name=name, kind=StreamKind.ALL_MINI_TICKERS)
        wire_symbol, _, what = name.partition("@")
        symbol = self._symbols.get(wire_symbol)
        return None if symbol is None else _of_symbol(name, symbol, what)


def _of_symbol(name: str, symbol: str, what: str) -> Stream | None:
    if what in _WITHOUT_ARGUMENTS:
        return Stream(name=name, kind=StreamKind(what), symbol=symbol)
    if found := _KLINE.fullmatch(what):
        return Stream(name=name, kind=StreamKind.KLINE, symbol=symbol, timeframe=found[1])
    if found := _DEPTH.fullmatch(what):
        levels = int(found[1] or 0)
        return Stream(name=name, kind=StreamKind.DEPTH, symbol=symbol, levels=levels, is_fast=found[2] is not None)
    return None
