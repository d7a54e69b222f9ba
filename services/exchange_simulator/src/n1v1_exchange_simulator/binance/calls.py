"""Every call that the venue answers, once: its path in the REST API beside its method in the WebSocket API.

Whoever serves a call does the same three things with it: admit the client with the call's weight, find out who signed
as its security demands, and let it answer. What it costs is counted in one place for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance.account_calls import (
    AccountCalls,
    weight_of_prevented_matches,
    weight_of_trades,
)
from n1v1_exchange_simulator.binance.averages import AveragePrices
from n1v1_exchange_simulator.binance.filters import Rulebook
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.list_calls import ListCalls
from n1v1_exchange_simulator.binance.listen_keys import ListenKeys
from n1v1_exchange_simulator.binance.market_calls import (
    MarketCalls,
    weight_of_day_ticker,
    weight_of_depth,
    weight_of_price,
    weight_of_rules,
    weight_of_window,
)
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.sapi import SapiCalls
from n1v1_exchange_simulator.binance.signing import WallClock
from n1v1_exchange_simulator.binance.statistics import Statistics
from n1v1_exchange_simulator.binance.trading_calls import OrderDesk, TradingCalls
from n1v1_exchange_simulator.binance.wire import Symbols
from n1v1_exchange_simulator.exchange import Exchange

Handler = Callable[[ApiAccount | None, Parameters], Any]
"""Any: JSON. Raises ApiError."""

Weight = Callable[[Parameters], int]
"""Of a request before it is read: it must not fail, whatever was sent."""

API = "/api/v3/"
SAPI = "/sapi/v1/"


class Security(StrEnum):
    NONE = "NONE"
    KEY = "KEY"  # an API key, but no signature
    SIGNED = "SIGNED"


@dataclass(frozen=True, slots=True)
class Call:
    """method, path: of the REST API; socket: its name over the WebSocket API, empty where there is none.

    places_orders: it counts towards the account's orders, and its answer tells how many there are.
    """

    method: str
    path: str
    socket: str
    security: Security
    weight: Weight
    answer: Handler
    places_orders: bool = False


class Calls:
    """The table, and what the streams share with it."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        rulebook: Rulebook,
        limiter: Limiter,
        wall_ns: WallClock,
        serves_listen_keys: bool = False,
    ) -> None:
        self.symbols = Symbols(exchange.instruments)
        self.limiter = limiter
        self.rulebook = rulebook
        self.listen_keys = ListenKeys(wall_ns, is_served=serves_listen_keys)
        averages = AveragePrices(exchange.market, lambda: exchange.clock_ns)
        self.statistics = Statistics(exchange.market, averages, lambda: exchange.clock_ns)
        desk = OrderDesk(exchange, self.symbols, rulebook, averages, limiter)
        self.all: tuple[Call, ...] = (
            *_market_calls(MarketCalls(exchange, self.symbols, rulebook, limiter, self.statistics, wall_ns)),
            *_trading_calls(TradingCalls(desk)),
            *_list_calls(ListCalls(desk)),
            *_account_calls(AccountCalls(exchange, self.symbols, rulebook, limiter)),
            *_listen_key_calls(self.listen_keys),
            *_sapi_calls(SapiCalls(exchange, self.symbols)),
        )
        self.by_socket: Mapping[str, Call] = {call.socket: call for call in self.all if call.socket}


def _public(path: str, socket: str, weight: int | Weight, answer: Handler) -> Call:
    return Call("GET", API + path, socket, Security.NONE, _weight(weight), answer)


def _signed(method: str, path: str, socket: str, weight: int | Weight, answer: Handler) -> Call:
    return Call(method, API + path, socket, Security.SIGNED, _weight(weight), answer)


def _placing(path: str, socket: str, answer: Handler) -> Call:
    return Call("POST", API + path, socket, Security.SIGNED, _weight(1), answer, places_orders=True)


def _weight(weight: int | Weight) -> Weight:
    return weight if callable(weight) else lambda _: weight


