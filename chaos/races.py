"""python -m chaos.races: many workers, one cap. Nothing may be approved past it, whatever becomes of risk meanwhile.

Everything is real but the strategies: market data, the venue, risk, execution and portfolio run as services over NATS
and PostgreSQL; `chaos.crowd` wants far more than the account may have. Afterwards the log is read from its first
message and added up again, by arithmetic that shares nothing with risk's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chaos.replay import SO_MANY_CRASHES
from n1v1.events import (
    DecisionsComplete,
    EquityMarked,
    Event,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    ReplayEnded,
    SignalRaised,
    SignalsComplete,
)
from n1v1.ids import OrderId
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_cli.stack.service import Service
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import ConsumerSpec
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.instruments import instruments_of
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import SETTINGS_VARIABLE
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.streams import MARKET_DATA, TRADING
from n1v1_research import datasets
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.store import Store
from n1v1_research.datasets.synthetic import bootstrapped

SERVICES = ("exchange_simulator", "risk", "execution", "portfolio", "market_data")
CAP_PERCENT = 50
MOST_POSITIONS = 12
SYMBOLS = 16
DATASET = "races"
BAR_NS = timeframe_ns("4h")
FEE_AND_SLIPPAGE_BPS = 15
"""The defaults of exchange.fee_rate_bps and exchange.slippage_bps: what an entry reserves beyond its value."""

Progress = Console | None


@dataclass(frozen=True, slots=True)
class Race:
    """workers: each a partition, a strategy and a connection. each: intents of a worker at each bar time.

    kills: how often risk is killed. rivals: how often a second risk process is started beside the first, for a while.
    """

    workers: int = 64
    intents: int = 100_000
    each: int = 8
    processes: int = 4
    kills: int = 0
    rivals: int = 0
    seed: int = 1

    @property
    def bar_times(self) -> int:
        return -(-self.intents // (self.workers * self.each))

    @property
    def settings(self) -> Sequence[str]:
        return (
            f"market.symbols={','.join(_symbol(number) for number in range(SYMBOLS))}",
            f"market.dataset={DATASET}",
            f"signals.partitions={self.workers}",
            "servers.durability=process",
            "telemetry.sample_ratio=0",
            f"risk_management.max_exposure={CAP_PERCENT / 100}",
            f"risk_management.max_concurrent_trades={MOST_POSITIONS}",
            "risk_management.max_position_size=0.07",
            "risk_management.position_fraction=0.07",
            "risk_management.max_drawdown=1",
            "risk_management.max_daily_drawdown=1",
            "risk_management.circuit_breaker_enabled=false",
        )


@dataclass(slots=True)
class Found:
    """What the log says. decisions: one line for each verdict, in order: two runs that decided alike have the same."""

    intents: int = 0
    approved: int = 0
    refused: int = 0
    fills: int = 0
    most_exposure_percent: float = 0.0
    most_positions: int = 0
    breaches: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    verdict_s: list[float] = field(default_factory=list)
    decided_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Auditor:
    """Adds up what was promised and what is held, and notes every moment at which it is more than allowed.

    Amounts in quanta, as plain integers. An order promises what it was approved for until it ends.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.found = Found()
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._lots: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._cash = self._equity = 0
        self._orders: dict[OrderId, OrderApproved] = {}
        self._asked_ns: dict[str, int] = {}
        self._complete_ns = 0
        self._judged: set[str] = set()

    def hear(self, event: Event, stored_ns: int) -> None:
        match event:
            case SignalRaised():
                self.found.intents += 1
                self._asked_ns[event.id] = stored_ns
            case SignalsComplete():
                self._complete_ns = stored_ns
            case EquityMarked():
                self._complete_ns = max(self._complete_ns, stored_ns)
                self._take_over(event)
            case OrderApproved():
                self._judge(event.signal_id, stored_ns, f"approved {event.order_id} {event.lots}")
                self._promise(event)
            case OrderRefused():
                self._judge(event.signal_id, stored_ns, f"refused {event.signal_id} {event.reason}")
                self.found.refused += 1
            case OrderFilled():
                self._fill(event)
            case OrderRejected() | OrderCancelled() | OrderExpired():
                self._orders.pop(event.order_id, None)
            case DecisionsComplete() if self._asked_ns:
                self.found.breaches.append(f"{len(self._asked_ns)} intents have no verdict at {event.ts_ns}")

    def _judge(self, signal_id: str, stored_ns: int, line: str) -> None:
        if signal_id in self._judged:
            self.found.breaches.append(f"two verdicts on {signal_id}")
        self._judged.add(signal_id)
        self.found.decisions.append(line)
        self.found.verdict_s.append((stored_ns - self._asked_ns.pop(signal_id)) / 1e9)
        self.found.decided_s.append((stored_ns - self._complete_ns) / 1e9)

    def _take_over(self, marked: EquityMarked) -> None:
        self._equity = marked.equity
        self._marks |= {symbol: ticks for symbol, _, ticks in marked.positions}
        if not self._cash:
            self._cash = marked.cash

    def _promise(self, order: OrderApproved) -> None:
        self.found.approved += 1
        if any(other.symbol == order.symbol for other in self._orders.values()):
            self.found.breaches.append(f"two orders at once on {order.symbol}: {order.order_id}")
        self._orders[order.order_id] = order
        held = self._lots.get(order.symbol, 0)
        if order.reduce_only and order.lots > abs(held):
            self.found.breaches.append(f"{order.order_id} closes {order.lots} of {held} lots")
        if not order.reduce_only:
            self._check(order)

    def _check(self, order: OrderApproved) -> None:
        entries = [entry for entry in self._orders.values() if not entry.reduce_only]
        promised = sum(self._value(entry.symbol, entry.reference_ticks, entry.lots) for entry in entries)
        held = sum(self._value(symbol, self._marks[symbol], lots) for symbol, lots in self._lots.items() if lots)
        exposure, cap = promised + held, self._equity * CAP_PERCENT // 100
        needed = promised + promised * FEE_AND_SLIPPAGE_BPS // 10_000
        positions = len({symbol for symbol, lots in self._lots.items() if lots} | {e.symbol for e in entries})
        self.found.most_exposure_percent = max(self.found.most_exposure_percent, 100 * exposure / self._equity)
        self.found.most_positions = max(self.found.most_positions, positions)
        for what, is_past in (
            (f"exposure {exposure} of at most {cap}", exposure > cap),
            (f"{needed} promised of {self._cash} in cash", needed > self._cash),
            (f"{positions} positions of at most {MOST_POSITIONS}", positions > MOST_POSITIONS),
        ):
            if is_past:
                self.found.breaches.append(f"{order.order_id}: {what}")

    def _fill(self, fill: OrderFilled) -> None:
        self.found.fills += 1
        if fill.order_id not in self._orders:
            self.found.breaches.append(f"a fill of {fill.order_id}, which is not approved or was done")
        self._lots[fill.symbol] = self._lots.get(fill.symbol, 0) + fill.side.sign * fill.lots
        self._cash -= fill.side.sign * fill.value + fill.fee
        if fill.is_final:
            self._orders.pop(fill.order_id, None)

    def _value(self, symbol: str, ticks: int, lots: int) -> int:
        return ticks * lots // self._instruments[symbol].notional_divisor


