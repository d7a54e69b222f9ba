"""up, status, logs and down as a user types them, with real servers and fake services."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from n1v1_cli.stack.folder import stack_is_running
from n1v1_common.servers.leftovers import command_of

pytestmark = [pytest.mark.servers, pytest.mark.stack]

PROCESS_ONLY = ("--set", "servers.durability=process")


def n1v1(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "n1v1_cli", *words], capture_output=True, text=True, timeout=60)


@pytest.fixture
def detached(fake_services: Path, state_dir: Path) -> Iterator[Path]:
    up = n1v1("up", "--detach", *PROCESS_ONLY)
    assert up.returncode == 0, up.stderr
    yield state_dir
    n1v1("down")


def processes(state_dir: Path) -> list[int]:
    """Ids of everything that runs now."""
    recorded = json.loads((state_dir / "stack.json").read_text())["processes"]
    return [process["pid"] for process in recorded if process["pid"]]


def test_a_detached_stack_is_shown_read_and_stopped(detached: Path) -> None:
    status = n1v1("status", "--json")
    assert status.returncode == 0, status.stderr
    shown = json.loads(status.stdout)
    assert shown["mode"] == "paper"
    assert len(shown["processes"]) == 10
    assert {row["state"] for row in shown["processes"]} == {"ready"}
    assert all(row["memory_mb"] > 1 for row in shown["processes"])
    assert "exchange_simulator" in n1v1("status").stdout

    assert n1v1("logs", "risk").stdout == "risk begins\n"
    assert "Server is ready" in n1v1("logs", "nats", "-n", "100").stdout
    wrong = n1v1("logs", "riks")
    assert (wrong.returncode, wrong.stderr) == (1, "n1v1: there is no log of 'riks'; did you mean risk?\n")

    again = n1v1("up", "--detach")
    assert again.returncode == 1
    assert "already runs" in again.stderr

    pids = processes(detached)
    assert n1v1("down").stdout == "stopped\n"
    assert [command_of(pid) for pid in pids] == [""] * len(pids)
    assert not stack_is_running(detached)


@pytest.mark.parametrize("moment", ["is starting", "ready after"])
def test_ctrl_c_at_any_moment_stops_everything_and_leaves_nothing_running(
    fake_services: Path, state_dir: Path, moment: str
) -> None:
    command = [sys.executable, "-m", "n1v1_cli", "up", *PROCESS_ONLY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if moment in line:
                break
        pids = processes(state_dir)
        up.send_signal(signal.SIGINT)
        rest = up.stdout.read()
    assert up.returncode == 130
    assert "Traceback" not in rest
    assert [command_of(pid) for pid in pids] == [""] * len(pids)


def test_a_service_that_cannot_run_is_shown_with_its_log_and_fails_the_command(
    fake_services: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N1V1_FAKE_EXIT_EXECUTION", "3")
    up = n1v1("up", *PROCESS_ONLY)
    assert up.returncode == 1
    assert "execution ended with exit code 3" in up.stdout
    assert "complaint 59" in up.stderr
    assert "Traceback" not in up.stderr
    detached = n1v1("up", "--detach", *PROCESS_ONLY)
    assert detached.returncode == 1
    assert "complaint 59" in detached.stderr
