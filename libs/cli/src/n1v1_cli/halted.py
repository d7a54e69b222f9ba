"""What is halted, by whom, why and until when: read from the log that is its truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from n1v1_cli.bus import connected

if TYPE_CHECKING:
    from n1v1.events import BreakerChanged, HaltsChanged
    from n1v1_common.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Row:
    """since, until: market time as ISO 8601; until is empty when nothing but a person ends it."""

    what: str
    by: str
    reason: str
    since: str
    until: str
    is_flattened: bool


async def look_at_halts(settings: Settings) -> list[Row]:
    """Raises CommandError or BusError when the bus cannot say."""
    from n1v1.events import BreakerChanged, HaltsChanged
    from n1v1_common.codec.codec import subject_filter
    from n1v1_common.stage.opening import codec_of
    from n1v1_common.streams import TRADING

    codec, found = codec_of(settings), []
    bus = await connected(settings)
    try:
        for kind in (HaltsChanged, BreakerChanged):
            last = await bus.last_message(TRADING.name, subject_filter(kind))
            found.append(codec.decode(last.subject, last.data)[0] if last is not None else None)
    finally:
        await bus.drain()
    halts, breaker = found
    assert halts is None or isinstance(halts, HaltsChanged)
    assert breaker is None or isinstance(breaker, BreakerChanged)
    return rows_of(halts, breaker)


def rows_of(halts: HaltsChanged | None, breaker: BreakerChanged | None) -> list[Row]:
    """The breaker has a row of its own when it opened by itself; a halt of the account is told as a halt."""
    rows = []
    if breaker is not None and breaker.is_open and breaker.actor == "risk":
        rows.append(Row("the account", "circuit breaker", breaker.reason, _moment(breaker.ts_ns), "", False))
    for halt in halts.halts if halts is not None else ():
        since, until = _moment(halt.since_ns), _moment(halt.until_ns) if halt.until_ns else ""
        rows.append(Row(str(halt.scope), halt.actor, halt.reason, since, until, halt.closes))
    return rows


def table_lines(rows: list[Row]) -> list[list[str]]:
    lines = [["halted", "by", "why", "since (market time)", "until"]]
    for row in rows:
        what = f"{row.what}, flattened" if row.is_flattened else row.what
        lines.append([what, row.by, row.reason, row.since, row.until or "resumed"])
    return lines


def _moment(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
