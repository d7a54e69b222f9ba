"""Workers that race for one cap do not get past it; a small edition of `make races`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chaos.races import CAP_PERCENT, Auditor, Race, run

from n1v1.events import (
    Action,
    EquityMarked,
    Event,
    OrderApproved,
    OrderFilled,
    OrderRejected,
    SignalRaised,
    SignalsComplete,
)
from n1v1.ids import FillId, OrderId, SignalId, TradeId
from n1v1.values import Instrument, Liquidity, OrderType, Purpose, Side, TimeInForce
from n1v1_common.servers import ServerMissing

USD = 100_000_000
BTC, ETH = (Instrument(symbol=f"{base}-USD", base=base, quote="USD") for base in ("BTC", "ETH"))
TENTH = 10_000_000
"""Lots that are worth 1,000 at a price of 10,000."""


@pytest.mark.stack
@pytest.mark.timeout(300)
@pytest.mark.parametrize("disturbance", [{"kills": 1}, {"rivals": 1}], ids=["killed", "two at once"])
async def test_with_and_without_a_disturbance_of_risk_nothing_gets_past_the_cap(disturbance: dict[str, int]) -> None:
    race = Race(workers=6, intents=500, each=4, processes=2)
    try:
        calm, disturbed = await run(race), await run(replace(race, **disturbance))
    except ServerMissing as missing:
        pytest.skip(str(missing))
    for found in (calm, disturbed):
        assert found.breaches == []
        assert found.intents == found.approved + found.refused == 504
        assert found.approved > 20
        assert CAP_PERCENT - 7 < found.most_exposure_percent <= CAP_PERCENT, "the workers want more than they may have"
    assert disturbed.decisions == calm.decisions


def approved(number: int, symbol: str = "BTC-USD", *, lots: int = TENTH, closes: bool = False) -> OrderApproved:
    return OrderApproved(
        id=f"a{number}",
        ts_ns=1,
        order_id=OrderId(f"o-{number}"),
        signal_id=SignalId(f"s{number}"),
        account="main",
        instance="w",
        symbol=symbol,
        side=Side.SELL if closes else Side.BUY,
        type=OrderType.MARKET,
        lots=lots,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        reduce_only=closes,
        reference_ticks=1_000_000,
        valid_until_ns=2,
        purpose=Purpose.EXIT if closes else Purpose.ENTRY,
    )


def filled(order: OrderApproved) -> OrderFilled:
    return OrderFilled(
        id=f"f{order.order_id}",
        ts_ns=1,
        order_id=order.order_id,
        account="main",
        symbol=order.symbol,
        fill_id=FillId("f"),
        trade_id=TradeId("t"),
        instance="w",
        side=order.side,
        lots=order.lots,
        ticks=1_000_000,
        value=order.lots * 10_000,
        fee=0,
        liquidity=Liquidity.TAKER,
        is_final=True,
    )


def rejected(order: OrderApproved) -> OrderRejected:
    return OrderRejected(
        id="r", ts_ns=1, order_id=order.order_id, account="main", symbol=order.symbol, reason="the venue's no"
    )


def breaches(*events: Event, equity: int = 3_000) -> list[str]:
    """What the auditor objects to in an account of so much cash."""
    auditor = Auditor([BTC, ETH])
    marked = EquityMarked(
        id="e",
        ts_ns=1,
        account="main",
        cash=equity * USD,
        equity=equity * USD,
        peak=equity * USD,
        fees=0,
        positions=(("BTC-USD", 0, 1_000_000), ("ETH-USD", 0, 1_000_000)),
    )
    wishes = [
        SignalRaised(
            id=event.signal_id, ts_ns=1, instance="w", symbol=event.symbol, action=Action.BUY, strength=1.0, reason=""
        )
        for event in events
        if isinstance(event, OrderApproved)
    ]
    complete = SignalsComplete(id="c", ts_ns=1, partition=0, signals=len(wishes))
    for event in (*wishes, complete, marked, *events):
        auditor.hear(event, 1)
    return auditor.found.breaches


class TestTheAuditor:
    """It would be worth little if it never objected."""

    def test_what_fits_is_no_breach(self) -> None:
        assert breaches(approved(1)) == []

    def test_two_promises_that_are_together_too_much_are_one(self) -> None:
        (breach,) = breaches(approved(1), approved(2, "ETH-USD"))
        assert breach == f"o-2: exposure {2_000 * USD} of at most {1_500 * USD}"

    def test_what_is_held_counts_and_what_was_given_back_does_not(self) -> None:
        first = approved(1)
        assert len(breaches(first, filled(first), approved(2, "ETH-USD"))) == 1
        assert breaches(first, rejected(first), approved(2, "ETH-USD")) == []
        close = approved(2, closes=True)
        assert breaches(first, filled(first), close, filled(close), approved(3, "ETH-USD")) == []

    def test_a_second_order_on_a_symbol_and_a_closing_of_more_than_is_held_are_breaches(self) -> None:
        assert "two orders at once on BTC-USD" in breaches(approved(1), approved(2), equity=9_000)[0]
        first = approved(1)
        (breach,) = breaches(first, filled(first), approved(2, closes=True, lots=2 * TENTH), equity=9_000)
        assert breach == f"o-2 closes {2 * TENTH} of {TENTH} lots"

    def test_a_fill_that_nobody_approved_and_a_second_verdict_are_breaches(self) -> None:
        order = approved(1)
        assert breaches(filled(order)) == ["a fill of o-1, which is not approved or was done"]
