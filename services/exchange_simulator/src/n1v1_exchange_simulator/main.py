"""Composition root: settings -> dataset, journal, venue -> HTTP, and in scaled mode the clock that moves it."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from contextlib import ExitStack, closing

import structlog
from aiohttp import web

from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.lifecycle.http import aiohttp_app
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.balances_api import BalancesApi
from n1v1_exchange_simulator.faults.serving import opened_faults, serving_admin
from n1v1_exchange_simulator.journal import JournalError
from n1v1_exchange_simulator.pacing import SystemClock, advance_by_the_clock
from n1v1_exchange_simulator.replay.source import Quality
from n1v1_exchange_simulator.settings import open_journal, recovered_exchange, setup_of
from n1v1_exchange_simulator.tls import open_tls_port
from n1v1_research.datasets.moments import moment_ns

log = structlog.get_logger(__name__)

STEPS_AT_ONCE = 500
"""Of trades and depth, before clients are heard again: some 20 ms of work."""
IDLE_S = 0.5
"""How long time may stand still when nobody trades: bars close, and orders end, by the clock."""


async def serve(context: ServiceContext) -> None:
    replay, listen = context.settings.replay, context.settings.listen_of(context.service)
    setup = setup_of(context.settings)
    with ExitStack() as opened:
        journal = opened.enter_context(closing(open_journal(setup)))
        if journal.cut_off:
            log.warning("cut a torn line off the journal", path=str(journal.path), torn=repr(journal.cut_off))
        if journal.records:
            log.info("repeating the journal", lines=len(journal.records), step=journal.records[-1].get("step"))
        exchange = recovered_exchange(setup, journal)
        if context.settings.simulator.begins is not None:
            exchange.advance_until(moment_ns(context.settings.simulator.begins))
        broken: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()

        faults = opened.enter_context(opened_faults(context.settings, lambda: exchange.clock_ns))

        def add_venue(context: ServiceContext, app: web.Application) -> None:
            mode, metrics = replay.mode, context.metrics
            install_venue(
                app,
                exchange,
                setup.accounts,
                mode=mode,
                metrics=metrics,
                broken=broken,
                wall_ns=time.time_ns if context.settings.simulator.clock == "wall" else lambda: exchange.clock_ns,
                faults=faults,
                protocol=setup.protocol,
            )

        async with (
            aiohttp_app(add_venue, open_more=open_tls_port)(context) as port,
            serving_admin(faults, context.settings.simulator.admin_port, BalancesApi(exchange).routes()),
        ):
            _forget_what_stays()
            context.announce(listen.host, port)
            context.ready()
            log.info("venue open", step=exchange.step, accounts=len(exchange.venue.accounts()), mode=replay.mode)
            if replay.mode == "scaled":
                clock = advance_by_the_clock(
                    exchange,
                    speed=replay.speed,
                    clock=SystemClock(),
                    steps_at_once=1 if setup.source.quality is Quality.BARS else STEPS_AT_ONCE,
                    idle_s=None if setup.source.quality is Quality.BARS else IDLE_S,
                )
                await context.run_tasks(_until_drained(context, broken), background=(clock,))
            else:
                await _until_drained(context, broken)


def _forget_what_stays() -> None:
    """What is there when the venue opens lives as long as it does: a look through it for garbage, every few thousand
    orders, would make all clients wait for some 50 ms."""
    gc.collect()
    gc.freeze()


async def _until_drained(context: ServiceContext, broken: asyncio.Future[JournalError]) -> None:
    """Raises the JournalError that made the venue unable to go on."""
    broken.add_done_callback(lambda _: context.drain())
    await context.draining.wait()
    if broken.done():
        raise broken.result()


def main() -> None:
    sys.exit(run_service(Service(name="exchange_simulator", main=serve, http=None)))
