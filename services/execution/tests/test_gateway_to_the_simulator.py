"""The ccxt gateway against the running exchange_simulator: amounts exact, no answer is a doubt, a no is a no."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from n1v1.events import (
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
)
from n1v1.execution.orders import Order
from n1v1.ids import (
    ClientOrderId,
    OrderId,
    SignalId,
    client_order_id,
    leg_order_id,
    order_of_client_order_id,
)
from n1v1.values import OrderType, Side
from n1v1_cli.stack.service import Service, ServiceSpec
from n1v1_common.instruments import instruments_of
from n1v1_common.servers.ports import claim_port
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.adapters.ccxt_gateway import NO_LISTS, CcxtGateway, opened_gateway
from n1v1_execution.ports import VenueTrouble

pytestmark = pytest.mark.stack
"""Not the whole system, but a service of it as a process."""

LOTS = 1_000_000  # 0.01 BTC
ORDER = OrderId("o-abcdefghijklmnop")


@dataclass
class Simulator:
    service: Service
    settings: Settings

    async def advance(self, step: int) -> None:
        async with aiohttp.ClientSession() as session:
            url = f"{self.settings.exchange.rest_url}/simulation/v1/advance"
            async with session.post(url, json={"step": step}) as response:
                assert response.status == 200, await response.text()


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    port = claim_port("services.exchange_simulator.port", 0)
    changes = {
        "paths.state_dir": tmp_path,
        "services.exchange_simulator.port": port,
        "exchange.rest_url": f"http://127.0.0.1:{port}",
        "exchange.api_key": "key",
        "exchange.api_secret": "secret",
        "market.start": "2021-01-01",
        "market.end": "2021-01-10",
    }
    path = tmp_path / "settings.json"
    settings = dump_for_service(load([], {}, []), path, changes)
    spec = ServiceSpec("exchange_simulator", "n1v1_exchange_simulator", env={SETTINGS_VARIABLE: str(path)})
    service = Service(spec, tmp_path)
    (tmp_path / "logs").mkdir()
    await service.start()
    yield Simulator(service, settings)
    await service.stop()


@pytest.fixture
async def gateway(simulator: Simulator) -> AsyncIterator[CcxtGateway]:
    settings = simulator.settings
    async with opened_gateway("simulator", settings.exchange, instruments_of(settings), Metrics()) as gateway:
        await simulator.advance(1)
        yield gateway


def command(attempt: int = 1, *, lots: int = LOTS, side: Side = Side.BUY, limit: int | None = None) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(f"n1v1-{ORDER}-{attempt}"),
        symbol="BTC-USD",
        side=side,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        lots=lots,
        limit_ticks=limit,
    )


def order(sent: SubmitOrder) -> Order:
    return Order(
        order_id=ORDER,
        signal_id=SignalId(""),
        account="main",
        instance="",
        symbol=sent.symbol,
        side=sent.side,
        type=sent.type,
        lots=sent.lots,
        limit_ticks=sent.limit_ticks,
        time_in_force=sent.time_in_force,
        decided_ns=0,
        valid_until_ns=2**62,
        correlation_id="",
        reduce_only=False,
    )


async def test_an_order_is_accepted_then_found_then_filled_to_the_last_quantum(
    gateway: CcxtGateway, simulator: Simulator
) -> None:
    sent = command()
    assert await gateway.find(order(sent)) == [], "the venue has never seen it"
    accepted = await gateway.submit(sent)
    assert isinstance(accepted, VenueAccepted)
    assert await gateway.find(order(sent)) == [accepted]

    await simulator.advance(2)
    found = await gateway.find(order(sent))
    assert found[0] == accepted
    [fill] = found[1:]
    assert isinstance(fill, VenueFilled)
    assert (fill.lots, fill.side) == (LOTS, Side.BUY)
    assert fill.value == fill.ticks * LOTS // 100
    assert fill.fee == -(-fill.value // 1000), "10 bps, rounded up"


async def test_a_no_is_a_no_with_the_venues_reason_but_a_duplicate_is_a_doubt(gateway: CcxtGateway) -> None:
    refused = await gateway.submit(command(side=Side.SELL))
    assert isinstance(refused, VenueRejected)
    assert (refused.code, refused.reason) == (-2010, "Account has insufficient balance for requested action.")
    assert await gateway.find(order(command(side=Side.SELL))) == []

    resting = command(limit=1_000_000, lots=10 * LOTS)
    assert isinstance(await gateway.submit(resting), VenueAccepted)
    with pytest.raises(VenueTrouble, match="exists already"):
        await gateway.submit(resting)
    assert len(await gateway.find(order(resting))) == 1


async def test_a_venue_that_hangs_or_is_gone_leaves_every_request_in_doubt(
    gateway: CcxtGateway, simulator: Simulator
) -> None:
    assert simulator.service.pid is not None
    os.kill(simulator.service.pid, signal.SIGSTOP)  # it takes connections and says nothing
    gateway.client.timeout = 300
    with pytest.raises(VenueTrouble, match="submit: RequestTimeout"):
        await gateway.submit(command())

    simulator.service.kill()
    await simulator.service.wait()
    with pytest.raises(VenueTrouble, match="submit"):
        await gateway.submit(command())
    with pytest.raises(VenueTrouble, match="find"):
        await gateway.find(order(command()))


def protected(*, stop: int, target: int | None = None, trail_ppb: int | None = None) -> list[SubmitOrder]:
    """An entry of LOTS and its legs; prices in ticks."""
    leg = replace(command(side=Side.SELL), reduces_only=True)
    stop_leg = replace(
        leg,
        client_order_id=client_order_id(leg_order_id(ORDER, "stop"), 1),
        type=OrderType.STOP if trail_ppb is None else OrderType.TRAILING_STOP,
        stop_ticks=stop,
        trail_ppb=trail_ppb,
        trail_step_ppb=0 if trail_ppb is None else 123_456,
    )
    target_id = client_order_id(leg_order_id(ORDER, "target"), 1)
    targets = [replace(leg, client_order_id=target_id, type=OrderType.LIMIT, limit_ticks=target)] if target else []
    return [command(), stop_leg, *targets]


async def sent(gateway: CcxtGateway, orders: list[SubmitOrder]) -> list[Order]:
    """The orders as the stage knows them once their list was accepted."""
    working, *pending = orders
    accepted = await gateway.submit_list(SubmitOrderList(working=working, pending=tuple(pending)))
    assert not isinstance(accepted, VenueRejected), accepted.reason
    assert [report.client_order_id for report in accepted] == [order.client_order_id for order in orders]
    return [
        replace(
            order(one),
            order_id=order_of_client_order_id(one.client_order_id) or ORDER,
            venue_order_id=report.venue_order_id,
        )
        for one, report in zip(orders, accepted, strict=True)
    ]


async def test_an_entry_with_a_stop_above_the_low_is_stopped_within_its_bar(
    gateway: CcxtGateway, simulator: Simulator
) -> None:
    """The next bar opens at 29358.30 and falls to 28900."""
    entry, stop, target = await sent(gateway, protected(stop=2_900_000, target=4_000_000))
    assert [type(report) for report in await gateway.find(stop)] == [VenueAccepted], "pending"
    await simulator.advance(2)
    (bought,) = [report for report in await gateway.find(entry) if isinstance(report, VenueFilled)]
    _, sold = await gateway.find(stop)
    assert isinstance(sold, VenueFilled)
    assert (sold.side, sold.lots, sold.remaining_lots) == (Side.SELL, bought.lots, 0)
    assert sold.ticks < 2_900_000, "slipped"
    _, closed = await gateway.find(target)
    assert isinstance(closed, VenueClosed)
    assert not closed.expired


async def test_cancelling_a_leg_closes_the_other_and_may_be_repeated(
    gateway: CcxtGateway, simulator: Simulator
) -> None:
    _, stop, target = await sent(gateway, protected(stop=1_000_000, target=4_000_000))
    await simulator.advance(2)
    await gateway.cancel(stop)
    await gateway.cancel(stop)
    for leg in (stop, target):
        assert isinstance((await gateway.find(leg))[-1], VenueClosed)


async def test_a_trailing_stop_arrives_exactly_as_it_was_meant(gateway: CcxtGateway, simulator: Simulator) -> None:
    _, trail = await sent(gateway, protected(stop=1_000_000, trail_ppb=900_123_456))
    (report,) = await gateway.find(trail)
    assert isinstance(report, VenueAccepted)
    found = await gateway.client.fetch_order(None, "BTC/USD", {"origClientOrderId": trail.client_order_id})
    assert (found["info"]["type"], found["info"]["stopPrice"]) == ("STOP_LOSS", "10000.00000000")


async def test_a_list_that_is_refused_leaves_nothing_behind(gateway: CcxtGateway) -> None:
    entry, *legs = protected(stop=5_000_000_000, target=4_000_000)
    refused = await gateway.submit_list(SubmitOrderList(working=entry, pending=tuple(legs)))
    assert isinstance(refused, VenueRejected)
    assert (refused.client_order_id, refused.code) == (entry.client_order_id, -1013)
    assert await gateway.find(order(entry)) == []


async def test_an_exit_that_only_reduces_is_refused_without_a_position(gateway: CcxtGateway) -> None:
    refused = await gateway.submit(replace(command(side=Side.SELL), reduces_only=True))
    assert isinstance(refused, VenueRejected)
    assert (refused.code, refused.reason) == (-2022, "ReduceOnly Order is rejected.")


async def test_a_venue_without_our_lists_is_sent_no_protected_entry(simulator: Simulator) -> None:
    """Rather no entry than one whose stop nobody watches."""
    settings = simulator.settings
    async with opened_gateway("simulator", settings.exchange, instruments_of(settings), Metrics()) as opened:
        elsewhere = CcxtGateway(opened.client, instruments_of(settings), Metrics())
        entry, *legs = protected(stop=1_000_000)
        refused = await elsewhere.submit_list(SubmitOrderList(working=entry, pending=tuple(legs)))
        assert isinstance(refused, VenueRejected)
        assert refused.reason == NO_LISTS
        assert await elsewhere.find(order(entry)) == []
