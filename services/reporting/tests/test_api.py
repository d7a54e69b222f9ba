"""The API over HTTP, on the tables of a quarter of trading."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from n1v1.events import Event, OrderFilled, OrderRefused
from n1v1.performance import summary_of_records
from n1v1.run_hash import RunRecords, from_events, run_hash
from n1v1.values import Instrument
from n1v1_common.lifecycle.health import Health
from n1v1_common.lifecycle.probes import Probes
from n1v1_common.settings.model import Listen
from n1v1_common.storage.database import connect, migrate
from n1v1_common.storage.journal import Cursor
from n1v1_common.telemetry.metrics import Metrics
from n1v1_reporting.adapters.projections import PostgresProjections
from n1v1_reporting.api.answers import Answers, System, performance_of
from n1v1_reporting.api.app import application
from n1v1_reporting.api.server import served
from n1v1_reporting.main import MIGRATIONS
from n1v1_reporting.projection import rows_of
from n1v1_reporting.queries import Queries
from n1v1_research.datasets import Dataset

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.servers]

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Api:
    """GETs on the running service."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, status: int = 200) -> Any:
        async with self._session.get(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def page(self, path: str) -> str:
        async with self._session.get(path) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html"), await answer.text()
            return await answer.text()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled_pool(dsn: str, events: list[Event]) -> AsyncIterator[asyncpg.Pool]:
    await migrate(dsn, "reporting", [MIGRATIONS])
    pool = await connect(dsn, "reporting")
    rows = [row for event in events for row in rows_of(event, TRACE)]
    await PostgresProjections(pool).store(rows, "TRADING", Cursor(len(rows), 1))
    yield pool
    await pool.execute("DROP SCHEMA reporting CASCADE")
    await pool.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(filled_pool: asyncpg.Pool, dataset: Dataset) -> AsyncIterator[Api]:
    async def lag() -> int:
        return 0

    system = System(
        mode="paper",
        account="main",
        timeframe="4h",
        strategies=("ema_cross",),
        instruments={instrument.symbol: instrument for instrument in dataset.instruments},
    )
    health = Health()
    health.mark_started()
    app = application(Answers(system, Queries(filled_pool, "main"), lag), Probes("reporting", health, Metrics()))
    async with served(app, Listen()) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield Api(session)


async def test_the_probes_are_served_beside_the_api(api: Api) -> None:
    assert (await api.get("/healthz"))["status"] == "live"
    assert (await api.get("/readyz"))["ready"] is True


async def test_status_has_the_names_of_the_original_api(api: Api) -> None:
    status = await api.get("/api/v1/status")
    assert {"running", "paused", "mode", "pairs", "timestamp"} <= status.keys()
    assert (status["running"], status["paused"], status["pairs"]) == (True, False, ["BTC-USD", "ETH-USD"])
    assert status["bar_time"] == "2021-04-01T00:00:00Z"


async def test_progress_counts_what_happened(api: Api, events: list[Event]) -> None:
    progress = await api.get("/api/v1/progress")
    assert progress["bars"] == 540
    assert progress["settled_time"] == "2021-04-01T00:00:00Z"
    assert progress["fills"] == sum(isinstance(event, OrderFilled) for event in events)
    assert progress["refusals"] == sum(isinstance(event, OrderRefused) for event in events)


async def test_the_run_has_the_hash_of_its_events_and_on_request_its_records(api: Api, events: list[Event]) -> None:
    expected = from_events(events)
    assert (await api.get("/api/v1/run"))["records"] is None
    run = await api.get("/api/v1/run?full=1")
    assert run["hash"] == run_hash(expected)
    assert run_hash(RunRecords.from_json(run["records"])) == run["hash"]
    assert run["counts"]["orders"] == len(expected.orders)


async def test_performance_is_the_summary_of_the_core(api: Api, events: list[Event]) -> None:
    answer, numbers = await api.get("/api/v1/performance"), summary_of_records(from_events(events), "4h")
    assert answer["sharpe_ratio"] == numbers.sharpe_ratio
    assert answer["max_drawdown"] == numbers.max_drawdown
    assert (answer["wins"], answer["losses"]) == (numbers.wins, numbers.losses)
    assert Decimal(answer["end_equity"]) == Decimal(numbers.end_equity).scaleb(-8)


async def test_an_infinite_profit_factor_and_a_zero_amount_can_be_written_as_json(events: list[Event]) -> None:
    numbers = replace(summary_of_records(from_events(events), "4h"), profit_factor=math.inf, largest_loss=0)
    written = performance_of(numbers, Instrument(symbol="BTC-USD", base="BTC", quote="USD")).model_dump_json()
    assert '"profit_factor":"Infinity"' in written
    assert '"largest_loss":"0.00000000"' in written


async def test_orders_come_newest_first_and_one_can_be_looked_at(api: Api) -> None:
    orders = (await api.get("/api/v1/orders?limit=3&symbol=ETH-USD"))["orders"]
    assert [order["symbol"] for order in orders] == ["ETH-USD"] * 3
    assert orders == sorted(orders, key=lambda order: order["timestamp"], reverse=True)
    every = (await api.get("/api/v1/orders?limit=1000"))["orders"]
    sell = next(order for order in every if order["pnl"] is not None)
    assert sell["purpose"] in ("STOP_LOSS", "TAKE_PROFIT")
    entry = next(order for order in every if order["id"] == sell["entry_id"])
    assert (entry["side"], sell["side"], entry["pnl"]) == ("BUY", "SELL", None)
    detail = await api.get(f"/api/v1/orders/{sell['id']}")
    assert (detail["status"], detail["trace_id"]) == ("FILLED", TRACE)
    assert [step["what"] for step in detail["history"]] == ["SUBMITTED", "ACCEPTED", "FILLED"]
    assert Decimal(detail["fills"][0]["value"]) > 0
    assert detail["signal_reason"] == "fast average crossed above slow", "that of its entry"
    assert detail["checks"][0]["passed"] is True


async def test_positions_are_marked_with_the_last_close(api: Api) -> None:
    answer = await api.get("/api/v1/positions")
    assert [position["symbol"] for position in answer["positions"]] == ["BTC-USD", "ETH-USD"]
    for position in answer["positions"]:
        value = Decimal(position["quantity"]) * Decimal(position["mark_price"])
        assert abs(value - Decimal(position["value"])) < Decimal("0.00000001")


async def test_the_equity_curve_is_thinned_and_keeps_its_last_mark(api: Api) -> None:
    curve = (await api.get("/api/v1/equity?points=10&start=2021-02-01&end=2021-03-01"))["equity_curve"]
    assert 5 <= len(curve) <= 10
    assert curve[-1]["timestamp"] == "2021-02-28T20:00:00Z"
    assert {"timestamp", "balance", "equity", "cumulative_return"} == curve[0].keys()
    whole = (await api.get("/api/v1/equity"))["equity_curve"]
    assert (len(whole), whole[0]["cumulative_return"]) == (540, 0.0)


async def test_signals_carry_their_verdicts(api: Api) -> None:
    (signal,) = (await api.get("/api/v1/signals?limit=1"))["signals"]
    assert {"id", "symbol", "timestamp", "confidence", "signal_type", "strategy"} <= signal.keys()
    assert signal["verdict"] in ("APPROVED", "REFUSED")


async def test_why_tells_what_was_said_of_a_bar_with_and_without_a_signal(api: Api) -> None:
    (signal,) = (await api.get("/api/v1/signals?limit=1"))["signals"]
    answer = await api.get(f"/api/v1/why?symbol={signal['symbol']}&time={signal['timestamp']}")
    (opinion,) = answer["strategies"]
    assert opinion["signal_type"] == signal["signal_type"]
    assert opinion["decision"]["checks"]
    silent = await api.get("/api/v1/why?symbol=BTC-USD&time=2021-01-01T05:30")
    assert silent["bar_time"] == "2021-01-01T08:00:00Z"
    assert silent["strategies"][0]["decision"] is None
    assert "warming up" in silent["strategies"][0]["reason"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/v1/orders?limti=3", 422, "limti: there is no such parameter"),
        ("/api/v1/status?x=1", 422, "x: there is no such parameter"),
        ("/api/v1/orders?limit=0", 422, "limit: Input should be greater than or equal to 1, got '0'"),
        ("/api/v1/orders?symbol=BTC-EUR", 404, "no symbol 'BTC-EUR' (did you mean 'BTC-USD'?)"),
        ("/api/v1/orders/o-nothing", 404, "no order 'o-nothing' on account 'main'"),
        ("/api/v1/why?symbol=BTC-USD", 422, "time: is required"),
        (
            "/api/v1/why?symbol=BTC-USD&time=yesterday",
            422,
            "time: expected a time such as 2021-03-04T08:00, got 'yesterday'",
        ),
        (
            "/api/v1/why?symbol=BTC-USD&time=2022-01-01",
            404,
            "no bar of BTC-USD closes at 2022-01-01 00:00 or later; "
            "known are bars closing 2021-01-01 04:00 to 2021-04-01 00:00 UTC",
        ),
        ("/api/v1/nothing", 404, "GET /api/v1/nothing: Not Found"),
    ],
)
async def test_a_wrong_question_gets_a_clear_answer(api: Api, path: str, status: int, message: str) -> None:
    error = (await api.get(path, status))["error"]
    assert error["message"] == message


async def test_before_the_first_bar_there_is_nothing_to_measure_but_no_error(
    filled_pool: asyncpg.Pool, dataset: Dataset
) -> None:
    async def lag() -> int:
        return 7

    system = System("paper", "other", "4h", (), {i.symbol: i for i in dataset.instruments})
    answers = Answers(system, Queries(filled_pool, "other"), lag)
    run = await answers.run(full=False)
    assert (run.performance, run.counts["orders"], run.lag_messages) == (None, 0, 7)
    assert (await answers.progress()).bar_time is None
    assert (await answers.positions()).positions == []
    assert (await answers.equity(None, None, 10)).equity_curve == []


async def test_docs_are_a_page(api: Api) -> None:
    assert "/api/v1/positions" in await api.page("/docs")
