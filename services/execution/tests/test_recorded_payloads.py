"""Messages of other venues, recorded or from their documentation, through ccxt's parsers into our own words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from n1v1.events import VenueClosed
from n1v1.execution.orders import Order
from n1v1.ids import OrderId, SignalId
from n1v1.values import Instrument, Liquidity, OrderType, Side, TimeInForce
from n1v1_common.settings.model import Exchange
from n1v1_execution.adapters import reports
from n1v1_execution.adapters.client import client_of
from n1v1_execution.adapters.grids import Grid, grid_of
from n1v1_execution.adapters.reports import UnsupportedCommission
from n1v1_execution.ports import Commission

SHARED = Path(__file__).parents[4] / "shared" / "data"
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")


def recorded(path: str) -> Any:
    file = SHARED / path
    if not file.is_file():
        pytest.skip(f"no recorded payloads: {file} is absent")
    return json.loads(file.read_text())


def captured(path: str) -> Iterator[Any]:
    """The messages of a capture of a feed that are JSON objects."""
    file = SHARED / path
    if not file.is_file():
        pytest.skip(f"no recorded payloads: {file} is absent")
    with gzip.open(file, "rt") as lines:
        for line in lines:
            _, _, text = line.partition(": ")
            if text.startswith("{"):
                yield json.loads(text)


def venue(name: str) -> Any:
    return client_of(name, Exchange(name=name, testnet=False), live=True)


def spot(client: Any, market_id: str, **changes: Any) -> dict[str, Any]:
    """A market as ccxt knows it, where the payload does not bring one."""
    market = {
        "id": market_id,
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "baseId": "BTC",
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "contract": False,
        "precision": {"amount": "0.00000001", "price": "0.01"},
        "limits": {"amount": {}, "price": {}, "cost": {}},
    }
    client.set_markets([market | changes])
    found: dict[str, Any] = client.market(str(changes.get("symbol", "BTC/USDT")))
    return found


def order(lots: int) -> Order:
    return Order(
        order_id=OrderId("o-abcdefghijklmnop"),
        signal_id=SignalId(""),
        account="main",
        instance="",
        symbol=BTC.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        lots=lots,
        limit_ticks=1,
        time_in_force=TimeInForce.GTC,
        decided_ns=0,
        valid_until_ns=2**62,
        correlation_id="",
        reduce_only=False,
    )


def test_an_execution_at_kraken() -> None:
    client = venue("kraken")
    number, trade = next(iter(recorded("venue-payloads/kraken/http_trades_history.json")["result"]["trades"].items()))
    execution = reports.execution_of(client.parse_trade({"id": number, **trade}, spot(client, "XBTUSDT")), BTC)
    assert (execution.trade_id, execution.venue_order_id) == ("TCCCTY-WJ6EO-4FP4VZ", "O26VBY-ISGAE-JP5TLU")
    assert (execution.side, execution.lots, execution.ticks) == (Side.BUY, 50_000_000, 2_950_050)
    assert execution.commission == Commission(quote_quanta=2_360_000_000)
    assert execution.liquidity is Liquidity.MAKER
    filled = execution.report(order(50_000_000), BTC, remaining_lots=0)
    assert filled.value == 1_475_025_000_000


def test_an_execution_at_bybit() -> None:
    client = venue("bybit")
    trade = recorded("venue-payloads/bybit/http_get_executions.json")["result"]["list"][0]
    linear = {"type": "swap", "spot": False, "contract": True, "linear": True, "inverse": False, "settle": "USDT"}
    execution = reports.execution_of(client.parse_trade(trade, spot(client, "BTCUSDT", **linear)), BTC)
    assert (execution.lots, execution.ticks, execution.side) == (10_000_000, 5_000_000, Side.BUY)
    assert execution.commission == Commission(quote_quanta=1_500_000)
    assert execution.liquidity is Liquidity.MAKER


def test_an_order_that_was_cancelled_at_bybit() -> None:
    client = venue("bybit")
    listed = recorded("venue-payloads/bybit/http_get_orders_history.json")["result"]["list"][0]
    found = client.parse_order(listed, spot(client, "BTCUSDT"))
    [closed] = reports.closed(order(1_000_000), found, BTC)
    assert isinstance(closed, VenueClosed)
    assert (closed.remaining_lots, closed.expired) == (1_000_000, False)
    assert reports.accepted(order(1_000_000), found).venue_order_id == "abcdef123456"
    assert found["clientOrderId"] == "client-1"


def test_an_execution_at_okx_where_a_positive_fee_is_a_rebate() -> None:
    client = venue("okx")
    trade = recorded("venue-payloads/okx/http_transaction_detail.json")
    execution = reports.execution_of(client.parse_trade(trade, spot(client, "BTC-USDT")), BTC)
    assert (execution.lots, execution.ticks, execution.liquidity) == (100_000, 4_200_050, Liquidity.TAKER)
    assert execution.commission == Commission(quote_quanta=-4_200_000)


def test_the_grid_of_okx_is_what_the_venue_writes() -> None:
    okx = venue("okx")
    at_okx = recorded("venue-payloads/okx/http_get_instruments_spot.json")["data"][0]
    assert grid_of(okx.parse_market(at_okx), okx.precisionMode) == Grid(
        tick=Decimal("0.1"),
        step=Decimal("1e-8"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(at_okx["maxLmtSz"]),
    )


def test_an_execution_at_coinbase() -> None:
    client = venue("coinbaseexchange")
    tick, lot = Decimal("1e-8"), Decimal(1)
    skl = Instrument(
        symbol="SKL-BTC",
        base="SKL",
        quote="BTC",
        tick_size=tick,
        lot_size=lot,
        step_lots=1,
        max_price=Decimal(1),
        max_quantity=Decimal(1_000_000),
    )
    market = spot(client, "SKL-BTC", symbol="SKL/BTC", base="SKL", quote="BTC")
    messages = captured("ws-captures/coinbase/COINBASE.ws.28.0.gz")
    first = next(found for found in messages if found.get("type") == "match")
    execution = reports.execution_of(client.parse_trade(first, market), skl)
    assert (execution.trade_id, first["product_id"]) == (str(first["trade_id"]), skl.symbol)
    assert (execution.lots, execution.ticks) == (985, 1_305)


def test_a_commission_is_booked_in_the_asset_it_was_taken_in_and_no_other_is_guessed() -> None:
    fees = [("0.00001", "BTC")]
    assert reports.commission_of(fees, BTC, None, what="trade 1") == Commission(base_lots=1_000)
    in_bnb = [("0.000123456789", "BNB")]
    assert reports.commission_of(in_bnb, BTC, "BNB", what="trade 1") == Commission(other=12_346, other_asset="BNB")
    with pytest.raises(UnsupportedCommission, match=r"commission in BNB; expected BTC, USDT or exchange\.fee_asset"):
        reports.commission_of(in_bnb, BTC, None, what="trade 1")
    assert replace(Commission(), base_lots=0) == reports.commission_of([], BTC, None, what="trade 1")
