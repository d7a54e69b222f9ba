"""Services are exchanged while they trade: by themselves, and by a release that says more than this one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from chaos.cells import SERVICES
from chaos.next_release import NUMBER, build, change, release
from chaos.replay import DENSE, RunningReplay, running
from chaos.run import Drill, Undisturbed
from chaos.upgrades import ORDER, WORKERS, restart, upgrade
from google.protobuf.unknown_fields import UnknownFieldSet
from rich.console import Console

from n1v1.events import OrderApproved, SignalRaised
from n1v1_cli.stack.plan import SERVICES as ALL_SERVICES
from n1v1_common.codec.codec import subject_filter
from n1v1_common.codec.generate import PROTO, breaks
from n1v1_common.servers import ServerMissing
from n1v1_common.streams import TRADING
from n1v1_messages.risk.v1 import risk_pb2
from n1v1_messages.signals.v1 import signals_pb2

BAR_TIMES_EACH = 25
SIGNALS = PROTO / "n1v1_messages" / "signals" / "v1" / "signals.proto"


def test_the_rolling_order_has_every_service() -> None:
    assert set(ORDER) == set(SERVICES) == set(ALL_SERVICES)


@pytest.mark.stack
@pytest.mark.timeout(400)
async def test_services_that_are_restarted_in_turn_with_positions_open_do_what_untouched_ones_do() -> None:
    try:
        found = await upgrade(seconds=45, every_s=30, console=Console())
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert found.differences == []
    assert found.rounds >= 1
    assert {each.name.partition("-")[0] for each in found.restarts} == set(SERVICES)
    assert any(each.positions for each in found.restarts)
    assert {each.exit_code for each in found.restarts} == {0}


@pytest.mark.stack
@pytest.mark.timeout(400)
async def test_a_worker_and_a_risk_service_that_say_more_work_beside_those_that_do_not_know_it(tmp_path: Path) -> None:
    """signals-0, execution, portfolio and reporting are of this release throughout, and all of it can be taken back."""
    packages = build(tmp_path / "next")
    try:
        async with running(tmp_path / "state", *DENSE, *WORKERS) as replay:
            drill = Drill(replay, Undisturbed.of(*WORKERS))
            await _trade(replay)
            since = await _exchange(replay, {"signals-1": packages})
            assert await drill.check() == []
            assert await _signals_that_say_more(replay, since) == {"BTC-USD": {True}, "ETH-USD": {False}}
            assert await _approvals_that_say_more(replay, since) == {False}

            since = await _exchange(replay, {"risk": packages})
            assert await drill.check() == []
            assert await _approvals_that_say_more(replay, since) == {True}

            since = await _exchange(replay, {"risk": None, "signals-1": None})
            assert await drill.check() == []
            assert await _signals_that_say_more(replay, since) == {"BTC-USD": {False}, "ETH-USD": {False}}
            assert await _approvals_that_say_more(replay, since) == {False}
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("old", "new", "is_broken"),
    [
        ("  string reason = 6;", "  string reason = 6;\n  string release = 30;", False),
        ("  string reason = 6;", '  reserved 6;\n  reserved "reason";', False),
        ("  string reason = 6;", "", True),
        ("  string reason = 6;", "  string reason = 31;", True),
        ("  string reason = 6;", "  string why = 6;", True),
        ("  double strength = 5;", "  string strength = 5;", True),
    ],
    ids=["added", "removed, and its number kept free", "removed", "renumbered", "renamed", "of another type"],
)
def test_a_change_of_messages_that_readers_of_the_last_release_survive_passes_and_others_are_refused(
    tmp_path: Path, old: str, new: str, is_broken: bool
) -> None:
    proto = tmp_path / "proto"
    shutil.copytree(PROTO, proto)
    file = proto / SIGNALS.relative_to(PROTO)
    text = file.read_text()
    begin = text.index("message SignalRaised")
    file.write_text(text[:begin] + text[begin:].replace(old, new, 1))
    assert breaks(proto) == is_broken


def test_a_place_that_is_not_there_to_be_changed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some.proto"
    file.write_text("message A {}\n")
    with pytest.raises(ValueError, match="once, found it 0 times"):
        change(file, "message B {", "")


async def _trade(replay: RunningReplay) -> None:
    await replay.until_settled(await replay.bar_times() + BAR_TIMES_EACH, within_s=120)


async def _exchange(replay: RunningReplay, packages_of: dict[str, Path | None]) -> int:
    """Restart each with another release and trade for a while. Answers where in the stream that began."""
    for name, packages in packages_of.items():
        release(replay, name, packages)
        assert (await restart(replay, name)).exit_code == 0
    since = (await replay.bus.stream_position(TRADING.name)).last_seq + 1
    await _trade(replay)
    return since


async def _signals_that_say_more(replay: RunningReplay, since: int) -> dict[str, set[bool]]:
    """By symbol: whether its signals have the new field."""
    said: dict[str, set[bool]] = {}
    for data in await _messages(replay, since, subject_filter(SignalRaised)):
        signal = signals_pb2.SignalRaised.FromString(data)
        said.setdefault(signal.symbol, set()).add(_says_more(UnknownFieldSet(signal)))
    return said


async def _approvals_that_say_more(replay: RunningReplay, since: int) -> set[bool]:
    found = await _messages(replay, since, subject_filter(OrderApproved))
    return {_says_more(UnknownFieldSet(risk_pb2.OrderApproved.FromString(data))) for data in found}


async def _messages(replay: RunningReplay, since: int, subject: str) -> Sequence[bytes]:
    found = await replay.bus.read(TRADING.name, start_seq=since, limit=10_000, subject=subject)
    return [delivery.data for delivery in found]


def _says_more(unknown: UnknownFieldSet) -> bool:
    return any(unknown[index].field_number == NUMBER for index in range(len(unknown)))
