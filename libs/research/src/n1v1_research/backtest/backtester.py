"""Running a strategy over recorded bars."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from n1v1.performance import RISK_FREE_RATE
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.defaults import configuration_of
from n1v1_research.backtest.engines import DEFAULT_ENGINE, Played, Progress, engine
from n1v1_research.backtest.rules import in_words
from n1v1_research.backtest.variations import variations
from n1v1_research.datasets import Dataset
from n1v1_research.results import RunResult, Timing
from n1v1_research.results.sensitivity import OtherRun


def _nobody(_: int) -> None:
    """Progress that nobody watches."""


class Backtester:
    """One configuration over one dataset, by one engine.

        result = Backtester.of("ema_cross", load("coinbase-4h"), parameters={"fast_ema": 5}).run()
        result.metrics["sharpe_ratio"], result.trades_frame(), result.save("results/mine")

    The result does not depend on the engine. Nothing is kept between two runs.
    """

    def __init__(
        self,
        configuration: Configuration,
        dataset: Dataset,
        *,
        engine: str = DEFAULT_ENGINE,
        title: str = "",
        risk_free_rate: float = RISK_FREE_RATE,
    ) -> None:
        """title: for the report, see `RunResult`. risk_free_rate: per year, as a fraction."""
        self.configuration = configuration
        self.dataset = dataset
        self.engine = engine
        self._title = title or _title(configuration, dataset)
        self._risk_free_rate = risk_free_rate

    @classmethod
    def of(
        cls,
        strategy: str,
        dataset: Dataset,
        *,
        parameters: Mapping[str, Any] | None = None,
        cash: Decimal | int = 10_000,
        fee: Decimal | str = "0.001",
        slippage: Decimal | str = "0.0005",
        engine: str = DEFAULT_ENGINE,
    ) -> Backtester:
        """One strategy with the default risk policy.

        strategy: a key, a class name, file.py or file.py:Class. cash: in quote currency. fee, slippage: fractions.
        Raises UnknownName, InvalidValue or StrategyError: what was expected, what came and where.
        """
        configuration = configuration_of(
            strategy, dataset, parameters=parameters or {}, cash=cash, fee=fee, slippage=slippage
        )
        return cls(configuration, dataset, engine=engine)

    def run(self, progress: Progress = _nobody, *, sensitivity: bool = False) -> RunResult:
        """Play it. sensitivity: and once more under each other assumption of n1v1_research.backtest.variations.

        Raises UnknownName for an engine that does not exist, StrategyError when the strategy raises.
        """
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        began = time.perf_counter()
        played = self._play(self.configuration, progress)
        timing = Timing(engine=self.engine, started_at=started_at, seconds=time.perf_counter() - began)
        result = self._result(played, timing)
        return self._result(played, timing, self._otherwise(result)) if sensitivity else result

    async def run_async(self, *, sensitivity: bool = False) -> RunResult:
        """As `run`, in a thread, so that the event loop goes on."""
        import asyncio  # here, because most runs need none and its import takes a while

        return await asyncio.to_thread(self.run, sensitivity=sensitivity)

    def _play(self, configuration: Configuration, progress: Progress) -> Played:
        return engine(self.engine)(configuration, self.dataset, progress)

    def _result(self, played: Played, timing: Timing, sensitivity: Sequence[OtherRun] = ()) -> RunResult:
        return RunResult(
            dataset=self.dataset,
            records=played.records,
            timing=timing,
            title=self._title,
            rules=in_words(self.configuration.rules, self.dataset.instruments) | _engine_in_words(played),
            configuration=self.configuration.as_json(),
            purposes=played.purposes,
            decided=played.decided,
            sensitivity=sensitivity,
            risk_free_rate=self._risk_free_rate,
        )

    def _otherwise(self, result: RunResult) -> list[OtherRun]:
        runs = []
        for what, configuration in variations(self.configuration):
            is_same = configuration is self.configuration
            other = result if is_same else self._result(self._play(configuration, _nobody), result.timing)
            runs.append(OtherRun.of(what, other))
        return runs


def _engine_in_words(played: Played) -> dict[str, str]:
    return {"Engine": played.instead} if played.instead else {}


def _title(configuration: Configuration, dataset: Dataset) -> str:
    names = ", ".join(instance.name for instance in configuration.instances)
    return f"{names} on {', '.join(dataset.symbols)}"
