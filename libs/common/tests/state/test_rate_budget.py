"""The budget of requests: one suite for the ledger in memory and for a real Valkey. 100 a window, 80 ordinary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.valkey import ValkeyServer
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.state.rate_budget import (
    BINANCE,
    Banned,
    Ledger,
    Limit,
    MemoryLedger,
    RateBudget,
    RedisLedger,
    Taken,
    Wait,
    limit_of,
    shared_budget,
    weight_of_cost,
)
from n1v1_common.state.redis_state import client_at

DAY_MS = 86_400_000
LIMIT = Limit(100, window_ms=DAY_MS * 1000)
"""So long that no test sees two windows, unless it moves the clock."""


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.servers)])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(LIMIT)
        return
    server = ValkeyServer(tmp_path / "valkey", secrets=tmp_path, log=tmp_path / "log", durability=Durability.PROCESS)
    try:
        await server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    async with client_at(server.url) as client:
        yield RedisLedger(client, LIMIT, key="venue:here")
    await server.stop()


def budget_of(ledger: Ledger, limit: Limit = LIMIT) -> RateBudget:
    return RateBudget(ledger, limit, key="venue:here")


async def taken(budget: RateBudget, weight: int, *, urgent: bool = False) -> Taken:
    answer = await budget.try_take(weight, urgent=urgent)
    assert isinstance(answer, Taken), answer
    return answer


async def refused(budget: RateBudget, weight: int, *, urgent: bool = False) -> Wait:
    answer = await budget.try_take(weight, urgent=urgent)
    assert isinstance(answer, Wait), answer
    assert answer.wait_ms > 0
    return answer


async def test_ordinary_requests_stop_at_four_fifths_and_urgent_ones_use_the_rest(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    await taken(budget, 80)
    await refused(budget, 1)
    await taken(budget, 20, urgent=True)
    await refused(budget, 1, urgent=True)


async def test_two_processes_share_what_is_left(ledger: Ledger) -> None:
    await taken(budget_of(ledger), 50)
    await refused(budget_of(ledger), 31)
    await taken(budget_of(ledger), 30)


async def test_many_at_once_never_take_more_than_is_allowed(ledger: Ledger) -> None:
    answers = await asyncio.gather(*(budget_of(ledger).try_take(3) for _ in range(40)))
    assert sum(isinstance(answer, Taken) for answer in answers) == 26


async def test_what_the_venue_says_is_used_counts_when_it_is_more_than_we_know(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    permit = await taken(budget, 10)
    await budget.answered(permit, status=200, headers={"x-mbx-used-weight-1m": "79"})
    await refused(budget, 2)
    await budget.answered(permit, status=200, headers={"X-MBX-USED-WEIGHT-1M": "5"})
    await refused(budget, 2)
    await taken(budget, 1)


async def test_what_is_said_of_a_past_window_changes_nothing(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    permit = await taken(budget, 1)
    await budget.answered(Taken(permit.window - 1), status=200, headers={"X-MBX-USED-WEIGHT-1M": "100"})
    await taken(budget, 79)


async def test_after_429_nobody_sends_for_as_long_as_the_venue_says(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    await budget.answered(await taken(budget, 1), status=429, headers={"Retry-After": "7"})
    for urgent in (False, True):
        wait = await refused(budget, 1, urgent=urgent)
        assert not wait.is_banned
        assert 6_000 < wait.wait_ms <= 7_000


async def test_after_418_everybody_is_told_that_we_are_banned(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    await budget.answered(await taken(budget, 1), status=418, headers={"Retry-After": "120"})
    with pytest.raises(Banned, match=r"another 1\d\d s") as banned:
        await budget.take(1, urgent=True)
    assert 119_000 < banned.value.wait_ms <= 120_000
    await budget.answered(Taken(0), status=429, headers={"Retry-After": "1"})
    assert (await refused(budget, 0)).is_banned, "a short pause must not end a ban"


async def test_a_retry_after_that_is_a_date_is_taken_for_a_minute(ledger: Ledger) -> None:
    budget = budget_of(ledger)
    await budget.answered(await taken(budget, 1), status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert 59_000 < (await refused(budget, 1)).wait_ms <= 60_000


async def test_a_weight_that_never_fits_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="expected 0 to 80"):
        await budget_of(ledger).take(81)


async def test_who_waits_gets_its_weight_in_the_next_window() -> None:
    now_ms = [DAY_MS - 1500]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now_ms[0] += round(seconds * 1000)

    limit = Limit(100, window_ms=60_000)
    budget = RateBudget(MemoryLedger(limit, lambda: now_ms[0]), limit, key="venue:here", sleep=sleep)
    first = await budget.take(80)
    second = await budget.take(80)
    assert slept == [1.5]
    assert second.window == first.window + 1


def test_the_raw_path_and_ccxt_count_a_budget_in_the_same_weights() -> None:
    assert BINANCE.weight == 6000
    assert weight_of_cost("binance", 0.2) == 1, "ccxt's cost of a request that weighs one"
    assert limit_of("kraken", 1000).weight == weight_of_cost("kraken", 60), "one cost a second"


async def test_a_budget_that_cannot_be_asked_refuses() -> None:
    async with shared_budget("redis://127.0.0.1:1/0", LIMIT, venue="venue") as budget:
        with pytest.raises(StateUnavailable, match="rate:venue:default cannot be reached"):
            await budget.take(1)
