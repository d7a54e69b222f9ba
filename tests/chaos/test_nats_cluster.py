"""Three NATS nodes, and one after the other dies or hangs: the replay goes on exactly like an undisturbed one."""

from __future__ import annotations

import pytest
from chaos.cells import KILL, STOP, Cell, Node, Point
from chaos.run import Undisturbed, run_all

from n1v1_common.servers import ServerMissing

pytestmark = pytest.mark.stack

DRILLS = (
    (Cell(Node.STREAM_LEADER, KILL, Point.RANDOM), 1),
    (Cell(Node.STREAM_LEADER, KILL, Point.RANDOM), 2),  # another node, which leads since then
    (Cell(Node.META_LEADER, KILL, Point.RANDOM), 1),
    (Cell(Node.STREAM_LEADER, STOP, Point.RANDOM), 1),
)


@pytest.mark.timeout(300)
async def test_nothing_is_lost_with_the_leader_of_a_cluster() -> None:
    outcomes = []
    try:
        async for outcome in run_all(DRILLS, Undisturbed.of()):
            print(outcome)
            outcomes.append(outcome)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert [(outcome.cell, outcome.differences) for outcome in outcomes if outcome.differences] == []
    assert len(outcomes) == len(DRILLS)
