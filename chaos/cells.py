"""The matrix: who is disturbed, how, and at which moment. A cell with a seed is a drill that anybody can repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaos.links import Cut
from n1v1_common.crash_points import CrashPoint

KILL, STOP = "kill -9", "stop and continue"
RESTART = "restart at once"
"""PostgreSQL only: its immediate shutdown."""
FORGET = "last second lost"
"""Valkey only: kill -9, and what it wrote in the second before is gone."""


class Market(StrEnum):
    IN_LOCKSTEP = "in lockstep"
    """It waits for the system, so a disturbed run must do what an undisturbed one does."""
    BY_THE_CLOCK = "by the clock"
    """It does not wait: orders fill while somebody is away, and what was decided may come too late."""


class Point(StrEnum):
    """The moments. docs/chaos.md says what each means in which service."""

    BEFORE_JOURNAL = "before journal"
    JOURNALLED_NOT_SENT = "journalled, not sent"
    SENT_NOT_ANSWERED = "sent, not answered"
    ANSWER_LOST = "answer lost"
    PARTIAL_FILL = "partial fill"
    CANCEL_RACING_A_FILL = "cancel racing a fill"
    BEFORE_COMMIT = "before commit"
    IN_TRANSACTION = "in a transaction"
    COMMITTED_NOT_PUBLISHED = "committed, not published"
    PUBLISHED_NOT_ACKNOWLEDGED = "published, not acknowledged"
    RANDOM = "random moment"

    @property
    def in_code(self) -> CrashPoint | None:
        """None: it is not a place in our code but on the wire, in the database, or no place at all."""
        return _IN_CODE.get(self)


_IN_CODE = {
    Point.BEFORE_JOURNAL: CrashPoint.BEFORE_JOURNAL,
    Point.JOURNALLED_NOT_SENT: CrashPoint.JOURNALLED_NOT_SENT,
    Point.PARTIAL_FILL: CrashPoint.PARTIAL_FILL,
    Point.CANCEL_RACING_A_FILL: CrashPoint.CANCEL_RACING_A_FILL,
    Point.BEFORE_COMMIT: CrashPoint.BEFORE_COMMIT,
    Point.COMMITTED_NOT_PUBLISHED: CrashPoint.COMMITTED_NOT_PUBLISHED,
    Point.PUBLISHED_NOT_ACKNOWLEDGED: CrashPoint.PUBLISHED_NOT_ACKNOWLEDGED,
}

_STEP = (Point.BEFORE_COMMIT, Point.IN_TRANSACTION, Point.COMMITTED_NOT_PUBLISHED, Point.PUBLISHED_NOT_ACKNOWLEDGED)
_ORDERS_ON_THEIR_WAY = (
    Point.JOURNALLED_NOT_SENT,
    Point.SENT_NOT_ANSWERED,
    Point.ANSWER_LOST,
    Point.PARTIAL_FILL,
    Point.CANCEL_RACING_A_FILL,
)
POINTS_OF: Mapping[str, Sequence[Point]] = {
    "market_data": (Point.COMMITTED_NOT_PUBLISHED, Point.PUBLISHED_NOT_ACKNOWLEDGED),
    "signals": (Point.BEFORE_COMMIT, Point.PUBLISHED_NOT_ACKNOWLEDGED),
    "risk": _STEP,
    "execution": tuple(point for point in Point if point is not Point.RANDOM),
    "portfolio": _STEP,
    "reporting": (Point.BEFORE_COMMIT, Point.PUBLISHED_NOT_ACKNOWLEDGED),
    "exchange_simulator": (Point.BEFORE_JOURNAL, Point.COMMITTED_NOT_PUBLISHED),
}
"""Named moments that each service has, beside the random ones."""

NEEDS: Mapping[str, Sequence[str]] = {
    "market_data": ("nats", "venue"),
    "signals": ("nats",),
    "risk": ("nats", "valkey", "postgres"),
    "execution": ("nats", "valkey", "postgres", "venue"),
    "portfolio": ("nats", "valkey", "postgres"),
    "reporting": ("nats", "postgres"),
}
"""The links of each service."""

SERVICES = tuple(POINTS_OF)
SERVERS = ("nats", "postgres", "valkey")


class Node(StrEnum):
    """Victims among three NATS nodes that keep three copies of everything, by what they are at the moment."""

    STREAM_LEADER = "leader of the trading stream"
    META_LEADER = "leader of the nats cluster"
    FOLLOWER = "nats follower"


_ORDERS = {"method": "POST", "path": "/api/v3/order*"}
_ANSWER_NOT_SENT = {"kind": "drop_after", **_ORDERS}
VENUE_FAULTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "request lost": [{"kind": "drop_before", **_ORDERS}],
    "answer not sent": [_ANSWER_NOT_SENT],
    "no answer": [{"kind": "hang_after", **_ORDERS}],
    "status unknown": [{"kind": "timeout_after", **_ORDERS}],
    "503 after acceptance": [{"kind": "http_error", "status": 503, "when": "after", **_ORDERS}],
    "order not visible": [{**_ANSWER_NOT_SENT, "count": 20}, {"kind": "order_not_visible", "delay_ms": 2_000}],
}
"""What a venue does without being killed or cut off, as the simulator's faults; each once, if it says nothing else.
Nobody asks about an order whose answer came, or whose news came by the user stream: answers are lost until one asks."""


@dataclass(frozen=True, slots=True)
class Cell:
    """victim: a service, a server, a node of NATS, a link (execution-nats), or venue."""

    victim: str
    disturbance: str
    point: Point
    market: Market = Market.IN_LOCKSTEP

    def __str__(self) -> str:
        return f"{self.victim}, {self.disturbance}, {self.point}, {self.market}"

    @property
    def link(self) -> tuple[str, str] | None:
        """Whose way to which server is cut."""
        service, _, server = self.victim.partition("-")
        return (service, server) if server else None

    @property
    def caught_in(self) -> Sequence[str]:
        """Services in which the moment can be caught, when somebody else is the victim."""
        if self.victim in POINTS_OF:
            return (self.victim,)
        if self.link is not None:
            return self.link[:1]
        return [
            service for service, needs in NEEDS.items() if self.victim in needs and self.point in POINTS_OF[service]
        ]

    @property
    def may_refuse(self) -> bool:
        """Without the breaker's flag orders are refused, on purpose: the run then rightly differs from an undisturbed
        one, and every other invariant holds."""
        return self.victim in ("valkey", "execution-valkey") and self.disturbance != FORGET

    @property
    def needs_cluster(self) -> bool:
        return self.victim in tuple(Node)


def _cells() -> Iterator[Cell]:
    for service, points in POINTS_OF.items():
        for disturbance in (KILL, STOP):
            yield from (Cell(service, disturbance, point) for point in (*points, Point.RANDOM))
    for server in SERVERS:
        for disturbance in (KILL, STOP):
            cells = [Cell(server, disturbance, point) for point in Point]
            yield from (cell for cell in cells if cell.point is Point.RANDOM or cell.caught_in)
    yield from (Cell("postgres", RESTART, point) for point in (Point.IN_TRANSACTION, Point.RANDOM))
    yield Cell("valkey", FORGET, Point.RANDOM)
    yield from (Cell(node, disturbance, Point.RANDOM) for node in Node for disturbance in (KILL, STOP))
    for service, needs in NEEDS.items():
        for server in needs:
            for cut in Cut:
                yield from (Cell(f"{service}-{server}", cut, point) for point in (*POINTS_OF[service], Point.RANDOM))
    for fault in VENUE_FAULTS:
        yield Cell("venue", fault, Point.RANDOM)
    yield from _cells_by_the_clock()


def _cells_by_the_clock() -> Iterator[Cell]:
    """What a market that waits cannot show: above all around the orders that are on their way."""
    for victim in (*SERVICES, *SERVERS):
        for disturbance in (KILL, STOP):
            points = POINTS_OF[victim] if victim == "execution" else ()
            yield from (Cell(victim, disturbance, point, Market.BY_THE_CLOCK) for point in (*points, Point.RANDOM))
    for cut in Cut:
        for point in (*_ORDERS_ON_THEIR_WAY, Point.RANDOM):
            yield Cell("execution-venue", cut, point, Market.BY_THE_CLOCK)


CELLS = tuple(_cells())


def chosen(names: Sequence[str]) -> list[Cell]:
    """Cells that fit the names: of several victims, disturbances, moments or markets any one, of each kind named one.

    Raises ValueError for a name that none of them has.
    """
    kinds = [set(names) for names in zip(*map(_names, CELLS), strict=True)]
    unknown = [name for name in names if not any(name in known for known in kinds)]
    if unknown:
        known = "; ".join(", ".join(sorted(names)) for names in kinds)
        raise ValueError(f"nothing is called {', '.join(unknown)}; there are: {known}")
    wanted = [known & set(names) or known for known in kinds]
    return [cell for cell in CELLS if all(name in fits for name, fits in zip(_names(cell), wanted, strict=True))]


def _names(cell: Cell) -> tuple[str, ...]:
    return (cell.victim, cell.disturbance, cell.point, cell.market)
