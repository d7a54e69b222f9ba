"""n1v1 lookahead-analysis and n1v1 recursive-analysis: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n1v1_cli.main import main

BIASED = """
from strategies import BaseStrategy

class BiasedStrategy(BaseStrategy):
    seen = {}

    async def calculate_indicators(self, data):
        frame = data.copy()
        frame["tomorrow"] = frame["close"].shift(-1)
        return frame

    async def generate_signals(self, market_data):
        signals = []
        for symbol, data in market_data.items():
            frame = await self.calculate_indicators(data)
            times = frame.index
            self.seen[times[-1]] = frame["close"].iloc[-1]
            later = self.seen.get(times[-1] + (times[-1] - times[-2])) if len(frame) > 1 else None
            if later is not None and later > frame["close"].iloc[-1]:
                signals.append({"symbol": symbol, "action": "BUY", "strength": 1.0, "reason": "it will rise"})
        return signals
"""
DATA = ("--symbols", "BTC-USD", "--start", "2019-01-01", "--end", "2019-03-01")


@pytest.fixture
def biased(tmp_path: Path) -> str:
    path = tmp_path / "biased.py"
    path.write_text(BIASED)
    return str(path)


def test_a_biased_strategy_is_found_with_its_signals_and_its_columns(
    biased: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lookahead-analysis", "-s", biased, *DATA, "--limit", "60"]) == 3
    printed = capsys.readouterr().out
    assert "yes" in printed
    assert "tomorrow" in printed
    assert "expected (), found ('BUY', 1.0, 'it will rise'" in printed


def test_a_strategy_without_bias_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookahead-analysis", "-s", "ema_cross", "--params", "fast_ema=3,slow_ema=8", *DATA]) == 0
    printed = capsys.readouterr().out
    assert "ema_cross   BTC-USD   no" in printed


def test_programs_read_what_was_found(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lookahead-analysis", "-s", biased, *DATA, "--limit", "40", "--json"])
    (report,) = json.loads(capsys.readouterr().out)
    assert report["has_bias"] is True
    assert report["bars"] == 40
    assert report["biased_indicators"] == ["tomorrow"]
    assert report["biased_entry_signals"][0].startswith("2019-02-")


def test_a_run_without_signals_says_that_it_says_little(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookahead-analysis", "-s", "ema_cross", *DATA, "--limit", "10"]) == 0
    assert "There was no signal" in capsys.readouterr().out


def test_recursive_analysis_shows_every_number_by_start_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recursive-analysis", "-s", "rsi", *DATA, "--startup", "10,30,120"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[1] == ["value", "10", "30", "120"]
    assert lines[3][:2] == ["rsi", "–"]
    assert lines[3][3::2][-1] == "%"


def test_recursive_analysis_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recursive-analysis", "-s", "ema_cross", *DATA, "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["startups"] == [25, 50, 100, 200]
    assert set(report["differences_pct"]) == {"fast", "slow"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["recursive-analysis", "-s", "rsi", "--startup", "ten"], "--startup: expected numbers of bars, as in 50,100"),
        (["lookahead-analysis", "-s", "rsj"], "no strategy is called 'rsj' (did you mean 'rsi'?)"),
        (["lookahead-analysis", "-s", "rsi", "--limit", "0"], "--limit: expected at least 1 bar, got 0"),
        (["lookahead-analysis", "-s", "rsi", "--data", "nowhere"], "no dataset 'nowhere'"),
    ],
)
def test_what_cannot_be_meant_is_answered(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) in (1, 2)
    assert complaint in capsys.readouterr().err
