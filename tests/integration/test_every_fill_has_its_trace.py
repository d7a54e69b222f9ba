"""Every order explains itself: each fill of a replay has one trace from the bar to the ledger entry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from n1v1.run_hash import RunRecords, run_hash
from n1v1_cli.reporting_api import ask
from n1v1_common.telemetry.spans import load_trace

pytestmark = pytest.mark.stack

WAY_OF_A_FILL = {
    "market_data.bar",
    "signals.raise",
    "risk.decide",
    "execution.submit",
    "execution.fill",
    "portfolio.book",
}
SPANS_WRITTEN_WITHIN_S = 10.0


async def test_every_fill_has_its_trace_from_the_bar_to_the_ledger(start_replay: Any, expected: RunRecords) -> None:
    async with start_replay("telemetry.sample_ratio=1") as replay:
        await replay.until_ended()
        await replay.reported(run_hash(expected))
        answer = await asyncio.to_thread(ask, replay.stack.url("reporting"), "orders", {"limit": 500})
        filled = [order for order in answer["orders"] if order["status"] == "FILLED"]
        assert len(filled) == len(expected.fills) > 20
        spans_dir = Path(replay.stack.record().spans_dir)
        for order in filled:
            await until_complete(spans_dir, order["trace_id"])


async def until_complete(spans_dir: Path, trace_id: str) -> None:
    """Spans are written in the background, half a second late."""
    for _ in range(int(SPANS_WRITTEN_WITHIN_S / 0.2)):
        spans = load_trace(spans_dir, trace_id)
        if {span.name for span in spans} == WAY_OF_A_FILL:
            assert {span.trace_id for span in spans} == {trace_id}
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"trace {trace_id} has only {sorted(span.name for span in spans)}")
