"""uvloop forks with Python's at-fork handlers, and OpenTelemetry's waits in the child for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SERVICE = """
import asyncio, sys
from pathlib import Path
from n1v1_common.storage.database import dbmate
from n1v1_common.storage.errors import MigrationFailed
from n1v1_common.telemetry.tracing import configure_tracing

async def work():
    try:
        await dbmate("postgresql://n1v1@127.0.0.1:1/n1v1", "risk", [], "migrate")
    except MigrationFailed:
        sys.stdout.write("failed, as nobody listens there")

tracing = configure_tracing(service="risk", spans_dir=Path(sys.argv[1]))
import uvloop  # as run_service does: concurrent.futures now forks after the tracing does
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(work())
"""


def test_dbmate_runs_in_a_process_with_tracing_on_uvloop(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SERVICE, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert told.stdout == "failed, as nobody listens there"
