"""n1v1 data, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n1v1_cli.main import main

ROWS = """timestamp,open,high,low,close,volume
2020-01-01T00:00:00Z,10,12,9.5,11,0.5
2020-01-01T00:01:00Z,11,11.25,10,10,2
2020-01-01T00:04:00Z,10,11,10,10,2
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a store of its own."""
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "btc.csv").write_text(ROWS)
    return tmp_path


def import_btc(*more: str) -> int:
    return main(["data", "import", "btc.csv", "--symbol", "BTC-USD", "--timeframe", "1m", *more])


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert main(["data", "list", "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}


def test_an_import_says_what_it_found_and_how_the_dataset_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert import_btc() == 0
    first, grid, last = capsys.readouterr().out.splitlines()
    assert first == "BTC-USD: 3 bars of 1m, 2020-01-01 00:00 to 2020-01-01 00:05 UTC; 1 gap, 2 bars missing"
    assert grid == "  tick 0.01 USD, lot 0.1 BTC, smallest order 10 USD"
    assert last.startswith("BTC-USD-1m: ")
    assert last.endswith(", stored")


def test_the_same_again_is_kept_once_and_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert import_btc() == import_btc("--name", "again") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("was stored before; the same is kept once")
    assert "BTC-USD-1m, again" in listed(capsys)


def test_a_name_that_moves_leaves_the_old_dataset_in_the_list(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_btc()
    (place / "btc.csv").write_text(ROWS.replace("12", "13"))
    assert import_btc() == 0
    assert "which is still there under its id" in capsys.readouterr().out
    assert {"BTC-USD-1m", "(was BTC-USD-1m)"} <= set(listed(capsys))


def test_the_list_has_what_is_bundled_and_what_was_imported(capsys: pytest.CaptureFixture[str]) -> None:
    import_btc("--name", "mine")
    rows = listed(capsys)
    assert (rows["coinbase-4h"]["from"], rows["coinbase-4h"]["bars"]) == ("bundled", 28_998)
    assert (rows["mine"]["from"], rows["mine"]["gaps"], rows["mine"]["symbols"]) == ("imported", 1, ["BTC-USD"])
    assert main(["data", "list"]) == 0
    assert "mine" in capsys.readouterr().out


def test_a_bad_row_stops_the_import_and_nothing_is_stored(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "btc.csv").write_text(ROWS + "2020-01-01T00:05:00Z,10,9,10,10,2\n")
    assert import_btc() == 1
    assert "btc.csv:5: high 9.00 is below low 10.00" in capsys.readouterr().err
    assert not (place / "state" / "datasets").exists()
    assert import_btc("--skip-bad-rows") == 0
    assert "1 bad row was left out (--skip-bad-rows):\n  btc.csv:5: high 9.00" in capsys.readouterr().out


def test_several_symbols_become_one_dataset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "eth.csv").write_text(ROWS)
    words = ["data", "import", "BTC-USD=btc.csv", "ETH-USD=eth.csv", "--timeframe", "1m"]
    assert main(words) == 1
    assert "choose a name for the dataset with --name" in capsys.readouterr().err
    assert main([*words, "--name", "two", "--tick-size", "BTC-USD=0.01,ETH-USD=0.001"]) == 0
    assert "tick 0.001 USD, lot 0.1 ETH" in capsys.readouterr().out
    assert listed(capsys)["two"]["symbols"] == ["BTC-USD", "ETH-USD"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["btc.csv"], "of which symbol is btc.csv? Say --symbol BTC-USD, or BTC-USD=btc.csv"),
        (["BTC-USD=btc.csv", "--name", "coinbase-4h"], "coinbase-4h is the name of a bundled dataset"),
        (["BTC-USD=btc.csv", "--columns", "when=ts"], "--columns: expected one of time, open"),
        (["BTC-USD=btc.csv", "--columns", "time"], "--columns: expected NAME=VALUE,NAME=VALUE; got 'time'"),
        (["BTC-USD=btc.csv", "--tick-size", "small"], "--tick-size: expected a number such as 0.01"),
        (["BTC-USD=btc.csv", "--tick-size", "ETH-USD=1"], "--tick-size: there is no file of ETH-USD"),
        (["BTC-USD=btc.csv", "--timezone", "Mars"], "'Mars' is not a time zone"),
        (["BTC-USD=btc.csv", "--delimiter", ";;"], "--delimiter: expected one character"),
        (["BTC-USD=btc.csv", "--name", "a/b"], "expected a name of letters"),
        (["BTC-USD=none.csv"], "none.csv: the file cannot be read"),
    ],
)
def test_what_is_typed_wrongly_is_answered_in_a_sentence(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "import", *words, "--timeframe", "1m"]) == 1
    assert complaint in capsys.readouterr().err


def test_verify_is_silent_about_nothing_and_fails_on_an_altered_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_btc()
    capsys.readouterr()
    assert main(["data", "verify"]) == 0
    assert capsys.readouterr().out.endswith(": as imported\n")
    (path,) = (place / "state" / "datasets").glob("*/BTC-USD.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert main(["data", "verify", "BTC-USD-1m"]) == 1
    assert "BTC-USD.parquet was altered: SHA-256" in capsys.readouterr().out
    assert main(["data", "verify", "nothing"]) == 1


def test_the_page_shows_every_symbol_and_where_the_bars_come_from(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_btc()
    assert main(["data", "show", "BTC-USD-1m"]) == 0
    path = Path(capsys.readouterr().out.splitlines()[-1])
    page = path.read_text("utf-8")
    assert path == place / "results" / "data" / "BTC-USD-1m.html"
    assert "data-symbol='BTC-USD'" in page
    assert "btc.csv, 3 rows, SHA-256" in page
    assert "1, 2 bars missing (40.00 %)" in page


def test_a_long_history_is_drawn_in_longer_bars_and_the_page_says_so(place: Path) -> None:
    assert main(["data", "show", "coinbase-4h", "--symbol", "ETH-USD", "--output", "eth.html"]) == 0
    assert "drawn in bars of 1d, made of those of 4h" in (place / "eth.html").read_text("utf-8")


def test_an_export_that_is_imported_again_is_the_same_dataset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_btc()
    assert main(["data", "export", "BTC-USD-1m", "out.parquet"]) == 0
    assert main(["data", "import", "BTC-USD=out.parquet", "--timeframe", "1m"]) == 0
    assert "was stored before" in capsys.readouterr().out
    assert main(["data", "export", "coinbase-4h", "out.csv"]) == 1
    assert "choose one with --symbol, or write {symbol} in the file name" in capsys.readouterr().err
    assert main(["data", "export", "coinbase-4h", "{symbol}.csv.gz"]) == 0
    assert {path.name for path in place.glob("*.csv.gz")} == {"BTC-USD.csv.gz", "ETH-USD.csv.gz"}


def test_the_store_lies_where_the_settings_say_for_every_command(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "c.json").write_text(json.dumps({"paths": {"state_dir": str(place / "elsewhere")}}))
    assert import_btc("--name", "mine", "-c", "c.json") == 0
    assert [folder.name for folder in place.iterdir() if (folder / "datasets").exists()] == ["elsewhere"]
    run = ["backtest", "--strategy", "ema_cross", "--data", "mine", "--engine", "pipeline", "--format", "json"]
    assert main([*run, "-c", "c.json"]) == 0
    assert main(["lookahead-analysis", "--strategy", "ema_cross", "--data", "mine", "-c", "c.json"]) == 0
    capsys.readouterr()
    assert main(run) == 1
    assert "no dataset 'mine'" in capsys.readouterr().err
