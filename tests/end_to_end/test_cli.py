"""The command line against the real stack: started in the background, looked at, hurt, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from n1v1_common.servers.leftovers import command_of

pytestmark = [pytest.mark.stack, pytest.mark.servers, pytest.mark.timeout(180)]

SERVICES = ("market_data", "signals", "risk", "execution", "portfolio", "reporting", "exchange_simulator")
FIRST_ORDERS_WITHIN_S = 60.0

Status = dict[str, Any]  # Any: JSON as printed


class Cli:
    """The n1v1 command of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._environment = {**os.environ, "N1V1_STATE_DIR": str(state_dir)}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "n1v1_cli", *words]
        return subprocess.run(command, capture_output=True, text=True, env=self._environment, check=False)

    def status(self) -> Status:
        status: Status = json.loads(self("status", "--json").stdout)
        return status

    def row(self, name: str) -> Status:
        row: Status = next(row for row in self.status()["processes"] if row["name"] == name)
        return row


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A stack that replays recorded bars at ten days a second."""
    cli = Cli(tmp_path_factory.mktemp("state"))
    up = cli("up", "--detach", "--set", "servers.durability=process", "--speed", "864000")
    assert up.returncode == 0, up.stdout + up.stderr
    yield cli
    pids = [row["pid"] for row in cli.status()["processes"]]
    assert cli("down").returncode == 0
    assert [command_of(pid) for pid in pids] == [""] * len(pids), "something was left running"


def until(what: str, holds: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def test_every_service_is_ready_and_tells_where_it_is(cli: Cli) -> None:
    rows = {row["name"]: row for row in cli.status()["processes"]}
    assert set(SERVICES) <= set(rows)
    assert {row["state"] for row in rows.values()} == {"ready"}
    assert all(rows[service]["url"].startswith("http://127.0.0.1:") for service in SERVICES)
    assert cli("status").returncode == 0


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_log(cli: Cli, service: str) -> None:
    assert cli("logs", service, "-n", "5").returncode == 0


def test_orders_positions_and_equity_are_shown_once_there_was_trading(cli: Cli) -> None:
    until("orders", lambda: bool(json.loads(cli("orders", "--json").stdout or "[]")), FIRST_ORDERS_WITHIN_S)
    for command in ("orders", "positions", "equity"):
        shown = cli(command)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout


@pytest.mark.parametrize("service", ["risk", "execution"])
def test_a_killed_service_is_back_in_a_moment_and_its_end_is_told(cli: Cli, service: str) -> None:
    before = cli.row(service)
    os.kill(before["pid"], signal.SIGKILL)
    until(f"{service} was started again", lambda: cli.row(service)["restarts"] == before["restarts"] + 1)
    until(f"{service} is ready again", lambda: cli.row(service)["state"] == "ready")
    assert f"{service} was ended by SIGKILL" in cli("logs", "supervisor", "-n", "100").stdout


def test_an_order_that_does_not_exist_cannot_be_traced(cli: Cli) -> None:
    trace = cli("trace", "no-such-order")
    assert trace.returncode == 1
    assert "no-such-order" in trace.stderr
