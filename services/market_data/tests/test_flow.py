"""The queue between venue and bus: bounded, in order, and honest about what did not fit."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from n1v1.events import MarketDataLost, TradeSeen
from n1v1_market_data.flow import Flow


def trade(number: int, symbol: str = "BTC-USDT") -> TradeSeen:
    return TradeSeen(
        id=f"{symbol}:{number}", ts_ns=number, symbol=symbol, trade_id=str(number), ticks=1, lots=1, is_buyer_maker=True
    )


STEPS = st.lists(st.integers(1, 12) | st.just("take"), max_size=40)


@given(STEPS, st.integers(1, 10))
def test_what_was_put_comes_out_in_order_or_is_counted_where_it_is_missing(steps: list[int | str], size: int) -> None:
    asyncio.run(_played(steps, size))


async def _played(steps: list[int | str], size: int) -> None:
    told: list[MarketDataLost] = []
    flow = Flow(size, on_loss=told.append)
    number, waiting = 0, 0
    seen: list[TradeSeen | MarketDataLost] = []
    for step in [*steps, "take"]:
        if isinstance(step, int):
            for _ in range(step):
                number += 1
                waiting += 1
                flow.put(trade(number))
        elif waiting:
            while _covered(seen) < number:
                seen += [event for event in await flow.batch(100) if isinstance(event, TradeSeen | MarketDataLost)]
            waiting = 0
    next_number = 1
    for event in seen:
        if isinstance(event, TradeSeen):
            assert int(event.trade_id) == next_number
            next_number += 1
        else:
            assert int(event.first_id) == next_number
            assert event.lost == int(event.last_id) - int(event.first_id) + 1
            next_number += event.lost
    assert next_number == number + 1
    assert told == [event for event in seen if isinstance(event, MarketDataLost)]


def _covered(seen: list[TradeSeen | MarketDataLost]) -> int:
    return sum(1 if isinstance(event, TradeSeen) else event.lost or 0 for event in seen)


async def test_each_symbol_has_its_own_account_of_losses() -> None:
    told: list[MarketDataLost] = []
    flow = Flow(1, on_loss=told.append)
    flow.put(trade(1))
    flow.put(trade(2))
    flow.put(trade(7, "ETH-USDT"))
    await flow.batch(10)
    assert {(loss.symbol, loss.lost, loss.first_id) for loss in told} == {("BTC-USDT", 1, "2"), ("ETH-USDT", 1, "7")}


async def test_who_asks_an_empty_queue_waits_for_the_next_event() -> None:
    flow = Flow(10, on_loss=lambda loss: None)
    waiting = asyncio.ensure_future(flow.batch(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    flow.put(trade(1))
    assert await waiting == [trade(1)]
