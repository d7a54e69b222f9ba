"""Where a client may go, what its key may do, and on which grid it trades. Nothing here opens a connection."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.events import SubmitOrder, SubmitOrderList
from n1v1.ids import ClientOrderId
from n1v1.values import Instrument, OrderType, Side
from n1v1_common.settings.model import Exchange
from n1v1_execution.adapters import permissions
from n1v1_execution.adapters.client import client_of, hosts_of
from n1v1_execution.adapters.grids import Grid, OffGrid, OnGrid, check_grid, on_grid
from n1v1_execution.adapters.names import NamesAsUuids, NamesWithoutHyphens
from n1v1_execution.adapters.order_lists import oco_parameters
from n1v1_execution.ports import VenueNotUsable

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
LOOPBACK = "http://127.0.0.1:1"
GRID = Grid(tick=Decimal("0.01"), step=Decimal("0.00001"), min_notional=Decimal(10))


def client(venue: str, *, has_streams: bool = True, **settings: Any) -> Any:
    return client_of(venue, Exchange(name=venue, **settings), live=True, has_streams=has_streams)


@pytest.mark.parametrize("venue", ["binance", "bybit", "kraken", "okx", "coinbase", "kucoin", "coinbaseexchange"])
def test_with_testnet_no_address_of_a_production_network_can_be_reached(venue: str) -> None:
    production = hosts_of(client(venue, testnet=False))
    try:
        reachable = hosts_of(client(venue))
    except VenueNotUsable:
        reachable = set()
    assert not reachable & production


def test_a_production_address_is_refused_however_it_was_given() -> None:
    with pytest.raises(VenueNotUsable, match=r"api\.binance\.com belongs to the production network"):
        client("binance", rest_url="https://api.binance.com")
    with pytest.raises(VenueNotUsable, match=r"api\.kraken\.com belongs to the production network"):
        client("kraken", urls={"public": LOOPBACK, "private": "https://api.kraken.com"})
    assert hosts_of(client("kraken", urls={"public": LOOPBACK, "private": LOOPBACK})) == {"127.0.0.1"}


async def test_a_request_to_any_other_host_does_not_leave() -> None:
    built = client("binance", rest_url=LOOPBACK)
    try:
        with pytest.raises(VenueNotUsable, match=r"api\.binance\.com is none of the configured hosts"):
            await built.fetch("https://api.binance.com/api/v3/time")
        with pytest.raises(VenueNotUsable, match=r"stream\.binance\.com is none"):
            built.client("wss://stream.binance.com:9443/ws")
    finally:
        await built.close()


def test_a_venue_that_ccxt_does_not_know_is_named() -> None:
    with pytest.raises(VenueNotUsable, match="knows no venue 'binnance'"):
        client("binnance")


@given(
    quantity=st.integers(1, 10**12).map(lambda lots: Decimal(lots).scaleb(-8)),
    price=st.integers(1, 10**9).map(lambda ticks: Decimal(ticks).scaleb(-4)),
    side=st.sampled_from(Side),
)
def test_an_order_on_the_grid_is_no_larger_and_at_no_worse_a_price(
    quantity: Decimal, price: Decimal, side: Side
) -> None:
    fitted = on_grid(GRID, side=side, quantity=quantity, price=price)
    if isinstance(fitted, OffGrid):
        return
    assert fitted.price is not None
    assert quantity - GRID.step < fitted.quantity <= quantity
    assert fitted.quantity % GRID.step == 0
    assert fitted.price % GRID.tick == 0
    assert fitted.quantity * fitted.price >= GRID.min_notional
    if side is Side.BUY:
        assert price - GRID.tick < fitted.price <= price
    else:
        assert price <= fitted.price < price + GRID.tick


def test_the_value_is_looked_at_after_rounding() -> None:
    """0.000109 at 92000 is worth 10.028; rounded down to 0.00010 it is worth 9.20."""
    fitted = on_grid(GRID, side=Side.BUY, quantity=Decimal("0.000109"), price=Decimal(92_000))
    assert isinstance(fitted, OffGrid)
    assert fitted.reason == "0.00010 at 92000 is worth less than the venue's 10"
    assert on_grid(GRID, side=Side.BUY, quantity=Decimal("0.00011"), price=Decimal(92_000)) == OnGrid(
        Decimal("0.00011"), Decimal(92_000)
    )


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (Grid(tick=Decimal("0.1"), step=Decimal("0.00001")), "the venue's tick is 0.1, ours 0.01"),
        (Grid(tick=Decimal("0.01"), step=Decimal("0.001")), "our step 0.00001000 is no multiple of the venue's 0.001"),
        (Grid(tick=Decimal("0.01"), step=Decimal("1e-9")), "is no multiple of our lot"),
        (Grid(tick=Decimal("0.01"), step=Decimal("1e-5"), min_notional=Decimal(20)), "worth 20 USD, ours 10"),
    ],
)
def test_a_venue_with_another_grid_is_refused_with_what_differs(grid: Grid, said: str) -> None:
    with pytest.raises(VenueNotUsable, match="does not fit the venue") as refused:
        check_grid(grid, BTC)
    assert said in str(refused.value)


def test_permissions_are_read_in_each_venues_own_words() -> None:
    read = permissions.Permissions
    assert permissions.of_binance({"enableWithdrawals": True, "enableSpotAndMarginTrading": True}) == read(True, True)
    bybit = {"result": {"readOnly": 0, "permissions": {"Wallet": ["AccountTransfer"], "Spot": ["SpotTrade"]}}}
    assert permissions.of_bybit(bybit) == read(False, True)
    assert permissions.of_okx({"data": [{"perm": "read_only,withdraw,trade"}]}) == read(True, True)
    assert permissions.of_coinbase({"can_transfer": False, "can_trade": False}) == read(False, False)


def test_names_fit_each_venue_and_lead_back() -> None:
    name = ClientOrderId("n1v1-o-abcdefghijklmnop-stop-1")
    okx, kraken = NamesWithoutHyphens(), NamesAsUuids()
    assert okx.written(name).isalnum()
    assert len(okx.written(name)) <= 32
    assert okx.read(okx.written(name)) == name
    assert kraken.read(kraken.written(name)) == name
    assert NamesAsUuids().written(name) == kraken.written(name), "derived, not drawn"


@pytest.mark.parametrize(("side", "stop_prefix"), [(Side.SELL, "below"), (Side.BUY, "above")])
def test_an_oco_has_its_stop_on_the_losing_side(side: Side, stop_prefix: str) -> None:
    stop = SubmitOrder(
        client_order_id=ClientOrderId("n1v1-o-a-stop-1"),
        symbol="BTC-USD",
        side=side,
        type=OrderType.STOP,
        lots=1_000,
        stop_ticks=100,
    )
    target = SubmitOrder(
        client_order_id=ClientOrderId("n1v1-o-a-target-1"),
        symbol="BTC-USD",
        side=side,
        type=OrderType.LIMIT,
        lots=1_000,
        limit_ticks=200,
    )
    sent = oco_parameters(SubmitOrderList(working=None, pending=(stop, target)), BTC, "BTCUSD")
    target_prefix = {"below": "above", "above": "below"}[stop_prefix]
    assert (sent[f"{stop_prefix}Type"], sent[f"{stop_prefix}StopPrice"]) == ("STOP_LOSS", "1.00")
    assert (sent[f"{target_prefix}Type"], sent[f"{target_prefix}Price"]) == ("LIMIT_MAKER", "2.00")
