"""A live account at a venue of Binance's shape, the simulator as a process: pushed fills, comparison, protection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from n1v1.events import (
    BarsComplete,
    Bracket,
    BreakerCommand,
    EquityMarked,
    Event,
    HaltsChanged,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
)
from n1v1.execution.stage import Execution
from n1v1.ids import SignalId, order_id
from n1v1.risk.halts import Halt, Scope
from n1v1.values import Instrument, OrderType, Purpose, Side, TimeInForce
from n1v1_cli.stack.service import Service, ServiceSpec
from n1v1_common.instruments import instruments_of
from n1v1_common.servers.ports import claim_port
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.adapters.ccxt_gateway import CcxtGateway, opened_gateway
from n1v1_execution.adapters.user_streams import user_stream_of
from n1v1_execution.handlers import ExecutionHandler
from n1v1_execution.live import LiveAccount
from n1v1_execution.protection import Protection
from n1v1_execution.reconciliation import Reconciliation

pytestmark = pytest.mark.stack

LOTS = 1_000_000  # 0.01 BTC
WITHIN_S = 20.0


@dataclass
class Simulator:
    service: Service
    settings: Settings
    step: int = 0

    async def advance(self) -> None:
        self.step += 1
        await self.post("/simulation/v1/advance", {"step": self.step})

    async def fault(self, **described: Any) -> None:
        url = f"http://127.0.0.1:{self.settings.simulator.admin_port}/admin/v1/faults"
        async with aiohttp.ClientSession() as session, session.post(url, json=described) as response:
            assert response.status == 201, await response.text()

    async def move(self, asset: str, change: str, *, is_told: bool = True) -> None:
        """Into the account, or out of it. is_told: whether user streams hear of it."""
        if not is_told:
            await self.fault(kind="drop_message", event="balanceUpdate", count=1)
        url = f"http://127.0.0.1:{self.settings.simulator.admin_port}/admin/v1/balances"
        body = {"account": "main", "asset": asset, "change": change}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            assert response.status == 200, await response.text()

    async def post(self, path: str, body: Any) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.settings.exchange.rest_url}{path}", json=body) as response,
        ):
            assert response.status in (200, 201), await response.text()


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with _started(tmp_path, {"market.start": "2021-01-01", "market.end": "2021-01-10"}) as simulator:
        await simulator.advance()
        yield simulator


@asynccontextmanager
async def _started(tmp_path: Path, market: dict[str, Any]) -> AsyncIterator[Simulator]:
    port = claim_port("services.exchange_simulator.port", 0)
    changes = market | {
        "paths.state_dir": tmp_path,
        "services.exchange_simulator.port": port,
        "exchange.rest_url": f"http://127.0.0.1:{port}",
        "exchange.api_key": "key",
        "exchange.api_secret": "secret",
        "servers.durability": "process",
        "simulator.admin_port": claim_port("simulator.admin_port", 0),
    }
    path = tmp_path / "settings.json"
    settings = dump_for_service(load([], {}, []), path, changes)
    spec = ServiceSpec("exchange_simulator", "n1v1_exchange_simulator", env={SETTINGS_VARIABLE: str(path)})
    service = Service(spec, tmp_path)
    (tmp_path / "logs").mkdir()
    await service.start()
    try:
        yield Simulator(service, settings)
    finally:
        await service.stop()


class Killed(BaseException):
    """The process ends here; nobody may catch it."""


class Account:
    """Execution as the stage loop drives it: one step at a time, everything stored before it is carried out."""

    def __init__(
        self, simulator: Simulator, gateway: CcxtGateway, instruments: Sequence[Instrument] | None = None
    ) -> None:
        self.simulator = simulator
        self.gateway = gateway
        self.instruments = instruments or instruments_of(simulator.settings)
        self.state = MemoryHotState()
        self.said: list[Event] = []
        self.saved: dict[str, Any] | None = None
        self.lock = asyncio.Lock()
        self.commits = 0
        self.dies_at_commit: int | None = None
        self.start()

    def start(self) -> None:
        """A new process: what was saved is all it knows."""
        by_symbol = {instrument.symbol: instrument for instrument in self.instruments}
        self.stage = Execution(account="main", venue="binance")
        self.handler = ExecutionHandler(
            stage=self.stage,
            gateway=self.gateway,
            flags=BreakerFlags(self.state),
            instruments=self.instruments,
            absence_after_s=0.5,
            metrics=Metrics(),
            reconciliation=Reconciliation(stage=self.stage, view=self.gateway, instruments=by_symbol),
            protection=Protection(stage=self.stage, instruments=by_symbol),
            needs_stream=True,
        )
        self.handler.commit = self.commit
        if self.saved is not None:
            self.handler.restore(self.saved)

    async def commit(self, decide: Callable[[], Sequence[Event]]) -> None:
        events = list(decide())
        self.handler.effects(events)
        self.said += events
        self.saved = self.handler.snapshot()
        self.commits += 1
        if self.commits == self.dies_at_commit:
            raise Killed

    async def act(self, decide: Callable[[], Sequence[Event]]) -> None:
        async with self.lock:
            await self.commit(decide)
            await self.handler.after_step()

    async def hear(self, event: Event) -> None:
        async with self.lock:
            said = await self.handler.handle(event)
            await self.commit(lambda: said)
            await self.handler.after_step()

    def live(self, **changes: float) -> LiveAccount:
        metrics = Metrics()
        options = {"reconcile_every_s": 60.0, "silence_s": 60.0} | changes
        return LiveAccount(
            handler=self.handler,
            stream=user_stream_of(self.gateway, self.instruments, None, metrics),
            gateway=self.gateway,
            act=self.act,
            metrics=metrics,
            **options,
        )

    @asynccontextmanager
    async def connected(self, **changes: float) -> AsyncIterator[LiveAccount]:
        live = self.live(**changes)
        hearing = asyncio.create_task(live.hear())
        try:
            await until(lambda: self.handler.is_connected, hearing)
            yield live
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def heard_of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.said if isinstance(event, kind)]

    @property
    def halted(self) -> dict[str, str]:
        """What was told to be halted, and the last reason for it; '' for the account."""
        return {command.scope.symbol: command.reason for command in self.heard_of(BreakerCommand)}

    async def open_at_venue(self) -> list[dict[str, Any]]:
        return [order["info"] for order in await self.gateway.client.fetch_open_orders("BTC/USD")]


async def until(is_so: Callable[[], bool], *tasks: asyncio.Task[Any]) -> None:
    async def wait() -> None:
        while not is_so():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)

    async with asyncio.timeout(WITHIN_S):
        await wait()


@pytest.fixture
async def account(simulator: Simulator) -> AsyncIterator[Account]:
    settings = simulator.settings
    exchange = settings.exchange.model_copy(update={"name": "binance"})
    async with opened_gateway(
        "binance", exchange, instruments_of(settings), Metrics(), live=True, has_streams=True
    ) as gateway:
        account = Account(simulator, gateway)
        await BreakerFlags(account.state).close("main", version=1)
        yield account


def approved(
    number: int = 1,
    *,
    side: Side = Side.BUY,
    purpose: Purpose = Purpose.ENTRY,
    bracket: Bracket | None = None,
    limit: int | None = None,
    lots: int = LOTS,
    time_in_force: TimeInForce = TimeInForce.GTC,
    valid_until_ns: int = 2**62,
    symbol: str = "BTC-USD",
) -> OrderApproved:
    signal = SignalId(f"cross:{symbol}:{number}")
    return OrderApproved(
        id=f"approved:{number}",
        ts_ns=1,
        cause_id=signal,
        order_id=order_id("main", signal),
        signal_id=signal,
        account="main",
        instance="cross",
        symbol=symbol,
        side=side,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        lots=lots,
        limit_ticks=limit,
        time_in_force=time_in_force,
        reduce_only=purpose is not Purpose.ENTRY,
        reference_ticks=2_900_000,
        valid_until_ns=valid_until_ns,
        purpose=purpose,
        bracket=bracket,
    )


async def test_a_fill_is_pushed_and_the_comparison_finds_nothing_more(account: Account, simulator: Simulator) -> None:
    async with account.connected() as live:
        await account.hear(approved())
        assert account.heard_of(OrderFilled) == []
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await live.reconcile()
    [filled] = account.heard_of(OrderFilled)
    assert (filled.lots, filled.is_final) == (LOTS, True)
    assert account.heard_of(BreakerCommand) == []


async def test_no_new_orders_go_out_while_the_user_stream_is_not_proven_alive(account: Account) -> None:
    await account.hear(approved())
    [rejected] = account.heard_of(OrderRejected)
    assert "the user stream is not proven alive" in rejected.reason
    assert await account.open_at_venue() == []


async def test_what_happened_while_nobody_listened_is_found_by_the_comparison(
    account: Account, simulator: Simulator
) -> None:
    async with account.connected():
        await account.hear(approved())
    await simulator.advance()
    account.start()
    async with account.connected() as live:
        await live.reconcile()
    assert [filled.lots for filled in account.heard_of(OrderFilled)] == [LOTS]
    assert account.heard_of(BreakerCommand) == []


async def test_an_order_of_a_stranger_halts_its_symbol_with_a_reason_and_once(account: Account) -> None:
    async with account.connected() as live:
        await account.gateway.client.create_order("BTC/USD", "limit", "buy", "0.01", "10000")
        await live.reconcile()
        assert account.halted == {}, "seen once"
        assert account.handler.has_doubts
        for _ in range(3):
            await live.reconcile()
        await account.hear(approved())
        await account.hear(approved(2, symbol="ETH-USD", lots=100 * LOTS))
    assert list(account.halted) == ["BTC-USD"]
    assert "of BTC-USD is not ours" in account.halted["BTC-USD"]
    [rejected] = account.heard_of(OrderRejected)
    assert rejected.symbol == "BTC-USD"
    assert "our books differ: open order" in rejected.reason


async def test_a_trade_of_a_stranger_halts_its_symbol_at_once_and_what_it_moved_halts_nothing_more(
    account: Account, simulator: Simulator
) -> None:
    async with account.connected() as live:
        await account.gateway.client.create_order("BTC/USD", "market", "buy", "0.01")
        await simulator.advance()
        await live.reconcile()
        assert list(account.halted) == ["BTC-USD"]
        assert "trade 1 of BTC-USD" in account.halted["BTC-USD"]
        account.start()
        await live_again(account)
    assert list(account.halted) == ["BTC-USD"], "the dollars that it cost are explained by it"


async def live_again(account: Account) -> None:
    """Two looks of a process that has just started."""
    for _ in range(2):
        account.handler.ask_to_reconcile()
        await account.act(account.handler.news)


async def test_coins_that_are_gone_halt_their_symbol_alone_and_positions_can_be_left(
    account: Account, simulator: Simulator
) -> None:
    """0.01 of bought 0.03 BTC leave the account behind our back; the other symbol trades on, and a resume is enough."""
    async with account.connected() as live:
        await account.hear(approved(lots=3 * LOTS))
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await simulator.move("BTC", "-0.01")
        await live.reconcile()
        assert account.halted == {}, "it may be on its way"
        await live.reconcile()
        assert list(account.halted) == ["BTC-USD"]
        assert "the venue has 0.02 BTC, we 0.03" in account.halted["BTC-USD"]

        await account.hear(approved(2))
        await account.hear(approved(3, symbol="ETH-USD", lots=100 * LOTS))
        await account.hear(approved(4, side=Side.SELL, purpose=Purpose.EXIT))
        assert [rejected.symbol for rejected in account.heard_of(OrderRejected)] == ["BTC-USD"]
        await simulator.advance()
        await until(lambda: len(account.heard_of(OrderFilled)) == 3)

        account.start()
        await account.hear(halts("BTC-USD"))
        await account.hear(halts())
        await live_again(account)
        await account.act(tuple)
        account.handler.is_connected = True
        await account.hear(approved(5))
    assert list(account.halted) == ["BTC-USD"], "what was looked at is no difference any more"
    assert len(account.heard_of(OrderRejected)) == 1


async def test_a_resume_that_mended_nothing_is_followed_by_another_halt(account: Account, simulator: Simulator) -> None:
    async with account.connected() as live:
        await simulator.move("ETH", "0.5", is_told=False)
        await live.reconcile()
        await live.reconcile()
        await account.hear(halts("ETH-USD"))
        await simulator.move("ETH", "0.25", is_told=False)
        await account.hear(halts())
        await live.reconcile()
        await live.reconcile()
    assert [command.scope.symbol for command in account.heard_of(BreakerCommand)] == ["ETH-USD", "ETH-USD"]
    assert "the venue has 0.75 ETH, we 0" in account.halted["ETH-USD"]


async def test_dollars_that_are_gone_halt_the_account(account: Account, simulator: Simulator) -> None:
    async with account.connected() as live:
        await simulator.move("USD", "-250")
        await live.reconcile()
        await live.reconcile()
        await account.hear(approved(symbol="ETH-USD"))
    assert list(account.halted) == [""]
    assert len(account.heard_of(OrderRejected)) == 1


@pytest.mark.parametrize("asset", ["USD", "BTC"])
async def test_a_deposit_that_the_venue_tells_of_halts_nothing(
    account: Account, simulator: Simulator, asset: str
) -> None:
    async with account.connected() as live:
        commits = account.commits
        await simulator.move(asset, "1.5")
        await until(lambda: account.commits > commits)
        for _ in range(3):
            await live.reconcile()
        await account.hear(approved())
    assert account.halted == {}
    assert account.heard_of(OrderRejected) == []


async def test_orders_that_reserve_and_dust_halt_nothing(account: Account, simulator: Simulator) -> None:
    async with account.connected() as live:
        await account.hear(approved(limit=1_000_000))
        await simulator.move("BTC", "0.0000005", is_told=False)
        for _ in range(3):
            await live.reconcile()
    assert account.halted == {}
    assert not account.handler.has_doubts


async def test_a_ledger_that_is_not_what_we_have_filled_halts_the_symbol(
    account: Account, simulator: Simulator
) -> None:
    """The third way: the portfolio has booked twice what we have bought."""
    async with account.connected():
        await account.hear(bars(1))
        await account.hear(approved())
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        [filled] = account.heard_of(OrderFilled)
        cash = 10_000 * 10**8
        await account.hear(marked(1, cash=cash))
        assert account.halted == {}, "the mark of a bar time before the fill was said need not have it"
        await account.hear(bars(2))
        await account.hear(marked(2, cash=cash - filled.value - filled.fee, lots=LOTS))
        assert account.halted == {}

        await account.hear(bars(3))
        await account.hear(marked(3, cash=cash - filled.value - filled.fee, lots=2 * LOTS))
        await account.hear(bars(4))
        await account.hear(marked(4, cash=cash - filled.value - filled.fee, lots=2 * LOTS))
    [command] = account.heard_of(BreakerCommand)
    assert command.scope == Scope(symbol="BTC-USD")
    assert "the ledger has 0.02000000 BTC, our fills 0.01000000" in command.reason


async def test_cash_that_the_fills_do_not_explain_in_the_ledger_halts_the_account(account: Account) -> None:
    async with account.connected():
        for number, cash in enumerate((10_000, 10_000, 9_000), 1):
            await account.hear(bars(number))
            await account.hear(marked(number, cash=cash * 10**8))
    [command] = account.heard_of(BreakerCommand)
    assert command.scope == Scope()
    assert "the ledger has 9000.00000000 USD, our fills leave 10000.00000000" in command.reason


def bars(number: int) -> BarsComplete:
    return BarsComplete(id=f"bars:{number}", ts_ns=number, symbols=("BTC-USD",), sequence=number)


def marked(number: int, *, cash: int, lots: int = 0) -> EquityMarked:
    return EquityMarked(
        id=f"equity:{number}",
        ts_ns=number,
        account="main",
        cash=cash,
        equity=cash,
        peak=cash,
        fees=0,
        positions=(("BTC-USD", lots, 2_900_000),),
    )


def halts(*symbols: str) -> HaltsChanged:
    """Risk's word on what is halted by execution."""
    in_force = [
        Halt(scope=Scope(symbol=symbol), reason="the books differ", actor="execution", since_ns=1) for symbol in symbols
    ]
    return HaltsChanged(id=f"halts:{symbols}", ts_ns=1, account="main", halts=tuple(in_force))


