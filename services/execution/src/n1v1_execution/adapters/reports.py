"""What a venue says, in ccxt's unified words or in Binance's raw ones, as reports of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from n1v1.errors import N1v1Error
from n1v1.events import VenueAccepted, VenueClosed
from n1v1.execution.orders import Order
from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.values import Instrument, Liquidity, Side
from n1v1_execution.ports import Commission, Execution

MS_NS = 1_000_000
OTHER_ASSET_PLACES = 8


class UnsupportedCommission(N1v1Error):
    """A commission in an asset that the settings do not name."""


def execution_of(trade: Mapping[str, Any], instrument: Instrument, fee_asset: str | None = None) -> Execution:
    """A trade in ccxt's unified form. Raises UnsupportedCommission, InvalidValue (not on our grid)."""
    return Execution(
        client_order_id=ClientOrderId(str(trade.get("clientOrderId") or "")),
        venue_order_id=VenueOrderId(str(trade["order"] or "")),
        symbol=instrument.symbol,
        trade_id=TradeId(str(trade["id"])),
        side=Side(str(trade["side"]).upper()),
        lots=instrument.lots(str(trade["amount"])),
        ticks=instrument.ticks(str(trade["price"])),
        commission=commission_of(_fees(trade), instrument, fee_asset, what=f"trade {trade['id']}"),
        liquidity=Liquidity.MAKER if trade["takerOrMaker"] == "maker" else Liquidity.TAKER,
        ts_ns=int(trade["timestamp"]) * MS_NS,
    )


def execution_of_report(event: Mapping[str, Any], instrument: Instrument, fee_asset: str | None = None) -> Execution:
    """Binance's executionReport of a trade (x=TRADE)."""
    fees = [(str(event["n"]), str(event["N"]))] if event.get("N") else []
    return Execution(
        client_order_id=ClientOrderId(event["c"]),
        venue_order_id=VenueOrderId(str(event["i"])),
        symbol=instrument.symbol,
        trade_id=TradeId(str(event["t"])),
        side=Side(event["S"]),
        lots=instrument.lots(event["l"]),
        ticks=instrument.ticks(event["L"]),
        commission=commission_of(fees, instrument, fee_asset, what=f"trade {event['t']}"),
        liquidity=Liquidity.MAKER if event["m"] else Liquidity.TAKER,
        ts_ns=int(event["T"]) * MS_NS,
    )


def commission_of(
    fees: Iterable[tuple[str, str]], instrument: Instrument, fee_asset: str | None, *, what: str
) -> Commission:
    """fees: (amount, asset). An amount finer than the asset's unit is rounded up, as every fee is. A negative one is
    a rebate."""
    quote = base = other = 0
    other_asset = ""
    for amount, asset in fees:
        if asset == instrument.quote:
            quote += _units_up(Decimal(amount) / instrument.quantum)
        elif asset == instrument.base:
            base += _units_up(Decimal(amount) / instrument.lot_size)
        elif asset == fee_asset:
            other, other_asset = other + _units_up(Decimal(amount).scaleb(OTHER_ASSET_PLACES)), asset
        elif Decimal(amount):
            raise UnsupportedCommission(
                f"{what} of {instrument.symbol}: commission in {asset}; expected {instrument.base}, "
                f"{instrument.quote} or exchange.fee_asset ({fee_asset or 'none'})"
            )
    return Commission(quote, base, other, other_asset)


def moved_by(trade: Mapping[str, Any], instrument: Instrument) -> Mapping[str, Decimal]:
    """By asset, what a trade in ccxt's unified form has changed in the account's balances."""
    sign = Side(str(trade["side"]).upper()).sign
    amount = sign * Decimal(str(trade["amount"]))
    moved = {instrument.base: amount, instrument.quote: -amount * Decimal(str(trade["price"]))}
    for fee, asset in _fees(trade):
        moved[asset] = moved.get(asset, Decimal(0)) - Decimal(fee)
    return moved


def accepted(order: Order, found: Mapping[str, Any]) -> VenueAccepted:
    """found: an order in ccxt's unified form."""
    return VenueAccepted(
        ts_ns=int(found["timestamp"] or 0) * MS_NS,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        venue_order_id=VenueOrderId(str(found["id"])),
    )


def closed(order: Order, found: Mapping[str, Any], instrument: Instrument) -> list[VenueClosed]:
    """Empty when it is open, or was filled."""
    if found["status"] not in ("canceled", "expired", "rejected"):
        return []
    filled_lots = instrument.lots(str(found["filled"] or "0"))
    return [
        VenueClosed(
            ts_ns=int(found["lastUpdateTimestamp"] or found["timestamp"] or 0) * MS_NS,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            remaining_lots=order.lots - filled_lots,
            expired=found["status"] == "expired",
            reason=f"the venue says {found['status']}",
        )
    ]


def _fees(trade: Mapping[str, Any]) -> list[tuple[str, str]]:
    several = trade.get("fees") or ([trade["fee"]] if trade.get("fee") else [])
    return [(str(fee["cost"]), str(fee["currency"])) for fee in several if fee.get("cost") is not None]


def _units_up(units: Decimal) -> int:
    return int(units.to_integral_value(ROUND_CEILING))
