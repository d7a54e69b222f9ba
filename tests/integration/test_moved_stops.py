"""Stops that a strategy moves end through the services as in one process, also when execution or risk is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from n1v1.run_hash import RunRecords, first_difference, from_events, run_hash

pytestmark = pytest.mark.stack

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.

FOLLOWS = """
from n1v1.strategies.plain import PythonStrategy, buy, close, move_stop


class Follows(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        match self.seen % 12:
            case 3:
                return buy("in", stop=0.04, target=0.05)
            case 11 if self.seen % 24 == 11:
                return close("out")
        return move_stop(bar.close * 0.98, "after the price")
"""


def has_moved_stops(records: RunRecords) -> bool:
    """Otherwise the replay proves nothing: moved stops and their targets that filled, and some that were replaced."""
    moved = {row[0]: row[5] for row in records.orders if row[3] == "STOP" and not row[0].endswith("stop")}
    targets = {row[0]: row[5] for row in records.orders if row[0].removesuffix("-target") in moved}
    return {"FILLED", "CANCELLED"} <= set(moved.values()) and "FILLED" in targets.values()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["", "execution", "risk"])
async def test_a_replay_in_which_stops_are_moved_ends_like_one_process(
    start_replay: Any, expected_of: Any, tmp_path: Path, victim: str
) -> None:
    file = tmp_path / "follows.py"
    file.write_text(FOLLOWS)
    more = (f'strategies.files=["{file}"]', "strategies.active_strategies=[]")
    expected: RunRecords = expected_of(*more)
    assert has_moved_stops(expected)
    async with start_replay(*more) as replay:
        for bar_times in (5, 29, 54) if victim else ():
            await replay.until_settled(bar_times)
            await asyncio.sleep(0.01)
            replay.stack.kill(victim)
            await replay.stack.process(victim).wait()
            await replay.stack.until_restarted(victim)
        await replay.until_ended()
        records = from_events(await replay.events())
        assert first_difference(expected, records) is None
        assert run_hash(records) == run_hash(expected)