@pytest.mark.parametrize("target", [None, 4_000_000], ids=["stop alone", "stop and target"])
async def test_a_position_is_protected_at_the_venue_after_its_entry_has_filled(
    account: Account, simulator: Simulator, target: int | None
) -> None:
    async with account.connected():
        await account.hear(approved(bracket=Bracket(stop_ticks=1_000_000, target_ticks=target)))
        assert len(await account.open_at_venue()) == 1, "the entry alone"
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await account.act(tuple)
        protecting = await account.open_at_venue()
    assert {order["type"] for order in protecting} == ({"STOP_LOSS", "LIMIT_MAKER"} if target else {"STOP_LOSS"})
    assert {order["side"] for order in protecting} == {"SELL"}
    assert {order["origQty"] for order in protecting} == {"0.01000000"}


async def test_an_exit_waits_until_the_protection_is_gone_and_leaves_nothing_behind(
    account: Account, simulator: Simulator
) -> None:
    async with account.connected() as live:
        await account.hear(approved(bracket=Bracket(stop_ticks=1_000_000, target_ticks=4_000_000)))
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await account.act(tuple)
        await account.hear(approved(2, side=Side.SELL, purpose=Purpose.EXIT))
        assert [order["type"] for order in await account.open_at_venue()] == ["MARKET"]
        await simulator.advance()
        await until(lambda: len(account.heard_of(OrderFilled)) == 2)
        await live.reconcile()
    assert len(account.heard_of(OrderCancelled)) == 2, "both legs"
    assert account.stage.open_orders == []
    assert account.heard_of(BreakerCommand) == []


