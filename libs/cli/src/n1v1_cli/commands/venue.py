"""n1v1 venue: one exchange simulator by itself, for any Binance client to trade on."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import CommandError, WrongOption
from n1v1_cli.options import add_settings_options, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from n1v1_cli.stack.service import Service
    from n1v1_common.settings.model import Settings
    from n1v1_research.datasets import Dataset

DEFAULT_DATA = "binance-1m"
SERVICE = "exchange_simulator"
PORTS = {"port": 18080, "tls_port": 18443, "admin_port": 18090}
FINEST_BARS = "1m"
"""Of which bars of trades and depth are made; longer ones follow from them."""
LOOK_EVERY_S = 1.0
LINE_EVERY_S = 30.0
"""Where the status line is not rewritten in place."""


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "venue",
        help="an exchange by itself, on recorded data, for any Binance client to trade on",
        description="Starts the exchange simulator alone, in the foreground, and prints what a client needs to trade "
        "on it. Recorded bars, trades or depth are its market; --faults makes it misbehave. Ctrl-C ends it.",
    )
    _add_market(parser)
    _add_venue(parser)
    add_settings_options(parser)


def _add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="NAME|FILE", default=DEFAULT_DATA, help=f"what is replayed ({DEFAULT_DATA})")
    parser.add_argument("--symbols", metavar="A,B", help="of the data (all)")
    parser.add_argument("--start", metavar="DATE", help="first bar, UTC (the first recorded)")
    parser.add_argument("--end", metavar="DATE", help="end, exclusive, UTC (the last recorded)")
    parser.add_argument("--quality", choices=("bars", "trades", "depth"), default="bars", help="of the data (bars)")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--begin", metavar="MOMENT", help="where the market stands when it opens; before is history")
    begin.add_argument(
        "--now",
        metavar="BARS",
        type=int,
        nargs="?",
        const=500,
        help="move recorded bars in time, so that after so many (500) it is now: for bots that want today's data",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=float, metavar="X", default=60.0, help="recorded seconds per second (60)")
    pace.add_argument("--step", action="store_true", help="the market waits for POST /simulation/v1/advance")
    parser.add_argument("--loop", action="store_true", help="begin again at the end of the data")


def _add_venue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--account",
        metavar="NAME[:KEY:SECRET]",
        action="append",
        default=[],
        help="an account; its key and secret are made up unless given. May be given several times (main)",
    )
    parser.add_argument("--balance", metavar="ASSET=AMOUNT,...", default="", help="what each account opens with")
    parser.add_argument("--port", type=int, default=PORTS["port"], help="http and ws (%(default)s); 0: any free one")
    parser.add_argument("--tls-port", type=int, default=PORTS["tls_port"], help="https and wss (%(default)s)")
    parser.add_argument("--admin-port", type=int, default=PORTS["admin_port"], help="API of faults (%(default)s)")
    parser.add_argument("--listen-keys", action="store_true", help="serve what Binance has retired, for old clients")
    parser.add_argument("--faults", metavar="FILE", type=Path, help="a script of faults: TOML, YAML or JSON")
    parser.add_argument("--seed", type=int, default=0, help="of everything that faults draw (0)")
    parser.add_argument(
        "--state", metavar="FOLDER", type=Path, help="keep its journal there, and go on from it (a new one each time)"
    )


def run(args: argparse.Namespace) -> int:
    """Raises WrongOption, CommandError, SettingsError, N1v1Error, ServerError."""
    from n1v1_cli.stack.interrupts import run_until_interrupted

    if args.state is not None:
        return run_until_interrupted(_serve(args, args.state.absolute()))
    with tempfile.TemporaryDirectory(prefix="n1v1-venue-") as folder:
        return run_until_interrupted(_serve(args, Path(folder)))


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    api_key: str
    api_secret: str


async def _serve(args: argparse.Namespace, state_dir: Path) -> int:
    from n1v1_cli.stack.service import Service, ServiceSpec
    from n1v1_common.servers.folders import prepare_folder
    from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service

    accounts = accounts_of(args.account)
    overrides = _Overrides(args, accounts)
    args.overrides[:0] = overrides.market()
    loaded = load_settings(args)
    settings_file = prepare_folder(state_dir / "run") / "settings.json"
    settings = dump_for_service(loaded, settings_file, overrides.venue(loaded.settings, state_dir))
    service = Service(
        ServiceSpec(name=SERVICE, module=f"n1v1_{SERVICE}", env={SETTINGS_VARIABLE: str(settings_file)}), state_dir
    )
    await service.start()
    try:
        print(summary(args.data, settings, accounts, state_dir), flush=True)
        await _keep_telling(service)
    finally:
        await service.stop()
        print("\nthe venue is closed")
    raise CommandError(f"the venue ended by itself; the end of its log:\n{_end_of(service.log)}")


class _Overrides:
    """What the options say, as settings."""

    def __init__(self, args: argparse.Namespace, accounts: list[Account]) -> None:
        self._args = args
        self._accounts = accounts
        self._balances = balances_of(args.balance)
        self.symbols: tuple[str, ...] = ()

    def market(self) -> list[str]:
        """KEY=VALUE; what is written with --set beats them."""
        args = self._args
        if not args.speed > 0:
            raise WrongOption(f"--speed must be above 0, not {args.speed}")
        if args.now is not None and (args.quality != "bars" or args.now < 1):
            raise WrongOption("--now moves bars, and needs at least one of them for its history")
        given = {"market.start": args.start, "market.end": args.end, "simulator.begins": args.begin}
        return [
            f"market.dataset={args.data}",
            f"replay.mode={'lockstep' if args.step else 'scaled'}",
            f"replay.speed={args.speed}",
            f"replay.loop={str(args.loop).lower()}",
            f"simulator.quality={args.quality}",
            "simulator.filters=binance",
            "simulator.rate_limits=binance",
            f"simulator.listen_keys={str(args.listen_keys).lower()}",
            *(f"{name}={value}" for name, value in given.items() if value),
        ]

    def venue(self, settings: Settings, state_dir: Path) -> dict[str, object]:
        """Ports are chosen here, so that they can be printed. Raises PortTaken."""
        from n1v1_common.servers.ports import claim_port

        args, first = self._args, self._accounts[0]
        return {
            "environment.mode": "paper",
            "paths.state_dir": state_dir,
            "paths.datasets_dir": settings.datasets_dir.absolute(),
            "account.id": first.name,
            "exchange.api_key": first.api_key,
            "exchange.api_secret": first.api_secret,
            "simulator.accounts": {account.name: self._settings_of(account) for account in self._accounts[1:]},
            "simulator.faults": args.faults and args.faults.absolute(),
            "simulator.fault_seed": args.seed,
            f"services.{SERVICE}.port": claim_port("--port", args.port),
            "simulator.tls_port": claim_port("--tls-port", args.tls_port),
            "simulator.admin_port": claim_port("--admin-port", args.admin_port),
            **self._recording(settings, state_dir),
        }

    def _recording(self, settings: Settings, state_dir: Path) -> dict[str, object]:
        """What follows from the data: symbols, length of bars, currency, opening balances."""
        if self._args.quality == "bars":
            bars = self._bars(settings, state_dir)
        else:
            bars = {"market.timeframe": FINEST_BARS}
            self.symbols = _recorded_symbols(self._args)
        quote = self.symbols[0].split("-")[1]
        extra = {asset: amount for asset, amount in self._balances.items() if asset != quote}
        return bars | {
            "market.symbols": list(self.symbols),
            "account.quote_currency": quote,
            "account.initial_balance": self._balances.get(quote, str(settings.account.initial_balance)),
            "simulator.balances": extra,
        }

    def _bars(self, settings: Settings, state_dir: Path) -> dict[str, object]:
        dataset = _dataset(settings, self._args.symbols)
        self.symbols = dataset.symbols
        found: dict[str, object] = {"market.timeframe": dataset.timeframe}
        if self._args.now is None:
            return found
        from n1v1_cli.as_if_now import stored_as_if_now

        store = state_dir / "datasets"
        moved_id, begins_ns = stored_as_if_now(dataset, store, history=self._args.now, now_ns=time.time_ns())
        begins = datetime.fromtimestamp(begins_ns / 1e9, UTC).isoformat()
        return found | {
            "market.dataset": moved_id,
            "market.start": None,
            "market.end": None,
            "paths.datasets_dir": store,
            "simulator.begins": begins,
        }

    def _settings_of(self, account: Account) -> dict[str, object]:
        return {"api_key": account.api_key, "api_secret": account.api_secret, "balances": self._balances}


def _dataset(settings: Settings, symbols: str | None) -> Dataset:
    from n1v1_research.datasets import load

    market = settings.market
    return load(
        market.dataset or DEFAULT_DATA,
        symbols=symbols.split(",") if symbols else None,
        start=market.start,
        end=market.end,
        store=settings.datasets_dir,
    )


def _recorded_symbols(args: argparse.Namespace) -> tuple[str, ...]:
    """Files of trades and of depth are called after their symbol. Raises WrongOption."""
    if args.symbols:
        return tuple(args.symbols.split(","))
    named = re.match(r"[A-Z0-9]+-[A-Z0-9]+", Path(args.data).name)
    if named is None:
        raise WrongOption(f"--quality {args.quality} needs --symbols, or a file whose name begins with its symbol")
    return (named[0],)


def accounts_of(written: list[str]) -> list[Account]:
    """Raises WrongOption."""
    accounts = [_account_of(text) for text in written] or [_account_of("main")]
    names = [account.name for account in accounts]
    if len(set(names)) != len(names):
        raise WrongOption(f"each --account needs a name of its own: {', '.join(names)}")
    return accounts


def _account_of(text: str) -> Account:
    match text.split(":"):
        case [name] if name:
            return Account(name, token_hex(32), token_hex(32))
        case [name, key, secret] if name and key and secret:
            return Account(name, key, secret)
    raise WrongOption(f"--account {text!r}: expected NAME or NAME:KEY:SECRET")


def balances_of(text: str) -> dict[str, str]:
    """Raises WrongOption."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    for asset, _, amount in pairs:
        if not asset or not amount.replace(".", "", 1).isdecimal():
            raise WrongOption(f"--balance {text!r}: expected ASSET=AMOUNT,ASSET=AMOUNT as in USDT=10000,BTC=1")
    return {asset: amount for asset, _, amount in pairs}


