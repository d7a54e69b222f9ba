"""Which bars the settings name, and what the bars say of settings that nobody has set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n1v1_common.settings.load import Loaded
    from n1v1_research.datasets import Dataset


def chosen_dataset(loaded: Loaded, *, may_resample: bool) -> Dataset:
    """The bars of market.dataset; of all its symbols when none are named, joined when longer bars are asked for.

    may_resample: False for the services, which replay bars as they are recorded.
    Raises UnknownName, InvalidData or InvalidValue: no such dataset, symbol or bar; bars that cannot be had.
    """
    from n1v1.errors import InvalidData
    from n1v1_common.settings.load import BUILT_IN
    from n1v1_research.datasets import DEFAULT_DATASET, load

    market = loaded.settings.market
    is_named = loaded.origin_of("market.symbols").source != BUILT_IN
    dataset = load(
        market.dataset or DEFAULT_DATASET,
        symbols=market.symbols if is_named else None,
        start=market.start,
        end=market.end,
        store=loaded.settings.datasets_dir,
    )
    asked_for = loaded.origin_of("market.timeframe")
    if asked_for.source == BUILT_IN or asked_for.value == dataset.timeframe:
        return dataset
    if not may_resample:
        raise InvalidData(f"{dataset.name} has bars of {dataset.timeframe}, and services replay bars as recorded")
    return dataset.resampled(market.timeframe)


def settings_from(dataset: Dataset) -> list[str]:
    """KEY=VALUE for what a dataset says."""
    return [
        f"market.symbols={','.join(dataset.symbols)}",
        f"market.timeframe={dataset.timeframe}",
        f"account.quote_currency={dataset.instruments[0].quote}",
    ]
