from __future__ import annotations

import os
from pathlib import Path

import pytest

# What the supervisor expects of a service, and the troubles it may have, as N1V1_FAKE_<TROUBLE>_<NAME>.
FAKE_SERVICE = """
import http.server, json, os, pathlib, signal, sys, time

settings = json.loads(pathlib.Path(os.environ["N1V1_SETTINGS"]).read_text())
state_dir = pathlib.Path(settings["paths"]["state_dir"])
service = __name__ if __name__ != "__main__" else __spec__.parent
service = service.removeprefix("n1v1_")
workers = settings["signals"]["worker_count"]
instance = service if service != "signals" or workers == 1 else f"signals-{settings['signals']['worker_index']}"
trouble = lambda name: os.environ.get(f"N1V1_FAKE_{name}_{instance.upper()}")

print(f"{instance} begins", flush=True)
if code := trouble("EXIT"):
    for number in range(60):
        print(f"complaint {number}", flush=True)
    sys.exit(int(code))
if trouble("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

class Readiness(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if trouble("UNREADY") else 200)
        self.end_headers()
        self.wfile.write(b"starting" if trouble("UNREADY") else b"ok")
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", settings["services"][service]["port"]), Readiness)
run_file = state_dir / "run" / f"{instance}.json"
run_file.write_text(json.dumps({"pid": os.getpid(), "url": f"http://127.0.0.1:{server.server_port}"}))
with (state_dir / "started").open("a") as started:
    started.write(instance + "\\n")
server.serve_forever()
"""

SERVICES = ("market_data", "signals", "risk", "execution", "portfolio", "reporting", "exchange_simulator")


@pytest.fixture
def fake_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a stand-in for every service package before the real ones, for child processes; gives its folder."""
    folder = tmp_path / "packages"
    for service in SERVICES:
        package = folder / f"n1v1_{service}"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(FAKE_SERVICE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return folder


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test's own, for this process and its children."""
    folder = tmp_path / "state"
    monkeypatch.setenv("N1V1_STATE_DIR", str(folder))
    return folder