# --- what stands on the screen -----------------------------------------------------------------------------------


def summary(data: str, settings: Settings, accounts: list[Account], state_dir: Path) -> str:
    """Everything that a client needs."""
    rest = f"http://127.0.0.1:{settings.listen_of(SERVICE).port}"
    tls = f"https://127.0.0.1:{settings.simulator.tls_port}"
    admin = f"http://127.0.0.1:{settings.simulator.admin_port}/admin/v1/faults"
    replay = settings.replay
    pace = "step by step" if replay.mode == "lockstep" else f"{replay.speed:g} recorded seconds a second"
    lines = [
        f"venue open: {data} ({settings.simulator.quality}), {pace}",
        f"  symbols        {', '.join(symbol.replace('-', '') for symbol in settings.market.symbols)}",
        f"  REST           {rest}/api/v3",
        f"  streams        {_ws(rest)}/ws  {_ws(rest)}/stream?streams=...",
        f"  WebSocket API  {_ws(rest)}/ws-api/v3",
        f"  TLS            {tls}  {_ws(tls)}  certificate authority: {authority_file(state_dir)}",
        f"  faults         {admin}",
        f"  fired faults   {state_dir / SERVICE / 'faults.jsonl'}",
        *(f"  account {account.name}: key {account.api_key} secret {account.api_secret}" for account in accounts),
        "",
        "ccxt, ccxt.pro and ccxt.async_support take this (other clients: docs/venue.md):",
        ccxt_config(rest, accounts[0]),
        "",
        "Ctrl-C closes the venue",
    ]
    return "\n".join(lines)