async def run(race: Race, *, announce: Progress = None) -> Found:
    """Raises ServerMissing where servers cannot run, AssertionError when the stack fails or does not reach its end."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="n1v1-races-") as name:
        folder = Path(name)
        _store_market(folder / "datasets", race.bar_times)
        loaded = load([], {}, [*race.settings, f"paths.datasets_dir={folder / 'datasets'}"])
        async with Stack(loaded, folder / "state", services=SERVICES, limit=SO_MANY_CRASHES) as stack:
            await stack.ready()
            settings = stack.plan.settings
            bus = await NatsBus.connect(bus_url(settings), name="races")
            async with _crowd(race, stack.plan.admin_file):
                await _until_ended(race, stack, bus, announce)
            found = await audit(settings, bus)
            await bus.drain()
    found.seconds = time.monotonic() - began
    return found


async def audit(settings: Settings, bus: NatsBus) -> Found:
    """Add up the log from its first message."""
    auditor, codec = Auditor(instruments_of(settings)), codec_of(settings)
    spec = ConsumerSpec(TRADING.name, "auditor", tuple(subject_filter(kind) for kind in HEARD))
    subscription = await bus.consume(spec, start_seq=1)
    last = await bus.last_message(TRADING.name, subject_filter(DecisionsComplete))
    assert last is not None, "risk has decided nothing"
    async for batch in subscription:
        for delivery in batch:
            auditor.hear(codec.decode(delivery.subject, delivery.data)[0], delivery.origin.published_ns)
        await subscription.ack(batch)
        if batch[-1].seq >= last.seq:
            break
    await subscription.close()
    return auditor.found


def _store_market(folder: Path, bar_times: int) -> None:
    """SYMBOLS markets, each drawn from what BTC did with a seed of its own."""
    source = datasets.load(datasets.DEFAULT_DATASET, symbols=["BTC-USD"])
    drawn = [bootstrapped(source, bar_times, seed=number + 1, block=min(48, bar_times)) for number in range(SYMBOLS)]
    [instrument] = source.instruments
    instruments = [replace(instrument, symbol=_symbol(n), base=_symbol(n).split("-")[0]) for n in range(SYMBOLS)]
    series = {made.symbol: bars.columns("BTC-USD") for made, bars in zip(instruments, drawn, strict=True)}
    store = Store(folder)
    entry, _ = store.add(
        Dataset(DATASET, source.timeframe, tuple(instruments), series), origin={"drawn from": source.name}, now_ns=0
    )
    store.name(DATASET, entry.id)


def _symbol(number: int) -> str:
    return f"R{number:02d}-USD"


@asynccontextmanager
async def _crowd(race: Race, settings_file: Path) -> AsyncIterator[None]:
    """The workers, divided among processes; all of them have to end well."""
    share, left = divmod(race.workers, race.processes)
    environment = {**os.environ, SETTINGS_VARIABLE: str(settings_file)}
    crowds, first = [], 0
    for number in range(race.processes):
        count = share + (number < left)
        command = (sys.executable, "-m", "chaos.crowd", str(first), str(count), str(race.each))
        crowds.append(await asyncio.create_subprocess_exec(*command, env=environment))
        first += count
    try:
        yield
        codes = await asyncio.gather(*(crowd.wait() for crowd in crowds))
        assert not any(codes), f"workers ended with {codes}"
    finally:
        for crowd in crowds:
            if crowd.returncode is None:
                crowd.kill()


async def _until_ended(race: Race, stack: Stack, bus: NatsBus, announce: Progress) -> None:
    """Disturb risk at bar times drawn from the seed, until the last intent has its verdict."""
    chance = random.Random(race.seed)
    due = sorted(chance.sample(range(1, race.bar_times), race.kills + race.rivals))
    ways = chance.sample([_kill] * race.kills + [_rival] * race.rivals, len(due))
    failed = asyncio.ensure_future(stack.failed())
    shown = 0
    while not await _has_ended(bus):
        assert not failed.done(), str(failed.result())
        decided = await _decided(bus, race)
        if due and decided >= due[0]:
            due.pop(0)
            await asyncio.sleep(chance.uniform(0, 0.2))  # somewhere within a batch
            await ways.pop()(stack, bus)
        if announce is not None and decided >= shown + max(1, race.bar_times // 10):
            shown = decided
            announce.print(f"{decided}/{race.bar_times} bar times decided", highlight=False)
        await asyncio.sleep(0.05)
    failed.cancel()


async def _kill(stack: Stack, _: NatsBus) -> None:
    stack.kill("risk")
    await stack.process("risk").wait()
    await stack.until_restarted("risk")


async def _rival(stack: Stack, bus: NatsBus) -> None:
    """A second risk process on the same bus and database: it takes over, and goes on until the end."""
    process = stack.process("risk")
    assert isinstance(process, Service), "risk is a service"
    with tempfile.TemporaryDirectory(prefix="n1v1-rival-") as folder:
        settings = _settings_of_rival(Path(process.spec.env[SETTINGS_VARIABLE]), Path(folder))
        rival = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "n1v1_risk",
            env={**os.environ, SETTINGS_VARIABLE: str(settings)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        while rival.returncode is None and not await _has_ended(bus):  # noqa: ASYNC110 (two things change)
            await asyncio.sleep(0.05)
        if rival.returncode is None:
            rival.kill()
            await rival.wait()


def _settings_of_rival(settings: Path, folder: Path) -> Path:
    """As risk's, but for where it answers HTTP and what it writes down about that."""
    told = json.loads(settings.read_text())
    told["services"]["risk"]["port"] = 0
    told["paths"]["state_dir"] = str(folder)
    its_own = folder / "settings.json"
    its_own.write_text(json.dumps(told))
    return its_own


