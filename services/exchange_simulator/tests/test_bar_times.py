"""Trades in lockstep: the market is moved by bar times, as over bars, and nobody sees the next bar's trades."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest

from n1v1_exchange_simulator.bar_times import advance_to, bar_times_of
from n1v1_exchange_simulator.exchange import Exchange, WrongStep, history_identity
from n1v1_exchange_simulator.journal import Journal
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality
from n1v1_exchange_simulator.replay.trades import TradeRecording
from n1v1_exchange_simulator.settings import exchange_over

MINUTE = 60_000_000_000
RULES = MatchingRules()


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """Trades at 0:30, 0:59.999, exactly at 1:00 and at 3:10, over bars of a minute."""
    times = [30_000, 59_999, 60_000, 190_000]
    rows = {
        "timestamp": times,
        "id": [str(number) for number, _ in enumerate(times, start=1)],
        "side": ["buy"] * 4,
        "price": [100.0, 101.0, 102.0, 103.0],
        "amount": [1.0] * 4,
    }
    pq.write_table(pa.table(rows), tmp_path / "A-USD.parquet")
    source = TradeRecording(find_recording(tmp_path, Quality.TRADES, ["A-USD"]), timeframe="1m")
    opening = {"main": {"USD": 1_000}}
    journal = Journal(tmp_path / "journal", identity=history_identity(source, RULES, opening), fsync=False)
    yield exchange_over(source, RULES, journal, opening)
    journal.close()


def closes(exchange: Exchange) -> list[tuple[int, int, int]]:
    return [(bar.ts_ns // MINUTE, bar.close // 100, bar.volume) for bar in bar_times_of(exchange).bars()]


def test_a_step_ends_with_its_bar_and_before_the_trades_of_the_next(exchange: Exchange) -> None:
    times = bar_times_of(exchange)
    assert (times.step, times.close_ns, times.bars()) == (0, MINUTE // 2, [])
    advance_to(times, 1)
    assert (times.step, times.close_ns, exchange.step) == (1, MINUTE, 2), "the trade at 1:00 is not seen yet"
    assert closes(exchange) == [(1, 101 * exchange.instruments[0].ticks("1") // 100, 2)]
    advance_to(times, 1)
    assert exchange.step == 2, "asked again it is the same step"


def test_a_bar_time_without_a_trade_has_a_flat_bar_and_after_the_last_bar_it_is_done(exchange: Exchange) -> None:
    times = bar_times_of(exchange)
    for step in (1, 2, 3, 4):
        assert not times.is_done
        advance_to(times, step)
    assert [bar.volume for bar in exchange.market.bars("A-USD", "1m")] == [2, 1, 0, 1]
    assert times.is_done
    with pytest.raises(WrongStep, match="the data ends at step 4; there is no step 5"):
        advance_to(times, 5)


def test_nobody_steps_over_a_bar(exchange: Exchange) -> None:
    with pytest.raises(WrongStep, match="the venue is at step 0; ask for 0 again or for 1, not 2"):
        advance_to(bar_times_of(exchange), 2)
