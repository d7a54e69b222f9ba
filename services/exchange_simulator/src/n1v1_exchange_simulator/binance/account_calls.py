"""What an account has, pays and has done. For REST and WebSocket API alike."""

from __future__ import annotations

from collections.abc import Callable

from n1v1.values import PPB
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors, order_answers
from n1v1_exchange_simulator.binance.filters import Rulebook
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.pages import page, times
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.trading_calls import (
    NO_DISCOUNT,
    ROWS_AT_MOST,
    ROWS_BY_DEFAULT,
    rate_text,
    signer,
)
from n1v1_exchange_simulator.binance.wire import (
    PLACES,
    ZERO,
    Json,
    Symbols,
    asset_places,
    balance_rows,
    decimal_text,
)
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import PreventedMatch

BASIS_POINTS = 10_000

_Condition = Callable[[PreventedMatch], bool]


class AccountCalls:
    def __init__(self, exchange: Exchange, symbols: Symbols, rulebook: Rulebook, limiter: Limiter) -> None:
        self._exchange = exchange
        self._venue = exchange.venue
        self._symbols = symbols
        self._rulebook = rulebook
        self._limiter = limiter
        self._places = asset_places(exchange.instruments)

    def account(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        """Rates are those of the first symbol; account/commission tells each symbol's."""
        name, omits_zero = signer(account), parameters.flag("omitZeroBalances")
        parameters.finish()
        maker, taker = self._venue.fee_rates_ppb(self._exchange.instruments[0].symbol)
        balances = {
            asset: balance
            for asset, balance in self._venue.balances(name).items()
            if not omits_zero or balance.free or balance.locked
        }
        return {
            "makerCommission": maker * BASIS_POINTS // PPB,
            "takerCommission": taker * BASIS_POINTS // PPB,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": _rates(maker, taker),
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": parameters.unit.of(self._exchange.clock_ns),
            "accountType": "SPOT",
            "balances": balance_rows(balances, self._places),
            "permissions": ["SPOT"],
            "uid": 1 + self._venue.accounts().index(name),
        }

    def commission(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        nothing = _rates(0, 0)
        return {
            "symbol": texts.wire_symbol,
            "standardCommission": _rates(*self._venue.fee_rates_ppb(texts.symbol)),
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": NO_DISCOUNT,
        }

    def trades(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        order_number, from_id = parameters.integer("orderId"), parameters.integer("fromId")
        within = times(parameters)
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        if within.is_bounded and (order_number is not None or from_id is not None):
            raise errors.bad_combination()
        within.check_within_a_day()
        trades = [
            trade
            for trade in self._venue.trades(name, texts.symbol)
            if trade.number >= (from_id or 0)
            and order_number in (None, trade.order_number)
            and within.holds(trade.ts_ns)
        ]
        rows = page(trades, limit, is_forward=from_id is not None or within.has_start)
        return [order_answers.own_trade(trade, texts, parameters.unit) for trade in rows]

    def order_limits(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        parameters.finish()
        return self._limiter.order_usage(signer(account))

    def prevented_matches(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        """By the match, or by an order that was in it, from a match on."""
        name = signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        match_number, order_number = parameters.integer("preventedMatchId"), parameters.integer("orderId")
        from_number = parameters.integer("fromPreventedMatchId")
        limit = parameters.limit(default=ROWS_BY_DEFAULT, most=ROWS_AT_MOST)
        parameters.finish()
        if match_number is None and order_number is None:
            raise errors.missing_both("preventedMatchId", "orderId")
        if match_number is not None and (order_number is not None or from_number is not None):
            raise errors.bad_combination()
        matches = [
            each
            for each in self._venue.prevented(name, texts.symbol)
            if match_number in (None, each.number)
            and (order_number is None or order_number in (each.taker_number, each.maker_number))
            and each.number >= (from_number or 0)
        ]
        rows = page(matches, limit, is_forward=True)
        return [order_answers.prevented_match(each, texts, parameters.unit) for each in rows]

    def filters(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        signer(account)
        texts = self._symbols.named(parameters.text("symbol"))
        parameters.finish()
        exchange_filters = self._rulebook.exchange_filters
        instrument = texts.instrument
        return {
            "exchangeFilters": [{"filterType": each.name} | each.described(instrument) for each in exchange_filters],
            "symbolFilters": self._rulebook.of(texts.symbol).described(),
            "assetFilters": [
                {"filterType": "MAX_ASSET", "asset": asset, "limit": self._amount(asset, most)}
                for asset, most in sorted(self._rulebook.asset_most.items())
                if asset in (instrument.base, instrument.quote)
            ],
        }

    def _amount(self, asset: str, units: int) -> str:
        return decimal_text(units, self._places.get(asset, PLACES))


def weight_of_trades(parameters: Parameters) -> int:
    return 5 if "orderId" in parameters.sent else 20


def weight_of_prevented_matches(parameters: Parameters) -> int:
    return 20 if "orderId" in parameters.sent else 2


def _rates(maker_ppb: int, taker_ppb: int) -> Json:
    return {"maker": rate_text(maker_ppb), "taker": rate_text(taker_ppb), "buyer": ZERO, "seller": ZERO}
