"""The trades of a venue through ccxt: each once, and what is missing is said and asked for again over REST.

The loss is said at once, where the trades are missing: whoever dies before the venue has answered has not kept silent.
Trades that the venue still has follow late, under their own numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ccxt
import structlog

from n1v1.events import MarketDataLost, TradeSeen
from n1v1_common.state.errors import StateError
from n1v1_common.state.rate_budget import Banned
from n1v1_market_data.adapters.ccxt_events import MS_NS, CcxtEvents, Unified
from n1v1_market_data.adapters.ccxt_exchange import TRADES_KEPT
from n1v1_market_data.continuity import TradeRun
from n1v1_market_data.flow import Flow

log = structlog.get_logger()

NUMBER_TRADES = frozenset({"binance", "coinbase", "coinbaseexchange", "kraken"})
"""Venues whose trades of a symbol are numbered without a gap, so that a missing one is noticed."""

SAME_OVER_REST = NUMBER_TRADES | {"bybit"}
"""Venues whose trades over REST are those of the stream, one by one: okx sums them up in its stream, for one."""

ONLY_THE_NEWEST = frozenset({"binance", "coinbase", "coinbaseexchange"})
"""Venues that cannot be asked for trades since a time, or not for single ones."""

TRADES_PAGE = 1000
TRADES_ASKED_MAX = 10_000
"""Rows that are looked at for one gap."""
IDS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection: its exchange, ours by ccxt's names, and the tasks that end with it. Any: ccxt has no types."""

    exchange: Any
    names: Mapping[str, str]
    tasks: asyncio.TaskGroup


@dataclass(frozen=True, slots=True)
class Gap:
    """numbers: those that are missing, where the venue has numbers. since_ms: of the last trade before it, if known."""

    name: str
    symbol: str
    since_ms: int | None
    numbers: range | None


