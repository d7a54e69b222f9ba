"""From the settings to what the venue is made of. What does not fit is said in one sentence: CannotStart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from n1v1.errors import N1v1Error
from n1v1.simulation.venue import VenueRules
from n1v1_common.lifecycle import CannotStart
from n1v1_common.settings.model import Settings, SimulatedSymbol
from n1v1_common.settings.venue import rate_ppb, venue_rules
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.bars import BarVenue
from n1v1_exchange_simulator.binance.limits import RateLimits
from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.binance.user_streams import EventOrder, EventTiming
from n1v1_exchange_simulator.exchange import Balances, Exchange, Rules, history_identity
from n1v1_exchange_simulator.faults.serving import disturbed
from n1v1_exchange_simulator.journal import Journal, JournalError
from n1v1_exchange_simulator.market import MarketMemory
from n1v1_exchange_simulator.matching.rules import Commission, MatchingRules
from n1v1_exchange_simulator.order_books import OrderBookVenue
from n1v1_exchange_simulator.replay.opening import open_source
from n1v1_exchange_simulator.replay.source import Quality, Source
from n1v1_exchange_simulator.venue import ReplayedVenue, SelfTradePrevention


@dataclass(frozen=True, slots=True)
class VenueSetup:
    source: Source
    rules: Rules
    by_symbol: Mapping[str, MatchingRules]
    """Of symbols that have their own."""
    accounts: tuple[ApiAccount, ...]
    protocol: ProtocolRules
    journal_folder: Path
    fsync: bool

    @property
    def opening(self) -> Mapping[str, Balances]:
        """Balances by account."""
        return {account.name: account.balances for account in self.accounts}

    @property
    def identity(self) -> dict[str, str]:
        return history_identity(self.source, self.rules, self.opening, self.by_symbol)


def setup_of(settings: Settings) -> VenueSetup:
    """Reads the dataset. Raises CannotStart when it or the settings cannot make a venue."""
    try:
        source = disturbed(open_source(settings), settings.simulator.faults)
        rules = _rules_of(settings, source)
        by_symbol = _rules_by_symbol(settings, source, rules)
        accounts = (_account_of(settings, source), *_more_accounts(settings, source))
    except N1v1Error as error:
        raise CannotStart(str(error)) from error
    return VenueSetup(
        source=source,
        rules=rules,
        by_symbol=by_symbol,
        accounts=accounts,
        protocol=_protocol_of(settings, source, rules, by_symbol),
        journal_folder=settings.paths.state_dir / "exchange_simulator" / "journal",
        fsync=settings.servers.durability == "power_cut",
    )


def open_journal(setup: VenueSetup) -> Journal:
    """Raises CannotStart; the caller closes the journal."""
    try:
        return Journal(setup.journal_folder, identity=setup.identity, fsync=setup.fsync)
    except JournalError as error:
        raise CannotStart(str(error)) from error


def recovered_exchange(setup: VenueSetup, journal: Journal) -> Exchange:
    """The venue as the journal left it. Raises CannotStart when the journal cannot be repeated."""
    try:
        return exchange_over(setup.source, setup.rules, journal, setup.opening, by_symbol=setup.by_symbol)
    except JournalError as error:
        raise CannotStart(str(error)) from error


def exchange_over(
    source: Source,
    rules: Rules,
    journal: Journal,
    opening: Mapping[str, Balances],
    *,
    by_symbol: Mapping[str, MatchingRules] | None = None,
) -> Exchange:
    """The venue that the rules are for, with its market."""
    if isinstance(rules, VenueRules):
        bars = BarVenue(source.instruments, rules, opens_ns=source.first_ns)
        return Exchange(bars, _market_of(bars, source, recorded=source.timeframe), source, journal, opening)
    books = OrderBookVenue(source.instruments, rules, by_symbol=by_symbol, start_ns=source.first_ns)
    return Exchange(books, _market_of(books, source, recorded=None), source, journal, opening)


def _market_of(venue: ReplayedVenue, source: Source, *, recorded: str | None) -> MarketMemory:
    return MarketMemory(
        venue.instruments, book=venue.book, recorded=recorded, opens_ns=source.first_ns, is_open=venue.is_open
    )


def _rules_of(settings: Settings, source: Source) -> Rules:
    over_bars = venue_rules(settings, source.instruments[0])
    if source.quality is Quality.BARS:
        return over_bars
    if over_bars.latencies_ns:
        raise CannotStart(
            f"exchange.latency_sigma and latency_file draw latencies over bars only, and this is {source.quality};"
            " latency_ms is there for all"
        )
    taker, maker = over_bars.fee_rate_ppb, over_bars.maker_fee_rate_ppb
    return MatchingRules(
        taker_fee_ppb=taker,
        maker_fee_ppb=taker if maker is None else maker,
        commission=Commission(settings.simulator.commission),
        min_fee=over_bars.min_fee,
        impact_model=over_bars.slippage_model,
        impact_ppb=over_bars.impact_ppb,
        latency_ns=over_bars.latency_ns,
        participation_ppb=over_bars.participation_ppb,
    )


def _rules_by_symbol(settings: Settings, source: Source, rules: Rules) -> dict[str, MatchingRules]:
    """Raises CannotStart for a symbol that is not traded here, and for bars, which have the rules of the backtest."""
    wanted, symbols = settings.simulator.symbols, [instrument.symbol for instrument in source.instruments]
    if wanted and isinstance(rules, VenueRules):
        raise CannotStart("simulator.symbols: over bars every symbol has the rules of the backtest")
    if unknown := sorted(wanted.keys() - set(symbols)):
        raise CannotStart(f"simulator.symbols: nobody trades {', '.join(unknown)} here; there are {', '.join(symbols)}")
    assert isinstance(rules, MatchingRules) or not wanted, "bars have been refused"
    return {symbol: _rules_of_symbol(own, rules) for symbol, own in wanted.items() if isinstance(rules, MatchingRules)}


def _rules_of_symbol(own: SimulatedSymbol, rules: MatchingRules) -> MatchingRules:
    if own.fee_rate_bps is not None:
        rules = replace(rules, taker_fee_ppb=rate_ppb(own.fee_rate_bps), maker_fee_ppb=rate_ppb(own.fee_rate_bps))
    if own.maker_fee_rate_bps is not None:
        rules = replace(rules, maker_fee_ppb=rate_ppb(own.maker_fee_rate_bps))
    modes = map(SelfTradePrevention, own.self_trade_prevention_modes or rules.allowed_preventions)
    default = own.self_trade_prevention or rules.self_trade_prevention
    return replace(rules, self_trade_prevention=SelfTradePrevention(default), allowed_preventions=frozenset(modes))


def _protocol_of(
    settings: Settings, source: Source, rules: Rules, by_symbol: Mapping[str, MatchingRules]
) -> ProtocolRules:
    wanted, is_over_bars = settings.simulator, source.quality is Quality.BARS
    has_filters = wanted.filters == "binance" or (wanted.filters == "auto" and not is_over_bars)
    runs_freely = settings.replay.mode == "scaled" and not is_over_bars
    is_limited = wanted.rate_limits == "binance" or (wanted.rate_limits == "auto" and runs_freely)
    protocol = ProtocolRules(
        rate_limits=RateLimits(is_enforced=is_limited, first_ban_s=wanted.ban_s),
        has_all_filters=has_filters,
        serves_listen_keys=wanted.listen_keys,
        event_timing=EventTiming(order=EventOrder(wanted.event_order), seed=wanted.fault_seed),
    )
    if isinstance(rules, VenueRules):
        return protocol
    return replace(
        protocol,
        self_trade_prevention=rules.self_trade_prevention,
        self_trade_prevention_modes=rules.allowed_preventions,
        self_trade_prevention_by_symbol={
            symbol: (own.self_trade_prevention, own.allowed_preventions) for symbol, own in by_symbol.items()
        },
    )


def _account_of(settings: Settings, source: Source) -> ApiAccount:
    account, instrument = settings.account, source.instruments[0]
    if account.quote_currency != instrument.quote:
        raise CannotStart(
            f"account.quote_currency is {account.quote_currency}, but {instrument.symbol} is paid for in "
            f"{instrument.quote}"
        )
    return ApiAccount(
        name=account.id,
        api_key=_revealed(settings.exchange.api_key, "exchange.api_key"),
        api_secret=_revealed(settings.exchange.api_secret, "exchange.api_secret"),
        balances={instrument.quote: instrument.quanta(account.initial_balance)}
        | _balances(settings.simulator.balances, source),
    )


def _more_accounts(settings: Settings, source: Source) -> list[ApiAccount]:
    return [
        ApiAccount(
            name=name,
            api_key=account.api_key.get_secret_value(),
            api_secret=account.api_secret.get_secret_value(),
            balances=_balances(account.balances, source),
        )
        for name, account in settings.simulator.accounts.items()
    ]


def _balances(amounts: Mapping[str, Decimal], source: Source) -> dict[str, int]:
    """In units by asset. Raises CannotStart for an asset that is not traded here."""
    units: dict[str, Callable[[Decimal], int]] = {}
    for instrument in source.instruments:
        units |= {instrument.base: instrument.lots, instrument.quote: instrument.quanta}
    if unknown := sorted(amounts.keys() - units.keys()):
        raise CannotStart(f"nobody trades {', '.join(unknown)} here; balances may be of {', '.join(units)}")
    return {asset: units[asset](amount) for asset, amount in amounts.items()}


def _revealed(secret: SecretStr | None, name: str) -> str:
    text = "" if secret is None else secret.get_secret_value()
    if not text:
        raise CannotStart(f"{name} is not set; the venue checks its clients' signatures with it")
    return text
