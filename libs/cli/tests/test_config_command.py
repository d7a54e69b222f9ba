"""n1v1 config: what a user sees of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1_cli.main import main


@pytest.fixture(autouse=True)
def environment_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("N1V1_CONFIG", raising=False)
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text("risk_management:\n  max_drawdown: 0.2\nexchange:\n  api_key: very-secret\n", encoding="utf-8")
    return str(path)


def test_explain_says_the_value_where_from_and_what_it_overrode(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("N1V1__RISK_MANAGEMENT__MAX_DRAWDOWN", "0.3")
    words = ["config", "explain", "risk_management.max_drawdown", "-c", config]
    assert main([*words, "--set", "risk_management.max_drawdown=0.4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "risk_management.max_drawdown = 0.4"
    assert "From peak to trough" in lines[1]
    assert lines[3].split() == ["from", "0.4", "--set"]
    assert lines[4].split() == ["overrode", "0.3", "environment", "N1V1__RISK_MANAGEMENT__MAX_DRAWDOWN"]
    assert lines[5].split() == ["overrode", "0.2", f"{config}:2"]
    assert lines[6].split() == ["overrode", "0.1", "built-in", "default"]
    assert [line.strip()[:2] for line in lines[-5:]] == ["1.", "2.", "3.", "4.", "5."]


def test_show_lists_every_setting_with_its_source_and_hides_secrets(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "-c", config]) == 0
    shown = capsys.readouterr().out
    assert "very-secret" not in shown
    assert "market.symbols = BTC-USD, ETH-USD" in shown
    assert f"{config}:4" in next(line for line in shown.splitlines() if line.startswith("exchange.api_key"))


def test_check_says_yes_with_the_hash(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "-c", config]) == 0
    assert "settings are right: paper mode, hash " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--set", "risk_management.max_drawdwn=0.2"], "did you mean risk_management.max_drawdown?"),
        (["check", "-c", "absent.json"], "absent.json: cannot be read"),
        (["check", "--set", "environment.mode=live"], "environment.i_understand_live=true"),
        (["explain", "market.timefame"], "did you mean market.timeframe?"),
        (["explain", "bus"], "is a section; its settings are bus.url"),
        (["show", "--set", "market"], "expected section.key=value"),
    ],
)
def test_what_is_wrong_is_said_in_one_message_and_the_exit_code_is_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