def ccxt_config(rest: str, account: Account) -> str:
    """Python source: only the spot market is asked for, so that ccxt needs no other host."""
    ws = _ws(rest)
    config = {
        "apiKey": account.api_key,
        "secret": account.api_secret,
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "v1": f"{rest}/api/v1",
                "sapi": f"{rest}/sapi/v1",
                "ws": {"spot": f"{ws}/stream/ws", "margin": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
    }
    body = ",\n".join(f"  {json.dumps(key)}: {_python(value)}" for key, value in config.items())
    return f"ccxt.binance({{\n{body},\n}})"


def authority_file(state_dir: Path) -> Path:
    return state_dir / SERVICE / "tls" / "ca.pem"


def _python(value: object) -> str:
    return json.dumps(value).replace("false", "False").replace("true", "True")


def _ws(url: str) -> str:
    return url.replace("http", "ws", 1)


async def _keep_telling(service: Service) -> None:
    """A status line, until the venue ends or we are cancelled."""
    ended = asyncio.ensure_future(service.wait())
    told_s = 0.0
    try:
        while not ended.done():
            is_due = sys.stdout.isatty() or time.monotonic() - told_s >= LINE_EVERY_S
            if is_due and (clock := await _clock(service)) is not None:
                _tell(status_line(clock))
                told_s = time.monotonic()
            await asyncio.wait({ended}, timeout=LOOK_EVERY_S)
    finally:
        ended.cancel()


async def _clock(service: Service) -> Mapping[str, Any] | None:
    """None when the venue is too busy to say."""
    from n1v1_cli.stack import http

    try:
        answer = await http.get(f"{service.url}/simulation/v1/clock")
    except OSError:
        return None
    return json.loads(answer.body) if answer.status == 200 else None


def status_line(clock: Mapping[str, Any]) -> str:
    moment = datetime.fromtimestamp(clock["clock_ns"] / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    total = clock.get("total_steps")
    steps = f"step {clock['step']:,}" + (f" of {total:,}" if total else "")
    return f"{moment} UTC, {steps}" + (", end of the data" if clock["done"] else "")


def _tell(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True)
    else:
        print(line, flush=True)


def _end_of(log: Path) -> str:
    from n1v1_common.servers.process import tail

    return tail(log)
