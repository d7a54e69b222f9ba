"""An account trades by the settings that it is locked to: a real stack, and workers who come with others."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from n1v1_cli.errors import UsedWithOtherSettings
from n1v1_cli.main import main
from n1v1_cli.stack.stack import Stack
from n1v1_common.servers import ServerMissing
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.service import SETTINGS_VARIABLE

pytestmark = pytest.mark.stack

PAPER = ("servers.durability=process", "replay.mode=scaled", "replay.speed=14400", "telemetry.sample_ratio=0")
SMALLER = "risk_management.max_position_size=0.07"
DIFFERENCE = 'risk_management.max_position_size is "0.07" here and the default there'
ENDS_WITHIN_S = 60


def settings(*more: str) -> Loaded:
    return load([], {}, [*PAPER, *more])


async def worker_with(state_dir: Path, changes: dict[str, object]) -> tuple[int, str]:
    """A second signals worker, started by hand with settings changed in one place; its exit code and what it said."""
    settings_file = state_dir / "run" / "settings-signals.json"
    told = json.loads(settings_file.read_text())
    told["risk_management"] |= changes
    told["services"]["signals"]["port"] = 0
    changed = state_dir / "run" / "settings-other.json"
    changed.write_text(json.dumps(told))
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "n1v1_signals"),
        env={**os.environ, SETTINGS_VARIABLE: str(changed)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(ENDS_WITHIN_S):
        said, _ = await worker.communicate()
    assert worker.returncode is not None
    return worker.returncode, said.decode()


def lock(*words: str) -> int:
    return main(["config", "lock", *words])


@pytest.mark.timeout(180)
async def test_who_has_other_settings_does_not_trade(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        async with Stack(settings(), state_dir) as stack:
            await stack.ready()
            exit_code, said = await worker_with(state_dir, {"max_position_size": "0.07"})
            assert exit_code == 3
            assert DIFFERENCE in said.replace('\\"', '"')
            assert await asyncio.to_thread(lock) == 0
            assert "these are the same" in capsys.readouterr().out
            assert await asyncio.to_thread(main, ["status"]) == 0
            assert "the first installation" in capsys.readouterr().out
    except ServerMissing as missing:
        pytest.skip(str(missing))
    with pytest.raises(UsedWithOtherSettings, match="--new-settings") as refused:
        await Stack(settings(SMALLER), state_dir).__aenter__()
    assert DIFFERENCE in str(refused.value)
    async with Stack(settings(), state_dir) as stack:  # nothing has changed
        await stack.ready()
    async with Stack(settings(SMALLER), state_dir, new_settings="smaller positions") as stack:
        await stack.ready()
        capsys.readouterr()
        assert await asyncio.to_thread(lock) == 0
        assert "smaller positions" in capsys.readouterr().out


@pytest.mark.timeout(180)
async def test_locking_other_settings_ends_everybody_who_does_not_have_them(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        async with Stack(settings(), state_dir) as stack:
            await stack.ready()
            admin = json.loads((state_dir / "run" / "settings-admin.json").read_text())["bus"]
            bus = [f"bus.{name}={admin[name]}" for name in ("url", "user", "password") if admin[name] is not None]
            words = [word for setting in (*PAPER, SMALLER, *bus) for word in ("--set", setting)]
            assert await asyncio.to_thread(lock, "--reason", "smaller positions", "--actor", "ann", *words) == 0
            assert "ann: smaller positions" in capsys.readouterr().out
            async with asyncio.timeout(ENDS_WITHIN_S):
                failure = await stack.failed()
            assert "locked to other settings" in str(failure)
    except ServerMissing as missing:
        pytest.skip(str(missing))
