"""The matrix: whom a drill disturbs, and how. A cell with a seed is a run that anybody can repeat."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.replay import BAR_TIMES, RunningReplay

SERVICES = ("market_data", "signals", "risk", "execution", "portfolio", "reporting", "exchange_simulator")
SERVERS = ("nats", "postgres")
"""Without Valkey: while the breaker's flag is missing orders are refused on purpose, so such a run rightly ends
differently."""
TIMES_EACH = 3
"""How often a run disturbs its victim."""

KILL, STOP = "kill -9", "stop and continue"
STOPPED_S = (0.2, 2.0)

ORDERS = {"method": "POST", "path": "/api/v3/order*"}
VENUE_FAULTS: dict[str, dict[str, Any]] = {
    "request lost": {"kind": "drop_before", **ORDERS},
    "answer lost": {"kind": "drop_after", **ORDERS},
    "no answer": {"kind": "hang_after", **ORDERS},
    "status unknown": {"kind": "timeout_after", **ORDERS},
    "503 after acceptance": {"kind": "http_error", "status": 503, "when": "after", **ORDERS},
    "order not visible": {"kind": "order_not_visible", "delay_ms": 300},
}
FIRST_ORDERS = 12
"""A fault strikes this early, so that it strikes at all."""


@dataclass(frozen=True, slots=True)
class Cell:
    victim: str
    disturbance: str

    def settings(self, seed: int, folder: Path) -> Sequence[str]:
        """What the stack is started with, as KEY=VALUE. Writes a script of faults where the venue is to misbehave."""
        if self.disturbance not in VENUE_FAULTS:
            return ()
        chance = random.Random(seed)
        fault = VENUE_FAULTS[self.disturbance]
        places = chance.sample(range(FIRST_ORDERS), TIMES_EACH)
        script = folder / "faults.json"
        script.write_text(json.dumps({"seed": seed, "faults": [fault | {"skip": n, "count": 1} for n in places]}))
        return (f"simulator.faults={script}",)

    async def disturb(self, replay: RunningReplay, seed: int) -> list[float]:
        """Carry it out while the replay runs; answers the seconds each time until the next bar time was settled."""
        if self.disturbance in VENUE_FAULTS:
            return []
        chance = random.Random(seed)
        apart = BAR_TIMES // (TIMES_EACH + 1)
        recovered = []
        for number in range(TIMES_EACH):
            await replay.until_settled(number * apart + chance.randrange(1, apart))
            await asyncio.sleep(chance.uniform(0, 0.05))  # somewhere within the work on a bar time
            recovered.append(await (self._kill(replay) if self.disturbance == KILL else self._stop(replay, chance)))
        return recovered

    async def _kill(self, replay: RunningReplay) -> float:
        loop = asyncio.get_running_loop()
        settled, began = await replay.bar_times(), loop.time()
        replay.stack.kill(self.victim)
        await replay.stack.process(self.victim).wait()
        await replay.stack.until_restarted(self.victim)
        await replay.until_settled(min(BAR_TIMES, settled + 2))
        return loop.time() - began

    async def _stop(self, replay: RunningReplay, chance: random.Random) -> float:
        loop = asyncio.get_running_loop()
        settled = await replay.bar_times()
        pid = replay.stack.process(self.victim).pid
        assert pid is not None, f"{self.victim} runs"
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(chance.uniform(*STOPPED_S))
        finally:
            os.kill(pid, signal.SIGCONT)
        began = loop.time()
        await replay.until_settled(min(BAR_TIMES, settled + 2))
        return loop.time() - began


CELLS = (
    *(Cell(victim, disturbance) for victim in (*SERVICES, *SERVERS) for disturbance in (KILL, STOP)),
    *(Cell("venue link", disturbance) for disturbance in VENUE_FAULTS),
)
