"""What the venue remembers of its market, worked by hand."""

from __future__ import annotations

import pytest

from n1v1_exchange_simulator.market import MarketMemory
from n1v1_exchange_simulator.market_events import AggregateTrade, DepthSnapshot, PublicTrade

SECOND = 1_000_000_000


@pytest.fixture
def memory() -> MarketMemory:
    def book(symbol: str, levels: int) -> DepthSnapshot:
        del levels
        return DepthSnapshot(ts_ns=0, symbol=symbol, last_id=0, bids=(), asks=())

    return MarketMemory(["A-B"], book=book, recorded=None, opens_ns=0)


def trade(number: int, *, ticks: int = 100, second: int = 1, is_buyer_maker: bool = False) -> PublicTrade:
    return PublicTrade(
        ts_ns=second * SECOND, symbol="A-B", number=number, ticks=ticks, lots=number, is_buyer_maker=is_buyer_maker
    )


def rows(memory: MarketMemory) -> list[tuple[int, int, int, int, int]]:
    return [(each.number, each.first, each.last, each.ticks, each.lots) for each in memory.recent_aggregates("A-B")]


def test_what_one_taker_had_at_one_price_is_one_aggregate(memory: MarketMemory) -> None:
    told = memory.remember([trade(1), trade(2), trade(3, ticks=101)], SECOND)
    assert rows(memory) == [(1, 1, 2, 100, 3), (2, 3, 3, 101, 3)]
    assert [each for each in told if isinstance(each, AggregateTrade)] == list(memory.recent_aggregates("A-B"))


def test_another_side_moment_or_command_is_another_taker(memory: MarketMemory) -> None:
    memory.remember([trade(1), trade(2, is_buyer_maker=True), trade(3, second=2)], 2 * SECOND)
    memory.remember([trade(4, second=2)], 2 * SECOND)
    assert [(number, first, last) for number, first, last, _, _ in rows(memory)] == [
        (1, 1, 1),
        (2, 2, 2),
        (3, 3, 3),
        (4, 4, 4),
    ]
