"""Which faults fire, and that a seed decides it: without a venue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1_exchange_simulator.faults.active import Faults, add_all
from n1v1_exchange_simulator.faults.descriptions import (
    Delay,
    Fault,
    FaultError,
    RequestFault,
    Subject,
    fault_of,
)
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.script import read_script
from n1v1_exchange_simulator.faults.timing import WallTimers

NEW_YEAR_NS = 1_577_836_800_000_000_000  # 2020-01-01
ORDER = Subject(method="POST", path="/api/v3/order", account="main", symbol="BTCUSD")


def faults_at(venue_ns: int = NEW_YEAR_NS, *, seed: int = 1, log: FaultLog | None = None) -> Faults:
    return Faults(
        seed=seed, log=log or FaultLog(None), venue_ns=lambda: venue_ns, timers=WallTimers(lambda: 5_000_000_000)
    )


def fired(faults: Faults, subject: Subject = ORDER) -> bool:
    return bool(faults.fire(RequestFault, subject))


def test_a_fault_fires_on_what_it_concerns_and_on_nothing_else() -> None:
    faults = faults_at()
    faults.add(fault_of({"kind": "hang_after", "method": "POST", "path": "/api/v3/order*", "account": "main"}))
    assert fired(faults)
    assert not fired(faults, ORDER.model_copy(update={"method": "GET"}))
    assert not fired(faults, ORDER.model_copy(update={"path": "/api/v3/account"}))
    assert not fired(faults, ORDER.model_copy(update={"account": "other"}))


@pytest.mark.parametrize("written", ["BTCUSD", "BTC-USD", "btc/usd"])
def test_a_symbol_may_be_written_in_any_way(written: str) -> None:
    faults = faults_at()
    faults.add(fault_of({"kind": "overloaded", "symbol": written}))
    assert fired(faults)
    assert not fired(faults, ORDER.model_copy(update={"symbol": "ETHUSD"}))


def test_skip_and_count_choose_the_second_and_the_third() -> None:
    faults = faults_at()
    faults.add(fault_of({"kind": "overloaded", "skip": 1, "count": 2}))
    assert [fired(faults) for _ in range(5)] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("after_s", "fires"), [(-1, False), (0, True), (3599, True), (3600, False)], ids=["early", "first", "last", "late"]
)
def test_a_fault_is_on_from_its_start_until_just_before_its_end(after_s: int, fires: bool) -> None:
    faults = faults_at(NEW_YEAR_NS + after_s * 1_000_000_000)
    faults.add(fault_of({"kind": "overloaded", "starts": "2020-01-01T00:00:00Z", "ends": "2020-01-01T01:00:00Z"}))
    assert fired(faults) is fires


@given(seed=st.integers(), probability=st.floats(0, 1))
def test_a_seed_decides_every_draw(seed: int, probability: float) -> None:
    def draws() -> list[bool]:
        faults = faults_at(seed=seed)
        faults.add(fault_of({"kind": "overloaded", "name": "x", "probability": probability}))
        return [fired(faults) for _ in range(20)]

    assert draws() == draws()


def test_another_fault_does_not_change_what_a_fault_draws() -> None:
    def firings(*others: Fault) -> int:
        faults = faults_at()
        described = {"kind": "overloaded", "name": "x", "probability": 0.5}
        add_all(faults, [*others, fault_of(described)])  # type: ignore[list-item]  # each of them is an AnyFault
        for _ in range(50):
            fired(faults)
        return next(active.firings for active in faults.all() if active.fault.name == "x")

    alone = firings()
    assert 10 < alone < 40
    assert firings(fault_of({"kind": "maintenance", "name": "other", "probability": 0.5})) == alone


def test_a_delay_is_its_median_without_sigma_and_has_spikes_on_top() -> None:
    from random import Random

    rng = Random(1)
    assert Delay(median_ms=20).draw_s(rng) == pytest.approx(0.02)
    assert Delay(median_ms=20, spike_probability=1, spike_ms=500).draw_s(rng) == pytest.approx(0.52)
    drawn = sorted(Delay(median_ms=20, sigma=0.5).draw_s(rng) for _ in range(999))
    assert drawn[499] == pytest.approx(0.02, rel=0.1)


def test_offset_and_drift_move_the_clock() -> None:
    wall_ns = 1_000_000_000
    faults = Faults(seed=1, log=FaultLog(None), venue_ns=lambda: 0, timers=WallTimers(lambda: wall_ns))
    faults.add(fault_of({"kind": "clock", "offset_ms": -1500, "drift_ppm": 100}))
    clock = faults.moved(lambda: wall_ns)
    assert clock() == -500_000_000
    wall_ns += 10_000_000_000
    assert clock() == 11_000_000_000 - 1_500_000_000 + 1_000_000  # 100 ppm of ten seconds


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"kind": "hang_aftr"}, "hang_after"),
        ({"kind": "hang_after", "probabilty": 1}, "probabilty"),
        ({"kind": "hang_after", "probability": 2}, "probability: Input should be less than or equal to 1 (found 2)"),
        ({"kind": "http_error", "status": 200}, "status"),
        ({"kind": "close_connection", "code": 1006}, "use abort_connection"),
        ({"kind": "maintenance", "starts": "2020-01-02T00:00:00Z", "ends": "2020-01-01T00:00:00Z"}, "before ends"),
        ({"kind": "maintenance", "starts": "2020-01-02T00:00:00"}, "starts"),
        ("hang_after", "fault"),
    ],
)
def test_what_cannot_be_is_refused_by_name(described: object, said: str) -> None:
    with pytest.raises(FaultError) as refused:
        fault_of(described)
    assert said in str(refused.value)


def test_two_faults_of_one_name_are_refused_and_none_of_the_list_is_on() -> None:
    faults = faults_at()
    twice = fault_of({"kind": "maintenance", "name": "x"})
    with pytest.raises(FaultError, match="already"):
        add_all(faults, [fault_of({"kind": "overloaded"}), twice, twice])
    assert len(faults) == 0


def test_every_firing_is_in_the_file_with_its_seed(tmp_path: Path) -> None:
    log = FaultLog(tmp_path / "faults.jsonl")
    faults = faults_at(seed=42, log=log)
    faults.add(fault_of({"kind": "overloaded", "name": "x", "skip": 1}))
    fired(faults)
    fired(faults)
    log.close()
    (line,) = (tmp_path / "faults.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["seed"] == "42/x/2"
    assert entry["on"] == {"method": "POST", "path": "/api/v3/order", "account": "main", "symbol": "BTCUSD"}
    assert (entry["kind"], entry["venue_ns"], entry["number"]) == ("overloaded", NEW_YEAR_NS, 1)
    assert log.since(0) == [entry]
    assert log.since(1) == []


@pytest.fixture(params=["toml", "yaml", "json"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    text = {
        "toml": 'seed = 7\n[[faults]]\nkind = "stall"\nfor_s = 2\nstarts = 2020-01-01T00:00:00Z\n',
        "yaml": "seed: 7\nfaults:\n- kind: stall\n  for_s: 2\n  starts: 2020-01-01T00:00:00Z\n",
        "json": '{"seed": 7, "faults": [{"kind": "stall", "for_s": 2, "starts": "2020-01-01T00:00:00Z"}]}',
    }[request.param]
    path = tmp_path / f"faults.{request.param}"
    path.write_text(text)
    return path


def test_a_script_is_the_same_in_each_format(script: Path) -> None:
    read = read_script(script)
    assert read.seed == 7
    assert read.faults == (fault_of({"kind": "stall", "for_s": 2, "starts": "2020-01-01T00:00:00Z"}),)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "ends in .toml"),
        ("a.json", "{", "cannot be read"),
        ("a.json", '{"fault": []}', "expected a list of faults"),
        ("a.json", '[{"kind": "stall"}]', "fault 1: stall.for_s: Field required"),
        ("a.yaml", "faults: []\nseeds: 1", "found seeds too"),
    ],
)
def test_a_bad_script_says_where(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FaultError) as refused:
        read_script(tmp_path / name)
    assert said in str(refused.value)
    assert name in str(refused.value)
