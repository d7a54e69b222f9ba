"""Who of three NATS nodes is what at the moment."""

from __future__ import annotations

import json
from typing import Any

from chaos.cells import Node
from chaos.replay import RunningReplay
from n1v1_cli.stack import http
from n1v1_common.servers.nats import NatsServer
from n1v1_common.streams import TRADING


async def node_that_is(replay: RunningReplay, role: Node) -> str:
    """The name of its process. Raises LookupError while nobody leads."""
    nodes = [process for process in replay.stack.supervisor.processes.values() if isinstance(process, NatsServer)]
    stream_leader, meta_leader = await _leaders(nodes[0])
    match role:
        case Node.STREAM_LEADER:
            found = stream_leader
        case Node.META_LEADER:
            found = meta_leader
        case Node.FOLLOWER:
            found = next((node.name for node in nodes if node.name not in (stream_leader, meta_leader)), "")
    if not found:
        raise LookupError(f"no node is the {role}, at the moment")
    return found


async def _leaders(node: NatsServer) -> tuple[str, str]:
    """Of the stream of everything that trades, and of the cluster, as `node` sees it."""
    answer = await http.get(f"{node.monitoring_url}/jsz?accounts=true&streams=true")
    facts: dict[str, Any] = json.loads(answer.body)  # Any: the server's own
    streams = [stream for account in facts["account_details"] for stream in account["stream_detail"]]
    of_stream: str = next(stream["cluster"].get("leader", "") for stream in streams if stream["name"] == TRADING.name)
    of_cluster: str = facts["meta_cluster"].get("leader", "")
    return of_stream, of_cluster
