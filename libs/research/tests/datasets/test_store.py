"""Imported datasets on disk: found by name or id, whole or not there at all, and never changed unnoticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pytest
from pyarrow import parquet

from n1v1.errors import InvalidData, UnknownName
from n1v1.values import Instrument
from n1v1_research.datasets import Bars, Dataset, instruments, load
from n1v1_research.datasets.columns import COLUMN_NAMES
from n1v1_research.datasets.store import Store, default_folder
from n1v1_research.datasets.stored import alterations, instrument_fields, instrument_from

MINUTE_NS = 60_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD", can_short=True)


def bars(minutes: list[int], price: int = 1_000) -> Bars:
    opens = np.array(minutes, dtype=np.int64) * MINUTE_NS
    prices = np.full(len(minutes), price, dtype=np.int64)
    return Bars(opens, opens + MINUTE_NS, prices, prices + 5, prices - 5, prices + 1, np.arange(len(minutes)))


def dataset(name: str = "mine", price: int = 1_000) -> Dataset:
    return Dataset(name, "1m", (BTC, ETH), {"BTC-USD": bars([1, 2, 3, 6], price), "ETH-USD": bars([2, 3])})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "datasets")


def add(store: Store, given: Dataset) -> tuple[str, bool]:
    entry, is_new = store.add(given, origin={"files": []}, now_ns=0)
    return entry.id, is_new


def test_what_is_read_is_what_was_stored(store: Store) -> None:
    original = dataset()
    add(store, original)
    again = load("mine", store=store.folder)
    assert (again.id, again.gaps, again.instruments) == (original.id, original.gaps, original.instruments)
    for symbol in original.symbols:
        for name in COLUMN_NAMES:
            assert getattr(again.columns(symbol), name).tolist() == getattr(original.columns(symbol), name).tolist()
            assert not getattr(again.columns(symbol), name).flags.writeable


def test_gaps_are_kept_with_the_dataset(store: Store) -> None:
    entry, _ = store.add(dataset(), origin={}, now_ns=0)
    assert parquet.ParquetFile(entry.folder / "gaps.parquet").read().to_pylist() == [
        {"symbol": "BTC-USD", "first_open_ns": 4 * MINUTE_NS, "end_ns": 6 * MINUTE_NS, "missing_bars": 2}
    ]
    assert [(series.gaps, series.missing_bars) for series in entry.series] == [(1, 2), (0, 0)]


def test_the_same_content_is_kept_once_under_as_many_names_as_one_likes(store: Store) -> None:
    (first, is_new), (second, is_new_again) = add(store, dataset()), add(store, dataset("other"))
    assert (first == second, is_new, is_new_again) == (True, True, False)
    assert store.names() == {"mine": first, "other": first}
    assert [folder.name for folder in store.folders()] == [first]


def test_a_name_can_move_and_the_old_dataset_stays_under_its_id(store: Store) -> None:
    old, _ = add(store, dataset())
    new, _ = add(store, dataset(price=2_000))
    assert load("mine", store=store.folder).id == new
    assert load(old[:8], store=store.folder).id == old


def test_a_dataset_is_found_by_its_id_and_by_a_beginning_that_is_its_own(store: Store) -> None:
    whole, _ = add(store, dataset())
    for name in (whole, whole[:4]):
        assert load(name, store=store.folder).id == whole
        assert instruments(name, symbols=["ETH-USD"], store=store.folder) == (ETH,)
    with pytest.raises(UnknownName, match=f"no dataset '{whole[:3]}'"):
        load(whole[:3], store=store.folder)


def test_an_ambiguous_beginning_names_the_candidates(store: Store) -> None:
    folders = [store.folder / (beginning + 60 * "0") for beginning in ("abcd", "abce")]
    for folder in folders:
        folder.mkdir(parents=True)
    (store.folder / ("abcd" + 60 * "1")).mkdir()
    with pytest.raises(UnknownName, match="begins with 'abcd': abcd00000000, abcd11111111"):
        load("abcd", store=store.folder)


def test_a_wrong_name_is_answered_with_the_nearest_imported_one(store: Store) -> None:
    add(store, dataset("minutes-2020"))
    with pytest.raises(UnknownName, match="did you mean 'minutes-2020'"):
        load("minutes-202", store=store.folder)


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a b", 65 * "x"])
def test_a_name_that_could_not_be_a_file_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidData, match="expected a name of letters"):
        add(store, dataset(name))
    assert not store.folder.exists()


def test_storing_that_fails_half_way_leaves_nothing(store: Store) -> None:
    """The second symbol is no file name, which is found out after the first has been written."""
    slashed = Instrument(symbol="X/Y-USD", base="X/Y", quote="USD")
    half_bad = Dataset("mine", "1m", (BTC, slashed), {"BTC-USD": bars([1]), "X/Y-USD": bars([1])})
    with pytest.raises(OSError, match="X/Y-USD"):
        add(store, half_bad)
    assert list(store.folder.iterdir()) == []
    assert store.names() == {}


def test_what_a_killed_import_left_is_no_dataset(store: Store) -> None:
    (store.folder / ".incoming-x").mkdir(parents=True)
    (store.folder / ".incoming-x" / "dataset.json").write_text("{}")
    assert list(store.folders()) == []
    add(store, dataset())
    assert len(list(store.folders())) == 1


def test_verify_finds_nothing_in_what_was_not_touched(store: Store) -> None:
    dataset_id, _ = add(store, dataset())
    assert alterations(store.folder / dataset_id) == []


def test_verify_says_which_file_was_altered(store: Store) -> None:
    dataset_id, _ = add(store, dataset())
    folder = store.folder / dataset_id
    path = folder / "BTC-USD.parquet"
    table = parquet.ParquetFile(path).read()
    parquet.write_table(table.set_column(1, "open", pa.array([1_001, 1_000, 1_000, 1_000])), path)
    found = alterations(folder)
    assert found[0].startswith("BTC-USD.parquet was altered: SHA-256 ")
    assert found[1].startswith("the bars and instruments have the id ")
    path.unlink()
    assert alterations(folder)[0] == "BTC-USD.parquet is gone"


def test_verify_notices_a_changed_description_and_a_stranger(store: Store) -> None:
    dataset_id, _ = add(store, dataset())
    folder = store.folder / dataset_id
    (folder / "notes.txt").write_text("mine")
    assert alterations(folder) == ["notes.txt does not belong here"]
    content = json.loads((folder / "dataset.json").read_text())
    content["timeframe"] = "5m"
    (folder / "dataset.json").write_text(json.dumps(content))
    assert "was altered: it does not match its own SHA-256" in alterations(folder)[0]
    with pytest.raises(InvalidData, match="does not match its own SHA-256"):
        load("mine", store=store.folder)


def test_a_file_of_bars_that_is_not_as_it_was_imported_is_an_error_that_names_it(store: Store) -> None:
    dataset_id, _ = add(store, dataset())
    path = store.folder / dataset_id / "BTC-USD.parquet"
    path.write_bytes(b"gone wrong")
    with pytest.raises(InvalidData, match=r"dataset mine \(.*\): BTC-USD\.parquet was altered"):
        load("mine", store=store.folder)
    assert any("cannot be read" in alteration for alteration in alterations(path.parent))
    path.unlink()
    with pytest.raises(InvalidData, match=r"BTC-USD\.parquet is gone"):
        load("mine", store=store.folder)


def test_the_id_of_a_stored_dataset_is_that_of_its_bars_and_a_part_has_its_own(store: Store) -> None:
    whole, _ = add(store, dataset())
    read = load("mine", store=store.folder)
    assert read.id == replace(read).id == whole
    assert replace(read, timeframe="2m").id != whole
    parts = [{"symbols": ["BTC-USD"]}, {"start": "1970-01-01T00:02"}, {"end": "1970-01-01T00:05"}]
    assert len({whole, *(load("mine", store=store.folder, **part).id for part in parts)}) == 4  # type: ignore[arg-type]


def test_instruments_are_written_and_read_back_the_very_same() -> None:
    for instrument in (BTC, ETH, *instruments("coinbase-4h")):
        again = instrument_from(json.loads(json.dumps(instrument_fields(instrument))))
        assert repr(again) == repr(instrument)


def test_a_part_of_a_stored_dataset_can_be_loaded(store: Store) -> None:
    add(store, dataset())
    part = load("mine", symbols=["BTC-USD"], start="1970-01-01T00:02", end="1970-01-01T00:06", store=store.folder)
    assert (part.columns("BTC-USD").open_ns // MINUTE_NS).tolist() == [2, 3]


def test_the_store_is_the_users_own_unless_a_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path))
    assert default_folder() == tmp_path / "datasets"
    add(Store(), dataset("default"))
    assert load("default").total_steps == 4
    monkeypatch.delenv("N1V1_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_folder() == Path("/state/n1v1/datasets")
