"""What an order must be like before it reaches the venue: Binance's filters, per symbol, in one fixed order.

Binance does not document the order in which filters are looked at; ours is that of `FILTER_ORDER`, so that an order
with two faults always gets the same answer. All arithmetic is in ticks, lots, quanta and parts per billion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from n1v1.errors import UnknownName, nearest
from n1v1.rounding import notional
from n1v1.values import PPB, Instrument, OrderType, Side, TimeInForce, decimal_places
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.averages import AveragePrices
from n1v1_exchange_simulator.binance.wire import PPB_PER_BASIS_POINT, Json, decimal_text
from n1v1_exchange_simulator.venue import KnownOrder, NewOrder, SelfTradePrevention, Venue

FILTER_ORDER = (
    "PRICE_FILTER",
    "PERCENT_PRICE",
    "PERCENT_PRICE_BY_SIDE",
    "LOT_SIZE",
    "MARKET_LOT_SIZE",
    "MIN_NOTIONAL",
    "NOTIONAL",
    "ICEBERG_PARTS",
    "TRAILING_DELTA",
    "MAX_NUM_ORDERS",
    "MAX_NUM_ALGO_ORDERS",
    "MAX_NUM_ICEBERG_ORDERS",
    "MAX_NUM_ORDER_LISTS",
    "MAX_POSITION",
    "EXCHANGE_MAX_NUM_ORDERS",
    "EXCHANGE_MAX_NUM_ALGO_ORDERS",
)

_MARKETS = (OrderType.MARKET, OrderType.STOP, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP)
_ALGOS = (
    OrderType.STOP,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
    OrderType.TRAILING_STOP,
)


class SymbolStatus(StrEnum):
    TRADING = "TRADING"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


class Situation:
    """What filters look at beside the order itself. asked: every order of the request, for a list has several."""

    def __init__(
        self, venue: Venue, averages: AveragePrices, instrument: Instrument, account: str, asked: Sequence[NewOrder]
    ) -> None:
        self.instrument = instrument
        self.asked = asked
        self._venue = venue
        self._averages = averages
        self._account = account

    def average_ticks(self, minutes: int) -> int | None:
        """Of the last minutes' trades, by volume; the last price for none, and where nothing was traded in them."""
        return self._averages.ticks(self.instrument.symbol, minutes)

    def open_requests(self) -> Iterator[NewOrder]:
        """What is open already, and what is asked for now."""
        yield from (order.request for order in self.open_orders())
        yield from self.asked

    def open_orders(self) -> Sequence[KnownOrder]:
        return self._venue.open_orders(self._account, self.instrument.symbol)

    def all_open_requests(self) -> Iterator[NewOrder]:
        """Of every symbol."""
        yield from (order.request for order in self._venue.open_orders(self._account))
        yield from self.asked

    def open_lists(self) -> int:
        symbol = self.instrument.symbol
        return sum(not each.is_done and each.symbol == symbol for each in self._venue.lists(self._account))

    def held_lots(self) -> int:
        held = self._venue.balances(self._account).get(self.instrument.base)
        return 0 if held is None else held.free + held.locked


class Filter(Protocol):
    @property
    def name(self) -> str: ...

    def admits(self, order: NewOrder, situation: Situation) -> bool: ...

    def described(self, instrument: Instrument) -> Json:
        """As exchangeInfo tells it, without the name."""


