"""The portfolio stage behind the bus: books fills, marks the account, shows the hot copy."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog

from n1v1.events import EquityMarked, Event, PositionChanged
from n1v1.portfolio.stage import Portfolio
from n1v1.values import PPB, Instrument
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.state.hot_state import HotState, Json
from n1v1_common.storage.journal import Effect
from n1v1_common.telemetry.metrics import Metrics
from n1v1_portfolio.books import Books

log = structlog.get_logger()

SHOW_EVERY_S = 0.25


class PortfolioHandler:
    def __init__(
        self,
        *,
        account: str,
        stage: Portfolio,
        instruments: Sequence[Instrument],
        state: HotState,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._stage = stage
        self._books = Books(instruments)
        self._quantum = instruments[0].quantum
        self._state = state
        self._metrics = metrics
        self._equity_gauge = metrics.gauge("portfolio_equity_quote", account=account)
        self._drawdown_gauge = metrics.gauge("portfolio_drawdown_ratio", account=account)
        self._to_show: EquityMarked | None = None

    async def handle(self, event: Event) -> Sequence[Event]:
        said = self._stage.handle(event)
        for answer in said:
            if isinstance(answer, EquityMarked):
                self._to_show = answer
            elif isinstance(answer, PositionChanged):
                self._metrics.counter("portfolio_fills_booked_total", symbol=answer.symbol).inc()
        return said

    async def after_step(self) -> None:
        """Nothing to carry out: the books are in the commit, and the hot copy is written beside the flow."""

    async def show_newest(self) -> None:
        """The hot copy of the newest equity: for eyes, never the truth, so a Redis that is away stops nobody."""
        marked, self._to_show = self._to_show, None
        if marked is None:
            return
        self._equity_gauge.set(float(marked.equity * self._quantum))
        self._drawdown_gauge.set((marked.peak - marked.equity) * PPB // marked.peak / PPB if marked.peak else 0.0)
        value: Json = {
            "ts_ns": marked.ts_ns,
            "equity": str(marked.equity * self._quantum),
            "cash": str(marked.cash * self._quantum),
        }
        try:
            await self._state.put(f"equity:{self._account}", value, version=marked.ts_ns)
        except StateUnavailable as error:
            log.warning("the hot copy of equity could not be written", reason=str(error))

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        return self._books.effects(self._stage.take_transactions(), events)

    def open_causes(self) -> Collection[str]:
        return ()

    def snapshot(self) -> dict[str, Any]:
        return self._stage.snapshot()

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._stage.restore(saved)


async def keep_showing(handler: PortfolioHandler) -> None:
    """Keep the hot copy at most SHOW_EVERY_S behind."""
    while True:
        await asyncio.sleep(SHOW_EVERY_S)
        await handler.show_newest()
