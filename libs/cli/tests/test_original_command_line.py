"""`python main.py` of the original framework, and the files beside it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from n1v1_cli.original import STATUS_ROWS, _parser, command_of
from n1v1_common.settings.load import load

ROOT = Path(__file__).parents[3]


def words_of(*words: str, has_config: bool = False, **env: str) -> list[str]:
    return command_of(_parser().parse_args(words), env, has_config=has_config)


def run(*words: str, folder: Path, state_dir: Path) -> subprocess.CompletedProcess[str]:
    """In a folder of its own: config.json and results are read and written there."""
    env = {"N1V1_STATE_DIR": str(state_dir), "PATH": "/usr/bin:/bin", "HOME": str(state_dir)}
    command = [sys.executable, str(ROOT / "main.py"), *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_a_backtest_as_the_original_readme_writes_it(tmp_path: Path, state_dir: Path) -> None:
    done = run("--mode", "backtest", "--strategy", "ema_cross", folder=tmp_path, state_dir=state_dir)
    assert done.returncode == 0, done.stderr
    for metric in ("Total Return", "Win Rate", "Max Drawdown", "Sharpe Ratio", "Profit Factor"):
        assert metric in done.stdout
    assert json.loads((tmp_path / "results" / "backtest" / "results.json").read_text())["metrics"]["total_trades"] > 0


def test_the_status_of_nothing_has_the_rows_of_the_original(tmp_path: Path, state_dir: Path) -> None:
    done = run("--status", folder=tmp_path, state_dir=state_dir)
    assert done.returncode == 0, done.stderr
    assert [row for row in STATUS_ROWS if row in done.stdout] == list(STATUS_ROWS)
    assert re.search(r"Status\s+STOPPED", done.stdout)
    assert re.search(r"Mode\s+PAPER", done.stdout)


@pytest.mark.stack
@pytest.mark.servers
def test_the_engine_runs_until_it_is_interrupted_and_says_how_it_is(tmp_path: Path, state_dir: Path) -> None:
    (tmp_path / "config.json").write_bytes((ROOT / "config.json.example").read_bytes())
    command = [sys.executable, "-u", str(ROOT / "main.py")]
    env = {"N1V1_STATE_DIR": str(state_dir), "PATH": "/usr/bin:/bin", "HOME": str(state_dir)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as engine:
        try:
            assert engine.stdout is not None
            said = next((line for line in engine.stdout if line.startswith("ready after")), None)
            assert said is not None, "it ended before it was ready"
            status = run("--status", folder=tmp_path, state_dir=state_dir)
        finally:
            engine.send_signal(signal.SIGINT)
            engine.communicate()
    assert status.returncode == 0, status.stderr
    assert re.search(r"Status\s+RUNNING", status.stdout)
    assert re.search(r"Active Orders\s+\d", status.stdout)
    assert engine.returncode == 130


def test_live_trading_without_keys_is_refused(tmp_path: Path, state_dir: Path) -> None:
    done = run("--mode", "live", folder=tmp_path, state_dir=state_dir)
    assert done.returncode == 2
    assert "i_understand_live" in done.stderr


def test_an_unknown_mode_is_refused(tmp_path: Path, state_dir: Path) -> None:
    assert run("--mode", "dream", folder=tmp_path, state_dir=state_dir).returncode == 2


def test_without_words_the_engine_starts_on_paper() -> None:
    assert words_of() == ["up"]
    assert words_of(has_config=True) == ["up", "-c", "config.json"]
    assert words_of("--mode", "paper") == ["up", "--set", "environment.mode=paper"]


def test_the_web_interface_is_an_option_or_a_variable() -> None:
    served = ["--set", "services.reporting.host=0.0.0.0", "--set", "services.reporting.port=8000"]
    assert words_of("--api") == ["up", *served]
    assert words_of(USE_FASTAPI="true") == ["up", *served]
    assert words_of(USE_FASTAPI="false") == ["up"]


def test_a_backtest_takes_its_strategies_and_the_settings_file() -> None:
    asked = words_of("--mode", "backtest", "--strategy", "ema_cross", "--strategy", "rsi", has_config=True)
    assert asked == ["backtest", "--strategy", "ema_cross", "--strategy", "rsi", "-c", "config.json"]


def test_the_example_of_a_settings_file_loads_once_it_is_copied(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_bytes((ROOT / "config.json.example").read_bytes())
    settings = load([config], {}, []).settings
    assert settings.strategies.active_strategies == ("ema_cross", "rsi", "macd")
    assert settings.environment.mode == "paper"


@pytest.mark.parametrize("name", ["config.json.example", "requirements.txt", "main.py"])
def test_the_files_of_the_original_are_where_it_has_them(name: str) -> None:
    assert (ROOT / name).is_file()


def test_requirements_name_every_member_and_the_servers() -> None:
    lines = [line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    named = {line.removeprefix("-e ./").partition("[")[0] for line in lines if line.startswith("-e ")}
    members = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("*/*/pyproject.toml")}
    assert named == members
    embedded = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["embedded"]
    assert set(embedded) <= set(lines)
