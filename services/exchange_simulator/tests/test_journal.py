from __future__ import annotations

import os
from pathlib import Path

import pytest

from n1v1_exchange_simulator.journal import FILE_NAME, Journal, JournalError

IDENTITY = {"dataset": "d1", "configuration": "c1"}


def journal_in(folder: Path, identity: dict[str, str] = IDENTITY) -> Journal:
    return Journal(folder, identity=identity, fsync=False)


def written(folder: Path, *records: dict[str, object]) -> Path:
    """A closed journal with `records`; gives its file."""
    journal = journal_in(folder)
    for record in records:
        journal.append(record)
    journal.close()
    return journal.path


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    written(tmp_path, {"do": "a"}, {"do": "b"})
    journal = journal_in(tmp_path)
    assert journal.records == [{"do": "a"}, {"do": "b"}]
    assert journal.cut_off == b""
    journal.close()


def test_a_torn_last_line_is_cut_off_and_writing_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path, {"do": "a"})
    with path.open("ab") as file:
        file.write(b'{"do":"b')

    journal = journal_in(tmp_path)
    assert (journal.records, journal.cut_off) == ([{"do": "a"}], b'{"do":"b')
    journal.append({"do": "c"})
    journal.close()

    again = journal_in(tmp_path)
    assert again.records == [{"do": "a"}, {"do": "c"}]
    again.close()


def test_a_torn_first_line_leaves_an_empty_journal(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'{"journal":1,"data')
    journal = journal_in(tmp_path)
    assert journal.records == []
    journal.close()
    again = journal_in(tmp_path)
    assert again.cut_off == b""
    again.close()


def test_damage_before_the_last_line_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, {"do": "a"}, {"do": "b"})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(JournalError, match=rf"{FILE_NAME}:2 is damaged"):
        journal_in(tmp_path)


def test_a_journal_of_another_dataset_is_refused_with_both_hashes(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(JournalError, match="another dataset: d1, now d2") as refusal:
        journal_in(tmp_path, {**IDENTITY, "dataset": "d2"})
    assert "paths.state_dir" in str(refusal.value)


def test_a_journal_of_another_configuration_is_refused_with_both_hashes(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(JournalError, match="another configuration: c1, now c2"):
        journal_in(tmp_path, {**IDENTITY, "configuration": "c2"})


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    with pytest.raises(JournalError, match="in use by another process"):
        journal_in(tmp_path)
    journal.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be opened"):
        journal_in(tmp_path / "file" / "journal")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which refuses every write")
def test_a_full_disk_is_an_error_not_a_silence(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)  # the journal's own descriptor now leads to a device that is always full
    os.close(full)
    with pytest.raises(JournalError, match="cannot be written: No space left"):
        journal.append({"do": "a"})
    with pytest.raises(JournalError, match="cannot be written"):
        journal.append({"do": "b"})
