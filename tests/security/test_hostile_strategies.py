"""Strategies that mean harm, in a real signals worker beside an honest one: they fail, and the rest trades on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from chaos.replay import RunningReplay

from n1v1.events import OrderFilled, SignalsComplete
from n1v1.run_hash import from_events, run_hash
from n1v1.signals.stage import REASON_MAX, STOPPED
from n1v1_common.settings.model import Settings

StartReplay = Callable[..., AbstractAsyncContextManager[RunningReplay]]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

# Tries everything on its first bar and tells in the only way it has: the exception that stops it.
SPY = r'''
import gc, json, os, socket
from n1v1.strategies.plain import PythonStrategy

STATE = {state!r}


def answer(attempt):
    try:
        return attempt() or "done"
    except OSError as error:
        return type(error).__name__


def read(path):
    return lambda: open(path, "rb").read(1) and "read"


def connect(port):
    def attempt():
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    return attempt


def known(kind):
    """The settings that are somewhere in the worker's memory."""
    return [thing for thing in gc.get_objects() if type(thing).__name__ == kind]


def bus():
    """Everything on the bus, with the worker's own password, which is in its memory."""
    told = next(bus for bus in known("Bus") if getattr(bus, "user", None))
    host, port = told.url.removeprefix("nats://").split(":")
    line = socket.create_connection((host, int(port)), timeout=5)
    words = line.makefile("rwb")
    words.readline()
    login = {{"verbose": False, "user": told.user, "pass": told.password.get_secret_value()}}
    words.write(b"CONNECT " + json.dumps(login).encode() + b"\r\n")
    tried = 0
    for subject in (
        "risk.v1.approved.0.main.BTC-USD", "risk.v1.breaker.0.main", "control.v1.breaker.0.main",
        "control.v1.command.0.main", "execution.v1.filled.0.main.BTC-USD", "market_data.v1.bars_complete",
        "portfolio.v1.equity.0.main", "$JS.API.STREAM.PURGE.TRADING", "$JS.API.STREAM.DELETE.TRADING",
        "$JS.API.STREAM.MSG.GET.TRADING", "$JS.API.CONSUMER.DELETE.TRADING.risk", "$JS.ACK.TRADING.risk.1.1.1.1.1",
    ):
        words.write(f"PUB {{subject}} 4\r\nevil\r\n".encode())
        tried += 1
    for number, subject in enumerate((">", "risk.v1.>", "execution.v1.>", "_INBOX.>"), 1):
        words.write(f"SUB {{subject}} {{number}}\r\n".encode())
        tried += 1
    words.write(b"PING\r\n")
    words.flush()
    refused = 0
    while (word := words.readline()) != b"PONG\r\n":
        refused += b"Permissions Violation" in word
    return f"{{refused}} of {{tried}} refused"


class Spy(PythonStrategy):
    key = "spy"

    def on_bar(self, bar):
        raise RuntimeError(json.dumps({{
            "bus": answer(bus),
            "passwords": answer(read(STATE + "/servers/risk.password")),
            "admin": answer(read(STATE + "/run/settings-admin.json")),
            "own settings": answer(read(STATE + "/run/settings-signals.json")),
            "parent": answer(read(f"/proc/{{os.getppid()}}/environ")),
            "shadow": answer(read("/etc/shadow")),
            "write": answer(lambda: open("/tmp/evil", "w").close()),
            "run": answer(lambda: os.execv("/bin/true", ["true"])),
            "postgres": answer(connect(5432)),
            "kill": answer(lambda: os.kill(os.getppid(), 0)),
            "environment": sorted(name for name in os.environ if "__" in name or "SECRET" in name),
            "keys": [repr(exchange.api_key) for exchange in known("Exchange") if exchange.api_key],
            "stores": sorted(
                {{postgres.dsn.get_secret_value() for postgres in known("Postgres")}}
                | {{redis.url.get_secret_value() for redis in known("Redis") if hasattr(redis, "url")}}
            ),
        }}))
