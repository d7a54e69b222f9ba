"""Files become a dataset, or every reason why not is named and nothing is kept."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pytest
from pyarrow import feather, parquet

from n1v1.errors import InvalidData
from n1v1_research.datasets.export import export
from n1v1_research.datasets.grids import Grid
from n1v1_research.datasets.importing import Imported, import_files
from n1v1_research.datasets.moments import moment_ns
from n1v1_research.datasets.sources import Reading

NOW_NS = moment_ns("2024-01-01")
GOOD = ["2020-01-01T00:00:00Z,10,12,9.5,11,0.5", "2020-01-01T00:01:00Z,11,11.25,10,10,2"]
HEADER = "timestamp,open,high,low,close,volume"


def imported(
    *paths: Path, reading: Reading | None = None, timeframe: str = "1m", grids: Mapping[str, Grid] | None = None
) -> Imported:
    return import_files(
        {"BTC-USD": paths},
        name="mine",
        timeframe=timeframe,
        reading=reading or Reading(),
        grids=grids or {},
        now_ns=NOW_NS,
    )


def csv_file(folder: Path, *lines: str, header: str = HEADER, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def closes(result: Imported) -> list[int]:
    return [int(close) for close in result.dataset.columns("BTC-USD").close]


def test_the_same_bars_have_one_id_whatever_the_format(tmp_path: Path) -> None:
    plain = csv_file(tmp_path, *GOOD)
    zipped = tmp_path / "zipped.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    table = pa.table(
        {
            "Open Time": [1_577_836_800_000, 1_577_836_860_000],
            "Open": [10.0, 11.0],
            "High": [12.0, 11.25],
            "Low": [9.5, 10.0],
            "Close": [11.0, 10.0],
            "Volume": [0.5, 2.0],
        }
    )
    parquet.write_table(table, tmp_path / "bars.parquet")
    feather.write_feather(table, tmp_path / "bars.feather")
    ids = {
        imported(tmp_path / name).dataset.id for name in ("bars.csv", "zipped.csv.gz", "bars.parquet", "bars.feather")
    }
    assert len(ids) == 1


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "feather"])
def test_what_is_exported_and_imported_again_is_the_same(tmp_path: Path, ending: str) -> None:
    dataset = imported(csv_file(tmp_path, *GOOD)).dataset
    path = tmp_path / "out" / f"again.{ending}"
    export(dataset.columns("BTC-USD"), dataset.instrument("BTC-USD"), path)
    assert imported(path).dataset.id == dataset.id


def test_tick_and_lot_are_inferred_and_the_limits_leave_room(tmp_path: Path) -> None:
    (instrument,) = imported(csv_file(tmp_path, *GOOD)).dataset.instruments
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.1"))
    assert instrument.max_price == 1_000
    assert instrument.cash(instrument.min_notional) == 10
    assert instrument.step_lots * instrument.lot_size == Decimal("0.1")


def test_a_given_grid_wins_over_the_inferred_one(tmp_path: Path) -> None:
    grid = Grid(tick_size=Decimal("0.0001"), lot_size=Decimal("0.00000001"), min_notional=Decimal(5))
    (instrument,) = imported(csv_file(tmp_path, *GOOD), grids={"BTC-USD": grid}).dataset.instruments
    assert (instrument.tick_size, instrument.lot_size) == (grid.tick_size, grid.lot_size)
    assert instrument.cash(instrument.min_notional) == 5


def test_a_grid_means_the_same_however_it_is_written(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *GOOD)
    ids = {
        imported(path, grids={"BTC-USD": Grid(tick_size=Decimal(text))}).dataset.id
        for text in ("0.01", "0.010", "1E-2")
    }
    assert ids == {imported(path).dataset.id}


def test_an_impossible_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"no instrument with ticks of 0\.05 .*power of ten"):
        imported(csv_file(tmp_path, *GOOD), grids={"BTC-USD": Grid(tick_size=Decimal("0.05"))})


def test_columns_header_and_delimiter_can_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    path.write_text("1577836800;x;10;12;9.5;11;0.5\n")
    columns = {name: str(number) for number, name in enumerate(("open", "high", "low", "close", "volume"), start=3)}
    reading = Reading(columns=columns, has_header=False, delimiter=";")
    assert closes(imported(path, reading=reading)) == [110]


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidData, match=r"expected a column such as 'volume' for volume; the file has 'timestamp', 'open'"
    ):
        imported(csv_file(tmp_path, "2020-01-01,1,1,1,1", header="timestamp,open,high,low,close"))
    with pytest.raises(InvalidData, match="expected column 'ts' for time"):
        imported(csv_file(tmp_path, *GOOD), reading=Reading(columns={"time": "ts"}))


def test_times_may_be_those_at_which_bars_close(tmp_path: Path) -> None:
    result = imported(csv_file(tmp_path, *GOOD), reading=Reading(stamps="close"))
    assert result.dataset.columns("BTC-USD").close_ns.tolist()[0] == moment_ns("2020-01-01")


def test_weeks_begin_on_monday(tmp_path: Path) -> None:
    monday, sunday = (csv_file(tmp_path, f"2020-01-0{day},10,12,9,11,1", name=f"{day}.csv") for day in (6, 5))
    assert closes(imported(monday, timeframe="1w")) == [11]
    with pytest.raises(InvalidData, match="time 2020-01-05 is not on the 1w grid"):
        imported(sunday, timeframe="1w")


def test_every_bad_row_is_named_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    bad = [
        "2020-01-01T00:01:00Z,11,11.25,10,10,2",
        "2020-01-01T00:02:00Z,11,10,11,11,1",
        "2020-01-01T00:03:30Z,11,12,10,11,1",
        "2020-01-01T00:04:00Z,11,12,10",
        "2020-01-01T00:05:00Z,11,12,10,11,nan",
        "2019-12-31T23:59:00Z,11,12,10,11,1",
        "",
        "2024-01-01T00:00:00Z,11,12,10,11,1",
        "2020-01-01T00:06:00Z,13,12,10,11,1",
    ]
    with pytest.raises(InvalidData) as caught:
        imported(csv_file(tmp_path, *GOOD, *bad))
    assert str(caught.value).splitlines()[:-1] == [
        "bars.csv has 9 bad rows:",
        "bars.csv:4: time 2020-01-01T00:01:00Z is a duplicate of an earlier row",
        "bars.csv:5: high 10.00 is below low 11.00",
        "bars.csv:6: time 2020-01-01T00:03:30Z is not on the 1m grid",
        "bars.csv:7: expected 6 columns, found 4",
        "bars.csv:8: volume 'nan' is not a number",
        "bars.csv:9: time 2019-12-31T23:59:00Z is before the row before it",
        "bars.csv:10: time is missing",
        "bars.csv:11: the bar at 2024-01-01T00:00:00Z is not over yet (--drop-last leaves out the last row)",
        "bars.csv:12: open 13.00 is outside low 10.00 to high 12.00",
    ]


def test_rows_of_a_table_are_counted_from_one(tmp_path: Path) -> None:
    columns = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    parquet.write_table(pa.table({"time": [0, 90], **columns}), tmp_path / "bars.parquet")
    with pytest.raises(InvalidData, match=r"bars\.parquet row 2: time 90 is not on the 1m grid"):
        imported(tmp_path / "bars.parquet")


def test_bad_rows_are_left_out_only_when_asked_and_are_reported(tmp_path: Path) -> None:
    path = csv_file(tmp_path, GOOD[0], "rubbish", GOOD[1], "2020-01-01T00:04:00Z,13,12,10,11,1")
    result = imported(path, reading=Reading(skips_bad_rows=True))
    assert closes(result) == [1_100, 1_000]
    assert [bad_row.place for bad_row in result.skipped] == ["bars.csv:3", "bars.csv:5"]


def test_the_last_row_can_be_left_out_whatever_it_is(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *GOOD, "2024-01-01T00:00:00Z,11,12,10,11,1")
    assert len(closes(imported(path, reading=Reading(drops_last=True)))) == 2


def test_a_bar_was_not_over_when_its_file_was_written_during_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *GOOD)
    during = datetime(2020, 1, 1, 0, 1, 30, tzinfo=UTC).timestamp()
    os.utime(path, (during, during))
    with pytest.raises(
        InvalidData, match=r"bars.csv:3: the bar was not over when the file was written, 2020-01-01 00:01:30Z"
    ):
        imported(path)
    assert len(closes(imported(path, reading=Reading(drops_last=True)))) == 1


def test_several_files_of_one_symbol_follow_one_another(tmp_path: Path) -> None:
    first, second = (csv_file(tmp_path, row, name=f"{number}.csv") for number, row in enumerate(GOOD))
    assert len(closes(imported(first, second))) == 2
    with pytest.raises(InvalidData, match=r"0\.csv:2: time 2020-01-01T00:00:00Z is before the row before it"):
        imported(second, first)
    with pytest.raises(InvalidData, match=r"0\.csv:2: time 2020-01-01T00:00:00Z is a duplicate"):
        imported(first, first)


def test_the_problems_of_all_symbols_are_told_at_once(tmp_path: Path) -> None:
    files = {"BTC-USD": [csv_file(tmp_path, "x", name="btc.csv")], "ETH-USD": [csv_file(tmp_path, "y", name="eth.csv")]}
    with pytest.raises(InvalidData) as caught:
        import_files(files, name="two", timeframe="1m", reading=Reading(), grids={}, now_ns=NOW_NS)
    assert "btc.csv" in str(caught.value)
    assert "eth.csv" in str(caught.value)


def test_values_finer_than_the_grid_are_refused_or_rounded_and_counted(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *GOOD)
    tenths = {"BTC-USD": Grid(tick_size=Decimal("0.1"))}
    with pytest.raises(InvalidData, match=r"bars.csv:3: high 11.25 is not a multiple of 0.1"):
        imported(path, grids=tenths)
    result = imported(path, grids=tenths, reading=Reading(rounds=True))
    assert (result.dataset.columns("BTC-USD").high.tolist(), result.rounded) == ([120, 112], 1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("bars.csv", b"", "the file is empty"),
        ("bars.csv", HEADER.encode(), "no row has a positive price"),
        ("bars.csv", b"\xff\xfe", "the file is not UTF-8 text"),
        ("bars.csv.gz", b"plain", "the file is damaged"),
        ("bars.parquet", b"PAR1 but not really", "the file is damaged or of another kind"),
        ("bars.feather", b"nothing", "the file is damaged or of another kind"),
        ("bars.xlsx", b"", "expected a file of bars that ends in one of .csv"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidData, match=complaint):
        imported(tmp_path / name)


def test_a_file_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"none\.csv: the file cannot be read"):
        imported(tmp_path / "none.csv")


def test_coins_priced_in_coins_get_cash_fine_enough_for_small_orders(tmp_path: Path) -> None:
    row = "2020-01-01T00:00:00Z,0.05,0.05123456,0.05,0.05,1.12345678"
    result = import_files(
        {"ETH-BTC": [csv_file(tmp_path, row)]}, name="x", timeframe="1m", reading=Reading(), grids={}, now_ns=NOW_NS
    )
    (instrument,) = result.dataset.instruments
    step = instrument.step_lots * instrument.lot_size * Decimal("0.05123456")
    assert step < Decimal("0.00001")
    assert instrument.max_quantity == 900


def test_the_source_is_known_by_its_hash(tmp_path: Path) -> None:
    (source,) = imported(csv_file(tmp_path, *GOOD)).sources
    sha256 = hashlib.sha256((tmp_path / "bars.csv").read_bytes()).hexdigest()
    assert (source.name, source.rows, source.sha256) == ("bars.csv", 2, sha256)


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTC/USD", "A/B-C", "-USD", ""])
def test_a_symbol_says_base_and_quote(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(InvalidData, match="expected a symbol such as BTC-USD"):
        import_files(
            {symbol: [csv_file(tmp_path, *GOOD)]}, name="x", timeframe="1m", reading=Reading(), grids={}, now_ns=NOW_NS
        )
