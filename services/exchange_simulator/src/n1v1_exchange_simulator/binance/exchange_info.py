"""One entry of exchangeInfo's symbols: every key that typed clients demand."""

from __future__ import annotations

from n1v1_exchange_simulator.binance.filters import SymbolRules
from n1v1_exchange_simulator.binance.wire import PLACES, Json, Texts, WireType

PERMISSION = "SPOT"


def described_symbol(texts: Texts, rules: SymbolRules, *, has_permission_sets: bool) -> Json:
    instrument = texts.instrument
    return {
        "symbol": texts.wire_symbol,
        "status": rules.status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": PLACES,
        "quoteAsset": instrument.quote,
        "quotePrecision": PLACES,
        "quoteAssetPrecision": PLACES,
        "baseCommissionPrecision": PLACES,
        "quoteCommissionPrecision": PLACES,
        "orderTypes": list(WireType),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": rules.described(),
        "permissions": [],
        "permissionSets": [[PERMISSION]] if has_permission_sets else [],
        "defaultSelfTradePreventionMode": rules.self_trade_prevention,
        "allowedSelfTradePreventionModes": sorted(rules.self_trade_prevention_modes),
    }