def _market_calls(market: MarketCalls) -> tuple[Call, ...]:
    return (
        _public("ping", "ping", 1, market.ping),
        _public("time", "time", 1, market.time),
        _public("exchangeInfo", "exchangeInfo", 20, market.exchange_info),
        _public("executionRules", "executionRules", weight_of_rules, market.execution_rules),
        _public("referencePrice", "referencePrice", 2, market.reference_price),
        _public("depth", "depth", weight_of_depth, market.depth),
        _public("trades", "trades.recent", 25, market.trades),
        _public("historicalTrades", "trades.historical", 25, market.historical_trades),
        _public("aggTrades", "trades.aggregate", 4, market.aggregate_trades),
        _public("klines", "klines", 2, market.klines),
        _public("uiKlines", "uiKlines", 2, market.klines),
        _public("avgPrice", "avgPrice", 2, market.average_price),
        _public("ticker/24hr", "ticker.24hr", weight_of_day_ticker, market.day_ticker),
        _public("ticker/tradingDay", "ticker.tradingDay", weight_of_window, market.trading_day_ticker),
        _public("ticker", "ticker", weight_of_window, market.window_ticker),
        _public("ticker/price", "ticker.price", weight_of_price, market.price_ticker),
        _public("ticker/bookTicker", "ticker.book", weight_of_price, market.book_ticker),
    )


def _trading_calls(trading: TradingCalls) -> tuple[Call, ...]:
    return (
        _placing("order", "order.place", trading.place),
        _signed("POST", "order/test", "order.test", _weight_of_test, trading.test),
        _signed("GET", "order", "order.status", 4, trading.query),
        _signed("DELETE", "order", "order.cancel", 1, trading.cancel),
        _placing("order/cancelReplace", "order.cancelReplace", trading.cancel_replace),
        _signed("PUT", "order/amend/keepPriority", "order.amend.keepPriority", 4, trading.amend),
        _signed("GET", "openOrders", "openOrders.status", _weight_of_open_orders, trading.open),
        _signed("DELETE", "openOrders", "openOrders.cancelAll", 1, trading.cancel_all),
        _signed("GET", "allOrders", "allOrders", 20, trading.all),
    )


def _list_calls(lists: ListCalls) -> tuple[Call, ...]:
    return (
        _placing("orderList/oco", "orderList.place.oco", lists.place_oco),
        _placing("orderList/oto", "orderList.place.oto", lists.place_oto),
        _placing("orderList/otoco", "orderList.place.otoco", lists.place_otoco),
        _placing("order/oco", "orderList.place", lists.place_old_oco),
        _signed("GET", "orderList", "orderList.status", 4, lists.query),
        _signed("DELETE", "orderList", "orderList.cancel", 1, lists.cancel),
        _signed("GET", "openOrderList", "openOrderLists.status", 6, lists.open),
        _signed("GET", "allOrderList", "allOrderLists", 20, lists.all),
    )


def _account_calls(account: AccountCalls) -> tuple[Call, ...]:
    return (
        _signed("GET", "account", "account.status", 20, account.account),
        _signed("GET", "account/commission", "account.commission", 20, account.commission),
        _signed("GET", "myTrades", "myTrades", weight_of_trades, account.trades),
        _signed("GET", "rateLimit/order", "account.rateLimits.orders", 40, account.order_limits),
        _signed(
            "GET",
            "myPreventedMatches",
            "myPreventedMatches",
            weight_of_prevented_matches,
            account.prevented_matches,
        ),
        _signed("GET", "myFilters", "myFilters", 40, account.filters),
    )


def _listen_key_calls(keys: ListenKeys) -> tuple[Call, ...]:
    def of(method: str, answer: Handler) -> Call:
        return Call(method, f"{API}userDataStream", "", Security.KEY, _weight(2), answer)

    return (of("POST", keys.open), of("PUT", keys.keep), of("DELETE", keys.close))


def _sapi_calls(sapi: SapiCalls) -> tuple[Call, ...]:
    """On Binance these have a limit of their own; here they weigh one each."""

    def of(path: str, security: Security, answer: Handler) -> Call:
        return Call("GET", SAPI + path, "", security, _weight(1), answer)

    return (
        of("system/status", Security.NONE, sapi.system_status),
        of("capital/config/getall", Security.SIGNED, sapi.coins),
        of("margin/allPairs", Security.KEY, sapi.nothing),
        of("margin/isolated/allPairs", Security.SIGNED, sapi.nothing),
        of("asset/tradeFee", Security.SIGNED, sapi.trade_fees),
        of("account/status", Security.SIGNED, sapi.account_status),
        of("account/apiTradingStatus", Security.SIGNED, sapi.trading_status),
        of("account/apiRestrictions", Security.SIGNED, sapi.restrictions),
    )


def _weight_of_test(parameters: Parameters) -> int:
    return 20 if parameters.sent.get("computeCommissionRates") == "true" else 1


def _weight_of_open_orders(parameters: Parameters) -> int:
    return 6 if "symbol" in parameters.sent else 80
