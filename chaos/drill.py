"""A drill on the servers of a replay, and what it leaves: held against a run that nobody disturbed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chaos import venue
from chaos.replay import RunningReplay, running
from n1v1.run_hash import RunRecords, first_difference, from_events, hashes_by_kind, run_hash

ENDED_WITHIN_S = 180.0


class Drill(Protocol):
    """With a seed it is a run that anybody can repeat."""

    @property
    def victim(self) -> str: ...

    @property
    def disturbance(self) -> str: ...

    @property
    def settings(self) -> Sequence[str]:
        """What the stack is started with, as KEY=VALUE."""

    async def disturb(self, replay: RunningReplay, seed: int) -> list[float]:
        """Carry it out while the replay runs; answers the seconds each time until the market went on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """differences: in words; none when the run ended like an undisturbed one. recovered_s: after each disturbance."""

    drill: Drill
    seed: int
    differences: Sequence[str]
    recovered_s: Sequence[float]
    seconds: float


async def run(drill: Drill, seed: int, expected: RunRecords) -> Outcome:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="n1v1-drill-") as name:
        async with running(Path(name) / "state", *drill.settings) as replay:
            recovered = await drill.disturb(replay, seed)
            await replay.until_ended(within_s=ENDED_WITHIN_S)
            found = await differences(replay, expected)
    return Outcome(drill, seed, found, recovered, time.monotonic() - began)


async def differences(replay: RunningReplay, expected: RunRecords) -> list[str]:
    """Between a replay that has ended and an undisturbed one: in its events, in what reporting made of them, and in
    what the venue has booked."""
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
