"""The rules of a simulated venue in words: what a result assumes, for its report."""

from __future__ import annotations

from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule, VenueRules
from n1v1.values import PPB, Instrument

BPS_PPB = PPB // 10_000

PATHS = {
    IntrabarPath.ADVERSE: "of a stop and a target within one bar the worse comes first",
    IntrabarPath.OHLC: "a bar goes from its open to its high, its low, its close",
    IntrabarPath.ADAPTIVE: "a bar reaches the extreme nearer to its open first",
    IntrabarPath.RANDOM: "which extreme a bar reaches first is drawn by a seed",
}
TOUCHES = {
    TouchRule.THROUGH: "filled once a bar trades through the limit by a tick; a touch is no fill",
    TouchRule.QUEUE: "filled at a touch by what is left of the bar's volume behind the queue",
}
IMPACTS = {
    SlippageModel.LINEAR: "growing with the order's share of the bar's volume",
    SlippageModel.SQUARE_ROOT: "growing with the root of the order's share of the bar's volume",
}

UNCHOSEN = {
    "Funding and interest": "none: nothing is traded on margin",
    "Filters": "tick, step and smallest order as they are now, whatever they were then",
    "Gaps in the data": "stay gaps: the next open is the next price",
    "Our impact on later prices": "none: the next bar is as it was recorded",
}
"""What is assumed in every run."""


def in_words(rules: VenueRules, instruments: tuple[Instrument, ...]) -> dict[str, str]:
    """One sentence a rule, by what it is about."""
    shorts = [instrument.symbol for instrument in instruments if instrument.can_short]
    return {
        "Market orders": f"filled at the open of the next bar{_after_latency(rules)}",
        "Limit orders": TOUCHES[rules.touch],
        "Stops": "filled where they trigger, or at the open of a bar that opens beyond them, with slippage",
        "Within a bar": PATHS[rules.path],
        "Volume": _participation(rules),
        "Fee": _fee(rules, instruments[0]),
        "Slippage": _slippage(rules),
        "Positions": f"long, and short in {', '.join(shorts)}" if shorts else "long only",
        **UNCHOSEN,
    }


def _after_latency(rules: VenueRules) -> str:
    if rules.latencies_ns:
        least, most = rules.latencies_ns[0] / 1e6, rules.latencies_ns[-1] / 1e6
        return f" that opens {least:,.1f} to {most:,.1f} ms after the decision, drawn for each order"
    return f" that opens {rules.latency_ns / 1e6:,.0f} ms after the decision" if rules.latency_ns else ""


def _participation(rules: VenueRules) -> str:
    if rules.participation_ppb is None:
        return "fills are not limited by the volume of a bar"
    return f"fills are at most {rules.participation_ppb / PPB:.1%} of a bar's volume"


def _fee(rules: VenueRules, instrument: Instrument) -> str:
    maker = "" if rules.maker_fee_rate_ppb is None else f", {_bps(rules.maker_fee_rate_ppb)} for makers"
    least = f", at least {instrument.cash(rules.min_fee).normalize():f} {instrument.quote}" if rules.min_fee else ""
    return f"{_bps(rules.fee_rate_ppb)} of the traded value{maker}{least}, paid in {instrument.quote}"


def _slippage(rules: VenueRules) -> str:
    against = f"{_bps(rules.slippage_ppb)} against the taker"
    if rules.slippage_model is SlippageModel.FIXED:
        return f"{against}, whatever the size; no other impact"
    return f"{against}, and up to {_bps(rules.impact_ppb)} {IMPACTS[rules.slippage_model]}"


def _bps(ppb: int) -> str:
    return f"{ppb / BPS_PPB:g} bps"
