"""Who may do what. What a stage hears is in n1v1.pipeline.HEARS and is not repeated here.

Each service is one user with one password, on the bus and in the stores that it has something to do with. Nobody but
the administrator makes or deletes streams, buckets, roles and tables; see install.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from n1v1_common.bus.api import StreamSpec
from n1v1_common.streams import ALL_STREAMS, MARKET_DATA, MARKET_FLOW, TRADING

ADMIN = "n1v1"
OPERATOR = "operator"

HALTS = "risk.v1.breaker.>"
"""Everybody may know whether the account is halted."""


@dataclass(frozen=True, slots=True)
class Access:
    """Of one user. Everything that is not named here is refused.

    speaks: how the subjects that it publishes begin, one token for all of a domain. stage: the entry of HEARS that it
    consumes by, if any.
    """

    speaks: tuple[str, ...]
    stage: str = ""
    consumes: tuple[StreamSpec, ...] = ()
    """Streams that it reads whole, under a durable of its own name."""
    looks_up: tuple[StreamSpec, ...] = ()
    """Streams in which it may look up single messages."""
    taps: tuple[str, ...] = ()
    """Subjects that it may listen to as they go by."""
    keeps_strategy_state: bool = False
    has_schema: bool = False
    """A schema of its own name in PostgreSQL."""
    reads_keys: tuple[str, ...] = ()
    """Beginnings of the keys that it may read in Redis."""
    writes_keys: tuple[str, ...] = ()
    """Beginnings of the keys that it may read and write in Redis."""
    holds_venue_keys: bool = False


ACCESS: Mapping[str, Access] = {
    "market_data": Access(
        speaks=("market_data", "market_flow"),
        looks_up=(MARKET_DATA, MARKET_FLOW, TRADING),
        taps=("execution.v1.orders_complete.>", HALTS),
        writes_keys=("rate:",),
    ),
    # Runs other people's code: the bars in, signals out, and snapshots of what its strategies know.
    "signals": Access(speaks=("signals",), stage="signals", taps=(HALTS,), keeps_strategy_state=True),
    "risk": Access(
        speaks=("risk",), stage="risk", looks_up=(TRADING,), taps=(HALTS,), has_schema=True, writes_keys=("breaker:",)
    ),
    "execution": Access(
        speaks=("execution", "control.v1.breaker"),  # it halts what it, the ledger and the venue differ in
        stage="execution",
        looks_up=(MARKET_FLOW, TRADING),  # prices, for orders that follow the book
        taps=(HALTS,),
        has_schema=True,
        reads_keys=("breaker:",),
        writes_keys=("rate:",),
        holds_venue_keys=True,
    ),
    "portfolio": Access(
        speaks=("portfolio",),
        stage="portfolio",
        looks_up=(TRADING,),
        taps=(HALTS,),
        has_schema=True,
        writes_keys=("equity:",),
    ),
    "reporting": Access(
        speaks=("reporting",), consumes=(TRADING,), looks_up=(MARKET_DATA, TRADING), taps=(HALTS,), has_schema=True
    ),
    # The simulated venue speaks HTTP alone; it has the keys because it checks signatures.
    "exchange_simulator": Access(speaks=(), holds_venue_keys=True),
    # n1v1 halt, resume and the like: commands, and whatever is said about them.
    OPERATOR: Access(
        speaks=("control.v1.command",), looks_up=ALL_STREAMS, taps=TRADING.subjects, reads_keys=("breaker:",)
    ),
}


def users_of_the_bus() -> tuple[str, ...]:
    """Beside the administrator."""
    return tuple(user for user, access in ACCESS.items() if access.speaks)


def users_of_hot_state() -> tuple[str, ...]:
    return tuple(user for user, access in ACCESS.items() if access.reads_keys or access.writes_keys)


def owners_of_schemas() -> tuple[str, ...]:
    return tuple(user for user, access in ACCESS.items() if access.has_schema)
