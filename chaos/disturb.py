"""One disturbance: wait for its moment, do it, undo it, and measure how long it takes until everybody trades again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from chaos import venue
from chaos.cells import FORGET, KILL, RESTART, VENUE_FAULTS, Cell, Node, Point
from chaos.cluster import node_that_is
from chaos.links import Cut
from chaos.processes import is_stopped, send, stopped
from chaos.replay import RunningReplay, pid_of
from chaos.stores import held_transaction, lose_the_last_second, restart_at_once
from n1v1_common.bus.errors import BusError
from n1v1_common.crash_points import arm

STOPPED_S = (0.2, 2.0)
DEPOSED_S = (10.0, 12.0)
"""Longer than the other nodes wait before they elect another leader, 4 to 9 s: this one wakes up deposed."""
CUT_S = (0.2, 3.0)
DELAYED_S = 0.15
PASSAGES_MAX = 4
BAR_TIMES_MAX = 6
FIRST_ORDERS = 6
"""A fault of the venue strikes one of so many requests."""
REACHED_WITHIN_S = 60.0
RECOVERED_WITHIN_S = 90.0
ORDERS = b"POST /api/v3/order"


class NotReached(Exception):
    """The moment did not come. That says nothing about the victim."""


async def disturb(replay: RunningReplay, cell: Cell, chance: random.Random) -> float:
    """Carry a cell out. Answers the seconds from its end (a kill, the last word of a cut) until everybody trades
    again: another bar time than the one at work is settled, and the victim is ready."""
    async with _at(replay, cell, chance) as go_on:
        settled = await replay.bar_times()
        ended = await _carry_out(replay, cell, chance, go_on)
    with contextlib.suppress(BusError):  # while the bus itself is away nothing settles
        settled = await replay.bar_times()
    await replay.until(lambda: _is_trading(replay, settled + 2), RECOVERED_WITHIN_S)
    return time.monotonic() - ended


async def _is_trading(replay: RunningReplay, bar_times: int) -> bool:
    supervisor = replay.stack.supervisor
    processes = supervisor.processes.values()
    if not all(process.is_running and supervisor.is_ready[process.name].is_set() for process in processes):
        return False
    return await replay.bar_times() >= bar_times


GoOn = Callable[[], None]
"""Lets what was caught at a moment go on."""


@asynccontextmanager
async def _at(replay: RunningReplay, cell: Cell, chance: random.Random) -> AsyncIterator[GoOn]:
    if cell.point is Point.RANDOM:
        await replay.until_settled(await replay.bar_times() + chance.randint(1, BAR_TIMES_MAX))
        await asyncio.sleep(chance.uniform(0, 0.05))  # somewhere within the work on a bar time
        yield lambda: None
    elif cell.point is Point.IN_TRANSACTION:
        async with _in_transaction(replay, chance.choice(cell.caught_in), chance) as go_on:
            yield go_on
    elif cell.point.in_code is not None:
        async with _in_code(replay, chance.choice(cell.caught_in), cell, chance) as go_on:
            yield go_on
    else:
        async with _on_the_wire(replay, cell, chance) as go_on:
            yield go_on


@asynccontextmanager
async def _in_code(replay: RunningReplay, service: str, cell: Cell, chance: random.Random) -> AsyncIterator[GoOn]:
    """The service stands still at the point."""
    point = cell.point.in_code
    assert point is not None
    passage = chance.randint(1, PASSAGES_MAX)
    file = arm(replay.points, service, point, passage=passage, action=signal.SIGSTOP)
    pid = pid_of(replay.stack, service)
    try:
        await _reached(replay, lambda: not file.exists() and is_stopped(pid))
        yield lambda: send(pid, signal.SIGCONT)
    finally:
        file.unlink(missing_ok=True)
        send(pid, signal.SIGCONT)


@asynccontextmanager
async def _in_transaction(replay: RunningReplay, service: str, chance: random.Random) -> AsyncIterator[GoOn]:
    """The service waits for the database, in which its transaction stands still half way."""
    await replay.until_settled(await replay.bar_times() + chance.randint(1, BAR_TIMES_MAX))
    async with held_transaction(replay, service) as held:
        await _in_time(replay, held.is_open)
        yield held.release


@asynccontextmanager
async def _on_the_wire(replay: RunningReplay, cell: Cell, chance: random.Random) -> AsyncIterator[GoOn]:
    """An order has gone out, and its answer is kept on the link to the venue; or it is lost there."""
    loses = cell.point is Point.ANSWER_LOST
    link = replay.links["execution", "venue"]
    with link.watched(ORDERS, passages=chance.randint(1, PASSAGES_MAX)) as watch:
        await _reached(replay, (watch.answered if loses else watch.sent).is_set)
        if loses:
            watch.release(loses_answer=True)
        yield watch.release


async def _reached(replay: RunningReplay, look: Callable[[], bool]) -> None:
    async def reached() -> bool:
        return look()

    await _in_time(replay, reached)


async def _in_time(replay: RunningReplay, look: Callable[[], Awaitable[bool]]) -> None:
    """Raises NotReached when the moment does not come although the market goes on; a market that stands is a failure
    of the stack."""
    before = await replay.bar_times()
    try:
        await replay.until(look, REACHED_WITHIN_S)
    except AssertionError as failure:
        settled = await replay.bar_times() - before
        if settled <= BAR_TIMES_MAX:
            raise TimeoutError(f"only {settled} bar times were settled in {REACHED_WITHIN_S} s") from failure
        raise NotReached(str(failure)) from failure


async def _carry_out(replay: RunningReplay, cell: Cell, chance: random.Random, go_on: GoOn) -> float:
    """Answers when the disturbance was over."""
    if cell.link is not None:
        return await _cut(replay, cell, chance, go_on)
    if cell.victim == "venue":
        return await _misbehave(replay, cell, chance)
    if cell.disturbance == FORGET:
        return await _forget(replay)
    victim = await node_that_is(replay, Node(cell.victim)) if cell.needs_cluster else cell.victim
    if cell.disturbance in (KILL, RESTART):
        return await _end(replay, victim, cell.disturbance, go_on)
    return await _stop(replay, victim, cell, chance, go_on)


async def _end(replay: RunningReplay, victim: str, how: str, go_on: GoOn) -> float:
    ended = time.monotonic()
    if how == KILL:
        replay.stack.kill(victim)
        await replay.stack.process(victim).wait()
    else:
        await restart_at_once(replay)
    go_on()
    return ended


async def _stop(replay: RunningReplay, victim: str, cell: Cell, chance: random.Random, go_on: GoOn) -> float:
    try:
        with stopped(pid_of(replay.stack, victim)):
            if victim not in cell.caught_in:
                go_on()
            await asyncio.sleep(chance.uniform(*(DEPOSED_S if cell.needs_cluster else STOPPED_S)))
    finally:
        go_on()
    return time.monotonic()


async def _forget(replay: RunningReplay) -> float:
    lost = await lose_the_last_second(replay)
    if not lost:
        raise NotReached("nothing was written in that second")
    return time.monotonic()


async def _cut(replay: RunningReplay, cell: Cell, chance: random.Random, go_on: GoOn) -> float:
    assert cell.link is not None
    link = replay.links[cell.link]
    link.cut(Cut(cell.disturbance), delay_s=DELAYED_S)
    try:
        go_on()
        await asyncio.sleep(chance.uniform(*CUT_S))
    finally:
        link.restore()
    return time.monotonic()


async def _misbehave(replay: RunningReplay, cell: Cell, chance: random.Random) -> float:
    first, *more = VENUE_FAULTS[cell.disturbance]
    faults = [{**first, "skip": chance.randrange(FIRST_ORDERS)}, *more]
    async with venue.faulty(replay.settings, faults) as have_fired:
        await _in_time(replay, have_fired)
        return time.monotonic()
