"""The execution service: what it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog

from n1v1.execution.stage import Execution
from n1v1.pipeline import execution_hears
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import CannotStart, Service, ServiceContext, run_service
from n1v1_common.settings.core import styles_of
from n1v1_common.settings.model import Settings
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.stage.opening import codec_of, opened_bus, opened_hot_state, opened_schema, taken_over
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.rate_budget import BINANCE, shared_budget
from n1v1_execution.adapters.best_prices import PublishedPrices
from n1v1_execution.adapters.ccxt_gateway import CcxtGateway, opened_gateway
from n1v1_execution.handlers import ExecutionHandler, keep_orders_in_time
from n1v1_execution.ports import BestPrices, VenueNotUsable, VenueTrouble
from n1v1_execution.protection import Protection
from n1v1_execution.reconciliation import Reconciliation

log = structlog.get_logger()

MIGRATIONS = Path(str(files("n1v1_execution") / "migrations"))


async def work(context: ServiceContext) -> None:
    settings = context.settings
    rules = styles_of(settings)
    stage = Execution(account=settings.account.id, venue=settings.venue, rules=rules)
    async with (
        _starting_again_is_no_use(),
        opened_bus(context) as bus,
        opened_schema(context, [MIGRATIONS]) as pool,
        opened_hot_state(context) as state,
        _opened_gateway(context) as gateway,
    ):
        journal = await taken_over(context, pool, bus)
        gateway.fence(journal.prove)
        codec = codec_of(settings)
        handler = handler_of(settings, stage, gateway, BreakerFlags(state), PublishedPrices(bus, codec), context)
        loop = StageLoop(
            name="execution",
            bus=bus,
            journal=journal,
            codec=codec,
            handler=handler,
            hears=execution_hears(rules, compares=not settings.is_lockstep),
            contexts=TraceContexts(context.tracing),
            metrics=context.metrics,
            initial=stage.snapshot(),
            has_work=handler.has_work,
        )
        handler.commit = loop.commit_within_step
        restored = asyncio.Event()

        def ready() -> None:
            restored.set()
            context.ready()

        works = () if settings.is_lockstep else _live_work(settings, handler, gateway, loop, context)
        beside = tuple(_after(restored, work) for work in works)
        await context.run_tasks(loop.run(ready=ready, draining=context.draining), background=beside)
        if not settings.is_simulated:
            await _leave(settings, gateway)


def handler_of(
    settings: Settings,
    stage: Execution,
    gateway: CcxtGateway,
    flags: BreakerFlags,
    prices: BestPrices,
    context: ServiceContext,
) -> ExecutionHandler:
    exchange, instruments = settings.exchange, instruments_of(settings)
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    is_live = not settings.is_lockstep
    return ExecutionHandler(
        stage=stage,
        gateway=gateway,
        flags=flags,
        instruments=instruments,
        absence_after_s=(exchange.recv_window_ms + exchange.absence_margin_ms) / 1000,
        metrics=context.metrics,
        reconciliation=Reconciliation(stage=stage, view=gateway, instruments=by_symbol) if is_live else None,
        protection=None if gateway.takes_protected_entries else Protection(stage=stage, instruments=by_symbol),
        prices=prices if is_live and "ticker" in settings.market.channels else None,
        needs_stream=not settings.is_simulated,
        exits_without_redis=settings.risk_management.exits_without_redis,
    )


@asynccontextmanager
async def _starting_again_is_no_use() -> AsyncIterator[None]:
    """A venue that cannot be traded on as configured is a matter for whoever configured it."""
    try:
        yield
    except VenueNotUsable as error:
        raise CannotStart(str(error)) from error


async def _after(restored: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Nothing is heard before the handler is what it was."""
    await restored.wait()
    await work()


@asynccontextmanager
async def _opened_gateway(context: ServiceContext) -> AsyncIterator[CcxtGateway]:
    settings = context.settings
    exchange = settings.exchange
    async with (
        _opened_budget(settings) as budget,
        opened_gateway(
            settings.venue,
            exchange,
            instruments_of(settings),
            context.metrics,
            live=not settings.is_simulated,
            has_streams=not settings.is_lockstep,
            budget=budget,
        ) as gateway,
    ):
        if not settings.is_simulated:
            from n1v1_execution.adapters.permissions import check_permissions

            await check_permissions(gateway.client)
        yield gateway


def _opened_budget(settings: Settings) -> Any:
    """A context of RateBudget or None. Any: nullcontext has no common type with an async generator's."""
    exchange = settings.exchange
    if settings.is_simulated or not exchange.share_rate_limit:
        return nullcontext()
    url = settings.redis.url.get_secret_value()
    return shared_budget(url, BINANCE, venue=settings.venue, egress=exchange.egress)


def _live_work(
    settings: Settings, handler: ExecutionHandler, gateway: CcxtGateway, loop: StageLoop, context: ServiceContext
) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
    from n1v1_execution.adapters.user_streams import user_stream_of  # streams are a second to load
    from n1v1_execution.live import LiveAccount

    exchange = settings.exchange
    account = LiveAccount(
        handler=handler,
        stream=user_stream_of(gateway, instruments_of(settings), exchange.fee_asset, context.metrics),
        gateway=gateway,
        act=loop.act,
        metrics=context.metrics,
        reconcile_every_s=exchange.reconcile_every_s,
        silence_s=exchange.user_stream_silence_s,
    )
    works = [account.hear, account.reconcile_regularly]
    if not settings.is_simulated:
        works += [account.keep_clock, account.keep_markets, partial(keep_orders_in_time, handler, loop.act)]
    if exchange.dead_man_switch_s and gateway.has_dead_man_switch:
        works.append(partial(account.hold_dead_man_switch, exchange.dead_man_switch_s))
    elif exchange.dead_man_switch_s:
        log.warning("this venue has no dead man's switch", venue=settings.venue)
    return tuple(works)


async def _leave(settings: Settings, gateway: CcxtGateway) -> None:
    """What is done at the venue when the service was told to stop."""
    try:
        if settings.exchange.cancel_all_on_shutdown:
            await gateway.cancel_all()
            log.info("every open order was taken back")
        if settings.exchange.dead_man_switch_s and gateway.has_dead_man_switch:
            await gateway.cancel_all_after(0)
    except VenueTrouble:
        log.exception("open orders may be left at the venue")


def main() -> int:
    return run_service(Service("execution", work))