class CcxtTrades:
    def __init__(self, events: Mapping[str, CcxtEvents], flow: Flow, last_trades: Mapping[str, TradeSeen]) -> None:
        """events: by symbol. last_trades: the newest that was published in an earlier life, by symbol."""
        self._events = events
        self._flow = flow
        self._runs = {symbol: TradeRun.after(last_trades.get(symbol)) for symbol in events}
        self._seen: dict[str, dict[str, None]] = {symbol: {} for symbol in events}
        self._newest_ms = {symbol: trade.ts_ns // MS_NS for symbol, trade in last_trades.items()}
        for symbol, trade in last_trades.items():
            self._is_unseen(symbol, trade.trade_id)
        self._has_begun = False
        self._interrupted: set[str] = set()
        """Symbols without numbers whose connection was lost since their last trade."""

    def take(self, connected: Connected, trades: Sequence[Unified]) -> None:
        """Venues send their newest trades again after every subscription."""
        ours = [trade for trade in trades if trade["symbol"] in connected.names]
        is_numbered = connected.exchange.id in NUMBER_TRADES
        if len(ours) >= TRADES_KEPT:
            symbol = connected.names[ours[0]["symbol"]]
            self._lose(symbol, f"more than {TRADES_KEPT} came at once", connected.exchange.milliseconds())
        if is_numbered:
            ours.sort(key=lambda trade: int(trade["id"]))
        for trade in ours:
            symbol = connected.names[trade["symbol"]]
            if self._follows(connected, symbol, trade) if is_numbered else self._is_unseen(symbol, trade["id"]):
                if symbol in self._interrupted:
                    self._interrupted.discard(symbol)
                    self._ask_soon(connected, Gap(trade["symbol"], symbol, self._newest_ms.get(symbol), None))
                self._put(symbol, trade)

    def connected(self, venue: str, now_ms: int) -> None:
        """Whatever happened since the end of an earlier life was not heard."""
        if not self._has_begun and self._newest_ms:
            self._interrupt(venue, "nobody listened", now_ms, self._newest_ms)
        self._has_begun = True

    def disconnected(self, venue: str, reason: str, now_ms: int) -> None:
        self._interrupt(venue, reason, now_ms, self._events)

    def _interrupt(self, venue: str, reason: str, now_ms: int, symbols: Iterable[str]) -> None:
        """Where trades are numbered the next one will tell what is missing."""
        if venue in NUMBER_TRADES:
            return
        for symbol in symbols:
            self._lose(symbol, reason, now_ms)
            if symbol in self._newest_ms:
                self._interrupted.add(symbol)

    def _follows(self, connected: Connected, symbol: str, trade: Unified) -> bool:
        """Whether it is new. Numbers that are missing before it are said and asked for."""
        missing = self._runs[symbol].follow(int(trade["id"]))
        if missing:
            self._lose(symbol, "the venue's numbers have a gap", connected.exchange.milliseconds(), missing)
            self._ask_soon(connected, Gap(trade["symbol"], symbol, self._newest_ms.get(symbol), missing))
        return missing is not None

    def _is_unseen(self, symbol: str, trade_id: str) -> bool:
        """And from now on it is seen."""
        seen = self._seen[symbol]
        if trade_id in seen:
            return False
        seen[trade_id] = None
        if len(seen) > IDS_KEPT:
            del seen[next(iter(seen))]
        return True

    def _put(self, symbol: str, trade: Unified) -> None:
        self._newest_ms[symbol] = max(self._newest_ms.get(symbol, 0), trade["timestamp"])
        self._flow.put(self._events[symbol].trade(trade))

    # --- asking again --------------------------------------------------------------------------------------------

    def _ask_soon(self, connected: Connected, gap: Gap) -> None:
        if connected.exchange.id in SAME_OVER_REST:
            connected.tasks.create_task(self._ask(connected.exchange, gap))

    async def _ask(self, exchange: Any, gap: Gap) -> None:
        """Page by page, as far as the venue goes back. What it refuses stays missing, which has been said."""
        since_ms = None if exchange.id in ONLY_THE_NEWEST else gap.since_ms
        found: set[int] = set()
        asked = 0
        try:
            while asked < TRADES_ASKED_MAX:
                rows = await exchange.fetch_trades(gap.name, since_ms, TRADES_PAGE, _parameters(exchange, gap.name))
                fresh = [row for row in rows if self._was_missed(gap, row, found)]
                for row in fresh:
                    self._put(gap.symbol, row)
                asked += len(rows)
                if not fresh or since_ms is None or rows[-1]["timestamp"] <= since_ms:
                    return
                since_ms = rows[-1]["timestamp"]
        except (ccxt.BaseError, Banned, StateError, OSError, TimeoutError) as error:
            reason = f"{type(error).__name__}: {error}"
            log.warning("missing trades cannot be asked for", symbol=gap.symbol, reason=reason)

    def _was_missed(self, gap: Gap, row: Unified, found: set[int]) -> bool:
        """found: numbers that an earlier page had; pages overlap."""
        if gap.numbers is None:
            return row["timestamp"] >= (gap.since_ms or 0) and self._is_unseen(gap.symbol, row["id"])
        number = int(row["id"])
        if number in found or number not in gap.numbers:
            return False
        found.add(number)
        return True

    def _lose(self, symbol: str, reason: str, now_ms: int, missing: range | None = None) -> None:
        """missing: numbers; None: nobody knows how many they are."""
        first, last = (str(missing[0]), str(missing[-1])) if missing else ("", "")
        now_ns = now_ms * MS_NS
        self._flow.lose(
            MarketDataLost(
                id=f"lost:trades:{symbol}:{first or now_ns}",
                ts_ns=now_ns,
                symbol=symbol,
                channel="trades",
                lost=len(missing) if missing else None,
                reason=reason,
                first_id=first,
                last_id=last,
            )
        )


def _parameters(exchange: Any, name: str) -> dict[str, str]:
    """Binance gives summed-up trades, with numbers of their own, unless it is asked for single ones."""
    if exchange.id != "binance":
        return {}
    market = exchange.market(name)
    prefix = "fapiPublic" if market.get("linear") else "dapiPublic" if market.get("inverse") else "public"
    return {"fetchTradesMethod": f"{prefix}GetTrades"}
