"""What docs/operating.md promises, with real services and servers: halts, the breaker, what goes on without whom."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio as redis
from chaos import venue
from chaos.replay import RunningReplay, replay_settings

from n1v1.events import (
    Action,
    BarsComplete,
    BreakerChanged,
    Event,
    HaltsChanged,
    OrderApproved,
    OrderFilled,
    OrderRejected,
    PositionChanged,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.ids import signal_id
from n1v1.risk.halts import MARKET
from n1v1.run_hash import RunRecords, from_events, run_hash
from n1v1.values import Purpose
from n1v1_cli.halted import look_at_halts
from n1v1_cli.main import main
from n1v1_cli.stack import http
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec.codec import subject_filter
from n1v1_common.servers import ServerMissing
from n1v1_common.servers.ports import claim_port
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.state.breaker import BreakerFlags, Halt
from n1v1_common.state.redis_state import connect
from n1v1_common.streams import TRADING

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.

SERVICES = ("market_data", "signals", "risk", "execution", "portfolio", "reporting")
OFTEN = (
    "strategies.active_strategies=ema_cross",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 1, "slow_ema": 2, "position_size": 0.4,'
    ' "stop_loss_pct": 0.04}}',
    "market.end=2021-12-01",
)
"""A position is entered or left whenever the direction changes, for longer than any drill takes."""
SCALED = ("replay.mode=scaled", "replay.speed=28800")
"""A bar of four hours every half second, whoever waits for whom."""


async def eventually(look: Callable[[], Awaitable[bool]], *, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not await _answered(look):  # noqa: ASYNC110 (what another process shows has no event)
            await asyncio.sleep(0.05)


async def _answered(look: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await look()
    except (BusUnavailable, OSError):  # killed by the drill, and not back yet
        return False


@contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    """The process and its children: a stopped PostgreSQL whose back ends go on would be a PostgreSQL."""
    pid = stack.process(name).pid
    assert pid is not None, f"{name} runs"
    family = [pid, *children_of(pid)]
    for member in family:
        os.kill(member, signal.SIGSTOP)
    try:
        yield
    finally:
        for member in family:
            os.kill(member, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(words[1]) == pid:
            found.append(int(stat.parent.name))
    return found


async def gauges(stack: Stack, name: str) -> list[float]:
    """Of every service, in the order of SERVICES."""
    found = []
    for service in SERVICES:
        answer = await http.get(f"{stack.url(service)}/metrics")
        value = re.search(rf"^{name}{{[^}}]*}} (\S+)$", answer.body, re.MULTILINE)
        found.append(float(value[1]) if value else -1.0)
    return found


async def flag_of(settings: Settings) -> Halt:
    async with connect(settings.redis.url.get_secret_value()) as state:
        return await BreakerFlags(state).is_open("main")


async def empty_redis(settings: Settings) -> None:
    client: Any = redis.Redis.from_url(settings.redis.url.get_secret_value())
    await client.flushall()
    await client.aclose()


async def operate(settings: Settings, *words: str) -> None:
    """The command line in this process."""
    common = ("--reason", "drill", "--actor", "ann", "--set", f"bus.url={bus_url(settings)}")
    assert await asyncio.to_thread(main, [*words, *common]) == 0


async def last(bus: NatsBus, settings: Settings, kind: type[Event]) -> Any:
    found = await bus.last_message(TRADING.name, subject_filter(kind))
    return None if found is None else codec_of(settings).decode(found.subject, found.data)[0]


async def test_a_trip_reaches_every_service_and_outlives_everything_until_somebody_resumes(
    start_replay: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    trips = (
        "risk_management.circuit_breaker_enabled=true",
        "circuit_breaker.equity_drawdown_threshold=0.01",
        "circuit_breaker.enable_cooldown_enforcement=false",
    )
    async with start_replay(*OFTEN, *trips) as replay:
        stack, settings = replay.stack, replay.settings

        async def everybody_knows() -> bool:
            return await gauges(stack, "n1v1_account_halted") == [1.0] * len(SERVICES)

        async def all_who_may_read_the_log_know() -> bool:
            known = dict(zip(SERVICES, await gauges(stack, "n1v1_account_halted"), strict=True))
            del known["signals"]  # strategies may read nothing but bars; their worker hears of the next change
            return set(known.values()) == {1.0}

        async def everything_is_back() -> bool:
            processes = stack.record().processes
            return all(process.crashes == 1 and process.state == "ready" for process in processes)

        async def the_flag_is_shown() -> bool:
            halt = await flag_of(settings)
            return halt.is_known and "drawdown" in halt.reason

        await eventually(everybody_knows)
        delays = await gauges(stack, "n1v1_halt_delay_seconds")
        print("seconds from the trip to", dict(zip(SERVICES, delays, strict=True)))
        assert max(delays) < 1.0, "the promise itself; a busy machine has a hundred times what is needed"

        await empty_redis(settings)
        await eventually(the_flag_is_shown)

        for name in stack.supervisor.processes:
            stack.kill(name)
        await eventually(everything_is_back)
        await empty_redis(settings)
        await eventually(the_flag_is_shown)
        await eventually(all_who_may_read_the_log_know)

        capsys.readouterr()
        await operate(settings, "resume")
        assert "account main is trading: drill (ann)" in capsys.readouterr().out
        said = [event for event in await replay.events() if isinstance(event, BreakerChanged)]
        assert [(event.is_open, event.actor) for event in said[:2]] == [(True, "risk"), (False, "ann")]


async def test_without_redis_nothing_is_entered_and_everything_may_be_left(start_replay: Any) -> None:
    async with start_replay(*OFTEN) as replay:
        await replay.until_settled(20)
        with stopped(replay.stack, "valkey"):
            await replay.until_settled(await replay.bar_times() + 25, within_s=150)
        await replay.until_settled(await replay.bar_times() + 25, within_s=150)
        events = await replay.events()
    unknown = [
        number
        for number, event in enumerate(events)
        if isinstance(event, OrderRejected) and "breaker state unknown" in event.reason
    ]
    assert unknown, "entries were wanted meanwhile"
    meanwhile, afterwards = events[unknown[0] : unknown[-1]], events[unknown[-1] :]
    rejected = {event.order_id for event in events if isinstance(event, OrderRejected)}
    left = [event for event in meanwhile if isinstance(event, OrderApproved) and event.reduce_only]
    assert not [order for order in left if order.order_id in rejected]
    assert not fills(meanwhile[1:], Purpose.ENTRY), "what was ordered before had filled by then"
    assert fills(afterwards, Purpose.ENTRY), "it goes on when Redis is back"


def fills(events: Sequence[Event], *purposes: Purpose) -> list[OrderFilled]:
    return [event for event in events if isinstance(event, OrderFilled) and event.purpose in purposes]


@pytest.mark.parametrize("server", ["postgres", "nats"])
async def test_without_postgres_or_nats_nothing_is_ordered_and_nothing_is_lost(
    start_replay: Any, expected_of: Any, server: str
) -> None:
    more = (*OFTEN, "market.end=2021-02-15")
    async with start_replay(*more) as replay:
        await replay.until_settled(30)
        with stopped(replay.stack, server):
            await asyncio.sleep(1.0)  # what was on its way arrives
            before = await venue.trades(replay.settings)
            await asyncio.sleep(3.0)
            assert await venue.trades(replay.settings) == before
        await replay.until_ended(within_s=120)
        records: RunRecords = from_events(await replay.events())
        assert len(await venue.trades(replay.settings)) > len(before)
    assert run_hash(records) == run_hash(expected_of(*more))


async def test_what_is_flattened_is_closed_and_stays_so_over_a_kill_while_the_rest_trades(start_replay: Any) -> None:
    async with start_replay(*OFTEN) as replay:
        await with_a_position(replay, "BTC-USD")
        await operate(replay.settings, "flatten", "--symbol", "BTC-USD")
        replay.stack.kill("risk")
        await replay.stack.process("risk").wait()
        os.kill(replay.stack.process("market_data").pid, signal.SIGCONT)
        await replay.stack.until_restarted("risk")
        await replay.until_settled(await replay.bar_times() + 40, within_s=120)
        halts = await last(replay.bus, replay.settings, HaltsChanged)
        assert [(str(halt.scope), halt.actor, halt.closes) for halt in halts.halts] == [("BTC-USD", "ann", True)]
        events = await replay.events()
    commanded = next(number for number, event in enumerate(events) if isinstance(event, HaltsChanged))
    after = events[commanded:]
    entered = {event.symbol for event in after if isinstance(event, OrderApproved) and event.purpose is Purpose.ENTRY}
    assert entered == {"ETH-USD"}
    assert [fill.symbol for fill in fills(after, Purpose.FLATTEN)] == ["BTC-USD"]
    assert [event.lots for event in after if isinstance(event, PositionChanged) and event.symbol == "BTC-USD"][-1] == 0


async def test_coins_that_leave_behind_our_back_halt_their_symbol_until_somebody_resumes(start_replay: Any) -> None:
    port = claim_port("simulator.admin_port", 0)
    more = (*OFTEN, *SCALED, "exchange.reconcile_every_s=1", f"simulator.admin_port={port}")
    async with start_replay(*more) as replay:
        settings = replay.settings

        async def halted() -> list[tuple[str, str]]:
            return [(row.what, row.by) for row in await look_at_halts(settings)]

        async def one_is_halted() -> bool:
            return await halted() == [("ETH-USD", "execution")]

        async def it_is_entered_again() -> bool:
            return "ETH-USD" in {fill.symbol for fill in fills(await replay.events(after=resumed), Purpose.ENTRY)}

        await replay.until_settled(10)
        await move(port, "ETH", "1")
        await replay.until_settled(await replay.bar_times() + 10)
        assert await halted() == [], "the venue says that it was paid in"

        await move(port, "ETH", "-0.5")
        await eventually(one_is_halted)
        await replay.until_settled(await replay.bar_times() + 5)  # what was approved before is done
        held_back = len(await replay.events())
        await replay.until_settled(await replay.bar_times() + 30)
        meanwhile = await replay.events(after=held_back)
        assert {fill.symbol for fill in fills(meanwhile, Purpose.ENTRY)} == {"BTC-USD"}

        await operate(settings, "resume", "--symbol", "ETH-USD")
        resumed = len(await replay.events())
        await eventually(it_is_entered_again)
        assert await halted() == []


async def move(port: int, asset: str, change: str) -> None:
    """In or out of the account, at the venue."""
    body = {"account": "main", "asset": asset, "change": change}
    url = f"http://127.0.0.1:{port}/admin/v1/balances"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()


async def with_a_position(replay: RunningReplay, symbol: str) -> None:
    """Stop the market at a moment at which the symbol is held and nothing is ordered on it; whoever called it lets it
    go on.
    """
    pid = replay.stack.process("market_data").pid
    assert pid is not None
    while True:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(0.5)  # everything that was on its way is done
        events = await replay.events()
        held = {event.symbol: event.lots for event in events if isinstance(event, PositionChanged)}
        orders = [event.order_id for event in events if isinstance(event, OrderApproved) and event.symbol == symbol]
        done = {event.order_id for event in events if isinstance(event, OrderFilled | OrderRejected)}
        if held.get(symbol) and done.issuperset(orders):
            return
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def stack_without_workers(folder: Path, *more: str) -> AsyncIterator[tuple[Stack, NatsBus]]:
    services = ("exchange_simulator", "risk", "execution", "portfolio", "market_data")
    try:
        async with Stack(replay_settings(*more), folder, services=services) as stack:
            await stack.ready()
            bus = await NatsBus.connect(bus_url(stack.plan.settings), name="test")
            yield stack, bus
            await bus.drain()
    except ServerMissing as missing:
        pytest.skip(str(missing))


async def test_stops_and_time_exits_work_while_every_strategy_worker_is_dead(tmp_path: Path) -> None:
    """The only worker there ever was enters twice, and is never heard of again."""
    more = (
        *SCALED,
        "market.start=2021-05-12",  # a falling market
        "market.end=2021-12-01",
        "risk_management.batch_wait_ms=10",
        "risk_management.enable_time_exit=true",
        "risk_management.max_bars_in_trade=12",
    )
    async with stack_without_workers(tmp_path / "state", *more) as (stack, bus):
        settings = stack.plan.settings
        await enter(bus, settings, {"BTC-USD": Wish(stop_ppb=10_000_000), "ETH-USD": Wish()})
        closed: dict[str, Purpose] = {}
        tap = await bus.tap(subject_filter(OrderFilled))
        async with asyncio.timeout(90):
            while len(closed) < 2:
                heard = await anext(tap)
                fill, _ = codec_of(settings).decode(heard.subject, heard.data)
                assert isinstance(fill, OrderFilled)
                if fill.purpose is not Purpose.ENTRY:
                    closed[fill.symbol] = fill.purpose
    assert closed == {"BTC-USD": Purpose.STOP_LOSS, "ETH-USD": Purpose.TIME_EXIT}


async def enter(bus: NatsBus, settings: Settings, wishes: dict[str, Wish]) -> None:
    """Be a strategy worker for one bar time."""
    codec = codec_of(settings)
    bars_seen, approvals = await bus.tap(subject_filter(BarsComplete)), await bus.tap(subject_filter(OrderApproved))
    heard = await anext(bars_seen)
    bars = codec.decode(heard.subject, heard.data)[0]
    signals = [
        SignalRaised(
            id=signal_id("worker", symbol, bars.ts_ns),
            ts_ns=bars.ts_ns,
            instance="worker",
            symbol=symbol,
            action=Action.BUY,
            strength=1.0,
            reason="",
            wish=wish,
        )
        for symbol, wish in wishes.items()
    ]
    done = SignalsComplete(id=f"signals:0:{bars.ts_ns}", ts_ns=bars.ts_ns, partition=0, signals=len(signals))
    messages = [(event.id, *codec.encode(event)) for event in (*signals, done)]
    await bus.publish([Outgoing(subject, data, name) for name, subject, data in messages])
    async with asyncio.timeout(30):
        for _ in wishes:
            await anext(approvals)


async def test_a_symbol_whose_bars_stop_coming_pauses_and_goes_on_with_them(tmp_path: Path) -> None:
    async with stack_without_workers(tmp_path / "state", *SCALED, "market.end=2021-12-01") as (stack, bus):
        settings = stack.plan.settings

        async def paused() -> list[str]:
            changed = await last(bus, settings, HaltsChanged)
            halts = changed.halts if changed is not None else ()
            return [halt.scope.symbol for halt in halts if halt.actor == MARKET]

        async def all_paused() -> bool:
            return await paused() == ["BTC-USD", "ETH-USD"]

        async def all_go_on() -> bool:
            return await paused() == [] and not (await flag_of(settings)).is_open

        await eventually(all_go_on)
        with stopped(stack, "market_data"):
            await eventually(all_paused)
        await eventually(all_go_on)