async def test_a_stop_that_the_market_has_passed_already_is_left_at_once(
    account: Account, simulator: Simulator
) -> None:
    """The venue refuses a stop above the market: the position is sold instead."""
    async with account.connected() as live:
        await account.hear(approved(bracket=Bracket(stop_ticks=3_900_000, target_ticks=4_000_000)))
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await account.act(tuple)
        assert [order["type"] for order in await account.open_at_venue()] == ["MARKET"]
        await simulator.advance()
        await until(lambda: len(account.heard_of(OrderFilled)) == 2)
        await live.reconcile()
    bought, sold = account.heard_of(OrderFilled)
    assert (sold.side, sold.lots, sold.is_final, sold.purpose) == (Side.SELL, bought.lots, True, Purpose.STOP_LOSS)
    assert account.stage.open_orders == []


def moved(number: int = 2, *, stop: int = 2_000_000, target: int | None = 4_000_000) -> OrderApproved:
    approval = approved(number, side=Side.SELL, purpose=Purpose.STOP_LOSS)
    bracket = None if target is None else Bracket(target_ticks=target)
    return replace(approval, type=OrderType.STOP, trigger_ticks=stop, bracket=bracket)


@pytest.mark.parametrize("target", [None, 4_000_000], ids=["stop alone", "stop and target"])
async def test_a_stop_is_moved_where_entry_and_protection_cannot_be_one_list(
    account: Account, simulator: Simulator, target: int | None
) -> None:
    async with account.connected() as live:
        await account.hear(approved(bracket=Bracket(stop_ticks=1_000_000, target_ticks=target)))
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await account.act(tuple)
        await account.hear(moved(target=target))
        protecting = await account.open_at_venue()
        await account.hear(moved(3, stop=2_100_000, target=target))
        await live.reconcile()
    assert {float(order["stopPrice"]) for order in protecting if order["type"] == "STOP_LOSS"} == {20_000.0}
    assert len(protecting) == (2 if target else 1)
    again = await account.open_at_venue()
    assert {float(order["stopPrice"]) for order in again if order["type"] == "STOP_LOSS"} == {21_000.0}
    assert {order["origQty"] for order in again} == {"0.01000000"}
    assert account.heard_of(BreakerCommand) == []


