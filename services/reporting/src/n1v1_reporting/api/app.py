"""Routes. What they answer is put together in answers.py."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse

from n1v1_common.lifecycle.probes import PATHS, Probes
from n1v1_reporting.api import models
from n1v1_reporting.api.answers import Answers
from n1v1_reporting.api.docs_page import docs_page
from n1v1_reporting.api.errors import answer_errors_in_one_shape
from n1v1_reporting.api.parameters import (
    EquityParameters,
    ListParameters,
    Nothing,
    RunParameters,
    WhyParameters,
    nanoseconds,
)


def application(answers: Answers, probes: Probes) -> FastAPI:
    app = FastAPI(title="n1v1 reporting", version="1", redoc_url=None, docs_url=None)
    answer_errors_in_one_shape(app)
    _add_probes(app, probes)
    _add_account(app, answers)
    _add_history(app, answers)
    _add_docs(app)
    return app


def _add_docs(app: FastAPI) -> None:
    """Last, so that the page shows every other route."""
    page = docs_page(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page)


def _add_probes(app: FastAPI, probes: Probes) -> None:
    async def probe(request: Request) -> Response:
        answer = await probes.answer(request.url.path)
        return Response(answer.body, answer.status, media_type=answer.content_type)

    for path in PATHS:
        app.add_api_route(path, probe, include_in_schema=False)


def _no_parameters(given: Annotated[Nothing, Query()]) -> None:
    """Answers 422 to any parameter."""


def _add_account(app: FastAPI, answers: Answers) -> None:
    bare = [Depends(_no_parameters)]

    @app.get("/api/v1/status", dependencies=bare)
    async def status() -> models.Status:
        return await answers.status()

    @app.get("/api/v1/progress", dependencies=bare)
    async def progress() -> models.Progress:
        return await answers.progress()

    @app.get("/api/v1/positions", dependencies=bare)
    async def positions() -> models.Positions:
        return await answers.positions()

    @app.get("/api/v1/performance", dependencies=bare)
    async def performance() -> models.Performance:
        return await answers.performance()

    @app.get("/api/v1/equity")
    async def equity(given: Annotated[EquityParameters, Query()]) -> models.Equity:
        start_ns = nanoseconds(given.start) if given.start else None
        end_ns = nanoseconds(given.end) if given.end else None
        return await answers.equity(start_ns, end_ns, given.points)


def _add_history(app: FastAPI, answers: Answers) -> None:
    @app.get("/api/v1/orders")
    async def orders(given: Annotated[ListParameters, Query()]) -> models.Orders:
        return await answers.orders(given.symbol, given.limit)

    @app.get("/api/v1/orders/{order_id}", dependencies=[Depends(_no_parameters)])
    async def order(order_id: str) -> models.OrderDetail:
        return await answers.order(order_id)

    @app.get("/api/v1/signals")
    async def signals(given: Annotated[ListParameters, Query()]) -> models.Signals:
        return await answers.signals(given.symbol, given.limit)

    @app.get("/api/v1/why")
    async def why(given: Annotated[WhyParameters, Query()]) -> models.Why:
        return await answers.why(given.symbol, nanoseconds(given.time))

    @app.get("/api/v1/run")
    async def run(given: Annotated[RunParameters, Query()]) -> models.Run:
        return await answers.run(full=given.full)
