"""The few calls of /sapi/v1 that clients of the spot market make beside it. What the venue does not have is empty."""

from __future__ import annotations

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.trading_calls import rate_text, signer
from n1v1_exchange_simulator.binance.wire import ZERO, Json, Symbols, asset_places, decimal_text
from n1v1_exchange_simulator.exchange import Exchange

SIGNED_BY_HABIT = ("timestamp", "recvWindow", "signature")
"""What clients send with every call of this API, also where nobody looks at it."""

OPENED_MS = 1_500_000_000_000
"""When API keys say that they were made: in July 2017, when Binance opened."""


class SapiCalls:
    def __init__(self, exchange: Exchange, symbols: Symbols) -> None:
        self._venue = exchange.venue
        self._symbols = symbols
        self._places = asset_places(exchange.instruments)

    def system_status(self, _: ApiAccount | None, parameters: Parameters) -> Json:
        parameters.ignore(*SIGNED_BY_HABIT)
        parameters.finish()
        return {"status": 0, "msg": "normal"}

    def coins(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        """Nothing can be withdrawn or deposited over any network."""
        parameters.finish()
        return [
            {
                "coin": asset,
                "name": asset,
                "free": decimal_text(balance.free, self._places[asset]),
                "locked": decimal_text(balance.locked, self._places[asset]),
                "freeze": ZERO,
                "ipoable": ZERO,
                "ipoing": ZERO,
                "storage": ZERO,
                "withdrawing": ZERO,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
            }
            for asset, balance in sorted(self._venue.balances(signer(account)).items())
            if asset in self._places
        ]

    def nothing(self, _: ApiAccount | None, parameters: Parameters) -> list[Json]:
        """Of markets on margin."""
        parameters.ignore("symbol", "symbols", *SIGNED_BY_HABIT)
        parameters.finish()
        return []

    def trade_fees(self, account: ApiAccount | None, parameters: Parameters) -> list[Json]:
        signer(account)
        name = parameters.optional("symbol")
        wanted = self._symbols.all() if name is None else [self._symbols.named(name)]
        parameters.finish()
        rates = ((texts, *self._venue.fee_rates_ppb(texts.symbol)) for texts in wanted)
        return [
            {
                "symbol": texts.wire_symbol,
                "makerCommission": rate_text(maker),
                "takerCommission": rate_text(taker),
            }
            for texts, maker, taker in rates
        ]

    def account_status(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        signer(account)
        parameters.finish()
        return {"data": "Normal"}

    def trading_status(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        signer(account)
        parameters.finish()
        return {
            "data": {
                "isLocked": False,
                "plannedRecoverTime": 0,
                "triggerCondition": {"GCR": 150, "IFER": 150, "UFR": 300},
                "updateTime": OPENED_MS,
            }
        }

    def restrictions(self, account: ApiAccount | None, parameters: Parameters) -> Json:
        """Keys of this venue trade on the spot market and can do nothing else."""
        signer(account)
        parameters.finish()
        return {
            "ipRestrict": False,
            "createTime": OPENED_MS,
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
        }