async def test_a_moved_stop_that_the_market_has_passed_is_left_at_once(account: Account, simulator: Simulator) -> None:
    async with account.connected() as live:
        await account.hear(approved(bracket=Bracket(stop_ticks=1_000_000, target_ticks=4_000_000)))
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await account.act(tuple)
        await account.hear(moved(stop=3_900_000))
        assert [order["type"] for order in await account.open_at_venue()] == ["MARKET"]
        await simulator.advance()
        await until(lambda: len(account.heard_of(OrderFilled)) == 2)
        await live.reconcile()
    assert account.stage.open_orders == []
    assert account.heard_of(BreakerCommand) == []


@pytest.mark.parametrize("commit", range(1, 12))
async def test_killed_after_any_commit_the_position_ends_protected_once(
    account: Account, simulator: Simulator, commit: int
) -> None:
    """The process ends between any two of its requests; its successor finds what is there and adds what is missing."""
    bracket = Bracket(stop_ticks=1_000_000, target_ticks=4_000_000)
    account.dies_at_commit = account.commits + commit

    async def trade() -> None:
        await account.act(tuple)
        account.handler.is_connected = True
        await account.hear(approved(bracket=bracket))
        await simulator.advance()
        account.handler.ask_to_reconcile()
        await account.act(account.handler.news)

    try:
        async with asyncio.timeout(WITHIN_S):
            await trade()
    except Killed:
        account.dies_at_commit = None
        account.start()
        account.handler.is_connected = True
        await account.act(tuple)
        if not account.heard_of(OrderAccepted):
            await account.hear(approved(bracket=bracket))
        await simulator.advance()
        account.handler.ask_to_reconcile()
        await account.act(account.handler.news)
    protecting = await account.open_at_venue()
    assert sorted(order["type"] for order in protecting) == ["LIMIT_MAKER", "STOP_LOSS"]
    assert sum(filled.lots for filled in account.heard_of(OrderFilled)) == LOTS
    assert account.heard_of(BreakerCommand) == []


