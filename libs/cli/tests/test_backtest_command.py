"""n1v1 backtest: what its options mean, what it writes, how it answers what cannot be."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from n1v1_cli.backtest_settings import overrides_of, parameters_in
from n1v1_cli.commands import backtest
from n1v1_cli.errors import WrongOption
from n1v1_cli.main import main
from n1v1_research.backtest import Backtester
from n1v1_research.datasets import load
from n1v1_research.scan.account import account_pass

TWO_MONTHS = ("--start", "2021-01-01", "--end", "2021-03-01")
QUICK = ("--params", '{"fast_ema": 3, "slow_ema": 8}')


@pytest.fixture(autouse=True)
def _away_from_other_settings(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    monkeypatch.delenv("N1V1_CONFIG", raising=False)


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    backtest.add_parser(parser.add_subparsers())
    return parser.parse_args(["backtest", *words])


def test_a_run_prints_the_metrics_of_the_readme_and_writes_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", "--strategy", "ema_cross", *QUICK, *TWO_MONTHS, "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    names = ["Total Return", "Win Rate", "Max Drawdown", "Sharpe Ratio", "Profit Factor"]
    assert [name for name in names if name in said] == names
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["hash"] in said
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "trades.csv").is_file()


def test_the_command_and_the_backtester_make_the_same_run(tmp_path: Path) -> None:
    words = ["--strategy", "ema_cross", *QUICK, *TWO_MONTHS, "--symbols", "BTC-USD", "--format", "json"]
    assert main(["backtest", *words, "--results", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "results.json").read_text())
    dataset = load("coinbase-4h", symbols=["BTC-USD"], start="2021-01-01", end="2021-03-01")
    result = Backtester.of("ema_cross", dataset, parameters={"fast_ema": 3, "slow_ema": 8}).run()
    assert document["hash"] == result.hash
    assert document["dataset"]["id"] == dataset.id


def test_longer_bars_are_made_of_the_recorded_ones(tmp_path: Path) -> None:
    words = ["--strategy", "rsi", *TWO_MONTHS, "--timeframe", "1d", "--format", "json", "--results", str(tmp_path)]
    assert main(["backtest", *words]) == 0
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["dataset"]["timeframe"] == "1d"
    assert document["counts"]["bars"] == 2 * 59
    assert document["configuration"]["risk"]["valid_for_ns"] == 86_400_000_000_000


def test_a_file_of_bars_brings_its_own_symbol(tmp_path: Path) -> None:
    rows = [f"2021-01-{day:02d}T00:00:00Z,{day},{day + 1},{day},{day + 1},5" for day in range(1, 29)]
    path = tmp_path / "ABC-EUR-1d.csv"
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]) + "\n")
    words = ["--strategy", "ema_cross", "--data", str(path), "--format", "json", "--results", str(tmp_path)]
    assert main(["backtest", *words]) == 0
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["dataset"]["symbols"] == ["ABC-EUR"]
    assert document["dataset"]["quote"] == "EUR"


def test_a_strategy_file_runs_beside_an_installed_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from strategies import BaseStrategy\n\n\n"
        "class MineStrategy(BaseStrategy):\n"
        "    async def generate_signals(self, market_data):\n"
        "        return []\n"
    )
    words = ["--strategy", str(path), "--strategy", "ema_cross", *TWO_MONTHS, "--format", "json"]
    assert main(["backtest", *words, "--results", str(tmp_path)]) == 0
    strategies = json.loads((tmp_path / "results.json").read_text())["configuration"]["strategies"]
    assert sorted(each["strategy"] for each in strategies) == ["EMACrossStrategy", "MineStrategy"]


def test_a_settings_file_that_trades_live_is_run_on_recorded_bars(tmp_path: Path) -> None:
    config = tmp_path / "live.json"
    config.write_text(json.dumps({"environment": {"mode": "live"}, "exchange": {"name": "binance"}}))
    words = ["-c", str(config), "--strategy", "ema_cross", *TWO_MONTHS, "--format", "json"]
    assert main(["backtest", *words, "--results", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["configuration"]["venue"]["name"] == "simulator"


def test_options_stand_for_settings() -> None:
    given = options("-s", "rsi", "--fee", "0.002", "--cash", "500", "--symbols", "BTC-USD", "--start", "2020-01-01")
    assert overrides_of(given) == [
        "market.symbols=BTC-USD",
        "market.start=2020-01-01",
        "account.initial_balance=500",
        "trading.trade_fee=0.002",
        'strategies.active_strategies=["rsi"]',
        "strategies.files=[]",
    ]


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('{"fast_ema": 5}', {"fast_ema": 5}),
        ("fast_ema=5, slow_ema=20", {"fast_ema": 5, "slow_ema": 20}),
        ("kind=slow,limit=0.5,on=true", {"kind": "slow", "limit": 0.5, "on": True}),
    ],
)
def test_parameters_are_json_or_pairs(text: str, parameters: dict[str, object]) -> None:
    assert parameters_in(text) == parameters


def config_of(*words: str) -> dict[str, object]:
    chosen = next(each for each in overrides_of(options(*words)) if each.startswith("strategies.strategy_config="))
    found: dict[str, object] = json.loads(chosen.partition("=")[2])
    return found


def test_parameters_go_to_the_strategy_they_name() -> None:
    assert config_of("-s", "EMACrossStrategy", "-p", "fast_ema=5", "-p", "slow_ema=9") == {
        "ema_cross": {"fast_ema": 5, "slow_ema": 9}
    }
    two = ("-s", "ema_cross", "-s", "rsi")
    assert config_of(*two, "-p", "rsi.rsi_period=7,ema_cross.fast_ema=5") == {
        "rsi": {"rsi_period": 7},
        "ema_cross": {"fast_ema": 5},
    }
    assert config_of(*two, "-p", '{"rsi": {"rsi_period": 7}}') == {"rsi": {"rsi_period": 7}}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-p", "fast_ema=5"), "belongs to a --strategy"),
        (("-s", "rsi", "-p", "fast_ema"), "expected NAME=VALUE"),
        (("-s", "rsi", "-p", "{fast_ema: 5}"), "expected JSON"),
        (("-s", "rsi", "-s", "ema_cross", "-p", "fast_ema=5"), "of which strategy"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(WrongOption, match=complaint):
        overrides_of(options(*words))


@pytest.mark.parametrize(
    ("words", "exit_code", "complaint"),
    [
        (("--strategy", "ema_crss"), 1, "did you mean 'ema_cross'?"),
        (("--strategy", "ema_cross", "--params", "fast_emaa=3"), 1, "did you mean 'fast_ema'?"),
        (("--engine", "servces"), 1, "did you mean 'services'?"),
        (("--data", "coinbase-4g"), 1, "did you mean 'coinbase-4h'?"),
        (("--format", "parkett"), 1, "did you mean 'parquet'?"),
        (("--symbols", "BTC-USDD"), 1, "did you mean 'BTC-USD'?"),
        (("--strategy", "rsi", "--timeframe", "3h"), 1, "bars of 3h cannot be made of bars of 4h"),
        (("--fee", "much"), 2, "expected a number"),
        (("--params", "fast_ema=5"), 2, "belongs to a --strategy"),
    ],
)
def test_what_cannot_be_is_answered_with_what_was_expected(
    words: tuple[str, ...], exit_code: int, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", *words, "--results", str(tmp_path / "never")]) == exit_code
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "never").exists()


def test_a_first_run_waits_for_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load("coinbase-4h", start="2021-01-01", end="2021-03-01")
    compiled = Backtester.of("ema_cross", dataset, engine="scan").run()
    words = ["--strategy", "ema_cross", *TWO_MONTHS, "--format", "json", "--results", str(tmp_path / "results")]
    monkeypatch.setenv("N1V1_CACHE_DIR", str(tmp_path / "cache"))
    account_pass.cache_clear()
    try:
        assert main(["backtest", *words]) == 0
    finally:
        account_pass.cache_clear()
    assert "Nothing is compiled yet" in capsys.readouterr().out
    document = json.loads((tmp_path / "results" / "results.json").read_text())
    assert document["run"]["engine"] == "pipeline"
    assert document["hashes"]["fills"] == compiled.hashes["fills"]
