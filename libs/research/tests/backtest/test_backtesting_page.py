"""The Python of docs/backtesting.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from n1v1_research.results import RunResult

ROOT = Path(__file__).parents[4]


def test_the_example_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "backtesting.md").read_text()
    indented = re.findall(r"(?:^    .*\n|^\n)+", page.partition("## From Python")[2], re.MULTILINE)
    lines = [line for block in indented for line in block.splitlines()]
    example = "\n".join(line.removeprefix("    ") for line in lines)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, "docs/backtesting.md", "exec"), names)
    result = names["result"]
    assert isinstance(result, RunResult)
    assert result.summary.total_trades > 0
    rows = names["rows"]
    assert isinstance(rows, list)
    assert len(rows) == 9
    assert (tmp_path / "results" / "mine" / "report.html").is_file()
