"""The command itself: what it imports, what it answers, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from n1v1_cli.main import COMMANDS, main, usage, wrong_python

HEAVY = (
    "asyncio", "argparse", "pydantic", "nats", "redis", "asyncpg", "aiohttp", "rich", "numpy", "numba", "pandas",
    "ccxt", "n1v1", "n1v1_common", "n1v1_research",
)  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from n1v1_cli.main import main; main(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env=_import_path())
    assert run.stderr == "[]\n"
    assert run.stdout == usage() + "\n"


def _import_path() -> dict[str, str]:
    """Without site-packages' start-up hooks, whose imports are not ours."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize("name", ["up", "status", "logs", "down"])
def test_a_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: n1v1 {name}" in capsys.readouterr().out


def test_every_command_has_a_module() -> None:
    missing = [name for name, command in COMMANDS.items() if find_spec(command.module) is None]
    assert missing == []


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staus"]) == 2
    assert capsys.readouterr().err == "n1v1: there is no command 'staus'; did you mean: n1v1 status?\n"


def test_a_setting_with_a_typo_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--set", "market.timefame=1d"]) == 2
    assert "did you mean market.timeframe?" in capsys.readouterr().err


def test_a_command_that_needs_a_stack_says_how_to_start_one(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 1
    assert "Start one with: n1v1 up" in capsys.readouterr().err
    assert main(["down"]) == 0


@pytest.mark.parametrize(("version", "is_ours"), [((3, 10, 14), False), ((3, 11, 0), True), ((3, 14, 0), False)])
def test_a_python_that_is_not_ours_is_named_with_the_remedy(version: tuple[int, ...], is_ours: bool) -> None:
    complaint = wrong_python(version, "/usr/bin/python3")
    assert (complaint is None) == is_ours
    if complaint:
        assert ".".join(map(str, version)) in complaint
        assert "make setup PYTHON=" in complaint
