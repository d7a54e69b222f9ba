"""Runs clients that are not ours against `n1v1 venue`, and says what became of each: make test-clients.

Each client has an environment in a cache folder ($XDG_CACHE_HOME/n1v1/clients), made once for its versions, and a
venue of its own. Its script, scripts/use_<name>.py, prints `ok <what>` or `not ok <what>: <why>` for each thing that it
tries. A client that cannot be installed counts as failed, aloud.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.clients.made_up_depth import write_capture

HERE = Path(__file__).parent
KEY, SECRET = "key-of-the-client-under-test", "secret-of-the-client-under-test"
INSTALL_WITHIN_S = 900
READY_WITHIN_S = 60
PATIENCE_S = 120.0
VENUE_OPTIONS = ("--balance", "BUSD=100000,BTC=1", "--listen-keys")
MADE_UP = "{made-up-depth}"
"""Stands in clients.toml for the capture that is made for the run."""


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    install: tuple[str, ...]
    patience_s: float
    venue: tuple[str, ...]
    """Options of the venue that it runs against."""

    @property
    def environment(self) -> Path:
        """Named after what is in it, so that other versions get another one."""
        digest = hashlib.sha256(f"{sys.version_info[:2]}{self.install}".encode()).hexdigest()[:12]
        return cache_folder() / f"{self.name}-{digest}"


@dataclass(frozen=True, slots=True)
class Outcome:
    client: str
    passed: int
    failed: tuple[str, ...]
    seconds: float


def main(names: Sequence[str]) -> int:
    """0 when everything that was tried works with every client."""
    clients = chosen(names)
    outcomes = [outcome_of(client) for client in clients]
    print(table(outcomes))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def chosen(names: Sequence[str]) -> list[Client]:
    """All of them without names."""
    listed = tomllib.loads((HERE / "clients.toml").read_text())
    if unknown := [name for name in names if name not in listed]:
        sys.exit(f"no client {', '.join(unknown)}; there are: {', '.join(listed)}")
    return [
        Client(name, tuple(entry["install"]), entry.get("patience_s", PATIENCE_S), tuple(entry["venue"]))
        for name, entry in listed.items()
        if not names or name in names
    ]


def outcome_of(client: Client) -> Outcome:
    began = time.monotonic()
    print(f"== {client.name} ({', '.join(client.install)})", flush=True)
    problem = installed(client)
    if problem:
        print(f"NOT INSTALLED: {problem}", flush=True)
        return Outcome(client.name, 0, ("not installed",), time.monotonic() - began)
    with tempfile.TemporaryDirectory(prefix="n1v1-client-") as folder, venue(Path(folder), client.venue) as where:
        lines = list(said_by(client, where, Path(folder)))
    passed = [line for line in lines if line.startswith("ok ")]
    failed = tuple(line.removeprefix("not ok ") for line in lines if line.startswith("not ok "))
    return Outcome(client.name, len(passed), failed, time.monotonic() - began)


def installed(client: Client) -> str:
    """Why it cannot be; empty when it is."""
    done = client.environment / ".installed"
    if done.exists():
        return ""
    pip = [str(client.environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *client.install]
    for command in ([sys.executable, "-m", "venv", "--clear", str(client.environment)], pip):
        try:
            subprocess.run(command, check=True, timeout=INSTALL_WITHIN_S, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            said: str = error.stderr or error.stdout
            return said.strip()[-1_000:]
        except subprocess.TimeoutExpired:
            return f"not within {INSTALL_WITHIN_S} s"
    done.touch()
    return ""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "n1v1" / "clients"


@contextmanager
def venue(folder: Path, options: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """A venue on free ports while the block lasts; gives what a script needs, as environment variables."""
    http, tls, admin = (free_port() for _ in range(3))
    options = [str(write_capture(folder)) if option == MADE_UP else option for option in options]
    ports = ("--port", str(http), "--tls-port", str(tls), "--admin-port", str(admin))
    account = ("--account", f"main:{KEY}:{SECRET}")
    command = [str(Path(sys.executable).with_name("n1v1")), "venue", *VENUE_OPTIONS, *options, *ports, *account]
    state = folder / "venue"
    with (folder / "venue.log").open("w") as log:
        process = subprocess.Popen([*command, "--state", str(state)], stdout=log, stderr=log)
        try:
            wait_until_open(process, f"http://127.0.0.1:{http}/api/v3/ping", folder / "venue.log")
            yield {
                "VENUE_REST": f"http://127.0.0.1:{http}",
                "VENUE_WS": f"ws://127.0.0.1:{http}",
                "VENUE_TLS_REST": f"https://127.0.0.1:{tls}",
                "VENUE_TLS_WS": f"wss://127.0.0.1:{tls}",
                "VENUE_CA": str(state / "exchange_simulator" / "tls" / "ca.pem"),
                "VENUE_ADMIN": f"http://127.0.0.1:{admin}/admin/v1/faults",
                "VENUE_KEY": KEY,
                "VENUE_SECRET": SECRET,
                "VENUE_SYMBOL": "BTCBUSD",
            }
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def wait_until_open(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"the venue did not open:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def said_by(client: Client, where: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Its lines, shown as they come; one that is not ok at the end when it died or was too slow."""
    python = client.environment / "bin" / "python"
    environment = {**os.environ, **where, "PYTHONUNBUFFERED": "1", "SCRATCH": str(folder)}
    process = subprocess.Popen(
        [python, HERE / "scripts" / f"use_{client.name.replace('-', '_')}.py"],
        env=environment,
        cwd=folder,  # some of them write logs where they stand
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=client.patience_s)
        ending = "" if process.returncode == 0 else f"the script ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        ending = f"the script took longer than {client.patience_s:.0f} s"
    for line in output.splitlines():
        print(f"   {line}", flush=True)
        yield line
    if ending:
        print(f"   not ok {ending}", flush=True)
        yield f"not ok {ending}"


def table(outcomes: Sequence[Outcome]) -> str:
    width = max(len(outcome.client) for outcome in outcomes)
    rows = [f"{'client':<{width}}  works  fails  seconds"]
    for outcome in outcomes:
        rows.append(
            f"{outcome.client:<{width}}  {outcome.passed:>5}  {len(outcome.failed):>5}  {outcome.seconds:>7.0f}"
        )
        rows += [f"{'':<{width}}    {failure}" for failure in outcome.failed]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