async def _has_ended(bus: NatsBus) -> bool:
    return await bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded)) is not None


async def _decided(bus: NatsBus, race: Race) -> int:
    """How many bar times risk has decided."""
    last = await bus.last_message(TRADING.name, subject_filter(DecisionsComplete))
    first = await bus.read(TRADING.name, limit=1, subject=subject_filter(DecisionsComplete))
    if last is None or not first:
        return 0
    moments = [Codec(()).decode(delivery.subject, delivery.data)[0].ts_ns for delivery in (first[0], last)]
    return (moments[1] - moments[0]) // BAR_NS + 1


HEARD = (
    SignalRaised,
    SignalsComplete,
    EquityMarked,
    OrderApproved,
    OrderRefused,
    OrderFilled,
    OrderRejected,
    OrderCancelled,
    OrderExpired,
    DecisionsComplete,
)


def main() -> int:
    args = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    race = Race(workers=args.workers, intents=args.intents, seed=args.seed)
    runs = []
    for each in (race, replace(race, kills=args.kills), replace(race, rivals=args.rivals)):
        how = f"risk is killed {each.kills} times, and has a rival {each.rivals} times"
        console.print(f"{each.workers} workers, {each.bar_times} bar times, {how}", highlight=False)
        runs.append((each, asyncio.run(run(each, announce=console))))
    console.print(_table(runs))
    console.print(
        "Verdict: from the stored intent to its stored verdict, waiting for the last worker included; "
        "decided: from the last message that its bar time needed.",
        highlight=False,
    )
    same = all(found.decisions == runs[0][1].decisions for _, found in runs)
    console.print(f"All runs have decided {'alike, verdict by verdict' if same else 'DIFFERENTLY'}.", highlight=False)
    breaches = [breach for _, found in runs for breach in found.breaches]
    for breach in breaches[:20]:
        console.print(f"breach: {breach}", style="red", highlight=False)
    return 0 if same and not breaches else 1


