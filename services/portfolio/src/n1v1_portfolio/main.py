"""The portfolio service: what it is made of."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from n1v1.pipeline import HEARS
from n1v1.portfolio.stage import Portfolio
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.stage.opening import codec_of, opened_bus, opened_hot_state, opened_schema, taken_over
from n1v1_portfolio.handlers import PortfolioHandler, keep_showing

MIGRATIONS = Path(str(files("n1v1_portfolio") / "migrations"))


async def work(context: ServiceContext) -> None:
    settings = context.settings
    account, instruments = settings.account, instruments_of(settings)
    initial_cash = instruments[0].quanta(account.initial_balance)
    stage = Portfolio(account=account.id, instruments=instruments, initial_cash=initial_cash)
    async with (
        opened_bus(context) as bus,
        opened_schema(context, [MIGRATIONS]) as pool,
        opened_hot_state(context) as state,
    ):
        handler = PortfolioHandler(
            account=account.id, stage=stage, instruments=instruments, state=state, metrics=context.metrics
        )
        loop = StageLoop(
            name="portfolio",
            bus=bus,
            journal=await taken_over(context, pool, bus),
            codec=codec_of(settings),
            handler=handler,
            hears=HEARS["portfolio"],
            contexts=TraceContexts(context.tracing),
            metrics=context.metrics,
            initial=stage.snapshot(),
        )
        await context.run_tasks(
            loop.run(ready=context.ready, draining=context.draining), background=(keep_showing(handler),)
        )


def main() -> int:
    return run_service(Service("portfolio", work))
