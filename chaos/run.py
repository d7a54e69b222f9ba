"""One cell with one seed: a replay that is disturbed, held against one that is not."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import venue
from chaos.cells import Cell
from chaos.replay import RunningReplay, running
from n1v1.run_hash import RunRecords, first_difference, from_events, hashes_by_kind, run_hash

ENDED_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """differences: in words; none when the run ended like an undisturbed one. recovered_s: after each disturbance."""

    cell: Cell
    seed: int
    differences: Sequence[str]
    recovered_s: Sequence[float]
    seconds: float


async def run(cell: Cell, seed: int, expected: RunRecords) -> Outcome:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="n1v1-chaos-") as name:
        folder = Path(name)
        async with running(folder / "state", *cell.settings(seed, folder)) as replay:
            recovered = await cell.disturb(replay, seed)
            await replay.until_ended(within_s=ENDED_WITHIN_S)
            differences = await _differences(replay, expected)
    return Outcome(cell, seed, differences, recovered, time.monotonic() - began)


async def _differences(replay: RunningReplay, expected: RunRecords) -> list[str]:
    records = from_events(await replay.events())
    found = []
    if (difference := first_difference(expected, records)) is not None:
        found.append(difference)
    wanted = run_hash(expected)
    if run_hash(records) != wanted:
        found.append(f"the run's hash is {run_hash(records)}, expected {wanted}")
    told = await replay.reported(wanted)
    if told["hashes"] != hashes_by_kind(expected):
        found.append(f"reporting says {told['hashes']}, expected {hashes_by_kind(expected)}")
    booked = sorted(await venue.trades(replay.settings))
    ours = sorted((row[2], row[7]) for row in expected.fills)
    if booked != ours:
        found.append(f"the venue has booked {len(booked)} trades, the ledger {len(ours)}; they differ")
    return found
