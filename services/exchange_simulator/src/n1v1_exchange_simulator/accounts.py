"""Who may trade at the simulated venue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ApiAccount:
    """An account with its API key. balances: what it opens with, by asset: lots of a base, quanta of a quote."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)
    balances: Mapping[str, int]


def by_api_key(accounts: Iterable[ApiAccount]) -> dict[str, ApiAccount]:
    return {account.api_key: account for account in accounts}