async def test_an_entry_that_ends_by_time_is_taken_back_by_us(account: Account) -> None:
    async with account.connected():
        entry = approved(limit=1_000_000, time_in_force=TimeInForce.GTD, valid_until_ns=5)
        await account.hear(entry)
        await account.act(tuple)
    assert await account.open_at_venue() == []
    assert len(account.heard_of(OrderCancelled)) == 1


@pytest.mark.parametrize("kind", ["abort_connection", "close_connection"])
async def test_a_stream_that_ends_is_replaced_and_what_it_missed_is_found(
    account: Account, simulator: Simulator, kind: str
) -> None:
    async with account.connected():
        await account.hear(approved())
        first = next(iter(account.gateway.client.clients.values()))
        await simulator.fault(kind=kind, path="/ws-api*", count=1)
        await until(lambda: next(iter(account.gateway.client.clients.values()), first) is not first)
        await until(lambda: account.handler.is_connected)
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
    assert account.heard_of(BreakerCommand) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "hang_after", "for_s": 1.0},
        {"kind": "drop_after"},
        {"kind": "drop_before"},
        {"kind": "timeout_after"},
        {"kind": "http_error", "status": 502, "when": "after"},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_order_without_an_answer_is_placed_once(
    account: Account, simulator: Simulator, fault: dict[str, Any]
) -> None:
    async with account.connected() as live:
        await simulator.fault(method="POST", path="/api/v3/order", count=1, **fault)
        await account.hear(approved())
        assert len(await account.open_at_venue()) == 1
        await simulator.advance()
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await live.reconcile()
    assert len(account.heard_of(OrderUnknown)) == 1
    assert [filled.lots for filled in account.heard_of(OrderFilled)] == [LOTS]
    assert account.heard_of(BreakerCommand) == []


