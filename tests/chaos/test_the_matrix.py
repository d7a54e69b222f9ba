"""The drill of `make chaos`: a few of its cells, and what it makes of a run that ended differently."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.cells import CELLS, KILL, SERVERS, SERVICES, STOP, Cell
from chaos.report import rows_of, write_page
from chaos.run import Outcome, run

from n1v1.run_hash import RunRecords
from n1v1_common.servers import ServerMissing

SEED = 1


@pytest.mark.stack
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "cell",
    [Cell("venue link", "answer lost"), Cell("venue link", "order not visible"), Cell("portfolio", STOP)],
    ids=str,
)
async def test_a_disturbed_run_ends_like_an_undisturbed_one(cell: Cell, expected: RunRecords) -> None:
    try:
        outcome = await run(cell, SEED, expected)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert not outcome.differences


def test_every_service_and_server_is_killed_and_stopped_and_the_link_to_the_venue_cut() -> None:
    killed = {cell.victim for cell in CELLS if cell.disturbance == KILL}
    assert killed == {*SERVICES, *SERVERS} == {cell.victim for cell in CELLS if cell.disturbance == STOP}
    assert len(killed) == 9
    assert sum(cell.victim == "venue link" for cell in CELLS) == 6


def test_a_run_that_differed_names_its_seed(tmp_path: Path) -> None:
    cell = Cell("risk", KILL)
    outcomes = [Outcome(cell, 1, (), (2.0, 4.0), 20.0), Outcome(cell, 2, ("fills: <one more>",), (3.0,), 20.0)]
    assert rows_of(outcomes) == [(False, ("risk", "kill -9", "2", "1", "3.00 s", "4.00 s", "2"))]
    write_page(tmp_path / "page.html", outcomes, bar_times=150, disturbances=6)
    assert "2 runs of 150 bar times each, 6 disturbances, 1 differences" in (tmp_path / "page.html").read_text()
