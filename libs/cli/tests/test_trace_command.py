"""n1v1 trace, against a reporting API of a few lines."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from n1v1_cli.main import main
from n1v1_cli.stack.folder import stack_lock
from n1v1_cli.stack.record import ProcessRecord, StackRecord, write_record
from n1v1_common.telemetry.tracing import configure_tracing, current_trace_id, inject

ORDERS: dict[str, object] = {}
NEWEST_FIRST = {"orders": [{"id": "o-1"}]}


class Reporting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/v1/orders/")
        missing = {"error": {"code": "not_found", "message": f"no order {name}"}}
        answer = NEWEST_FIRST if self.path == "/api/v1/orders?limit=1" else ORDERS.get(name, missing)
        self.send_response(404 if answer is missing else 200)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the test reads what the command prints."""


@pytest.fixture
def api_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Reporting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def spans_dir(tmp_path: Path) -> Path:
    """An order's trace through two services."""
    folder = tmp_path / "spans"
    signals = configure_tracing(service="signals", spans_dir=folder)
    risk = configure_tracing(service="risk", spans_dir=folder)
    headers: dict[str, str] = {}
    with signals.span("signals.raise", attributes={"symbol": "BTC-USD"}):
        inject(headers)
        ORDERS["o-1"] = {"order_id": "o-1", "trace_id": current_trace_id()}
    with risk.span("risk.decide", parent_headers=headers):
        pass
    signals.shutdown()
    risk.shutdown()
    ORDERS["unsampled"] = {"trace_id": "a" * 32}
    ORDERS["untraced"] = {"trace_id": None}
    ORDERS["garbled"] = b"<html>"
    ORDERS["a%2Fb"] = ORDERS["o-1"]
    return folder


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_last_means_the_newest_order(api_url: str, spans_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "last", "--api", api_url, "--spans", str(spans_dir)]) == 0
    assert capsys.readouterr().out.startswith("order o-1\n")


@pytest.mark.parametrize("order", ["o-1", "a/b"])
def test_the_waterfall_of_an_order_is_printed(
    order: str, api_url: str, spans_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", order, "--api", api_url, "--spans", str(spans_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"order {order}"
    assert "2 spans" in lines[1]
    assert lines[3].split()[:2] == ["signals.raise", "signals"]
    assert lines[4].split()[:2] == ["risk.decide", "risk"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("o-2", "no order o-2"),
        ("unsampled", "was not sampled"),
        ("untraced", "has no trace"),
        ("garbled", "did not answer with a JSON object"),
    ],
)
def test_what_is_missing_is_said(
    order: str, expected: str, api_url: str, spans_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", order, "--api", api_url, "--spans", str(spans_dir)]) == 1
    assert expected in _said(capsys)


def test_a_reporting_that_does_not_answer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert main(["trace", "o-1", "--api", url, "--spans", str(tmp_path)]) == 1
    assert f"reporting at {url} does not answer" in _said(capsys)


def test_an_address_that_is_no_url_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "o-1", "--api", "localhost:8000", "--spans", str(tmp_path)]) == 1
    assert "begins with http://" in _said(capsys)


def test_without_a_running_stack_the_command_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path / "nothing"))
    assert main(["trace", "o-1"]) == 1
    assert "n1v1 up" in _said(capsys)


def test_a_running_stack_is_found_by_its_record(
    tmp_path: Path, api_url: str, spans_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path))
    reporting = ProcessRecord("reporting", "service", "ready", None, api_url, "", 0)
    record = StackRecord(1, "paper", "2026-01-01T00:00:00Z", True, str(tmp_path), str(spans_dir), "", (reporting,))
    write_record(tmp_path, record)
    lock = stack_lock(tmp_path)
    lock.acquire()
    try:
        assert main(["trace", "o-1"]) == 0
    finally:
        lock.release()
    assert "risk.decide" in capsys.readouterr().out
