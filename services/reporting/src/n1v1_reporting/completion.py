"""Says that a replay has ended, once all of it is in the tables, and what its hash is."""

from __future__ import annotations

import asyncio

import structlog

from n1v1.events import ReplayEnded, RunCompleted
from n1v1.run_hash import run_hash
from n1v1_common.bus.api import Bus, Outgoing
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import MARKET_DATA
from n1v1_reporting.handlers import Reader
from n1v1_reporting.queries import Queries

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
PUBLISH_RETRY_S = 30.0


async def announce_completion(*, account: str, bus: Bus, codec: Codec, reader: Reader, queries: Queries) -> None:
    """Wait for the end of the replay and for the tables to have everything before it; publish RunCompleted.

    After a restart it is published again under the same id.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            last = await bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded))
            if last is None or await reader.lag():
                continue
        except BusUnavailable:  # of which the connection tells
            continue
        ended, _ = codec.decode(last.subject, last.data)
        if await queries.settled_ns() >= ended.ts_ns:
            break
    records, mark = await queries.records(), await queries.last_mark()
    completed = RunCompleted(
        id=f"run_completed:{account}:{ended.ts_ns}",
        ts_ns=ended.ts_ns,
        cause_id=ended.id,
        account=account,
        run_hash=run_hash(records),
        orders=len(records.orders),
        fills=len(records.fills),
        equity=mark["equity"] if mark else 0,
    )
    subject, data = codec.encode(completed)
    await bus.publish([Outgoing(subject, data, completed.id)], retry_for_s=PUBLISH_RETRY_S)
    log.info("the run is complete", run_hash=completed.run_hash, orders=completed.orders, fills=completed.fills)