async def test_a_silent_stream_is_asked_whether_it_lives(account: Account) -> None:
    async with account.connected(silence_s=0.1):
        first = next(iter(account.gateway.client.clients.values()))
        await asyncio.sleep(0.5)
        assert next(iter(account.gateway.client.clients.values())) is first, "it answered"
        assert account.handler.is_connected


# --- a venue that takes its commission in what was bought: 0.1 % of the bitcoins --------------------------------

BITCOIN = Instrument(symbol="BTC-USD", base="BTC", quote="USD", step_lots=1_000)
"""Orders of whole 0.00001 BTC, worth 10 dollars at least, as the venue has it too."""
BOUGHT = 1_234_000
HELD = BOUGHT - 1_234
SOLD = 1_232_000
"""In lots of 1e-8 BTC."""


@pytest.fixture
async def order_book(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A venue with an order book, where a bitcoin was last traded at 29,050 dollars."""
    rows = {"timestamp": [1_000, 2_000], "id": ["1", "2"], "side": ["buy", "sell"]}
    pq.write_table(pa.table(rows | {"price": [29_050.0, 29_050.0], "amount": [1.0, 1.0]}), tmp_path / "BTC-USD.parquet")
    grid = 'tick_size = "0.01"\nlot_size = "0.00000001"\nmin_notional = "10"'
    manifest = tmp_path / "trades.toml"
    manifest.write_text(f'[[instruments]]\nsymbol = "BTC-USD"\nfiles = ["BTC-USD.parquet"]\n{grid}\n')
    market = {
        "market.dataset": str(manifest),
        "market.symbols": ("BTC-USD",),
        "simulator.quality": "trades",
        "simulator.filters": "grid",
    }
    async with _started(tmp_path, market) as simulator:
        await simulator.advance()
        yield simulator


@pytest.fixture
async def commissioned(order_book: Simulator) -> AsyncIterator[Account]:
    exchange = order_book.settings.exchange.model_copy(update={"name": "binance"})
    async with opened_gateway("binance", exchange, (BITCOIN,), Metrics(), live=True, has_streams=True) as gateway:
        account = Account(order_book, gateway, (BITCOIN,))
        await BreakerFlags(account.state).close("main", version=1)
        yield account


async def _bought(account: Account, number: int, bracket: Bracket | None = None) -> None:
    fills = len(account.heard_of(OrderFilled))
    await account.hear(approved(number, lots=BOUGHT, bracket=bracket))
    await until(lambda: len(account.heard_of(OrderFilled)) > fills)
    await account.act(tuple)


async def test_what_a_commission_leaves_is_swept_up_by_the_protection_of_the_next_entry(commissioned: Account) -> None:
    """0.01232766 BTC are held and 0.01232 protected and sold; the next time the dust makes it one step more."""
    account = commissioned
    async with account.connected() as live:
        for number, protected in ((1, SOLD), (2, SOLD + 1_000)):
            await _bought(account, number, Bracket(stop_ticks=1_000_000, target_ticks=9_000_000))
            protecting = await account.open_at_venue()
            assert {order["origQty"] for order in protecting} == {f"{protected / 1e8:.8f}"}
            held = account.stage.held_lots("BTC-USD")
            await account.hear(approved(10 + number, side=Side.SELL, purpose=Purpose.EXIT, lots=held - held % 1_000))
            await until(lambda: not account.stage.open_orders)
            await live.reconcile()
    assert account.stage.held_lots("BTC-USD") == 2 * (HELD - SOLD) - 1_000 == 532
    assert [filled.lots for filled in account.heard_of(OrderFilled)] == [BOUGHT, SOLD, BOUGHT, SOLD + 1_000]
    assert account.heard_of(BreakerCommand) == [], "the venue's balances are ours"


async def test_an_entry_of_which_too_little_is_left_to_sell_leaves_no_order_and_no_alarm(commissioned: Account) -> None:
    """0.00035 BTC are worth 10.17 dollars; without the commission 0.00034 can be ordered, worth 9.88."""
    account = commissioned
    async with account.connected() as live:
        await account.hear(approved(lots=35_000, bracket=Bracket(stop_ticks=1_000_000, target_ticks=9_000_000)))
        await until(lambda: bool(account.heard_of(OrderFilled)))
        await live.reconcile()
        assert await account.open_at_venue() == []
    assert account.stage.open_orders == []
    assert account.stage.held_lots("BTC-USD") == 35_000 - 35
    assert account.heard_of(BreakerCommand) == []
