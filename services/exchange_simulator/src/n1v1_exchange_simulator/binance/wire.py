"""From the venue's integers to Binance's texts and back. Amounts are decimal texts with 8 places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1.rounding import notional
from n1v1.simulation.holdings import Balance
from n1v1.values import Instrument, OrderType, decimal_places
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.market_events import TradedBar
from n1v1_exchange_simulator.venue import NewOrder, Trade

Json = dict[str, Any]

PLACES = 8
ZERO = "0.00000000"
NO_LIST = -1
NANOSECONDS_PER_MS = 1_000_000


class WireType(StrEnum):
    """The types of orders that Binance knows. A STOP_LOSS with a trailing delta is our TRAILING_STOP."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


_WIRE_TYPE = {
    OrderType.MARKET: WireType.MARKET,
    OrderType.LIMIT: WireType.LIMIT,
    OrderType.STOP: WireType.STOP_LOSS,
    OrderType.STOP_LIMIT: WireType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT: WireType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT: WireType.TAKE_PROFIT_LIMIT,
    OrderType.TRAILING_STOP: WireType.STOP_LOSS,
}

PPB_PER_BASIS_POINT = 100_000
SYMBOL = r"^[A-Z0-9-_.]{1,20}$"


def wire_type(order: NewOrder) -> WireType:
    is_maker = order.type is OrderType.LIMIT and order.is_post_only
    return WireType.LIMIT_MAKER if is_maker else _WIRE_TYPE[order.type]


_NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"


def decimal_text(units: int, places: int) -> str:
    """`units` of 10**-places, exactly, with 8 places (more only where the unit is finer)."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, fraction = divmod(units, 10**places)
    digits = f"{fraction:0{places}d}" if places else ""
    return f"{sign}{whole}.{digits.ljust(PLACES, '0')}"


class Symbols:
    """Names on the wire ('BTCUSD') and the instruments behind them ('BTC-USD')."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._texts = {instrument.symbol: Texts(instrument) for instrument in instruments}
        self._by_wire = {texts.wire_symbol: texts for texts in self._texts.values()}

    def of(self, symbol: str) -> Texts:
        return self._texts[symbol]

    def named(self, wire_symbol: str) -> Texts:
        """Raises ApiError -1121 for a symbol that is not traded here, -1100 for what cannot be one."""
        if not re.fullmatch(SYMBOL, wire_symbol):
            raise errors.illegal_characters("symbol", SYMBOL)
        texts = self._by_wire.get(wire_symbol)
        if texts is None:
            raise errors.invalid_symbol()
        return texts

    def all(self) -> Sequence[Texts]:
        return list(self._texts.values())


class Texts:
    """One instrument's amounts as Binance writes them."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.wire_symbol = instrument.base + instrument.quote
        self._tick_places = decimal_places(instrument.tick_size)
        self._lot_places = decimal_places(instrument.lot_size)
        self._quantum_places = decimal_places(instrument.quantum)

    def price(self, ticks: int | None) -> str:
        """Of a MARKET order (None) it is zero."""
        return ZERO if ticks is None else decimal_text(ticks, self._tick_places)

    def quantity(self, lots: int) -> str:
        return decimal_text(lots, self._lot_places)

    def cash(self, quanta: int) -> str:
        return decimal_text(quanta, self._quantum_places)

    def ticks(self, name: str, text: str) -> int:
        """0 when the price is off the grid: the venue's PRICE_FILTER says so in Binance's words."""
        check_number(name, text)
        try:
            return self.instrument.ticks(text)
        except InvalidValue:
            return 0

    def lots(self, name: str, text: str) -> int:
        """0 when the quantity is off the grid: the venue's LOT_SIZE says so in Binance's words."""
        check_number(name, text)
        try:
            return self.instrument.lots(text)
        except InvalidValue:
            return 0

    def value(self, ticks: int, lots: int) -> str:
        return self.cash(notional(self.instrument, ticks=ticks, lots=lots))

    def commission(self, trade: Trade) -> str:
        match trade.commission_asset:
            case self.instrument.base:
                return self.quantity(trade.commission)
            case self.instrument.quote:
                return self.cash(trade.commission)
        return decimal_text(trade.commission, PLACES)

    def kline(self, bar: BarClosed, unit: TimeUnit) -> list[int | str]:
        """A row of GET klines. Bars that were not made of trades have no quote volume: it is the volume at the close;
        and nothing is known of their trades and takers."""
        trades, taker_lots, taker_value = (
            (bar.trades, bar.taker_lots, bar.taker_value) if isinstance(bar, TradedBar) else (0, 0, 0)
        )
        return [
            unit.of(bar.open_ns),
            self.price(bar.open),
            self.price(bar.high),
            self.price(bar.low),
            self.price(bar.close),
            self.quantity(bar.volume),
            unit.end(bar.ts_ns),
            self.quote_volume(bar),
            trades,
            self.quantity(taker_lots),
            self.traded_value(taker_value),
            "0",
        ]

    def quote_volume(self, bar: BarClosed) -> str:
        if isinstance(bar, TradedBar) and bar.trades:
            return self.traded_value(bar.value)
        return self.cash(notional(self.instrument, ticks=bar.close, lots=bar.volume))

    def traded_value(self, ticks_times_lots: int) -> str:
        return self.cash(ticks_times_lots // self.instrument.notional_divisor)


def balance_rows(balances: Mapping[str, Balance], places: Mapping[str, int]) -> list[Json]:
    """places: digits behind the point of each asset's unit."""
    return [
        {
            "asset": asset,
            "free": decimal_text(balance.free, places[asset]),
            "locked": decimal_text(balance.locked, places[asset]),
        }
        for asset, balance in sorted(balances.items())
    ]


def asset_places(instruments: Iterable[Instrument]) -> dict[str, int]:
    places: dict[str, int] = {}
    for instrument in instruments:
        places[instrument.base] = decimal_places(instrument.lot_size)
        places[instrument.quote] = decimal_places(instrument.quantum)
    return places


def check_number(name: str, text: str) -> None:
    """Raises ApiError for what is no plain decimal number, or has digits beyond the eighth place."""
    if not re.fullmatch(_NUMBER, text):
        raise errors.illegal_characters(name, _NUMBER)
    _, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > PLACES:
        raise errors.too_precise(name)
