"""Live mode as it would trade for real, but for the address of the venue: the exchange simulator, a process by itself.

Two accounts, each a whole stack with its own servers, books and breaker, at one venue. Execution is killed while it
trades; what the venue has booked must be what each of them has booked.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from chaos import books, venue
from chaos.invariants import differences, twice, unprotected

from n1v1_cli.commands.up import with_venues_grids
from n1v1_cli.stack.stack import Stack
from n1v1_cli.stack.supervisor import RestartLimit
from n1v1_common.servers import ServerMissing
from n1v1_common.settings.load import Loaded, load

pytestmark = pytest.mark.stack

OPENING = {"BUSD": Decimal(10_000)}
KEYS = {"ann": ("k1", "s1"), "bob": ("k2", "s2")}
LIVE = (
    "environment.mode=live",
    "environment.i_understand_live=true",
    "exchange.name=binance",
    "exchange.testnet=true",
    "exchange.reconcile_every_s=2",
    "account.quote_currency=BUSD",
    "market.symbols=BTC-BUSD",
    "market.timeframe=1m",
    "servers.durability=process",
    "telemetry.sample_ratio=0",
    "strategies.active_strategies=ema_cross",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 1, "slow_ema": 2, "position_size": 0.02,'
    ' "stop_loss_pct": 0.001}}',
    "risk_management.max_position_size=0.02",
    "risk_management.position_fraction=0.02",
    "risk_management.max_drawdown=0.5",
    "risk_management.max_daily_drawdown=0.5",
    "risk_management.require_stop_loss=true",
    "risk_management.circuit_breaker_enabled=false",
)
KILLS = 3
WITHIN_S = 90.0
LOOK_AGAIN_S = 0.1


@dataclass(frozen=True)
class Account:
    stack: Stack
    state_dir: Path

    async def ours(self) -> books.Statement:
        return await books.statement(self.stack.urls.postgres, opening=OPENING)

    async def trades(self) -> int:
        return len((await self.ours()).trades)

    async def what_differs(self) -> list[str]:
        """Between its books and the venue's. Each side goes on while the other is asked."""
        ours, theirs = await self.ours(), await venue.statement(self.stack.plan.settings)
        still_open = [name for name, order in (*ours.orders.items(), *theirs.orders.items()) if order.is_open]
        traded = differences(replace(ours, orders={}), replace(theirs, orders={}))  # legs have names of their own there
        return [*traded, *twice(ours), *twice(theirs), *unprotected(theirs, ["BTC"]), *still_open]

    async def command(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "n1v1_cli", *words),
            env={**os.environ, "N1V1_STATE_DIR": str(self.state_dir)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()


@asynccontextmanager
async def a_venue(state: Path) -> AsyncIterator[str]:
    """A day of minutes, one a second, which is never older than now: live, old bars take no entries."""
    accounts = [word for name, keys in KEYS.items() for word in ("--account", ":".join((name, *keys)))]
    ports = ["--port", "0", "--tls-port", "0", "--admin-port", "0"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "n1v1_cli", "venue", "--data", "binance-1m", "--speed", "60", "--now", "10"),
        *("--balance", "BUSD=10000", "--state", str(state), *accounts, *ports),
        stdout=asyncio.subprocess.DEVNULL,
    )
    run_file = state / "run" / "exchange_simulator.json"
    try:
        async with asyncio.timeout(WITHIN_S):
            while not run_file.exists():  # a file says it
                assert process.returncode is None, "the venue ended at its start"
                await asyncio.sleep(LOOK_AGAIN_S)
        yield json.loads(run_file.read_text())["url"]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


def settings_of(name: str, url: str) -> Loaded:
    key, secret = KEYS[name]
    more = (f"exchange.api_key={key}", f"exchange.api_secret={secret}", f"exchange.rest_url={url}")
    return load([], {}, [*LIVE, f"account.id={name}", f"exchange.ws_url={url.replace('http', 'ws', 1)}", *more])


@asynccontextmanager
async def trading(name: str, url: str, state_dir: Path) -> AsyncIterator[Account]:
    loaded = settings_of(name, url)
    await asyncio.to_thread(with_venues_grids, loaded, state_dir)
    async with Stack(loaded, state_dir, limit=RestartLimit(crashes=100)) as stack:
        await stack.ready()
        yield Account(stack, state_dir)


async def until(look: Callable[[], Awaitable[bool]], *accounts: Account) -> None:
    failing = [asyncio.ensure_future(account.stack.failed()) for account in accounts]
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await look():
                assert not any(failed.done() for failed in failing), [f.result() for f in failing if f.done()]
                await asyncio.sleep(LOOK_AGAIN_S)
    finally:
        for failed in failing:
            failed.cancel()


async def until_more_trades(count: int, *accounts: Account) -> None:
    wanted = [await account.trades() + count for account in accounts]

    async def all_have() -> bool:
        return all([await account.trades() >= least for account, least in zip(accounts, wanted, strict=True)])

    await until(all_have, *accounts)


@pytest.mark.timeout(400)
async def test_two_live_accounts_at_one_venue_each_have_their_own_books_and_brakes(tmp_path: Path) -> None:
    try:
        async with (
            a_venue(tmp_path / "venue") as url,
            trading("ann", url, tmp_path / "ann") as ann,
            trading("bob", url, tmp_path / "bob") as bob,
        ):
            await until_more_trades(2, ann, bob)
            for _ in range(KILLS):
                ann.stack.kill("execution")
                await ann.stack.process("execution").wait()
                await ann.stack.until_restarted("execution")
                await until_more_trades(2, ann)
            await ann.command("flatten", "--reason", "enough")

            async def is_out() -> bool:
                return "BTC" not in (await venue.statement(ann.stack.plan.settings)).balances

            await until(is_out, ann, bob)
            before = await ann.trades()
            await until_more_trades(4, bob)
            assert await ann.trades() == before, "halted; bob is not"
            await bob.command("flatten", "--reason", "enough")
            for account in (ann, bob):

                async def agree(account: Account = account) -> bool:
                    return not await account.what_differs()

                try:
                    await until(agree, ann, bob)
                except TimeoutError:
                    pytest.fail(str(await account.what_differs()))
                await account.command("ledger", "rebuild")
                await account.command("audit", "verify")
    except ServerMissing as missing:
        pytest.skip(str(missing))
