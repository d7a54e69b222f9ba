"""Bars are read once and kept; whatever decides what they are is noticed when it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n1v1.errors import InvalidData
from n1v1.values import Instrument
from n1v1_research.datasets import load
from n1v1_research.datasets.columns import COLUMN_NAMES, Bars
from n1v1_research.datasets.kept import FEWEST, kept_bars

MINUTE_NS = 60_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("N1V1_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bars"


def minutes_csv(path: Path, count: int = FEWEST, first_price: int = 100) -> Path:
    times = np.datetime_as_string(np.arange(count).astype("datetime64[m]"), timezone="UTC", unit="s").tolist()
    rows = (f"{time},{','.join([str(first_price + i)] * 4)},1\n" for i, time in enumerate(times))
    path.write_text("open_time,open,high,low,close,volume\n" + "".join(rows))
    return path


def refuse() -> Bars:
    raise AssertionError("the file was read again")


def test_a_second_reading_gives_the_same_columns_and_leaves_the_file_alone(tmp_path: Path, cache: Path) -> None:
    path = minutes_csv(tmp_path / "BTC-USD-1m.csv")
    first = load(path).columns("BTC-USD")
    (kept,) = cache.iterdir()
    written = kept.stat().st_mtime_ns
    second = load(path).columns("BTC-USD")
    assert kept.stat().st_mtime_ns == written
    for name in COLUMN_NAMES:
        assert np.array_equal(getattr(second, name), getattr(first, name))
        assert not getattr(second, name).flags.writeable


def test_what_is_kept_is_not_read_again(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"content")
    opens = np.arange(FEWEST) * MINUTE_NS
    bars = Bars(opens, opens + MINUTE_NS, *(np.full(FEWEST, 7) for _ in range(5)))
    sha256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert kept_bars(path, sha256, BTC, "1m", lambda: bars) is bars
    assert len(kept_bars(path, sha256, BTC, "1m", refuse)) == FEWEST
    with pytest.raises(AssertionError, match="read again"):
        kept_bars(path, sha256, BTC, "2m", refuse)
    with pytest.raises(AssertionError, match="read again"):
        kept_bars(path, sha256, Instrument(symbol="BTC-USD", base="BTC", quote="USD", can_short=True), "1m", refuse)


def test_a_changed_file_is_read_and_checked_anew(tmp_path: Path, cache: Path) -> None:
    path = minutes_csv(tmp_path / "BTC-USD-1m.csv")
    load(path)
    assert load(minutes_csv(path, first_price=200)).columns("BTC-USD").open[0] == 200_00
    path.write_text(path.read_text() + "today,1,1,1,1,1\n")
    with pytest.raises(InvalidData, match="1 bad row"):
        load(path)


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path, cache: Path) -> None:
    path = minutes_csv(tmp_path / "BTC-USD-1m.csv")
    bars = load(path).columns("BTC-USD")
    assert kept_bars(path, "0" * 64, BTC, "1m", lambda: bars) is bars
    with pytest.raises(AssertionError, match="read again"):
        kept_bars(path, "0" * 64, BTC, "1m", refuse)


def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path, cache: Path) -> None:
    path = minutes_csv(tmp_path / "BTC-USD-1m.csv")
    first = load(path)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-8], whole[:100] + b"x" + whole[101:]):
        kept.write_bytes(damaged)
        assert load(path).id == first.id
        assert kept.read_bytes() == whole


def test_without_a_folder_to_write_to_everything_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    monkeypatch.setenv("N1V1_CACHE_DIR", str(tmp_path / "cache"))
    assert len(load(minutes_csv(tmp_path / "BTC-USD-1m.csv")).columns("BTC-USD")) == FEWEST


def test_small_files_are_not_kept(tmp_path: Path, cache: Path) -> None:
    load(minutes_csv(tmp_path / "BTC-USD-1m.csv", count=10))
    assert not cache.exists()