@dataclass(frozen=True, slots=True)
class PriceFilter:
    """Zero switches a bound off. A price that is no whole number of the instrument's ticks was read as zero."""

    min_ticks: int
    max_ticks: int
    tick: int = 1
    name: str = field(default="PRICE_FILTER", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return all(self._fits(ticks) for ticks in (order.limit_ticks, order.stop_ticks) if ticks is not None)

    def _fits(self, ticks: int) -> bool:
        is_in_range = max(1, self.min_ticks) <= ticks and (self.max_ticks == 0 or ticks <= self.max_ticks)
        return is_in_range and (self.tick == 0 or ticks % self.tick == 0)

    def described(self, instrument: Instrument) -> Json:
        return {
            "minPrice": _price(instrument, self.min_ticks),
            "maxPrice": _price(instrument, self.max_ticks),
            "tickSize": _price(instrument, self.tick),
        }


@dataclass(frozen=True, slots=True)
class PercentPrice:
    """How far a price may be from the average of the last minutes, as factors in parts per billion."""

    up_ppb: int
    down_ppb: int
    minutes: int = 5
    name: str = field(default="PERCENT_PRICE", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return _is_near(order, situation, self.up_ppb, self.down_ppb, self.minutes)

    def described(self, instrument: Instrument) -> Json:
        return {
            "multiplierUp": _factor(self.up_ppb),
            "multiplierDown": _factor(self.down_ppb),
            "avgPriceMins": self.minutes,
        }


@dataclass(frozen=True, slots=True)
class PercentPriceBySide:
    bid_up_ppb: int
    bid_down_ppb: int
    ask_up_ppb: int
    ask_down_ppb: int
    minutes: int = 5
    name: str = field(default="PERCENT_PRICE_BY_SIDE", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        if order.side is Side.BUY:
            return _is_near(order, situation, self.bid_up_ppb, self.bid_down_ppb, self.minutes)
        return _is_near(order, situation, self.ask_up_ppb, self.ask_down_ppb, self.minutes)

    def described(self, instrument: Instrument) -> Json:
        return {
            "bidMultiplierUp": _factor(self.bid_up_ppb),
            "bidMultiplierDown": _factor(self.bid_down_ppb),
            "askMultiplierUp": _factor(self.ask_up_ppb),
            "askMultiplierDown": _factor(self.ask_down_ppb),
            "avgPriceMins": self.minutes,
        }


def _is_near(order: NewOrder, situation: Situation, up_ppb: int, down_ppb: int, minutes: int) -> bool:
    average = None if order.limit_ticks is None else situation.average_ticks(minutes)
    if order.limit_ticks is None or average is None:
        return True
    return average * down_ppb <= order.limit_ticks * PPB <= average * up_ppb


@dataclass(frozen=True, slots=True)
class LotSize:
    """Of the quantity and of the part of an iceberg that shows."""

    min_lots: int
    max_lots: int
    step_lots: int
    name: str = field(default="LOT_SIZE", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        if order.spend_quanta:
            return True  # the venue buys whole steps
        return all(self.fits(lots) for lots in (order.lots, order.iceberg_lots or order.lots))

    def fits(self, lots: int) -> bool:
        return _fits_lots(lots, self.min_lots, self.max_lots, self.step_lots)

    def described(self, instrument: Instrument) -> Json:
        return _described_lots(instrument, self.min_lots, self.max_lots, self.step_lots)


@dataclass(frozen=True, slots=True)
class MarketLotSize:
    """In addition to LOT_SIZE, for MARKET orders."""

    min_lots: int
    max_lots: int
    step_lots: int = 0
    name: str = field(default="MARKET_LOT_SIZE", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        if order.type is not OrderType.MARKET or order.spend_quanta:
            return True
        return _fits_lots(order.lots, self.min_lots, self.max_lots, self.step_lots)

    def described(self, instrument: Instrument) -> Json:
        return _described_lots(instrument, self.min_lots, self.max_lots, self.step_lots)


def _fits_lots(lots: int, least: int, most: int, step: int) -> bool:
    is_in_range = max(1, least) <= lots and (most == 0 or lots <= most)
    return is_in_range and (step == 0 or lots % step == 0)


def _described_lots(instrument: Instrument, least: int, most: int, step: int) -> Json:
    return {
        "minQty": _quantity(instrument, least),
        "maxQty": _quantity(instrument, most),
        "stepSize": _quantity(instrument, step),
    }


@dataclass(frozen=True, slots=True)
class MinNotional:
    min_quanta: int
    applies_to_market: bool = True
    minutes: int = 5
    name: str = field(default="MIN_NOTIONAL", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        value = _value_quanta(order, situation, self.minutes)
        is_exempt = order.type in _MARKETS and not self.applies_to_market
        return value is None or is_exempt or value >= self.min_quanta

    def described(self, instrument: Instrument) -> Json:
        return {
            "minNotional": _cash(instrument, self.min_quanta),
            "applyToMarket": self.applies_to_market,
            "avgPriceMins": self.minutes,
        }


@dataclass(frozen=True, slots=True)
class Notional:
    min_quanta: int
    max_quanta: int
    min_applies_to_market: bool = True
    max_applies_to_market: bool = False
    minutes: int = 5
    name: str = field(default="NOTIONAL", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        value = _value_quanta(order, situation, self.minutes)
        if value is None:
            return True
        is_market = order.type in _MARKETS
        is_enough = value >= self.min_quanta or (is_market and not self.min_applies_to_market)
        return is_enough and (value <= self.max_quanta or (is_market and not self.max_applies_to_market))

    def described(self, instrument: Instrument) -> Json:
        return {
            "minNotional": _cash(instrument, self.min_quanta),
            "applyMinToMarket": self.min_applies_to_market,
            "maxNotional": _cash(instrument, self.max_quanta),
            "applyMaxToMarket": self.max_applies_to_market,
            "avgPriceMins": self.minutes,
        }


def _value_quanta(order: NewOrder, situation: Situation, minutes: int) -> int | None:
    """At its price, or else its stop, or else the average; None before anything was traded."""
    if order.spend_quanta:
        return order.spend_quanta
    ticks = order.limit_ticks or order.stop_ticks or situation.average_ticks(minutes)
    return None if ticks is None else notional(situation.instrument, ticks, order.lots)


@dataclass(frozen=True, slots=True)
class IcebergParts:
    most: int = 100
    name: str = field(default="ICEBERG_PARTS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return order.iceberg_lots == 0 or -(-order.lots // order.iceberg_lots) <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"limit": self.most}


@dataclass(frozen=True, slots=True)
class TrailingDelta:
    """In basis points. A stop of a SELL and a target of a BUY trail below the price, the other two above it."""

    min_above: int
    max_above: int
    min_below: int
    max_below: int
    name: str = field(default="TRAILING_DELTA", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        if order.trail_ppb is None:
            return True
        is_stop = order.type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
        least, most = (self.min_above, self.max_above)
        if is_stop == (order.side is Side.SELL):
            least, most = (self.min_below, self.max_below)
        return least * PPB_PER_BASIS_POINT <= order.trail_ppb <= most * PPB_PER_BASIS_POINT

    def described(self, instrument: Instrument) -> Json:
        return {
            "minTrailingAboveDelta": self.min_above,
            "maxTrailingAboveDelta": self.max_above,
            "minTrailingBelowDelta": self.min_below,
            "maxTrailingBelowDelta": self.max_below,
        }


@dataclass(frozen=True, slots=True)
class MaxOrders:
    most: int = 200
    name: str = field(default="MAX_NUM_ORDERS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return len(situation.open_orders()) + len(situation.asked) <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumOrders": self.most}


@dataclass(frozen=True, slots=True)
class MaxAlgoOrders:
    """Orders with a stop."""

    most: int = 5
    name: str = field(default="MAX_NUM_ALGO_ORDERS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return order.type not in _ALGOS or _algos(situation.open_requests()) <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumAlgoOrders": self.most}


@dataclass(frozen=True, slots=True)
class MaxIcebergOrders:
    most: int = 10
    name: str = field(default="MAX_NUM_ICEBERG_ORDERS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        icebergs = sum(request.iceberg_lots > 0 for request in situation.open_requests())
        return order.iceberg_lots == 0 or icebergs <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumIcebergOrders": self.most}


@dataclass(frozen=True, slots=True)
class MaxOrderLists:
    most: int = 20
    name: str = field(default="MAX_NUM_ORDER_LISTS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return len(situation.asked) == 1 or situation.open_lists() < self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumOrderLists": self.most}


@dataclass(frozen=True, slots=True)
class MaxOrderAmends:
    """Looked at where orders are amended."""

    most: int = 10
    name: str = field(default="MAX_NUM_ORDER_AMENDS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return True

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumOrderAmends": self.most}


@dataclass(frozen=True, slots=True)
class MaxPosition:
    """What an account may hold of the base asset, with what its open orders may still buy."""

    max_lots: int
    name: str = field(default="MAX_POSITION", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        if order.side is not Side.BUY:
            return True
        bids = [each for each in situation.open_orders() if each.request.side is Side.BUY]
        buying = sum(each.lots - each.filled_lots - each.prevented_lots for each in bids)
        asked = sum(each.lots for each in situation.asked if each.side is Side.BUY)
        return situation.held_lots() + buying + asked <= self.max_lots

    def described(self, instrument: Instrument) -> Json:
        return {"maxPosition": _quantity(instrument, self.max_lots)}


@dataclass(frozen=True, slots=True)
class ExchangeMaxOrders:
    most: int = 1_000
    name: str = field(default="EXCHANGE_MAX_NUM_ORDERS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return sum(1 for _ in situation.all_open_requests()) <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumOrders": self.most}


@dataclass(frozen=True, slots=True)
class ExchangeMaxAlgoOrders:
    most: int = 200
    name: str = field(default="EXCHANGE_MAX_NUM_ALGO_ORDERS", init=False)

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        return order.type not in _ALGOS or _algos(situation.all_open_requests()) <= self.most

    def described(self, instrument: Instrument) -> Json:
        return {"maxNumAlgoOrders": self.most}


def _algos(requests: Iterable[NewOrder]) -> int:
    return sum(request.type in _ALGOS for request in requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRules:
    """filters: in any order; they are looked at in that of FILTER_ORDER."""

    instrument: Instrument
    status: SymbolStatus = SymbolStatus.TRADING
    filters: tuple[Filter, ...]
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE
    self_trade_prevention_modes: frozenset[SelfTradePrevention] = frozenset(SelfTradePrevention)

    def described(self) -> list[Json]:
        """PRICE_FILTER stands first because some clients read filters[0]."""
        return [{"filterType": each.name} | each.described(self.instrument) for each in self.filters]

    @property
    def lot_size(self) -> LotSize:
        return next(each for each in self.filters if isinstance(each, LotSize))

    @property
    def max_amends(self) -> int | None:
        return next((each.most for each in self.filters if isinstance(each, MaxOrderAmends)), None)


def grid_rules(instrument: Instrument) -> SymbolRules:
    """Only what the instrument itself demands: what the backtest knows, so that a replay refuses nothing more."""
    max_ticks, max_lots = instrument.ticks(instrument.max_price), instrument.lots(instrument.max_quantity)
    return SymbolRules(
        instrument=instrument,
        filters=(
            PriceFilter(min_ticks=1, max_ticks=max_ticks),
            LotSize(min_lots=instrument.step_lots, max_lots=max_lots, step_lots=instrument.step_lots),
            Notional(
                min_quanta=instrument.min_notional,
                max_quanta=notional(instrument, max_ticks, max_lots),
                minutes=0,
            ),
        ),
    )


def binance_rules(instrument: Instrument) -> SymbolRules:
    """The instrument's grid, and beside it what Binance had for BTCUSDT on its spot market in 2026."""
    grid = grid_rules(instrument)
    price, lot_size, _ = grid.filters
    max_market_lots = instrument.lots(instrument.max_quantity) // 10
    return replace(
        grid,
        filters=(
            price,
            lot_size,
            IcebergParts(),
            MarketLotSize(min_lots=0, max_lots=max_market_lots),
            TrailingDelta(min_above=10, max_above=2_000, min_below=10, max_below=2_000),
            PercentPriceBySide(
                bid_up_ppb=5 * PPB, bid_down_ppb=PPB // 5, ask_up_ppb=5 * PPB, ask_down_ppb=PPB // 5, minutes=5
            ),
            Notional(
                min_quanta=instrument.min_notional,
                max_quanta=int(9_000_000 / instrument.quantum),
                minutes=5,
            ),
            MaxOrders(),
            MaxOrderLists(),
            MaxAlgoOrders(),
            MaxOrderAmends(),
        ),
    )


class Rulebook:
    """The rules of every symbol as they are now; a market may be halted or its tick size changed while it runs.

    exchange_filters: those that look at all of an account's orders. asset_most: MAX_ASSET, units by asset: how much
    of an asset one order may move.
    """

    def __init__(
        self,
        rules: Iterable[SymbolRules],
        *,
        exchange_filters: tuple[Filter, ...] = (),
        asset_most: Mapping[str, int] | None = None,
    ) -> None:
        self.exchange_filters = exchange_filters
        self.asset_most = dict(asset_most or {})
        self._rules = {each.instrument.symbol: each for each in rules}
        self._ordered = {symbol: self._in_order(each) for symbol, each in self._rules.items()}

    def of(self, symbol: str) -> SymbolRules:
        """Raises UnknownName for a symbol that is not traded here."""
        rules = self._rules.get(symbol)
        if rules is None:
            raise UnknownName(f"no symbol {symbol!r}{nearest(symbol, self._rules)}")
        return rules

    def change(self, rules: SymbolRules) -> None:
        """From now on; open orders stay as they are."""
        symbol = self.of(rules.instrument.symbol).instrument.symbol
        self._rules[symbol] = rules
        self._ordered[symbol] = self._in_order(rules)

    def halt(self, symbol: str, status: SymbolStatus) -> None:
        """Or let it trade again."""
        self.change(replace(self.of(symbol), status=status))

    def check(self, venue: Venue, averages: AveragePrices, account: str, asked: Sequence[NewOrder]) -> None:
        """Raises ApiError for the first fault of the first order that has one."""
        rules = self.of(asked[0].symbol)
        if rules.status is not SymbolStatus.TRADING:
            raise errors.market_is_closed()
        situation = Situation(venue, averages, rules.instrument, account, asked)
        for order in asked:
            _check_order(order, rules)
            for each in self._ordered[rules.instrument.symbol]:
                if not each.admits(order, situation):
                    raise errors.filter_failure(each.name, code=-2010 if each.name == "MAX_POSITION" else -1013)
            self._check_asset(order, rules.instrument)

    def _in_order(self, rules: SymbolRules) -> list[Filter]:
        looked_at = [each for each in (*rules.filters, *self.exchange_filters) if each.name in FILTER_ORDER]
        return sorted(looked_at, key=lambda each: FILTER_ORDER.index(each.name))

    def _check_asset(self, order: NewOrder, instrument: Instrument) -> None:
        most = self.asset_most.get(instrument.base)
        if most is not None and order.lots > most:
            raise errors.filter_failure("MAX_ASSET")


def _check_order(order: NewOrder, rules: SymbolRules) -> None:
    mode = order.self_trade_prevention
    if mode is not None and mode not in rules.self_trade_prevention_modes:
        raise errors.self_trade_prevention_not_allowed()
    if order.iceberg_lots and order.time_in_force is not TimeInForce.GTC:
        raise errors.unsupported_combination()


def _price(instrument: Instrument, ticks: int) -> str:
    return decimal_text(ticks, decimal_places(instrument.tick_size))


def _quantity(instrument: Instrument, lots: int) -> str:
    return decimal_text(lots, decimal_places(instrument.lot_size))


def _cash(instrument: Instrument, quanta: int) -> str:
    return decimal_text(quanta, decimal_places(instrument.quantum))


def _factor(ppb: int) -> str:
    whole, fraction = divmod(ppb, PPB)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
