"""Who may trade at the simulated venue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ApiAccount:
    """An account with its API key. cash_quanta: what it opens with, in quanta of the quote currency."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)
    cash_quanta: int


def by_api_key(accounts: Iterable[ApiAccount]) -> dict[str, ApiAccount]:
    return {account.api_key: account for account in accounts}
