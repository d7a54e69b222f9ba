"""The run that `n1v1 demo` plays and that `n1v1 backtest` repeats by default: its settings and its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n1v1.run_hash import RunRecords
    from n1v1_common.settings.load import Loaded
    from n1v1_common.settings.model import Settings
    from n1v1_research.datasets import Dataset
    from n1v1_research.results import RunResult

# Limits that leave room for the falls of 2020 and 2022: a run that halts in its third month would show little.
LIMITS = (
    "risk_management.max_position_size=0.45",
    "risk_management.max_drawdown=0.5",
    "circuit_breaker.equity_drawdown_threshold=0.6",
)
# What is traded and how far it may go, in the demo, in its repetition in process and in `n1v1 up` without settings.
# Two strategies on two markets, at most 45 % of equity in each, so that both fit with their costs.
TRADING = (
    "market.dataset=coinbase-4h",
    "strategies.active_strategies=ema_cross,my_breakout",
    'strategies.strategy_config={"ema_cross":{"fast_ema":20,"slow_ema":80,"position_size":0.45}}',
    *LIMITS,
    # the simulated venue answers at once or not at all, so that an order in doubt is soon settled
    "exchange.recv_window_ms=1000",
    "exchange.absence_margin_ms=500",
)
REPEATABLE = ("replay.mode=lockstep", "replay.loop=false", "servers.durability=process")
THREE_YEARS = ("market.start=2020-01-01", "market.end=2023-01-01")


def settings_of(*, full: bool) -> Sequence[str]:
    years = () if full else THREE_YEARS
    return (*TRADING, *REPEATABLE, *years)


OWN_RUN = (*LIMITS, *REPEATABLE)
"""For strategies or data of the user's own: the sample's limits, and nothing else of it."""


def dataset_of(settings: Settings) -> Dataset:
    from n1v1_research.datasets import DEFAULT_DATASET, load

    market = settings.market
    return load(
        market.dataset or DEFAULT_DATASET,
        symbols=market.symbols,
        start=market.start,
        end=market.end,
        store=settings.datasets_dir,
    )


def title_of(settings: Settings, dataset: Dataset) -> str:
    return f"{strategy_names(settings)} on {', '.join(dataset.symbols)}"


def strategy_names(settings: Settings) -> str:
    return ", ".join([*settings.strategies.active_strategies, *(path.name for path in settings.strategies.files)])


def result_of(
    records: RunRecords, loaded: Loaded, dataset: Dataset, *, engine: str, started_at: str, seconds: float
) -> RunResult:
    """What the services recorded, as the same result that a run in this process has."""
    from n1v1_cli.in_process import configuration_of
    from n1v1_research.backtest.rules import in_words
    from n1v1_research.results import RunResult, Timing

    configuration = configuration_of(loaded.settings, dataset)
    return RunResult(
        dataset=dataset,
        records=records,
        timing=Timing(engine=engine, started_at=started_at, seconds=seconds),
        title=title_of(loaded.settings, dataset),
        rules=in_words(configuration.rules, dataset.instruments),
        configuration=configuration.as_json(),
    )
