"""What a soak measures is a stack that trades, and what grows in it is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.growth import Soak, limit_of
from chaos.sampling import Measure, Sample, What
from chaos.slopes import Limit, slope_of
from chaos.soak import soak
from chaos.soak_page import write_page
from rich.console import Console

from n1v1.errors import InvalidValue
from n1v1_common.servers import ServerMissing
from n1v1_exchange_simulator.replay.bars import BarRecording
from n1v1_research import datasets

MINUTE_S = 60.0
ORDERS = Measure(What.ROWS, "execution.orders")
BAR_TIMES = Measure(What.BAR_TIMES, "settled")
RISK = Measure(What.MEMORY, "risk")
VENUE = Measure(What.MEMORY, "exchange_simulator")
FILES = Measure(What.FILES, "risk")


def test_a_slope_is_what_a_ruler_says() -> None:
    # Half an hour, a point each 10 minutes and two more: 100 MB and 3 more each time is 18 an hour.
    slope = slope_of([0, 600, 1200, 1800, 2400], [100, 103, 106, 109, 112])
    assert slope.per_hour == pytest.approx(18)
    assert slope.error == pytest.approx(0, abs=1e-9)
    assert slope.growth == pytest.approx(12)


def test_the_error_of_a_slope_is_that_of_the_textbook() -> None:
    # Hours 0..4, measured 0 2 1 3 4: line 0.2 + 0.9 h, left -0.2 0.9 -1 0.1 0.2, squares 1.9, of the hours 10.
    slope = slope_of([0, 3600, 7200, 10800, 14400], [0, 2, 1, 3, 4])
    assert slope.per_hour == pytest.approx(0.9)
    assert slope.error == pytest.approx(1.96 * (1.9 / 3 / 10) ** 0.5)


@pytest.mark.parametrize("at_s", [[], [0, 1, 2, 3], [7, 7, 7, 7, 7]])
def test_a_slope_of_too_little_is_refused(at_s: list[float]) -> None:
    with pytest.raises(InvalidValue, match="a slope needs 5 points at different times"):
        slope_of(at_s, [1.0] * len(at_s))


def test_noise_is_no_growth_and_one_step_is_no_leak() -> None:
    limit = Limit(per_hour=5.0, growth=5.0, why="")
    at_s = [MINUTE_S * number for number in range(80)]
    assert not limit.is_exceeded_by(slope_of(at_s, [100.0 + 6 * (number % 2) for number in range(80)]))
    assert not limit.is_exceeded_by(slope_of(at_s, [100.0 + 3 * (number > 40) for number in range(80)]))
    assert limit.is_exceeded_by(slope_of(at_s, [100.0 + 0.1 * number + number % 2 for number in range(80)]))


def test_a_leak_of_memory_or_files_is_found_and_the_venue_may_remember_its_orders() -> None:
    found = _two_hours({RISK: 0.1, VENUE: 0.1, FILES: 0.05, ORDERS: 1000, BAR_TIMES: 600})
    assert {growth.measure: growth.is_too_much for growth in found.growths()} == {
        RISK: True,  # 6 MB an hour
        VENUE: False,  # the same, with 60,000 orders an hour
        FILES: True,  # one each 20 minutes
        ORDERS: False,
        BAR_TIMES: False,
    }
    assert not any(growth.is_too_much for growth in _two_hours({RISK: 0.03, ORDERS: 1000, BAR_TIMES: 600}).growths())


def test_what_grows_while_the_stack_warms_up_does_not_count() -> None:
    grown = [Sample(MINUTE_S * n, {RISK: 2.0 * min(n, 40), ORDERS: n, BAR_TIMES: n}) for n in range(121)]
    assert not any(growth.is_too_much for growth in Soak(samples=grown).growths())


def test_everything_but_what_the_run_leaves_behind_has_a_limit_with_its_reason() -> None:
    for what in What:
        limit = limit_of(Measure(what, "risk"), orders_per_hour=0)
        assert (limit is None) == (what in (What.MESSAGES, What.STORED, What.ROWS, What.BAR_TIMES))
        assert limit is None or limit.why


def test_a_page_shows_what_grew(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", _two_hours({RISK: 0.1, ORDERS: 1000, BAR_TIMES: 600}))
    page = (tmp_path / "page.html").read_text()
    assert "<td class=GROWS>" in page
    assert "+6.00 ± 0.00 an hour" in page


def test_a_market_that_goes_round_in_lockstep_never_ends_and_never_repeats_a_moment() -> None:
    dataset = datasets.load("coinbase-4h", symbols=["BTC-USD"], start="2021-01-01", end="2021-01-03")
    market = BarRecording(dataset, loops=True)
    steps = market.steps()
    moments = [next(steps)[0].ts_ns for _ in range(3 * market.total_steps)]
    assert moments == sorted(set(moments))


@pytest.mark.stack
@pytest.mark.timeout(300)
async def test_a_minute_at_speed_trades_breaks_nothing_and_is_measured(tmp_path: Path) -> None:
    try:
        found = await soak(1 / 80, Console(), tmp_path / "page.html")
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert found.problems == []
    assert found.checks == 1
    assert found.orders_per_hour > 0
    measured = {growth.measure for growth in found.growths()}
    services = ("market_data", "signals", "risk", "execution", "portfolio", "reporting", "exchange_simulator")
    for who in (*services, "nats", "postgres", "valkey"):
        assert measured >= {Measure(What.MEMORY, who), Measure(What.FILES, who), Measure(What.THREADS, who)}
    assert measured >= {Measure(What.CONNECTIONS, who) for who in ("nats", "postgres", "valkey")}
    assert measured >= {Measure(What.CONSUMERS, "nats"), Measure(What.MESSAGES, "TRADING"), ORDERS, BAR_TIMES}
    assert all(growth.first > 0 for growth in found.growths() if growth.measure.what is What.MEMORY)


def _two_hours(each_minute: dict[Measure, float]) -> Soak:
    """A sample each minute, and so much more of each measure every time."""
    return Soak(
        samples=[
            Sample(MINUTE_S * number, {measure: 100 + more * number for measure, more in each_minute.items()})
            for number in range(121)
        ]
    )
