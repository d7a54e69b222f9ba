"""n1v1 venue: its options, what it prints, and the process itself."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from n1v1_cli.as_if_now import stored_as_if_now
from n1v1_cli.commands.venue import Account, accounts_of, balances_of, ccxt_config, status_line
from n1v1_cli.errors import WrongOption
from n1v1_research.datasets import load

MINUTE = 60_000_000_000


def test_an_account_without_keys_gets_some_that_nobody_knows() -> None:
    (first,), (second,) = accounts_of([]), accounts_of(["main"])
    assert first.name == second.name == "main"
    assert first.api_key != second.api_key


def test_an_account_with_keys_keeps_them() -> None:
    assert accounts_of(["a:k:s", "b:k2:s2"]) == [Account("a", "k", "s"), Account("b", "k2", "s2")]


@pytest.mark.parametrize("written", [["a:k"], [":k:s"], ["a", "a"], [""]])
def test_an_account_that_cannot_be_is_refused(written: list[str]) -> None:
    with pytest.raises(WrongOption):
        accounts_of(written)


def test_balances_are_read() -> None:
    assert balances_of("USDT=10000,BTC=0.5") == {"USDT": "10000", "BTC": "0.5"}


@pytest.mark.parametrize("written", ["USDT", "USDT=", "=1", "USDT=-1", "USDT=1e4"])
def test_a_balance_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(WrongOption, match="ASSET=AMOUNT"):
        balances_of(written)


def test_the_configuration_for_ccxt_is_python() -> None:
    call = ast.parse(ccxt_config("http://127.0.0.1:1", Account("main", "k", "s")), mode="eval").body
    assert isinstance(call, ast.Call)
    config = ast.literal_eval(call.args[0])
    assert (config["apiKey"], config["secret"]) == ("k", "s")
    assert config["urls"]["api"]["ws"]["spot"] == "ws://127.0.0.1:1/stream/ws"
    assert config["options"]["fetchMargins"] is False


def test_the_status_line_says_where_the_market_is() -> None:
    clock = {"clock_ns": 1_577_836_800_000_000_000, "step": 1_000, "total_steps": 1_440, "done": False}
    assert status_line(clock) == "2020-01-01 00:00:00 UTC, step 1,000 of 1,440"
    assert status_line(clock | {"done": True, "total_steps": None}).endswith("step 1,000, end of the data")


def test_bars_are_moved_so_that_the_history_ends_now(tmp_path: Path) -> None:
    dataset, now_ns = load("binance-1m"), 1_800_000_000_000_000_000 + 17
    moved_id, begins_ns = stored_as_if_now(dataset, tmp_path, history=100, now_ns=now_ns)
    moved = load(moved_id, store=tmp_path)
    bars, recorded = moved.columns("BTC-BUSD"), dataset.columns("BTC-BUSD")
    assert begins_ns == now_ns // MINUTE * MINUTE == bars.open_ns[100]
    assert (bars.close == recorded.close).all()
    assert (bars.close_ns - bars.open_ns == recorded.close_ns - recorded.open_ns).all()


def test_a_history_longer_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongOption, match="1,440 bars"):
        stored_as_if_now(load("binance-1m"), tmp_path, history=1_440, now_ns=0)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Stepped, on free ports."""
    ports = ["--port", "0", "--tls-port", "0", "--admin-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "n1v1_cli", "venue", "--step", "--state", str(tmp_path / "venue"), *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "N1V1_STATE_DIR": str(tmp_path / "state")},
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def printed_by(venue: subprocess.Popen[str]) -> str:
    """Up to the sentence that ends the summary."""
    assert venue.stdout is not None
    lines: list[str] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (line := venue.stdout.readline()):
        lines.append(line)
        if "Ctrl-C closes" in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def answer(url: str, body: object = None, *, trusting: str | None = None) -> object:
    request = Request(url, data=None if body is None else json.dumps(body).encode())
    context = None if trusting is None else ssl.create_default_context(cafile=trusting)
    with urlopen(request, timeout=10, context=context) as response:
        return json.load(response)


@pytest.mark.stack
def test_a_venue_trades_over_both_ports_takes_faults_and_ends_with_ctrl_c(venue: subprocess.Popen[str]) -> None:
    printed = printed_by(venue)
    rest, tls, admin, authority = (
        re.search(pattern, printed)[1]  # type: ignore[index]  # the test fails where it is not printed
        for pattern in (r"REST +(\S+)", r"TLS +(\S+)", r"faults +(http\S+)", r"authority: (\S+)")
    )
    assert answer(f"{rest}/ping") == {}
    assert answer(f"{tls}/api/v3/ping", trusting=authority) == {}
    assert answer(admin, {"kind": "maintenance", "name": "drill"}) == {"added": ["drill"]}
    with pytest.raises(OSError, match="503"):
        answer(f"{rest}/ping")
    venue.send_signal(signal.SIGINT)
    rest_of_output, _ = venue.communicate(timeout=30)
    assert "the venue is closed" in rest_of_output
    assert venue.returncode == 130
