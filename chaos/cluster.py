"""Drills on three NATS nodes that keep three copies of every stream: one of them dies or hangs in the middle."""

from __future__ import annotations

import asyncio
import enum
import json
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaos.replay import BAR_TIMES, RunningReplay
from n1v1_cli.stack import http
from n1v1_common.servers.nats import NatsServer
from n1v1_common.streams import MARKET_DATA, TRADING

TIMES_EACH = 2
HUNG_S = (10.0, 12.0)
"""Longer than the others wait before they elect another leader, 4 to 9 s: the old one wakes up deposed."""
RECOVERED_WITHIN_S = 90.0


class Role(enum.StrEnum):
    """What the victim is at the moment in which it is struck."""

    STREAM_LEADER = "leader of a stream"
    META_LEADER = "leader of the cluster"
    FOLLOWER = "follower"


@dataclass(frozen=True, slots=True)
class NodeDrill:
    """hangs: stopped for longer than an election takes, then continued; else kill -9."""

    role: Role
    hangs: bool = False

    @property
    def victim(self) -> str:
        return f"nats: {self.role}"

    @property
    def disturbance(self) -> str:
        return "stop and continue" if self.hangs else "kill -9"

    @property
    def settings(self) -> Sequence[str]:
        return ("servers.nats_nodes=3",)

    async def disturb(self, replay: RunningReplay, seed: int) -> list[float]:
        chance = random.Random(seed)
        apart = BAR_TIMES // (TIMES_EACH + 1)
        recovered = []
        for number in range(TIMES_EACH):
            await replay.until_settled(number * apart + chance.randrange(1, apart), within_s=RECOVERED_WITHIN_S)
            stream = chance.choice((MARKET_DATA, TRADING)).name
            victim = await node_with(replay, self.role, stream)
            await asyncio.sleep(chance.uniform(0, 0.05))  # somewhere within the work on a bar time
            recovered.append(await self._strike(replay, victim, chance))
        return recovered

    async def _strike(self, replay: RunningReplay, victim: str, chance: random.Random) -> float:
        loop = asyncio.get_running_loop()
        settled, began = await replay.bar_times(), loop.time()
        if self.hangs:
            await _hang(replay, victim, seconds=chance.uniform(*HUNG_S))
        else:
            replay.stack.kill(victim)
            await replay.stack.process(victim).wait()
            await replay.stack.until_restarted(victim)
        await replay.until_settled(min(BAR_TIMES, settled + 2), within_s=RECOVERED_WITHIN_S)
        return loop.time() - began


NODE_DRILLS = (
    *(NodeDrill(role) for role in Role),
    *(NodeDrill(role, hangs=True) for role in (Role.STREAM_LEADER, Role.META_LEADER)),
)


async def node_with(replay: RunningReplay, role: Role, stream: str) -> str:
    """The node that has this role now: the leader of `stream` or of the cluster, or one that is neither.

    Raises LookupError while nobody leads.
    """
    nodes = [process for process in replay.stack.supervisor.processes.values() if isinstance(process, NatsServer)]
    stream_leader, meta_leader = await _leaders(nodes[0], stream)
    if role is Role.FOLLOWER:
        return next(node.name for node in nodes if node.name not in (stream_leader, meta_leader))
    leader = stream_leader if role is Role.STREAM_LEADER else meta_leader
    if not leader:
        raise LookupError(f"{role} {stream}: nobody, at the moment")
    return leader


async def _leaders(node: NatsServer, stream: str) -> tuple[str, str]:
    """As `node` sees it."""
    answer = await http.get(f"{node.monitoring_url}/jsz?accounts=true&streams=true")
    facts: dict[str, Any] = json.loads(answer.body)
    streams = [each for account in facts["account_details"] for each in account["stream_detail"]]
    leader: str = next(each["cluster"]["leader"] for each in streams if each["name"] == stream)
    return leader, facts["meta_cluster"]["leader"]


async def _hang(replay: RunningReplay, victim: str, *, seconds: float) -> None:
    pid = replay.stack.process(victim).pid
    assert pid is not None, f"{victim} runs"
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
