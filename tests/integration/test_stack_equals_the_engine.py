"""The promise: a replay through the running services ends exactly like the engine in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from n1v1.run_hash import RunRecords, first_difference, from_events, hashes_by_kind, run_hash

pytestmark = pytest.mark.stack

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.


TRAILING = ("risk_management.enable_trailing_stop=true", "risk_management.trailing_distance=0.03")


def filled_types(records: RunRecords) -> set[str]:
    return {row[3] for row in records.orders if row[5] == "FILLED"}


def test_the_replay_closes_positions_in_every_way(expected: RunRecords) -> None:
    """By stops, by targets, and by signals while a stop and a target wait: otherwise the replays prove too little."""
    assert filled_types(expected) == {"MARKET", "STOP", "LIMIT"}
    entries = {row[0]: row for row in expected.orders if f"{row[0]}-stop" in {other[0] for other in expected.orders}}
    states = {row[0]: row[5] for row in expected.orders}
    left_by_a_signal = [e for e in entries if {states[f"{e}-stop"], states[f"{e}-target"]} == {"CANCELLED"}]
    assert len(left_by_a_signal) >= 3
    assert len(expected.fills) > 20


@pytest.mark.parametrize(("workers", "more"), [(1, ()), (3, TRAILING)], ids=["one worker", "three, trailing stops"])
async def test_a_replay_through_the_services_equals_the_one_in_process(
    start_replay: Any, expected_of: Any, workers: int, more: tuple[str, ...]
) -> None:
    expected: RunRecords = expected_of(*more)
    assert "TRAILING_STOP" in filled_types(expected) or not more
    async with start_replay(f"signals.partitions={workers}", f"signals.worker_count={workers}", *more) as replay:
        await replay.until_ended()
        records = from_events(await replay.events())
        assert first_difference(expected, records) is None
        assert run_hash(records) == run_hash(expected)

        reported = await replay.reported(run_hash(expected))
        assert reported["hashes"] == hashes_by_kind(expected)
        assert all(process.crashes == 0 for process in replay.stack.record().processes)

        connection = await asyncpg.connect(replay.settings.postgres.dsn.get_secret_value())
        try:
            assert await books(connection) == totals(expected)
        finally:
            await connection.close()


BIDS = """
from n1v1.strategies.plain import PythonStrategy, buy, sell


class Bids(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen % 6 == 1:
            return buy("a bid below the market", limit=bar.close * 0.99, stop=0.04)
        return sell("enough") if self.seen % 6 == 0 else None
"""


async def test_entries_at_limits_end_with_their_time_through_the_services_too(
    start_replay: Any, expected_of: Any, tmp_path: Path
) -> None:
    file = tmp_path / "bids.py"
    file.write_text(BIDS)
    more = (f'strategies.files=["{file}"]', "strategies.active_strategies=[]", "risk_management.limit_order_bars=2")
    expected: RunRecords = expected_of(*more)
    entries = [row for row in expected.orders if row[3] == "LIMIT"]
    assert {row[5] for row in entries} == {"FILLED", "EXPIRED"}
    async with start_replay(*more) as replay:
        await replay.until_ended()
        assert first_difference(expected, from_events(await replay.events())) is None


async def books(connection: Any) -> tuple[int, int, int, int]:
    """Filled lots and fees as execution stored them, marks and the last equity as portfolio did; in lots and quanta."""
    row = await connection.fetchrow(
        "SELECT (SELECT sum(quantity) * 10^8 FROM execution.fills)::bigint AS lots,"
        " (SELECT sum(fee) * 10^8 FROM execution.fills)::bigint AS fees,"
        " (SELECT count(*) FROM portfolio.equity) AS marks,"
        " (SELECT equity * 10^8 FROM portfolio.equity ORDER BY ts_ns DESC LIMIT 1)::bigint AS equity"
    )
    return row["lots"], row["fees"], row["marks"], row["equity"]


def totals(records: RunRecords) -> tuple[int, int, int, int]:
    lots, fees = sum(row[4] for row in records.fills), sum(row[7] for row in records.fills)
    return lots, fees, len(records.equity), max(records.equity)[2]