HEADINGS = (
    "Killed",
    "Rivals",
    "Intents",
    "Approved",
    "Refused",
    "Fills",
    "Exposure",
    "Positions",
    "Breaches",
    "Verdict p50",
    "p99",
    "Decided p50",
    "p99",
    "Seconds",
)


def _table(runs: Sequence[tuple[Race, Found]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=f"One account, at most {CAP_PERCENT} % of its equity in positions")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for race, found in runs:
        counts = (f"{n:,}" for n in (found.intents, found.approved, found.refused, found.fills))
        most = f"{found.most_exposure_percent:.2f} %", f"{found.most_positions} of {MOST_POSITIONS}"
        times = (_ms(seconds, share) for seconds in (found.verdict_s, found.decided_s) for share in (0.5, 0.99))
        disturbed, breaches = (str(race.kills), str(race.rivals)), str(len(found.breaches))
        table.add_row(*disturbed, *counts, *most, breaches, *times, f"{found.seconds:.0f}")
    return table


def _ms(seconds: Sequence[float], share: float) -> str:
    ordered = sorted(seconds)
    return f"{1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]:.0f} ms" if ordered else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.races", description=__doc__)
    parser.add_argument("--workers", type=int, default=64, metavar="N", help="each with its own connection (64)")
    parser.add_argument(
        "--intents", type=int, default=100_000, metavar="N", help="at least so many in each run (100,000)"
    )
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="how often the second run kills risk (5)")
    parser.add_argument("--rivals", type=int, default=1, metavar="N", help="second risk processes in the third run (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which risk is disturbed (1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
