"""n1v1 secrets: drawn once, kept, readable by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1_cli.main import main
from n1v1_common.access.secrets import names_of_secrets


def test_every_secret_is_drawn_once_and_what_stands_in_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("N1V1_SPEED=3600\nN1V1_RISK_PASSWORD=mine\n")
    assert main(["secrets", str(file)]) == 0
    drawn = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert set(drawn) == {*names_of_secrets(), "N1V1_SPEED"}
    assert drawn["N1V1_RISK_PASSWORD"] == "mine"
    assert len(set(drawn.values())) == len(drawn), "no two alike"
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(["secrets", str(file)]) == 0
    assert dict(line.split("=", 1) for line in file.read_text().splitlines()) == drawn


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["secrets", str(tmp_path / "nowhere" / ".env")]) == 1
    assert "nowhere/.env cannot be written" in capsys.readouterr().err
