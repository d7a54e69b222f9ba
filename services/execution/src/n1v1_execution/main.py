"""The execution service: what it is made of."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from n1v1.execution.stage import Execution
from n1v1.pipeline import execution_hears
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.settings.core import styles_of
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.stage.opening import codec_of, opened_bus, opened_hot_state, opened_schema
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.storage.journal import Journal
from n1v1_execution.adapters.ccxt_gateway import opened_gateway
from n1v1_execution.handlers import ExecutionHandler

MIGRATIONS = Path(str(files("n1v1_execution") / "migrations"))


async def work(context: ServiceContext) -> None:
    settings = context.settings
    exchange, instruments = settings.exchange, instruments_of(settings)
    rules = styles_of(settings)
    stage = Execution(account=settings.account.id, venue=settings.venue, rules=rules)
    async with (
        opened_bus(context) as bus,
        opened_schema(context, [MIGRATIONS]) as pool,
        opened_hot_state(context) as state,
        opened_gateway(settings.venue, exchange, instruments, context.metrics) as gateway,
    ):
        handler = ExecutionHandler(
            stage=stage,
            gateway=gateway,
            flags=BreakerFlags(state),
            instruments=instruments,
            absence_after_s=(exchange.recv_window_ms + exchange.absence_margin_ms) / 1000,
            metrics=context.metrics,
        )
        loop = StageLoop(
            name="execution",
            bus=bus,
            journal=Journal(pool, bus),
            codec=codec_of(settings),
            handler=handler,
            hears=execution_hears(rules),
            contexts=TraceContexts(context.tracing),
            metrics=context.metrics,
            initial=stage.snapshot(),
            has_work=handler.has_work,
        )
        handler.commit = loop.commit_within_step
        await context.run_tasks(loop.run(ready=context.ready, draining=context.draining))


def main() -> int:
    return run_service(Service("execution", work))
