"""Three NATS nodes, and one of them dies or hangs during a replay: it ends exactly like an undisturbed one.

N1V1_CHAOS_RUNS=1 has every drill of the cluster, not only those on the leader of a stream.
"""

from __future__ import annotations

import os

import pytest
from chaos.cluster import NODE_DRILLS, NodeDrill, Role
from chaos.drill import run

from n1v1.run_hash import RunRecords
from n1v1_common.servers import ServerMissing

pytestmark = pytest.mark.stack

SEED = int(os.environ.get("N1V1_CHAOS_SEED", "0")) or 1
ALL = bool(int(os.environ.get("N1V1_CHAOS_RUNS", "0")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("drill", [drill for drill in NODE_DRILLS if ALL or drill.role is Role.STREAM_LEADER], ids=str)
async def test_a_replay_on_a_cluster_that_loses_a_node_ends_like_an_undisturbed_one(
    drill: NodeDrill, expected: RunRecords
) -> None:
    try:
        outcome = await run(drill, SEED, expected)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert not outcome.differences
