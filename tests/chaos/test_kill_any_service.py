"""kill -9 to every service in turn during one replay: it ends exactly like an undisturbed one.

N1V1_CHAOS_RUNS=10 repeats it with as many seeds; N1V1_CHAOS_SEED=n begins with that one.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest
from chaos import venue
from chaos.cells import SERVICES
from chaos.replay import BAR_TIMES

from n1v1.run_hash import RunRecords, first_difference, from_events, hashes_by_kind, run_hash

pytestmark = pytest.mark.stack

APART = BAR_TIMES // (len(SERVICES) + 1)

RUNS = int(os.environ.get("N1V1_CHAOS_RUNS", "1"))
FIRST_SEED = int(os.environ.get("N1V1_CHAOS_SEED", "0")) or time.time_ns() % 1_000_000

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [FIRST_SEED + number for number in range(RUNS)])
async def test_a_replay_in_which_every_service_is_killed_once_ends_like_an_undisturbed_one(
    start_replay: Any, expected: RunRecords, seed: int
) -> None:
    chance = random.Random(seed)
    victims = chance.sample(SERVICES, len(SERVICES))
    print(f"N1V1_CHAOS_SEED={seed}: {', '.join(victims)}")
    async with start_replay() as replay:
        for number, victim in enumerate(victims):
            await replay.until_settled(number * APART + chance.randrange(1, APART))
            await asyncio.sleep(chance.uniform(0, 0.05))  # somewhere within the work on a bar time
            replay.stack.kill(victim)
            await replay.stack.process(victim).wait()
            await replay.stack.until_restarted(victim)
        await replay.until_ended()

        records = from_events(await replay.events())
        assert first_difference(expected, records) is None
        assert run_hash(records) == run_hash(expected)
        assert (await replay.reported(run_hash(expected)))["hashes"] == hashes_by_kind(expected)
        assert sorted(await venue.trades(replay.settings)) == sorted((row[2], row[7]) for row in expected.fills)
        assert {p.name: p.crashes for p in replay.stack.record().processes if p.crashes} == dict.fromkeys(SERVICES, 1)
