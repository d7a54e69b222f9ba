"""The settings tree: every setting of n1v1 with its type, unit, default and meaning.

Frozen after it was built; an unknown key is an error. `Settings()` is the paper-trading default.
The names of the original README are kept; load.py accepts its other spellings (`exchange.sandbox`,
`trading.initial_balance`, ...) and turns them into these.
Decimals are fractions where the name says nothing else: 0.02 is 2 %.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from n1v1_common.settings.execution import Execution
from n1v1_common.settings.risk import AdaptivePolicy, AnomalyDetection, CircuitBreaker, Protections, RiskManagement
from n1v1_common.settings.section import Fraction, Names, Paths, Section

STAGES = ("market_data", "signals", "risk", "execution", "portfolio", "reporting")
"""The six stages in the order of the flow."""

CHANNELS = ("bars", "trades", "book", "ticker", "funding", "mark_price")
"""What market_data can publish."""

KEYLESS: Mapping[str, object] = {"keys": "withheld"}
"""Context in which settings are valid in live mode without the venue's keys."""

PLACEHOLDER_PREFIX = "your_"
"""The original README writes "your_api_key" where a key belongs; such a text is not a key."""


def _whole_timeframe(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[mhdw]", text):
        raise ValueError("a timeframe is a number and one of m, h, d, w, as in 15m, 4h, 1d")
    return text


def _iso_moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a date or moment is written as 2020-01-01 or 2020-01-01T04:00:00+00:00") from None
    return text


def _one_or_three(nodes: int) -> int:
    if nodes not in (1, 3):
        raise ValueError("one server, or three as a cluster: two would stop when either of them does")
    return nodes


def _expanded(path: Path) -> Path:
    return path.expanduser()


Port = Annotated[int, Field(ge=0, le=65535)]
Moment = Annotated[str, AfterValidator(_iso_moment)]


class Environment(Section):
    mode: Literal["paper", "backtest", "live"] = "paper"
    """paper: simulated money. backtest: recorded data, no servers. live: real orders; needs
    i_understand_live and keys."""
    debug: bool = False
    """Turns on asyncio's debug mode and log level debug. Slow."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""
    i_understand_live: bool = False
    """Must be true beside mode=live: says that real money may be lost."""

    @field_validator("mode", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class Account(Section):
    id: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    """Name of the account; part of message subjects and of derived ids."""
    quote_currency: str = Field(default="USD", pattern=r"^[A-Z0-9]{2,10}$")
    """The currency that equity is counted in."""
    initial_balance: Decimal = Field(default=Decimal(10000), gt=0)
    """What the account starts with, in quote currency. Simulated venues pay it in; real ones are asked."""


class Exchange(Section):
    name: str = "simulator"
    """simulator, or a venue's name as ccxt writes it (binance, kraken, ...). Real venues are spoken to in
    live mode only."""
    api_key: SecretStr | None = None
    """Needed in live mode only, and only by execution (trade) and market_data (read)."""
    api_secret: SecretStr | None = None
    """Belongs to api_key."""
    api_password: SecretStr | None = None
    """A third secret that some venues give out with a key (okx, kucoin: the passphrase)."""
    testnet: bool = True
    """Use the venue's test network (also accepted as `sandbox`). Real orders need false."""
    rest_url: str | None = None
    """Where the venue's REST interface is; empty: the venue's own, or the address the supervisor found for
    the simulator."""
    ws_url: str | None = None
    """Where the venue's WebSocket interface is; empty: as rest_url."""
    urls: dict[str, Any] = Field(default_factory=dict)
    """Addresses of the venue that differ from what ccxt knows, by ccxt's names for them. Beside rest_url, which is
    for venues that speak Binance's protocol."""
    options: dict[str, Any] = Field(default_factory=dict)
    """ccxt's options for the venue, over those that n1v1 sets."""
    fee_asset: str | None = Field(default=None, pattern=r"^[A-Z0-9]{2,10}$")
    """A third asset that the venue takes its commission in (BNB); a commission in any other is refused. Empty: base
    or quote only."""
    reconcile_every_s: float = Field(default=60, ge=1, le=3600)
    """Outside lockstep: how often open orders, executions and balances are compared with the venue's."""
    user_stream_silence_s: float = Field(default=60, ge=1, le=3600)
    """After so long without a word on the user stream it is asked whether it lives, and renewed if it does not
    answer. No new orders meanwhile."""
    cancel_all_on_shutdown: bool = False
    """Live: take every open order back when execution is told to stop, protective ones too."""
    dead_man_switch_s: int = Field(default=0, ge=0, le=3600)
    """Live, where the venue has one: it cancels everything when it has not heard from us for so long. 0: off."""
    share_rate_limit: bool = False
    """Count the weight of requests in Redis, together with every other process that asks the venue."""
    egress: str = Field(default="default", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Name of the address that the venue sees; processes with the same one share a rate limit."""
    recv_window_ms: int = Field(default=5000, ge=1, le=60000)
    """How long after sending the venue may still accept a request. Small windows resolve doubtful orders
    sooner."""
    absence_margin_ms: int = Field(default=12000, ge=0)
    """After recv_window_ms, how much longer "order not found" is not believed: the venue's 10 s engine
    timeout and clock error."""
    fee_rate_bps: Decimal = Field(default=Decimal(10), ge=0, lt=10000)
    """Taker fee in hundredths of a percent (also `trading.trade_fee`, a fraction): the simulator charges it,
    sizing reckons with it."""
    maker_fee_rate_bps: Decimal | None = Field(default=None, ge=0, lt=10000)
    """Fee of resting orders at the simulator, in hundredths of a percent; empty: as fee_rate_bps."""
    min_fee: Decimal = Field(default=Decimal(0), ge=0)
    """Least fee of one execution at the simulator, in quote currency; never more than what was traded. Where the
    base pays, what that buys of it."""
    slippage_bps: Decimal = Field(default=Decimal(5), ge=0, lt=10000)
    """How far the simulator fills a market order from the open (also `trading.slippage`, a fraction). In
    the models linear and square_root: half of the spread."""
    slippage_model: Literal["fixed", "linear", "square_root"] = "fixed"
    """fixed: slippage_bps. linear, square_root: also an impact that grows so with the order's share of the
    bar's volume; over trades and depth, of the last minute's, and the spread is the book's own."""
    impact_bps: Decimal = Field(default=Decimal(0), ge=0, lt=10000)
    """How far an order as large as the bar's volume moves the price, in hundredths of a percent of it. Not
    with slippage_model=fixed."""
    latency_ms: int = Field(default=0, ge=0, le=86_400_000)
    """From the decision until an order counts at the simulator; it takes effect at the first bar that opens
    then or later. Over trades and depth it comes to the book so much of the market's time later."""
    latency_sigma: Annotated[Decimal, Field(ge=0, le=5)] = Decimal(0)
    """How much latencies differ, over bars: latency_ms is then the median of a lognormal distribution and this the
    standard deviation of its logarithm; each order draws its own, by path_seed. 0: all alike."""
    latency_file: Path | None = None
    """In place of both: latencies that you measured, one a line, in milliseconds."""
    max_participation: Fraction | None = None
    """Share of a bar's volume that all orders of it may fill together at the simulator; over trades and depth, of
    the last minute's. Empty: no cap."""
    intrabar_path: Literal["adverse", "ohlc", "adaptive", "random"] = "adverse"
    """In which order the simulator takes a bar to have reached its extremes. adverse: what hurts comes
    first. adaptive: what is nearer to the open. random: by path_seed."""
    path_seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of intrabar_path=random, and of latencies that differ."""
    limit_fills: Literal["through", "queue"] = "through"
    """When the simulator fills a resting limit order. through: the bar trades beyond it. queue: also at a
    touch, with what the queue ahead leaves of the bar's volume."""
    queue_ahead: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(1)
    """Share of the bar's volume that stands ahead of us at a touched limit; 1: a touch is no fill."""


class SimulatedAccount(Section):
    api_key: SecretStr
    """What its client sends with each request."""
    api_secret: SecretStr
    """What its client signs with: a secret for HMAC, or the public key (PEM) for RSA and Ed25519."""
    balances: dict[str, Decimal] = Field(default_factory=dict)
    """What it opens with, by asset."""


SelfTradePrevention = Literal["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]


class SimulatedSymbol(Section):
    fee_rate_bps: Decimal | None = Field(default=None, ge=0, lt=10000)
    """Fee of takers, in hundredths of a percent, and of makers without maker_fee_rate_bps; empty: as exchange's."""
    maker_fee_rate_bps: Decimal | None = Field(default=None, ge=0, lt=10000)
    """Fee of makers; empty: as fee_rate_bps here, or else as exchange's."""
    self_trade_prevention: SelfTradePrevention | None = None
    """Of orders that name no mode; empty: EXPIRE_MAKER."""
    self_trade_prevention_modes: tuple[SelfTradePrevention, ...] | None = None
    """What orders may name; empty: every mode."""


class Simulator(Section):
    quality: Literal["bars", "trades", "depth"] = "bars"
    """What is replayed. bars: intrabar paths. trades, depth: an order book with price-time priority."""
    begins: Moment | None = None
    """Where the market stands when the venue opens for the first time: what was recorded before is history then.
    Empty: before the first record."""
    clock: Literal["wall", "market"] = "wall"
    """What GET time answers and timestamps of requests are checked against. market: the time of the replay, so clients
    have to synchronise with it."""
    commission: Literal["received", "quote"] = "received"
    """Over trades and depth: the asset that pays the fee. received: what the order receives, as on Binance."""
    balances: dict[str, Decimal] = Field(default_factory=dict)
    """What the account of account.id opens with beside account.initial_balance, by asset."""
    accounts: dict[str, SimulatedAccount] = Field(default_factory=dict)
    """More accounts, by name."""
    symbols: dict[str, SimulatedSymbol] = Field(default_factory=dict)
    """Over trades and depth: what differs from symbol to symbol."""
    filters: Literal["auto", "grid", "binance"] = "auto"
    """What orders must be like. grid: on the instrument's ticks and lots, as in the backtest. binance: everything that
    Binance asks of BTCUSDT as well. auto: grid over bars, else binance."""
    rate_limits: Literal["auto", "off", "binance"] = "auto"
    """Whether requests and orders beyond Binance's limits are refused, and clients banned that go on. auto: over
    trades and depth when the clock runs by itself, so that a replay in lockstep never meets them."""
    ban_s: float = Field(default=120.0, gt=0)
    """How long the first ban of a client lasts; each further one twice as long."""
    listen_keys: bool = False
    """Whether user data streams can still be opened with listen keys, which Binance retired in 2026."""
    event_order: Literal["event_first", "answer_first", "jittered"] = "event_first"
    """Whether an account hears of what a command did before the command is answered. jittered: by fault_seed, up to
    50 ms late. Its events are in order, whatever it says."""
    tls_port: Port | None = None
    """Port for https and wss, with a certificate of the simulator's own; 0: any free one; empty: none."""
    admin_port: Port | None = None
    """Port of the admin API of faults, on loopback; 0: any free one; empty: none."""
    faults: Path | None = None
    """A script of faults (TOML, YAML, JSON)."""
    fault_seed: int = 0
    """Seed of every draw that faults make; one in the script beats it."""


class Market(Section):
    symbols: Names = ("BTC-USD", "ETH-USD")
    """What is traded, base-quote."""
    timeframe: Annotated[str, AfterValidator(_whole_timeframe)] = "4h"
    """Length of a bar."""
    dataset: str | None = None
    """Name or path of the recorded data to replay; empty: the bundled one."""
    start: Moment | None = None
    """First bar time of the replay (inclusive, UTC when it has no offset); empty: the first recorded."""
    end: Moment | None = None
    """End of the replay (exclusive, UTC when it has no offset); empty: the last recorded."""

    channels: Names = ("bars",)
    """What is published: bars, trades, book, ticker, funding, mark_price. What decides needs bars alone."""
    path: Literal["auto", "raw", "ccxt"] = "auto"
    """How a venue is read. raw: our own client, for venues that speak Binance's protocol. ccxt: any venue.
    auto: raw where it can be."""
    queue_size: int = Field(default=50_000, ge=1)
    """How many trades, changes and prices may wait to be published. What comes beyond them is lost, counted
    and reported."""
    book_levels: int = Field(default=20, ge=1, le=5000)
    """How many levels of each side a book has that is published whole."""
    bars_silence_s: float = Field(default=60.0, ge=0)
    """Without a word on bars for so long, the connection is made again; 0: never."""
    trades_silence_s: float = Field(default=30.0, ge=0)
    """As bars_silence_s, of trades."""
    book_silence_s: float = Field(default=5.0, ge=0)
    """As bars_silence_s, of books."""
    ticker_silence_s: float = Field(default=30.0, ge=0)
    """As bars_silence_s, of best prices, mark prices and funding."""
    archive: bool = False
    """Keep what was published in Parquet files by day, below <paths.state_dir>/archive."""

    @field_validator("channels")
    @classmethod
    def _known_and_each_once(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [channel for channel in channels if channel not in CHANNELS]
        if unknown:
            raise ValueError(f"unknown channels {', '.join(unknown)}; there are {', '.join(CHANNELS)}")
        if "bars" not in channels or len(set(channels)) != len(channels):
            raise ValueError("name each channel once, bars among them: everything that decides waits for bars")
        return channels

    @field_validator("symbols")
    @classmethod
    def _some_and_each_once(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError("name at least one symbol, each once")
        return symbols


class Replay(Section):
    mode: Literal["lockstep", "scaled"] = "lockstep"
    """lockstep: the next bar comes when the stack has settled. scaled: by the clock, `speed` times as fast
    as it was."""
    speed: float = Field(default=3600.0, gt=0)
    """Only in scaled mode: recorded seconds per second."""
    loop: bool = False
    """Begin again at the end of the data."""


class Strategies(Section):
    active_strategies: Names = ("ema_cross",)
    """Which strategies run, by key (ema_cross) or class name (EMACrossStrategy)."""
    max_concurrent: int = Field(default=10, ge=1)
    """More active strategies than this is an error."""
    strategy_config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Parameters by strategy, flat or below `params`. Their names are checked by the strategy."""
    files: Paths = ()
    """Python files with strategies of the user's own."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.active_strategies) > self.max_concurrent:
            count = len(self.active_strategies)
            raise ValueError(f"{count} active_strategies are more than max_concurrent={self.max_concurrent}")
        by_key: dict[str, str] = {}
        for name in self.strategy_config:
            twin = by_key.setdefault(strategy_key(name), name)
            if twin != name:
                raise ValueError(f"strategy_config has the same strategy twice: {twin} and {name}")
        return self

    def parameters_of(self, strategy: str) -> Mapping[str, Any]:
        """Parameters given for a strategy, by key or class name; empty when none were given."""
        wanted = strategy_key(strategy)
        for name, given in self.strategy_config.items():
            if strategy_key(name) == wanted:
                flat = {key: value for key, value in given.items() if key != "params"}
                return flat | dict(given.get("params") or {})
        return {}


def strategy_key(name: str) -> str:
    """The registry key of a strategy: EMACrossStrategy -> ema_cross. A key stays as it is."""
    if name == name.lower():
        return name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.removesuffix("Strategy"))
    return words.lower()


class Monitoring(Section):
    prometheus_enabled: bool = True
    """Serve /metrics on every service."""
    grafana_enabled: bool = True
    """Provision the dashboards where Grafana runs (docker compose, Kubernetes). The services themselves take
    no notice."""
    alerting_enabled: bool = True
    """Load the alert rules where Prometheus runs, and let reporting notify."""


class Bus(Section):
    url: str = "nats://127.0.0.1:4222"
    """Address of NATS; of the nodes of a cluster with commas."""
    replicas: int = Field(default=1, ge=1, le=5)
    """How many nodes of a cluster keep each stream; streams that have more keep them. Three lose nothing with one
    node."""
    user: str | None = None
    """NATS user; empty: none is sent."""
    password: SecretStr | None = None
    """Belongs to user."""
    sync: Literal["always", "default"] = "always"
    """Whether JetStream syncs to disk before it acknowledges. On a single node only `always` survives a
    power cut."""


class Postgres(Section):
    dsn: SecretStr = SecretStr("postgresql://n1v1@127.0.0.1:5432/n1v1")
    """Where PostgreSQL is, with user and password. Secret as a whole."""
    owner_dsn: SecretStr | None = None
    """The same as the owner of the tables, for the installation alone: it migrates and makes the role that dsn names.
    Empty: the user of dsn may do everything."""


class Redis(Section):
    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Where Redis or Valkey is, with its password. Secret as a whole."""


class Telemetry(Section):
    otlp_endpoint: str | None = None
    """Where spans go over OTLP/HTTP, as in http://jaeger:4318; empty: to the local span store."""
    log_format: Literal["json", "console"] = "json"
    """json: one object a line, for machines. console: for eyes."""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """Fraction of orders that are traced, decided where the trace begins."""
    spans_dir: Path | None = None
    """Folder of the local span store; empty: <paths.state_dir>/spans."""


class Listen(Section):
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: Port = 0
    """Port to listen on; 0: any free one, written to <paths.state_dir>/run/<service>.json."""


class Services(Section):
    """Where each service answers /healthz, /readyz and /metrics (reporting: its API, exchange_simulator: the
    venue)."""

    market_data: Listen = Listen()
    signals: Listen = Listen()
    risk: Listen = Listen()
    execution: Listen = Listen()
    portfolio: Listen = Listen()
    reporting: Listen = Listen()
    exchange_simulator: Listen = Listen()


class Signals(Section):
    partitions: int = Field(default=1, ge=1, le=64)
    """Into how many partitions the symbols are divided. Changing it is a migration: streams keep the old
    subjects."""
    worker_index: int = Field(default=0, ge=0)
    """Which worker this process is, from 0."""
    worker_count: int = Field(default=1, ge=1)
    """How many workers share the partitions."""
    bar_time_limit_s: float = Field(default=10.0, ge=0)
    """How long one strategy may take for one bar. Beyond it the worker is ended and started again; a strategy that does
    so twice on a bar is not run any more. 0: no limit."""
    memory_limit_mb: int = Field(default=2048, ge=0)
    """What a worker may allocate, its strategies together. 0: no limit."""
    confined: bool = True
    """Keep strategies from files, programs and addresses that they have no business with, as far as the kernel can."""

    @model_validator(mode="after")
    def _a_partition_for_every_worker(self) -> Self:
        if self.worker_index >= self.worker_count:
            raise ValueError(f"worker_index={self.worker_index} must be below worker_count={self.worker_count}")
        if self.worker_count > self.partitions:
            raise ValueError(f"worker_count={self.worker_count} is more than partitions={self.partitions}")
        return self


class Servers(Section):
    durability: Literal["power_cut", "process"] = "power_cut"
    """What the embedded servers survive: power_cut syncs every write; process only survives killed
    processes, and is faster."""
    nats_nodes: Annotated[int, AfterValidator(_one_or_three)] = 1
    """How many NATS servers are started. Three are a cluster that goes on without any one of them. Streams are not
    moved: choose it for a new state folder."""


def default_state_dir() -> Path:
    """$N1V1_STATE_DIR, else n1v1 in the user's state folder as the XDG base directory specification has it."""
    if named := os.environ.get("N1V1_STATE_DIR"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "n1v1"


class StatePaths(Section):
    state_dir: Annotated[Path, AfterValidator(_expanded)] = Field(default_factory=default_state_dir)
    """Everything that n1v1 writes is below this folder."""
    datasets_dir: Annotated[Path, AfterValidator(_expanded)] | None = None
    """Folder of imported datasets; empty: <paths.state_dir>/datasets."""


class Settings(Section):
    environment: Environment = Environment()
    account: Account = Account()
    exchange: Exchange = Exchange()
    simulator: Simulator = Simulator()
    market: Market = Market()
    replay: Replay = Replay()
    strategies: Strategies = Strategies()
    risk_management: RiskManagement = RiskManagement()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    protections: Protections = Protections()
    anomaly_detection: AnomalyDetection = AnomalyDetection()
    adaptive_policy: AdaptivePolicy = AdaptivePolicy()
    execution: Execution = Execution()
    monitoring: Monitoring = Monitoring()
    bus: Bus = Bus()
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    telemetry: Telemetry = Telemetry()
    services: Services = Services()
    signals: Signals = Signals()
    servers: Servers = Servers()
    paths: StatePaths = Field(default_factory=StatePaths)

    @property
    def is_simulated(self) -> bool:
        """Whether orders go to the exchange simulator: always, except in live mode."""
        return self.environment.mode != "live"

    @property
    def is_lockstep(self) -> bool:
        """Whether the market waits for the stack."""
        return self.is_simulated and self.replay.mode == "lockstep"

    @property
    def venue(self) -> str:
        """Where orders go: the simulator, or in live mode the exchange."""
        return "simulator" if self.is_simulated else self.exchange.name

    @property
    def spans_dir(self) -> Path:
        """Folder of the local span store."""
        return self.telemetry.spans_dir or self.paths.state_dir / "spans"

    @property
    def datasets_dir(self) -> Path:
        """Folder of imported datasets."""
        return self.paths.datasets_dir or self.paths.state_dir / "datasets"

    def listen_of(self, service: str) -> Listen:
        """Where a service listens; KeyError for a name that is none of ours."""
        if service not in Services.model_fields:
            raise KeyError(service)
        listen: Listen = getattr(self.services, service)
        return listen

    @model_validator(mode="after")
    def _live_only_on_purpose(self, info: ValidationInfo) -> Self:
        """context: KEYLESS for a process that is not to have the keys."""
        if self.environment.mode != "live":
            return self
        missing = []
        if not self.environment.i_understand_live:
            missing.append("environment.i_understand_live=true")
        if info.context is not KEYLESS:
            keys = {"exchange.api_key": self.exchange.api_key, "exchange.api_secret": self.exchange.api_secret}
            missing += [name for name, secret in keys.items() if not _is_key(secret)]
        if missing:
            raise ValueError(f"environment.mode=live trades real money and also needs {', '.join(missing)}")
        return self


def _is_key(secret: SecretStr | None) -> bool:
    return secret is not None and bool(text := secret.get_secret_value()) and not text.startswith(PLACEHOLDER_PREFIX)
