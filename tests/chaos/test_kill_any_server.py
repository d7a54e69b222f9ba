"""kill -9 to NATS and PostgreSQL during a replay: it ends exactly like an undisturbed one.

About a minute; runs when N1V1_CHAOS_RUNS says how often. Valkey is not among them: while the breaker's flag is missing
orders are refused on purpose, so such a run rightly ends differently.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest

from n1v1.run_hash import RunRecords, first_difference, from_events, run_hash

RUNS = int(os.environ.get("N1V1_CHAOS_RUNS", "0"))
FIRST_SEED = int(os.environ.get("N1V1_CHAOS_SEED", "0")) or time.time_ns() % 1_000_000

pytestmark = [pytest.mark.stack, pytest.mark.skipif(not RUNS, reason="takes a minute: set N1V1_CHAOS_RUNS")]

KILLS = 5
APART = 25

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [FIRST_SEED + number for number in range(max(1, RUNS))])
async def test_a_replay_in_which_servers_are_killed_ends_like_an_undisturbed_one(
    start_replay: Any, expected: RunRecords, seed: int
) -> None:
    chance = random.Random(seed)
    victims = [chance.choice(("nats", "postgres")) for _ in range(KILLS)]
    print(f"N1V1_CHAOS_SEED={seed}: {', '.join(victims)}")
    async with start_replay() as replay:
        for number, victim in enumerate(victims):
            await replay.until_settled(number * APART + chance.randrange(1, APART))
            await asyncio.sleep(chance.uniform(0, 0.05))  # somewhere within the work on a bar time
            replay.stack.kill(victim)
            await replay.stack.process(victim).wait()
            await replay.stack.until_restarted(victim)
        await replay.until_ended(within_s=120)
        records = from_events(await replay.events())
        assert first_difference(expected, records) is None
        assert run_hash(records) == run_hash(expected)
