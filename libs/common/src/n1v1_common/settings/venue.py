"""From settings to the rules of the simulated venue: the same in every driver."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

from n1v1.errors import InvalidValue
from n1v1.simulation.latency import lognormal_latencies, measured_latencies
from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule, VenueRules
from n1v1.values import Instrument, to_ppb
from n1v1_common.settings.model import Settings

BPS = 10_000
NANOSECONDS_PER_MS = 1_000_000


def venue_rules(settings: Settings, instrument: Instrument) -> VenueRules:
    """What trading costs at the simulator and what it assumes. instrument: one of the venue's, for the unit of cash.

    Raises InvalidValue when a rate is finer than a billionth, or the settings contradict each other.
    """
    exchange = settings.exchange
    return VenueRules(
        fee_rate_ppb=rate_ppb(exchange.fee_rate_bps),
        maker_fee_rate_ppb=None if exchange.maker_fee_rate_bps is None else rate_ppb(exchange.maker_fee_rate_bps),
        min_fee=instrument.quanta(exchange.min_fee),
        slippage_model=SlippageModel(exchange.slippage_model),
        slippage_ppb=rate_ppb(exchange.slippage_bps),
        impact_ppb=rate_ppb(exchange.impact_bps),
        latency_ns=exchange.latency_ms * NANOSECONDS_PER_MS,
        latencies_ns=_latencies(settings),
        participation_ppb=None if exchange.max_participation is None else to_ppb(exchange.max_participation),
        path=IntrabarPath(exchange.intrabar_path),
        seed=exchange.path_seed,
        touch=TouchRule(exchange.limit_fills),
        queue_ppb=to_ppb(exchange.queue_ahead),
    )


def _latencies(settings: Settings) -> tuple[int, ...]:
    exchange = settings.exchange
    if exchange.latency_file is not None:
        return measured_latencies(_read_latencies(exchange.latency_file))
    if exchange.latency_sigma:
        return lognormal_latencies(exchange.latency_ms * NANOSECONDS_PER_MS, float(exchange.latency_sigma))
    return ()


def _read_latencies(path: Path) -> list[int]:
    """Nanoseconds. Raises InvalidValue naming file and line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InvalidValue(f"exchange.latency_file: cannot read {path}: {error.strerror}") from error
    measured = []
    for number, line in enumerate(lines, start=1):
        if not (text := line.strip()):
            continue
        try:
            measured.append(int(Decimal(text) * NANOSECONDS_PER_MS))
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise InvalidValue(f"{path}, line {number}: expected milliseconds, got {text!r}") from error
    return measured


def rate_ppb(bps: Decimal) -> int:
    """Raises InvalidValue when the rate is finer than a billionth."""
    return to_ppb(bps / BPS)
