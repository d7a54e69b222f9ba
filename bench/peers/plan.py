"""Who runs what. Slow peers run fewer bars and fewer pairs, once; the table says how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.peers.measure import Convention, Task, Workload

BOTH: tuple[Convention, ...] = ("next-open", "same-close")
NEXT_OPEN: tuple[Convention, ...] = ("next-open",)
SAME_CLOSE: tuple[Convention, ...] = ("same-close",)


@dataclass(frozen=True, slots=True)
class Peer:
    """runner: bench.peers.run_<runner>. environment: of requirements-<environment>.txt; None: the one that runs this.

    repeats: runs after the first in each process; 0: the first is the measurement. rounds: processes a task; those of
    all peers take turns. bars, portfolio_bars (a symbol), pairs: where not everything. None: does not do that workload.
    differs: why its equity is not the reference's; None: it must agree to the cent.
    """

    title: str
    runner: str
    environment: str | None
    conventions: tuple[Convention, ...]
    repeats: int
    rounds: int
    bars: tuple[int, ...] = (1_000_000,)
    portfolio_bars: int | None = 50_000
    pairs: int | None = None
    differs: str | None = None


REFERENCE = Peer("numba, one pass by hand", "numba", "numba", BOTH, repeats=7, rounds=3, pairs=1000)

PEERS = (
    Peer("n1v1, compiled scan", "n1v1_scan", None, NEXT_OPEN, repeats=7, rounds=3, pairs=1000),
    Peer(
        "n1v1, event by event, Python strategy",
        "n1v1_engine",
        None,
        NEXT_OPEN,
        repeats=0,
        rounds=3,
        bars=(100_000, 1_000_000),
        portfolio_bars=5_000,
    ),
    REFERENCE,
    Peer("numba, pairs side by side by hand", "numba_lanes", "numba", (), repeats=7, rounds=3, bars=(), pairs=1000),
    Peer("vectorbt[rust]", "vectorbt_rust", "vectorbt_rust", BOTH, repeats=5, rounds=3, pairs=1000),
    Peer("vectorbt", "vectorbt", "vectorbt", BOTH, repeats=5, rounds=3, pairs=1000),
    Peer("plain Python callbacks by hand", "callback", "callback", BOTH, repeats=3, rounds=3),
    Peer("backtesting.py", "backtesting", "backtesting", BOTH, repeats=0, rounds=2, portfolio_bars=None, pairs=20),
    Peer(
        "nautilus_trader 2",
        "nautilus_trader",
        "nautilus_trader",
        SAME_CLOSE,
        repeats=0,
        rounds=1,
        bars=(100_000, 1_000_000),
    ),
    Peer(
        "nautilus_trader 1",
        "nautilus_trader_classic",
        "nautilus_trader_classic",
        SAME_CLOSE,
        repeats=0,
        rounds=1,
        bars=(100_000,),
        portfolio_bars=5_000,
    ),
    Peer(
        "freqtrade",
        "freqtrade",
        "freqtrade",
        NEXT_OPEN,
        repeats=0,
        rounds=1,
        bars=(100_000,),
        portfolio_bars=None,
    ),
    Peer(
        "backtrader",
        "backtrader",
        "backtrader",
        BOTH,
        repeats=0,
        rounds=1,
        bars=(100_000,),
        portfolio_bars=5_000,
    ),
)

SYMBOLS = 20
SWEEP_BARS = 50_000


@dataclass(frozen=True, slots=True)
class Job:
    """One process: a peer's runner on one task."""

    peer: Peer
    task: Task
    repeats: int


def rounds(peers: tuple[Peer, ...], workloads: tuple[Workload, ...], most_bars: int) -> Iterator[tuple[Job, ...]]:
    """Jobs in the order to run them. most_bars: no task has more; fewer only show that everything works."""
    for number in range(max(peer.rounds for peer in peers)):
        yield tuple(
            Job(peer, task, peer.repeats)
            for workload in workloads
            for peer in peers
            if number < peer.rounds
            for task in tasks(peer, workload, most_bars)
        )


def tasks(peer: Peer, workload: Workload, most_bars: int) -> Iterator[Task]:
    if workload == "one-symbol":
        counts = sorted({min(bars, most_bars) for bars in peer.bars})
        yield from (Task(workload, convention, bars) for convention in peer.conventions for bars in counts)
    if workload == "portfolio" and peer.portfolio_bars and peer.conventions:
        bars = min(peer.portfolio_bars, most_bars // SYMBOLS)
        yield Task(workload, peer.conventions[0], bars, SYMBOLS)
    if workload == "sweep" and peer.pairs:
        bars = min(SWEEP_BARS, most_bars)
        yield Task(workload, "next-open", bars, pairs=min(peer.pairs, most_bars // 100))
