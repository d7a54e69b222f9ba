"""What anybody may ask: the market, its rules and the time. Functions of the parameters, for REST and WebSocket API."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

import orjson

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.exchange_info import PERMISSION, described_symbol
from n1v1_exchange_simulator.binance.filters import Rulebook, SymbolStatus
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.pages import page, times
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.signing import WallClock
from n1v1_exchange_simulator.binance.statistics import (
    DAY_NS,
    Statistics,
    Stretch,
    best_prices,
    mini_fields,
    window_fields,
)
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import Json, Symbols, Texts
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.market_events import AggregateTrade, Level, PublicTrade

ROWS_BY_DEFAULT = 500
ROWS_AT_MOST = 1_000
LEVELS_BY_DEFAULT = 100
LEVELS_AT_MOST = 5_000
TICKERS_AT_MOST = 200

_WINDOW = re.compile(r"([1-9][0-9]?)([mhd])")
_WINDOW_UNITS = {"m": (59, 60_000_000_000), "h": (23, 3_600_000_000_000), "d": (7, DAY_NS)}
"""The largest number of each, and its length."""

_TIME_ZONE = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")


class TickerType(StrEnum):
    FULL = "FULL"
    MINI = "MINI"


class MarketCalls:
    """Where there is no book, or nothing was traded yet, tickers fall back to the last price, and that to zero."""

    def __init__(
        self,
        exchange: Exchange,
        symbols: Symbols,
        rulebook: Rulebook,
        limiter: Limiter,
        statistics: Statistics,
        wall_ns: WallClock,
    ) -> None:
        self._market = exchange.market
        self._exchange = exchange
        self._symbols = symbols
        self._rulebook = rulebook
        self._limiter = limiter
        self._statistics = statistics
        self._wall_ns = wall_ns

    def ping(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        parameters.finish()
        return {}

    def time(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        """The wall clock: what signatures are checked against. The market's time is in the bars."""
        parameters.finish()
        return {"serverTime": parameters.unit.of(self._wall_ns())}

    def exchange_info(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        wanted = self._selected(parameters)
        has_sets = parameters.flag("showPermissionSets", default=True)
        parameters.finish()
        return {
            "timezone": "UTC",
            "serverTime": parameters.unit.of(self._wall_ns()),
            "rateLimits": self._limiter.described(),
            "exchangeFilters": [
                {"filterType": each.name} | each.described(wanted[0].instrument)
                for each in self._rulebook.exchange_filters
                if wanted
            ],
            "symbols": [
                described_symbol(texts, self._rulebook.of(texts.symbol), has_permission_sets=has_sets)
                for texts in wanted
            ],
        }

    def execution_rules(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        """This venue executes at any price; its bounds are those of PERCENT_PRICE_BY_SIDE, before an order is taken."""
        self._selected(parameters)
        parameters.finish()
        return {"symbolRules": []}

    def reference_price(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        """None: without execution rules nothing refers to it."""
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        timestamp = parameters.unit.of(self._exchange.clock_ns)
        return {"symbol": texts.wire_symbol, "referencePrice": None, "timestamp": timestamp}

    def depth(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        texts = self._symbols.named(parameters.text("symbol"))
        levels = parameters.limit(default=LEVELS_BY_DEFAULT, most=LEVELS_AT_MOST)
        self._check_status(texts, parameters)
        parameters.finish()
        book = self._market.book(texts.symbol, levels)
        return {
            "lastUpdateId": book.last_id,
            "bids": _level_rows(book.bids[:levels], texts),
            "asks": _level_rows(book.asks[:levels], texts),
        }

    def trades(self, _: ApiAccount | None, parameters: Parameters) -> list[Json]:
        texts = self._symbols.named(parameters.text("symbol"))
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        return [_trade_row(trade, texts, parameters.unit) for trade in self._trades(texts)[-limit:]]

    def historical_trades(self, _: ApiAccount | None, parameters: Parameters) -> list[Json]:
        """As far back as the venue remembers."""
        texts = self._symbols.named(parameters.text("symbol"))
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        from_id = parameters.integer("fromId")
        parameters.finish()
        trades = [trade for trade in self._trades(texts) if from_id is None or trade.number >= from_id]
        rows = page(trades, limit, is_forward=from_id is not None)
        return [_trade_row(trade, texts, parameters.unit) for trade in rows]

    def aggregate_trades(self, _: ApiAccount | None, parameters: Parameters) -> list[Json]:
        texts = self._symbols.named(parameters.text("symbol"))
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        from_id, within = parameters.integer("fromId"), times(parameters)
        parameters.finish()
        if from_id is not None and within.is_bounded:
            raise errors.bad_combination()
        trades = [
            trade
            for trade in self._market.recent_aggregates(texts.symbol)
            if within.holds(trade.ts_ns) and (from_id is None or trade.number >= from_id)
        ]
        rows = page(trades, limit, is_forward=from_id is not None or within.has_start)
        return [_aggregate_row(trade, texts, parameters.unit) for trade in rows]

    def klines(self, _: ApiAccount | None, parameters: Parameters) -> list[list[int | str]]:
        """Closed bars, and the one that is still open where the venue knows more than bars."""
        texts = self._symbols.named(parameters.text("symbol"))
        interval = parameters.text("interval")
        limit, within = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST), times(parameters)
        _check_time_zone(parameters)
        parameters.finish()
        bars = [bar for bar in self._bars(texts, interval) if within.holds(bar.open_ns)]
        rows = page(bars, limit, is_forward=within.has_start)
        return [texts.kline(bar, parameters.unit) for bar in rows]

    def average_price(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        answer = self._statistics.average_price(texts, parameters.unit)
        if answer is None:
            raise errors.market_is_closed()
        return answer

    def day_ticker(self, _: ApiAccount | None, parameters: Parameters) -> Json | list[Json]:
        kind = parameters.optional_choice("type", TickerType, TickerType.FULL)
        unit = parameters.unit

        def answer(texts: Texts) -> Json | None:
            if kind is TickerType.FULL:
                return self._statistics.day(texts, unit)
            stretch = self._statistics.since(texts.symbol, self._exchange.clock_ns - DAY_NS)
            return None if stretch is None else mini_fields(stretch, texts, unit)

        return self._tickers(parameters, answer)

    def trading_day_ticker(self, _: ApiAccount | None, parameters: Parameters) -> Json | list[Json]:
        shift_ns = _check_time_zone(parameters)
        local_ns = self._exchange.clock_ns + shift_ns
        return self._window_tickers(parameters, local_ns - local_ns % DAY_NS - shift_ns)

    def window_ticker(self, _: ApiAccount | None, parameters: Parameters) -> Json | list[Json]:
        length_ns = _window_ns(parameters)
        return self._window_tickers(parameters, self._exchange.clock_ns - length_ns)

    def price_ticker(self, _: ApiAccount | None, parameters: Parameters) -> Json | list[Json]:
        def answer(texts: Texts) -> Json:
            last = self._market.last_ticks(texts.symbol)
            return {"symbol": texts.wire_symbol, "price": texts.price(last)}

        return self._tickers(parameters, answer)

    def book_ticker(self, _: ApiAccount | None, parameters: Parameters) -> Json | list[Json]:
        def answer(texts: Texts) -> Json:
            return best_prices(self._market.book(texts.symbol, 1), self._market.last_ticks(texts.symbol), texts)

        return self._tickers(parameters, answer)

    # --- selections --------------------------------------------------------------------------------------------

    def _window_tickers(self, parameters: Parameters, start_ns: int) -> Json | list[Json]:
        """Of named symbols only, and at most TICKERS_AT_MOST."""
        kind = parameters.optional_choice("type", TickerType, TickerType.FULL)
        fields: Callable[[Stretch, Texts, TimeUnit], Json] = window_fields if kind is TickerType.FULL else mini_fields
        if parameters.optional("symbol") is None and parameters.optional("symbols") is None:
            raise errors.missing_both("symbol", "symbols")

        def answer(texts: Texts) -> Json | None:
            stretch = self._statistics.since(texts.symbol, start_ns)
            return None if stretch is None else fields(stretch, texts, parameters.unit)

        return self._tickers(parameters, answer, most=TICKERS_AT_MOST)

    def _tickers(
        self, parameters: Parameters, ticker: Callable[[Texts], Json | None], *, most: int | None = None
    ) -> Json | list[Json]:
        """One object for `symbol`, a list for `symbols` or for all: without those of which nothing is known yet."""
        wanted, is_single = self._wanted(parameters)
        if most is not None and len(wanted) > most:
            raise ApiError(-1101, f"Too many parameters; expected '{most}' and received '{len(wanted)}'.")
        status = self._status(parameters)
        parameters.finish()
        if is_single:
            self._refuse_other_status(wanted[0], status)
            answer = ticker(wanted[0])
            if answer is None:
                raise errors.market_is_closed()
            return answer
        answers = (ticker(texts) for texts in wanted if self._has_status(texts, status))
        return [answer for answer in answers if answer is not None]

    def _wanted(self, parameters: Parameters) -> tuple[Sequence[Texts], bool]:
        """The instruments that `symbol` or `symbols` name (all without either), and whether it was `symbol`."""
        single, several = parameters.optional("symbol"), parameters.texts("symbols")
        if single is not None and several is not None:
            raise errors.bad_combination()
        if single is not None:
            return [self._symbols.named(single)], True
        if several is None:
            return self._symbols.all(), False
        return [self._symbols.named(name) for name in several], False

    def _selected(self, parameters: Parameters) -> list[Texts]:
        """What exchangeInfo is asked for. Names exclude the other ways to choose."""
        wanted, _ = self._wanted(parameters)
        status, permissions = self._status(parameters), _permissions(parameters)
        is_named = parameters.sent.keys() & {"symbol", "symbols"}
        if is_named and (status is not None or permissions is not None):
            raise errors.bad_combination()
        if permissions is not None and PERMISSION not in permissions:
            return []
        return [texts for texts in wanted if self._has_status(texts, status)]

    def _status(self, parameters: Parameters) -> SymbolStatus | None:
        if parameters.optional("symbolStatus") is None:
            return None
        refusal = ApiError(-1130, "Data sent for parameter 'symbolStatus' is not valid.")
        return parameters.choice("symbolStatus", SymbolStatus, refusal)

    def _has_status(self, texts: Texts, status: SymbolStatus | None) -> bool:
        return status is None or self._rulebook.of(texts.symbol).status is status

    def _refuse_other_status(self, texts: Texts, status: SymbolStatus | None) -> None:
        if not self._has_status(texts, status):
            raise ApiError(-1220, "The symbol's status does not match the requested symbolStatus.")

    def _check_status(self, texts: Texts, parameters: Parameters) -> None:
        self._refuse_other_status(texts, self._status(parameters))

    # --- the market --------------------------------------------------------------------------------------------

    def _trades(self, texts: Texts) -> list[PublicTrade]:
        return list(self._market.recent_trades(texts.symbol))

    def _bars(self, texts: Texts, interval: str) -> list[BarClosed]:
        try:
            bars = list(self._market.bars(texts.symbol, interval))
            unfinished = self._market.open_bar(texts.symbol, interval)
        except InvalidValue:
            raise errors.invalid_interval() from None
        return bars if unfinished is None else [*bars, unfinished]


def weight_of_depth(parameters: Parameters) -> int:
    levels = _whole(parameters.sent.get("limit"), LEVELS_BY_DEFAULT)
    steps = ((100, 5), (500, 25), (1_000, 50))
    return next((weight for most, weight in steps if levels <= most), 250)


def weight_of_day_ticker(parameters: Parameters) -> int:
    if "symbol" in parameters.sent:
        return 2
    count = _symbols_sent(parameters)
    if count is None or count > 100:
        return 80
    return 2 if count <= 20 else 40


def weight_of_window(parameters: Parameters) -> int:
    """4 a symbol, and at most that of 50."""
    return min(200, 4 * (_symbols_sent(parameters) or 1))


def weight_of_rules(parameters: Parameters) -> int:
    """2 a symbol, and at most that of 20."""
    if "symbol" in parameters.sent:
        return 2
    return min(40, 2 * (_symbols_sent(parameters) or 20))


def weight_of_price(parameters: Parameters) -> int:
    return 2 if "symbol" in parameters.sent else 4


def _symbols_sent(parameters: Parameters) -> int | None:
    """None for all of them. What cannot be read weighs as one: the call itself will refuse it."""
    text = parameters.sent.get("symbols")
    if text is None:
        return None
    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return 1
    return max(1, len(listed)) if isinstance(listed, list) else 1


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and re.fullmatch("[0-9]{1,20}", text) else default


def _permissions(parameters: Parameters) -> list[str] | None:
    text = parameters.optional("permissions")
    if text is None:
        return None
    listed = parameters.texts("permissions") if text.startswith("[") else [text]
    if listed is None or not all(re.fullmatch("[A-Z0-9_]{1,20}", each) for each in listed):
        raise errors.illegal_characters("permissions", "^[A-Z0-9_]{1,20}$")
    return listed


def _window_ns(parameters: Parameters) -> int:
    text = parameters.optional("windowSize") or "1d"
    found = _WINDOW.fullmatch(text)
    if found is None or int(found[1]) > _WINDOW_UNITS[found[2]][0]:
        raise errors.illegal_characters("windowSize", "1m to 59m, 1h to 23h, 1d to 7d")
    return int(found[1]) * _WINDOW_UNITS[found[2]][1]


def _check_time_zone(parameters: Parameters) -> int:
    """Nanoseconds east of UTC, from -12:00 to +14:00."""
    text = parameters.optional("timeZone")
    if text is None:
        return 0
    found = _TIME_ZONE.fullmatch(text)
    if found is None:
        raise errors.illegal_characters("timeZone", "-12:00 to +14:00")
    minutes = (60 * int(found[2]) + int(found[3] or 0)) * (-1 if found[1] == "-" else 1)
    if not -12 * 60 <= minutes <= 14 * 60:
        raise errors.illegal_characters("timeZone", "-12:00 to +14:00")
    return minutes * 60_000_000_000


def _level_rows(levels: Sequence[Level], texts: Texts) -> list[tuple[str, str]]:
    return [(texts.price(ticks), texts.quantity(lots)) for ticks, lots in levels]


def _trade_row(trade: PublicTrade, texts: Texts, unit: TimeUnit) -> Json:
    return {
        "id": trade.number,
        "price": texts.price(trade.ticks),
        "qty": texts.quantity(trade.lots),
        "quoteQty": texts.value(trade.ticks, trade.lots),
        "time": unit.of(trade.ts_ns),
        "isBuyerMaker": trade.is_buyer_maker,
        "isBestMatch": True,
    }


def _aggregate_row(trade: AggregateTrade, texts: Texts, unit: TimeUnit) -> Json:
    return {
        "a": trade.number,
        "p": texts.price(trade.ticks),
        "q": texts.quantity(trade.lots),
        "f": trade.first,
        "l": trade.last,
        "T": unit.of(trade.ts_ns),
        "m": trade.is_buyer_maker,
        "M": True,
    }
