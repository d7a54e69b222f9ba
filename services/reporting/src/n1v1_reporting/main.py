"""Composition root: settings -> bus, schema, codec -> the reader that fills the tables, and the API that reads them."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import codec_of, opened_bus, opened_schema
from n1v1_reporting.adapters.projections import PostgresProjections
from n1v1_reporting.api.answers import Answers, System
from n1v1_reporting.api.app import application
from n1v1_reporting.api.server import served
from n1v1_reporting.completion import announce_completion
from n1v1_reporting.handlers import Reader
from n1v1_reporting.queries import Queries

MIGRATIONS = Path(str(files("n1v1_reporting") / "migrations"))


async def serve(context: ServiceContext) -> None:
    settings = context.settings
    async with opened_bus(context) as bus, opened_schema(context, [MIGRATIONS]) as pool:
        codec, account = codec_of(settings), settings.account.id
        reader = Reader(bus=bus, projections=PostgresProjections(pool), codec=codec, metrics=context.metrics)
        queries = Queries(pool, account)
        answers = Answers(system_of(settings), queries, reader.lag)
        completion = announce_completion(account=account, bus=bus, codec=codec, reader=reader, queries=queries)
        listen = settings.listen_of(context.service)
        async with served(application(answers, context.probes), listen) as port:
            context.announce(listen.host, port)
            context.ready()
            await context.run_tasks(reader.run(context.draining), background=(completion,))


def system_of(settings: Settings) -> System:
    return System(
        mode=settings.environment.mode,
        account=settings.account.id,
        timeframe=settings.market.timeframe,
        strategies=settings.strategies.active_strategies,
        instruments={instrument.symbol: instrument for instrument in instruments_of(settings)},
    )


def main() -> None:
    sys.exit(run_service(Service(name="reporting", main=serve, http=None)))
