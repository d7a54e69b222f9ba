"""A service as a process: how it starts, answers, drains, crashes and refuses to start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 20.0

PROGRAM = """
import asyncio, sys
from n1v1_common.lifecycle import Service, ServiceContext, run_service

async def obedient(context: ServiceContext) -> None:
    async def reachable() -> str | None:
        return None
    context.health.register("venue", reachable)
    context.ready()
    async def ticker() -> None:
        await asyncio.Event().wait()
    await context.run_tasks(work(context), background=(ticker(),))
    print("resources closed", flush=True)

async def work(context: ServiceContext) -> None:
    await context.draining.wait()
    print("drained", flush=True)

async def stubborn(context: ServiceContext) -> None:
    context.ready()
    await asyncio.Event().wait()

async def finished(context: ServiceContext) -> None:
    context.ready()

async def crashing(context: ServiceContext) -> None:
    async def fail() -> None:
        raise RuntimeError("the ledger does not balance")
    await context.run_tasks(fail(), work(context))

main = globals()[sys.argv[1]]
sys.exit(run_service(Service(name="risk", main=main, drain_timeout_s=float(sys.argv[2]))))
"""


@dataclass
class Running:
    process: subprocess.Popen[str]
    state_dir: Path

    def url(self) -> str:
        path = self.state_dir / "run" / "risk.json"
        _until(lambda: path.exists() or self.process.poll() is not None)
        found: dict[str, Any] = json.loads(path.read_text())
        assert found["pid"] == self.process.pid
        return str(found["url"])

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url() + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until_ready(self) -> None:
        _until(lambda: self.get("/readyz")[0] == 200)

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out + err


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started: list[subprocess.Popen[str]] = []

    def begin(main: str, *, drain_timeout_s: float = 10.0, env: Mapping[str, str] | None = None) -> Running:
        state_dir = tmp_path / "state"
        process = subprocess.Popen(
            [sys.executable, str(program), main, str(drain_timeout_s)],
            env=os.environ | {"N1V1__PATHS__STATE_DIR": str(state_dir)} | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Running(process, state_dir)

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_serves_its_probes_drains_on_a_signal_and_ends_with_0(start: Start, number: int) -> None:
    service = start("obedient")
    service.until_ready()
    assert json.loads(service.get("/readyz")[1])["checks"] == {"venue": "ok"}
    assert service.get("/healthz")[0] == 200
    assert "n1v1_process_resident_bytes" in service.get("/metrics")[1]
    service.process.send_signal(number)
    code, said = service.end()
    assert code == 0
    assert said.index("drained") < said.index("resources closed")
    assert not list((service.state_dir / "run").iterdir())


def test_a_drain_that_takes_too_long_is_cut_off(start: Start) -> None:
    service = start("stubborn", drain_timeout_s=0.1)
    service.until_ready()
    service.process.terminate()
    code, said = service.end()
    assert code == 0
    assert "drain cut off" in said


def test_a_second_signal_does_not_wait_for_the_drain(start: Start) -> None:
    service = start("stubborn", drain_timeout_s=60.0)
    service.until_ready()
    service.process.terminate()
    _until(lambda: "draining" in service.get("/readyz")[1])
    service.process.terminate()
    code, said = service.end()
    assert code == 0
    assert "second signal" in said


def test_a_service_that_has_finished_its_work_ends_by_itself_with_0(start: Start) -> None:
    assert start("finished").end()[0] == 0


def test_a_crash_is_logged_with_its_traceback_and_ends_with_1(start: Start) -> None:
    code, said = start("crashing").end()
    assert code == 1
    [crash] = [json.loads(line) for line in said.splitlines() if '"crashed"' in line]
    assert "RuntimeError: the ledger does not balance" in crash["exception"]
    assert "ExceptionGroup" not in crash["exception"]
    assert "in fail" in crash["exception"]


def test_a_taken_port_is_named_and_ends_with_3(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = start("obedient", env={"N1V1__SERVICES__RISK__PORT": str(port)}).end()
    assert code == 3
    assert f"port {port} on 127.0.0.1 is taken" in said
    assert "services.risk.port" in said
    assert "Traceback" not in said


def test_a_state_folder_that_is_a_file_is_named_and_ends_with_3(start: Start, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("not a folder")
    code, said = start("obedient", env={"N1V1__PATHS__STATE_DIR": str(tmp_path / "occupied")}).end()
    assert code == 3
    assert "cannot be written to" in said


def test_wrong_settings_are_named_and_end_with_2(start: Start) -> None:
    code, said = start("obedient", env={"N1V1__RISK_MANAGEMENT__MAX_DRAWDOWM": "0.1"}).end()
    assert code == 2
    assert "did you mean risk_management.max_drawdown?" in said
    assert "Traceback" not in said


def test_a_service_that_does_nothing_yet_is_small(start: Start) -> None:
    service = start("obedient")
    service.until_ready()
    [line] = [
        each for each in service.get("/metrics")[1].splitlines() if each.startswith("n1v1_process_resident_bytes ")
    ]
    assert float(line.split()[1]) < 62e6  # measured: 52
