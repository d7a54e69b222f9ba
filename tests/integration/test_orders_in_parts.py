"""Orders that are carried out in parts end through the services as in one process, also when execution is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from n1v1.run_hash import RunRecords, first_difference, from_events, run_hash

pytestmark = pytest.mark.stack

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.

PARTS = """
from n1v1.strategies.plain import PythonStrategy, buy, close, style_of

SLOWLY = style_of("{method}", parts=5, minutes=240)


class Parts(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        match self.seen % 20:
            case 3:
                return buy("in parts", stop=0.03, target=0.05, execution=SLOWLY)
            case 6 if self.seen % 40 == 6:
                return close("while the entry is still at work")
            case 13:
                return close("in parts as well", execution=SLOWLY)
        return None
"""
METHODS = {"twap": (), "adaptive": ("execution.watch_market=true",)}


def settings_for(method: str, folder: Path) -> tuple[str, ...]:
    file = folder / "parts.py"
    file.write_text(PARTS.format(method=method))
    return (f'strategies.files=["{file}"]', "strategies.active_strategies=[]", *METHODS[method])


def has_worked_in_parts(records: RunRecords) -> bool:
    """Otherwise the replay proves nothing: an order with several fills, and one that an exit has cut short."""
    fills = [row[1] for row in records.fills]
    several = any(fills.count(order_id) > 2 for order_id in fills)
    cut_short = any(row[3] == "MARKET" and row[5] == "CANCELLED" and 0 < row[6] < row[4] for row in records.orders)
    return several and cut_short


@pytest.mark.timeout(180)
@pytest.mark.parametrize("method", METHODS)
async def test_execution_killed_in_the_midst_of_parts_ends_like_an_undisturbed_run(
    start_replay: Any, expected_of: Any, tmp_path: Path, method: str
) -> None:
    more = settings_for(method, tmp_path)
    expected: RunRecords = expected_of(*more)
    assert has_worked_in_parts(expected) or method == "adaptive"
    async with start_replay(*more) as replay:
        for bar_times in (4, 26, 54, 95):  # parts are due at 3 to 7, and at 13 to 17, of every 20 bars
            await replay.until_settled(bar_times)
            await asyncio.sleep(0.01)
            replay.stack.kill("execution")
            await replay.stack.process("execution").wait()
            await replay.stack.until_restarted("execution")
        await replay.until_ended()
        records = from_events(await replay.events())
        assert first_difference(expected, records) is None
        assert run_hash(records) == run_hash(expected)
        assert replay.stack.record().processes


KINDS = """
from n1v1.strategies.plain import PythonStrategy, buy, close

HOW = [
    lambda c: dict(trigger=c * 1.015),
    lambda c: dict(trigger=c * 1.003, limit=c * 1.006),
    lambda c: dict(limit=c * 1.001, time_in_force="IOC"),
    lambda c: dict(limit=c * 1.001, time_in_force="FOK"),
    lambda c: dict(limit=c * 0.998, post_only=True),
    lambda c: dict(limit=c * 0.995, time_in_force="GTC"),
    lambda c: dict(trigger=c * 1.01, time_in_force="GTC"),
]


class Kinds(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen % 7 == 3:
            return buy("an order", stop=0.04, target=0.06, **HOW[self.seen // 7 % 7](bar.close))
        return close("enough") if self.seen % 7 == 6 else None
"""


async def test_every_order_type_and_time_in_force_ends_through_the_services_as_in_one_process(
    start_replay: Any, expected_of: Any, tmp_path: Path
) -> None:
    file = tmp_path / "kinds.py"
    file.write_text(KINDS)
    more = (f'strategies.files=["{file}"]', "strategies.active_strategies=[]")
    expected: RunRecords = expected_of(*more)
    entries = {(row[3], row[5]) for row in expected.orders if not row[0].endswith(("stop", "target"))}
    assert {("STOP", "FILLED"), ("STOP", "CANCELLED"), ("STOP_LIMIT", "FILLED"), ("LIMIT", "FILLED")} <= entries, (
        entries
    )
    async with start_replay(*more) as replay:
        await replay.until_ended()
        assert first_difference(expected, from_events(await replay.events())) is None
