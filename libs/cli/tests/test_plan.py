"""What the processes of a stack are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from n1v1.values import Instrument
from n1v1_cli.stack.plan import make_plan
from n1v1_common.instruments import instruments_of
from n1v1_common.settings.load import load
from n1v1_common.settings.service import load_service_settings
from n1v1_research.datasets import Bars, Dataset
from n1v1_research.datasets.store import Store

MINUTE_NS = 60_000_000_000
AAA = Instrument("AAA-USD", "AAA", "USD")


def minutes(count: int) -> Dataset:
    """Bars that stand still."""
    opens = np.arange(count, dtype=np.int64) * MINUTE_NS
    flat = np.full(count, 100, dtype=np.int64)
    return Dataset("mine", "1m", (AAA,), {"AAA-USD": Bars(opens, opens + MINUTE_NS, flat, flat, flat, flat, flat)})


def test_a_stack_in_a_folder_of_its_own_has_the_datasets_of_the_commands(tmp_path: Path) -> None:
    Store(tmp_path / "datasets").add(minutes(3), origin={}, now_ns=0)
    loaded = load((), {}, (f"paths.state_dir={tmp_path}", "market.dataset=mine", "market.symbols=AAA-USD"))
    plan = make_plan(loaded, tmp_path / "backtest", services=("risk",), server_settings=lambda user: {})
    told = load_service_settings({"N1V1_SETTINGS": str(plan.settings_file)})
    assert told.paths.state_dir == tmp_path / "backtest"
    assert instruments_of(told) == (AAA,)
