"""Which mode the adaptive policy is in, and that it says so whenever that changes.

The mode itself, and what it does to the size of an entry, is `adaptive`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n1v1.events import EquityMarked, RiskModeChanged
from n1v1.risk.account_book import AccountBook
from n1v1.risk.adaptive import CAUTION_LOSSES, Mode, adaptive_mode, losses_since
from n1v1.risk.causes import Moment
from n1v1.risk.policy import HOUR_NS


class Adaptation:
    def __init__(self, account: str, book: AccountBook) -> None:
        self._account = account
        self._book = book
        self._is_on = bool(book.limits.is_adaptive)
        self._mode = Mode.NORMAL

    def observe(self, moment: EquityMarked | Moment) -> list[RiskModeChanged]:
        """Look at the account at a bar time whose fills it has heard."""
        if not self._is_on:
            return []
        before, after = self._mode, Mode(adaptive_mode(self._book.limits, self._book.state, moment.ts_ns))
        if after is before:
            return []
        self._mode = after
        return [
            RiskModeChanged(
                id=f"mode:{moment.id}",
                ts_ns=moment.ts_ns,
                cause_id=moment.id,
                correlation_id=moment.correlation_id,
                account=self._account,
                before=before.name,
                after=after.name,
                reason=self._reason(moment.ts_ns),
            )
        ]

    def _reason(self, ts_ns: int) -> str:
        limits, state = self._book.limits, self._book.state
        lost = losses_since(state, ts_ns - limits.kill_window_ns)
        return (
            f"{_of_losses(state.losses_in_a_row)} in a row ({CAUTION_LOSSES} are CAUTION, "
            f"{limits.allowed_losses} DEFENSIVE), {_of_losses(lost)} in {limits.kill_window_ns // HOUR_NS} hours "
            f"({limits.kill_losses} are the KILL_SWITCH)"
        )

    def snapshot(self) -> dict[str, Any]:
        return {"mode": self._mode.name}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._mode = Mode[saved.get("mode", Mode.NORMAL.name)]


def _of_losses(count: int) -> str:
    return "1 losing trade" if count == 1 else f"{count} losing trades"
