"""The risk service: what it is made of."""

from __future__ import annotations

from n1v1.pipeline import HEARS
from n1v1.risk.invariants import Invariants
from n1v1.risk.plugins import anomaly_detectors, risk_managers
from n1v1.risk.stage import Risk
from n1v1.timeframes import timeframe_ns
from n1v1_common.instruments import instruments_of
from n1v1_common.lifecycle import Service, ServiceContext, run_service
from n1v1_common.settings.core import policy_of, styles_of
from n1v1_common.settings.model import Settings
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.stage.opening import codec_of, opened_bus, opened_hot_state, opened_schema, taken_over
from n1v1_common.state.breaker import BreakerFlags
from n1v1_risk.handlers import RiskHandler, decide_late_batches, keep_showing, pause_silent_symbols
from n1v1_risk.staleness import MarketWatch


async def work(context: ServiceContext) -> None:
    settings = context.settings
    stage = Risk(
        account=settings.account.id,
        instruments=instruments_of(settings),
        policy=policy_of(settings),
        signal_partitions=settings.signals.partitions,
        managers=risk_managers(settings.risk_management.plugins),
        detectors=anomaly_detectors(settings.anomaly_detection.plugins),
        styles=styles_of(settings),
    )
    async with opened_bus(context) as bus, opened_schema(context, ()) as pool, opened_hot_state(context) as state:
        flags = BreakerFlags(state)
        watch = None if settings.is_lockstep else _watch_of(settings)
        handler = RiskHandler(
            account=settings.account.id,
            stage=stage,
            invariants=Invariants(stage.book),
            flags=flags,
            metrics=context.metrics,
            watch=watch,
        )
        loop = StageLoop(
            name="risk",
            bus=bus,
            journal=await taken_over(context, pool, bus),
            codec=codec_of(settings),
            handler=handler,
            hears=HEARS["risk"],
            contexts=TraceContexts(context.tracing),
            metrics=context.metrics,
            initial=handler.snapshot(),
        )
        wait_s = settings.risk_management.batch_wait_ms / 1000
        by_the_clock = (
            ()
            if watch is None
            else (
                decide_late_batches(handler, loop, wait_s=wait_s),
                pause_silent_symbols(handler, loop, watch),
            )
        )
        await context.run_tasks(
            loop.run(ready=context.ready, draining=context.draining), background=(keep_showing(handler), *by_the_clock)
        )


def _watch_of(settings: Settings) -> MarketWatch:
    bar_s = timeframe_ns(settings.market.timeframe) / 1e9
    patience_s = float(settings.risk_management.stale_after_bars) * bar_s
    if settings.is_simulated:  # recorded bars, at so many times their speed
        patience_s /= settings.replay.speed
    return MarketWatch(settings.market.symbols, patience_s=patience_s, is_real_time=not settings.is_simulated)


def main() -> int:
    return run_service(Service("risk", work))