'''

# What each does once it has seen a few bars, so that it is known to have run.
HARM = {
    "leaves": "raise SystemExit(0)",
    "recurses": "(lambda f: f(f))(lambda f: f(f))",
    "talks": "raise ValueError('x' * 3_000_000)",
    "hoards": "self.kept = [bytearray(64 << 20) for _ in range(1000)]",
    "sleeps": "while True:\n                try:\n                    while True: pass\n"
    "                except BaseException: pass",
    "kills": "os.kill(os.getpid(), 9)",
    "swells": "self.kept = 'x' * 5_000_000",
}

VILLAIN = """
import os
from n1v1.strategies.plain import PythonStrategy


class Villain(PythonStrategy):
    key = {name!r}

    def __init__(self):
        self.bars = 0

    def on_bar(self, bar):
        self.bars += 1
        if self.bars == 5:
            {harm}
        return None
"""

# What is left to the honest strategy must not depend on who else was there.
HONEST = "strategies.active_strategies=ema_cross"


def villains(folder: Path, names: Sequence[str]) -> str:
    files = []
    for name in names:
        files.append(folder / f"{name}.py")
        files[-1].write_text(VILLAIN.format(name=name, harm=HARM[name]))
    return f"strategies.files={','.join(map(str, files))}"


async def last_words(replay: RunningReplay, instance: str) -> str:
    """The last note of a strategy."""
    notes = [
        note.reason
        for event in await replay.events()
        if isinstance(event, SignalsComplete)
        for note in event.notes
        if note.instance == instance
    ]
    return notes[-1]


async def hash_of(replay: RunningReplay) -> str:
    """Of all signals, decisions, orders, fills and equity; what is said of a bar without a signal is not in it."""
    return run_hash(from_events(await replay.events()))


async def test_a_spy_learns_nothing_and_says_nothing(
    start_replay: StartReplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMEBODYS_SECRET", "of whoever typed n1v1 up")
    monkeypatch.setenv("N1V1__EXCHANGE__API_PASSWORD", "as well")
    file = tmp_path / "spy.py"
    file.write_text(SPY.format(state=str(tmp_path / "state")))
    async with start_replay(HONEST, f"strategies.files={file}") as replay:
        await replay.until_settled(60)
        words = await last_words(replay, "spy")
        assert words.startswith(f"{STOPPED}raised RuntimeError: ")
        found = json.loads(words.partition("RuntimeError: ")[2])
        assert found.pop("bus") == "16 of 16 refused"
        assert found.pop("keys") == []
        nowhere = Settings()
        defaults = [nowhere.postgres.dsn.get_secret_value(), nowhere.redis.url.get_secret_value()]
        assert found.pop("stores") == sorted(defaults), "no password among them"
        assert found.pop("environment") == []
        if sys.platform == "linux":
            assert set(found.values()) == {"PermissionError"}, found
        assert any(isinstance(event, OrderFilled) for event in await replay.events())


async def test_who_does_harm_is_stopped_and_the_others_trade_as_if_he_had_not_been_there(
    start_replay: StartReplay, tmp_path: Path
) -> None:
    limits = ("signals.bar_time_limit_s=2", "signals.memory_limit_mb=1024")
    async with start_replay(HONEST) as alone:
        await alone.until_ended(within_s=120)
        expected = await hash_of(alone)
    for names in (("leaves", "recurses", "talks", "swells", "hoards"), ("sleeps", "kills")):
        (tmp_path / "state").rename(tmp_path / f"state-before-{names[0]}")
        async with start_replay(HONEST, *limits, villains(tmp_path, names)) as replay:
            await replay.until_ended(within_s=180)
            assert await hash_of(replay) == expected
            told = {name: await last_words(replay, name) for name in names}
            assert all(words.startswith(STOPPED) for words in told.values()), told
            assert max(map(len, told.values())) <= REASON_MAX
