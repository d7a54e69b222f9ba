"""The system as deploy/compose.yml describes it, built, run, hurt and stopped with a real Docker engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar
from urllib.request import ProxyHandler, build_opener

import pytest

from n1v1_common.access.secrets import names_of_secrets
from n1v1_common.servers.ports import free_port

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "deploy" / "compose.yml"
PROJECT = "n1v1-test"
OURS = ("market_data", "signals", "risk", "execution", "portfolio", "reporting", "exchange_simulator")

BUILD_WITHIN_S = 900
READY_WITHIN_S = 180
# At 30 bars a second the first crossing of the averages comes after some 2 s; the rest is for a busy machine.
SPEED = 30 * 4 * 3600
FIRST_FILL_WITHIN_S = 90
BACK_WITHIN_S = 60

# From the bar to the ledger: every span of a filled order, and who recorded it.
WAY_OF_AN_ORDER = {
    ("signals", "market_data.bar"),
    ("signals", "signals.raise"),
    ("risk", "risk.decide"),
    ("execution", "execution.submit"),
    ("execution", "execution.fill"),
    ("portfolio", "portfolio.book"),
}

T = TypeVar("T")


@dataclass(frozen=True)
class Composed:
    env: Mapping[str, str]
    reporting_url: str
    jaeger_url: str

    def compose(self, *arguments: str, within_s: float = 120) -> str:
        """Runs docker compose on the project; fails the test with the end of what it said."""
        command = ["docker", "compose", "-f", str(COMPOSE_FILE), "-p", PROJECT, *arguments]
        done = subprocess.run(command, env=dict(self.env), capture_output=True, text=True, timeout=within_s)
        if done.returncode:
            pytest.fail(f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def state_of(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        told = subprocess.run(
            ["docker", "inspect", container], env=dict(self.env), capture_output=True, text=True, check=True, timeout=30
        )
        [described] = json.loads(told.stdout)
        return {**described["State"], "RestartCount": described["RestartCount"]}

    def kill_hard(self, service: str) -> None:
        """SIGKILL from outside. `docker kill` would not do: after it the engine does not restart the container."""
        pid = self.state_of(service)["Pid"]
        code = f"import os, signal; os.kill({pid}, signal.SIGKILL)"
        command = ["docker", "run", "--rm", "--pid=host", "--entrypoint=python", f"n1v1-{service}", "-c", code]
        subprocess.run(command, env=dict(self.env), check=True, timeout=60)

    def progress(self) -> dict[str, Any]:
        return _get(f"{self.reporting_url}/api/v1/progress")

    def filled_orders(self) -> list[dict[str, Any]]:
        orders = _get(f"{self.reporting_url}/api/v1/orders?limit=50")["orders"]
        return [order for order in orders if order["status"] == "FILLED"]

    def until_bars_go_on(self, *, within_s: float) -> None:
        """Until every stage has worked on bars that came after now."""
        settled = self.progress()["settled_time"] or ""
        eventually(lambda: (self.progress()["settled_time"] or "") > settled, within_s=within_s)


def secrets() -> dict[str, str]:
    """What `n1v1 secrets` draws."""
    return {name: f"p{token_hex(24)}" for name in names_of_secrets()}


def _get(url: str) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def eventually(look: Callable[[], T | None], *, within_s: float) -> T:
    """Looks until there is something; no answer counts as nothing while there is time left."""
    deadline = time.monotonic() + within_s
    while True:
        trouble: OSError | None = None
        try:
            if found := look():
                return found
        except OSError as error:
            trouble = error
        assert time.monotonic() < deadline, f"nothing within {within_s:g} s; {trouble or 'it answers'}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def engine() -> None:
    """Skips, with the reason, where compose cannot run."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command on this machine")
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        told = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if told.returncode:
            pytest.skip(f"{' '.join(command)}: {(told.stderr or told.stdout).strip()}")


@pytest.fixture(scope="module")
def composed(engine: None) -> Iterator[Composed]:
    ports = {name: str(free_port()) for name in ("N1V1_REPORTING_PORT", "N1V1_JAEGER_PORT", "N1V1_SIMULATOR_PORT")}
    system = Composed(
        env={**os.environ, **ports, **secrets(), "N1V1_SPEED": str(SPEED)},
        reporting_url=f"http://127.0.0.1:{ports['N1V1_REPORTING_PORT']}",
        jaeger_url=f"http://127.0.0.1:{ports['N1V1_JAEGER_PORT']}",
    )
    system.compose("build", within_s=BUILD_WITHIN_S)
    try:
        system.compose("up", "--wait", f"--wait-timeout={READY_WITHIN_S}", within_s=READY_WITHIN_S + 30)
        yield system
        print(system.compose("ps", "--all"))
    finally:
        print(system.compose("logs", "--no-color", "--tail=20"))
        system.compose("down", "--volumes")


def test_nothing_is_published_beyond_loopback_and_no_service_runs_as_root_or_writes_to_its_root(engine: None) -> None:
    told = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE_FILE), "config", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **secrets()},
    )
    services = json.loads(told.stdout)["services"]
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    assert set(OURS) < services.keys()
    for name in OURS:
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name


def test_an_order_is_filled_and_its_trace_leads_from_the_bar_to_the_ledger(composed: Composed) -> None:
    order = eventually(composed.filled_orders, within_s=FIRST_FILL_WITHIN_S)[-1]

    def whole_trace() -> dict[str, Any] | None:
        [trace] = _get(f"{composed.jaeger_url}/api/traces/{order['trace_id']}")["data"]
        return trace if recorded(trace) >= WAY_OF_AN_ORDER else None

    trace = eventually(whole_trace, within_s=30)
    assert recorded(trace) == WAY_OF_AN_ORDER
    spans = {span["spanID"]: span for span in trace["spans"]}
    # An order that is filled in parts, or whose legs have been filled meanwhile, is booked several times.
    book = next(span for span in spans.values() if span["operationName"] == "portfolio.book")
    assert names_up_to_the_bar(book, spans) == [
        "portfolio.book", "execution.fill", "risk.decide", "signals.raise", "market_data.bar",
    ]  # fmt: skip


def recorded(trace: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(trace["processes"][span["processID"]]["serviceName"], span["operationName"]) for span in trace["spans"]}


def names_up_to_the_bar(span: Mapping[str, Any], spans: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = [span["operationName"]]
    while parent := next((spans[one["spanID"]] for one in span["references"] if one["spanID"] in spans), None):
        names.append(parent["operationName"])
        span = parent
    return names


@pytest.mark.parametrize("service", ["risk", "execution", "exchange_simulator"])
def test_a_killed_service_comes_back_and_trading_goes_on(composed: Composed, service: str) -> None:
    before = composed.state_of(service)["RestartCount"]
    composed.kill_hard(service)
    eventually(lambda: composed.state_of(service)["RestartCount"] > before, within_s=BACK_WITHIN_S)
    eventually(lambda: composed.state_of(service)["Health"]["Status"] == "healthy", within_s=BACK_WITHIN_S)
    composed.until_bars_go_on(within_s=BACK_WITHIN_S)


def test_services_end_when_asked_to_and_go_on_from_there_when_started_again(composed: Composed) -> None:
    composed.compose("stop", *OURS)
    assert {name: composed.state_of(name)["ExitCode"] for name in OURS} == dict.fromkeys(OURS, 0)
    composed.compose("up", "--wait", f"--wait-timeout={READY_WITHIN_S}", within_s=READY_WITHIN_S + 30)
    composed.until_bars_go_on(within_s=BACK_WITHIN_S)
