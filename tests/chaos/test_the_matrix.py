"""The drill of `make chaos`: a small matrix on one stack, and what it makes of a run that ended differently."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from chaos.cells import CELLS, KILL, NEEDS, POINTS_OF, SERVERS, SERVICES, STOP, Cell, Market, Node, Point, chosen
from chaos.links import Cut
from chaos.replay import DENSE, running
from chaos.report import Count, command_for, rows_of, summary_of, write_page
from chaos.run import Drill, Outcome, Undisturbed, run_all

from n1v1_cli.stack.supervisor import RestartLimit
from n1v1_common.servers import ServerMissing

SEED = 1
AWAY_S = 12.0
SMALL = (
    Cell("market_data", KILL, Point.COMMITTED_NOT_PUBLISHED),
    Cell("signals", KILL, Point.BEFORE_COMMIT),
    Cell("risk", KILL, Point.COMMITTED_NOT_PUBLISHED),
    Cell("execution", KILL, Point.JOURNALLED_NOT_SENT),
    Cell("execution", KILL, Point.SENT_NOT_ANSWERED),
    Cell("execution", KILL, Point.ANSWER_LOST),
    Cell("execution", KILL, Point.CANCEL_RACING_A_FILL),
    Cell("portfolio", KILL, Point.PUBLISHED_NOT_ACKNOWLEDGED),
    Cell("reporting", KILL, Point.BEFORE_COMMIT),
    Cell("exchange_simulator", KILL, Point.COMMITTED_NOT_PUBLISHED),
    Cell("nats", KILL, Point.COMMITTED_NOT_PUBLISHED),
    Cell("postgres", KILL, Point.BEFORE_COMMIT),
    Cell("portfolio", STOP, Point.RANDOM),
    Cell("execution-nats", Cut.DROPPED, Point.COMMITTED_NOT_PUBLISHED),
    Cell("execution-venue", Cut.HANGING, Point.JOURNALLED_NOT_SENT),
    Cell("risk-postgres", Cut.RESET, Point.BEFORE_COMMIT),
    Cell("venue", "answer not sent", Point.RANDOM),
    Cell("venue", "order not visible", Point.RANDOM),
    Cell("valkey", KILL, Point.JOURNALLED_NOT_SENT),
    Cell("execution", STOP, Point.CANCEL_RACING_A_FILL, Market.BY_THE_CLOCK),
    Cell("execution", KILL, Point.SENT_NOT_ANSWERED, Market.BY_THE_CLOCK),
)


@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_a_small_matrix_ends_like_an_undisturbed_run() -> None:
    outcomes = []
    try:
        async for outcome in run_all([(cell, SEED) for cell in SMALL], Undisturbed.of()):
            print(outcome)
            outcomes.append(outcome)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert [(outcome.cell, outcome.differences) for outcome in outcomes if outcome.differences] == []
    assert [outcome.cell for outcome in outcomes if not outcome.is_reached] == []
    assert len(outcomes) == len(SMALL)


@pytest.mark.stack
@pytest.mark.timeout(300)
async def test_a_database_that_is_away_for_a_while_does_not_make_the_stack_give_up(tmp_path: Path) -> None:
    """Under the limit of restarts that everybody has, and not that of the drills."""
    try:
        async with running(tmp_path / "state", *DENSE, limit=RestartLimit()) as replay:
            links = [replay.links[service, "postgres"] for service, needs in NEEDS.items() if "postgres" in needs]
            for link in links:
                link.cut(Cut.DROPPED)
            with pytest.raises(TimeoutError):  # nothing has failed by then
                async with asyncio.timeout(AWAY_S):
                    raise await replay.stack.failed()
            for link in links:
                link.restore()
            await replay.until_settled(await replay.bar_times() + 2, within_s=60)
            assert await Drill(replay, Undisturbed.of()).check() == []
    except ServerMissing as missing:
        pytest.skip(str(missing))


def test_every_service_and_server_is_killed_and_stopped_and_every_link_is_cut_in_every_way() -> None:
    for disturbance in (KILL, STOP):
        assert {cell.victim for cell in CELLS if cell.disturbance == disturbance} == {*SERVICES, *SERVERS, *Node}
    cuts = {(cell.link, cell.disturbance) for cell in CELLS if cell.link}
    links = {(service, server) for service, needs in NEEDS.items() for server in needs}
    assert cuts == {(link, cut) for link in links for cut in Cut}
    assert {cell.point for cell in CELLS if cell.victim == "execution"} == set(Point)
    assert len(set(CELLS)) == len(CELLS)


def test_a_moment_is_caught_in_the_victim_itself_or_in_somebody_who_needs_it() -> None:
    for cell in CELLS:
        for service in cell.caught_in if cell.point is not Point.RANDOM else ():
            assert cell.point in POINTS_OF[service]
            assert cell.victim == service or cell.link or cell.victim in NEEDS[service]


def test_cells_are_chosen_by_victim_disturbance_and_moment() -> None:
    of_three = chosen(["execution", "kill -9", "before commit"])
    assert of_three == [Cell("execution", KILL, Point.BEFORE_COMMIT, market) for market in Market]
    assert {cell.victim for cell in chosen(["risk", "portfolio"])} == {"risk", "portfolio"}
    assert chosen([]) == list(CELLS)
    with pytest.raises(ValueError, match="nothing is called nobody; there are: exchange_simulator, execution"):
        chosen(["nobody"])


def test_a_run_that_differed_names_its_seed_and_what_repeats_it(tmp_path: Path) -> None:
    cell = Cell("risk", KILL, Point.BEFORE_COMMIT)
    outcomes = [
        Outcome(cell, 1, (), 2.0, 20.0),
        Outcome(cell, 2, ("fills: <one more>",), 4.0, 20.0, bar_time=31),
        Outcome(cell, 3, (), None, 60.0, is_reached=False),
    ]
    (row,) = rows_of(outcomes)
    assert row.counts[Point.BEFORE_COMMIT] == Count(runs=2, differences=1, missed=1)
    assert row.recovery == ("3.00 s", "4.00 s")
    assert summary_of(outcomes) == "2 runs, 2 of them kills, 1 differences; 1 moments were not reached"
    command = (
        "make chaos ARGS=\"--only 'risk' --only 'kill -9' --only 'before commit' --only 'in lockstep'"
        ' --first-seed 2 --from-bar 31"'
    )
    assert command_for(outcomes[1]) == command
    write_page(tmp_path / "page.html", outcomes)
    assert "fills: &lt;one more&gt;" in (tmp_path / "page.html").read_text()
