"""What a damaged dataset is answered with: the file, the line and what is wrong with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from n1v1.errors import InvalidData
from n1v1_research.datasets import load
from n1v1_research.datasets.convert import compressed, to_csv

HEADER = "open_time,open,high,low,close,volume"
GOOD = "2020-01-01T00:00:00Z,10,12,9.5,11,0.5"


def file_with(folder: Path, *lines: str) -> Path:
    path = folder / "BTC-USD-4h.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2020-01-01T04:00:00Z,10,12,9,11", "expected 6 columns, found 5"),
        ("2020-01-01T04:00:00Z,ten,12,9,11,1", "open 'ten' is not a number"),
        ("2020-01-01T04:00:00Z,nan,12,9,11,1", "open 'nan' is not a number"),
        ("2020-01-01T04:00:00Z,10.001,12,9,11,1", "open 10.001 is not a multiple of 0.01"),
        ("2020-01-01T04:00:00Z,10,9,12,11,1", "high 9.00 is below low 12.00"),
        ("2020-01-01T04:00:00Z,13,12,9,11,1", "open 13.00 is outside low 9.00 to high 12.00"),
        ("2020-01-01T04:00:00Z,10,12,9,8,1", "close 8.00 is outside low 9.00 to high 12.00"),
        ("2020-01-01T04:00:00Z,10,12,0,11,1", "low 0.00 is not positive"),
        (
            "2020-01-01T04:00:00Z,10,2000000,9,11,1",
            "high 2000000.00 is above the instrument's max_price 1000000",
        ),
        ("2020-01-01T04:00:00Z,10,12,9,11,-1", "volume -1 is negative"),
        (
            "2020-01-01T00:00:00Z,10,12,9,11,1",
            "time 2020-01-01T00:00:00Z is a duplicate of an earlier row",
        ),
        ("2019-12-31T20:00:00Z,10,12,9,11,1", "time 2019-12-31T20:00:00Z is before the row before it"),
        ("2020-01-01T05:00:00Z,10,12,9,11,1", "time 2020-01-01T05:00:00Z is not on the 4h grid"),
        ("yesterday,10,12,9,11,1", "'yesterday' is not a time such as 2020-01-01T04:00:00Z"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(InvalidData) as caught:
        load(file_with(tmp_path, HEADER, GOOD, row))
    assert str(caught.value) == f"BTC-USD-4h.csv has 1 bad row:\nBTC-USD-4h.csv:3: {complaint}"


def test_the_first_twenty_bad_rows_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as caught:
        load(file_with(tmp_path, HEADER, *["rubbish"] * 23))
    lines = str(caught.value).splitlines()
    assert lines[0] == "BTC-USD-4h.csv has 23 bad rows:"
    assert lines[1] == "BTC-USD-4h.csv:2: expected 6 columns, found 1"
    assert (len(lines), lines[-1]) == (22, "... and 3 more")


def test_a_file_without_the_expected_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidData, match=r"BTC-USD-4h.csv: expected column 'open_time' for time; the file has 'date', 'o'"
    ):
        load(file_with(tmp_path, "date,o,h,l,c", GOOD))


def test_a_truncated_gzip_file_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "BTC-USD-4h.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{GOOD}\n".encode())[:-12])
    with pytest.raises(InvalidData, match=r"BTC-USD-4h.csv.gz: the file is damaged"):
        load(path)


def test_every_number_form_is_read_exactly(tmp_path: Path) -> None:
    row = "2020-01-01T04:00:00+00:00,1e1,12.000,9.5,11,5E-8"
    dataset = load(file_with(tmp_path, HEADER, GOOD, row))
    bar = dataset.bars["BTC-USD"][1]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (1000, 1200, 950, 1100, 5)


def test_a_hole_between_bars_is_a_gap(tmp_path: Path) -> None:
    dataset = load(file_with(tmp_path, HEADER, GOOD, GOOD.replace("T00", "T16")))
    (gap,) = dataset.gaps
    assert gap.missing_bars == 3
    assert (gap.first_open_ns, gap.ts_ns) == tuple(
        1_577_836_800_000_000_000 + hours * 3_600_000_000_000 for hours in (4, 16)
    )


def test_a_folder_without_manifest_and_one_with_a_broken_manifest_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"has no dataset\.toml"):
        load(tmp_path)
    (tmp_path / "dataset.toml").write_text('name = "mine"\n')
    with pytest.raises(InvalidData, match="'timeframe' is missing"):
        load(tmp_path)


def test_conversion_rounds_half_to_even_counts_it_and_can_be_loaded(tmp_path: Path) -> None:
    text, bars, rounded = to_csv(iter([(1_577_836_800_000, 10.005, 12.0, 9.5, 11.015, 1e-8)]))
    assert (bars, rounded) == (1, 2)
    assert text == f"{HEADER}\n2020-01-01T00:00:00Z,10,12,9.5,11.02,0.00000001\n"
    path = tmp_path / "BTC-USD-4h.csv.gz"
    path.write_bytes(compressed(text))
    assert load(path).total_steps == 1
