from __future__ import annotations

from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from n1v1.events import BarClosed
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.pacing import advance_by_the_clock

FOUR_HOURS_S = 4 * 3_600


class MovedClock:
    """Time passes only while somebody sleeps, and stops at the end of the test."""

    def __init__(self, *, until: float) -> None:
        self.now = 1_000.0
        self._end = self.now + until
        self.due: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self._end:
            raise TimeIsUp
        self.due.append(self.now - 1_000.0)


class TimeIsUp(Exception):
    pass


async def run(exchange: Exchange, *, speed: float, until: float) -> MovedClock:
    clock = MovedClock(until=until)
    with pytest.raises(TimeIsUp):
        await advance_by_the_clock(exchange, speed=speed, clock=clock)
    return clock


async def test_bars_close_speed_times_as_fast_as_they_were_recorded(make_exchange: Any) -> None:
    exchange = make_exchange()
    clock = await run(exchange, speed=FOUR_HOURS_S, until=3.5)
    assert clock.due == [1.0, 2.0, 3.0]
    assert exchange.step == 3


async def test_without_a_loop_it_ends_with_the_data(make_exchange: Any) -> None:
    exchange = make_exchange()
    await advance_by_the_clock(exchange, speed=FOUR_HOURS_S, clock=MovedClock(until=100))
    assert (exchange.step, exchange.is_done) == (12, True)


async def test_a_loop_goes_on_in_the_future_with_new_bar_ids(make_exchange: Any) -> None:
    exchange = make_exchange(loops=True)
    seen: list[BarClosed] = []
    exchange.on_market.append(lambda events: seen.extend(bar for bar in events if bar.timeframe == "4h"))
    await run(exchange, speed=FOUR_HOURS_S, until=30.5)

    assert exchange.step == 30
    btc = [bar for bar in seen if bar.symbol == "BTC-USD"]
    assert all(later.open_ns == earlier.ts_ns for earlier, later in pairwise(btc))
    assert len({bar.id for bar in seen}) == len(seen)
    assert [bar.close for bar in btc[:12]] == [bar.close for bar in btc[12:24]]


async def test_a_restart_in_the_second_round_goes_on_where_it_was(make_exchange: Any) -> None:
    await run(make_exchange(loops=True), speed=FOUR_HOURS_S, until=15.5)
    restarted = make_exchange(loops=True)
    assert restarted.step == 15
    clock = await run(restarted, speed=FOUR_HOURS_S, until=1.5)
    assert clock.due == [1.0]
    assert restarted.step == 16


async def test_nobody_can_advance_a_venue_that_runs_by_the_clock(served_by_the_clock: Any) -> None:
    url = f"{served_by_the_clock.url}/simulation/v1"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/advance", json={"step": 1}) as response:
            assert response.status == 409
            assert "runs by itself" in (await response.json())["error"]
        async with session.get(f"{url}/clock") as response:
            assert (await response.json())["mode"] == "scaled"


async def test_bars_missed_on_the_stream_can_be_fetched_again(served_by_the_clock: Any) -> None:
    await run(served_by_the_clock.exchange, speed=FOUR_HOURS_S, until=20.5)
    url = f"{served_by_the_clock.url}/api/v3/klines?symbol=BTCUSD&interval=4h&limit=5"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        rows = await response.json()
    bars = served_by_the_clock.exchange.market.bars("BTC-USD", "4h")
    assert [row[0] for row in rows] == [bar.open_ns // 1_000_000 for bar in bars][-5:]
