"""From settings to what the core is configured with: exact, checked, the same in every driver."""

from __future__ import annotations

from n1v1.signals.stage import Instance
from n1v1.strategies import registry
from n1v1.styles import NEEDS_MARKET, SECOND_NS, Style, StyleRules, style_of
from n1v1.values import Instrument, to_ppb
from n1v1_common.settings.model import Settings
from n1v1_common.settings.policy import policy_of

__all__ = ["check_strategies", "instances_of", "policy_of", "styles_of"]


def instances_of(settings: Settings) -> list[Instance]:
    """Every configured strategy: the active ones by name, and one for each file.

    Raises UnknownName, InvalidValue or StrategyError when a strategy cannot be had as configured.
    """
    names = [*settings.strategies.active_strategies, *(str(path) for path in settings.strategies.files)]
    keys = {name: registry.key_of(registry.find(name)) for name in names}
    return [Instance(key, name, settings.strategies.parameters_of(key)) for name, key in keys.items()]


def styles_of(settings: Settings) -> StyleRules:
    """How orders are carried out. Raises UnknownName for a strategy that does not exist."""
    section = settings.execution
    by_name = {name: _style(settings, style) for name, style in section.strategy_styles.items()}
    by_instance = {registry.key_of(registry.find(name)): style for name, style in by_name.items() if style}
    default = _style(settings, section.style)
    named = [style for style in (default, *by_instance.values()) if style]
    return StyleRules(
        default=default,
        by_instance=by_instance,
        large_value=section.large_order,
        split_value=section.split_threshold,
        for_exits=section.for_exits,
        watches_market=section.watch_market or any(style.method in NEEDS_MARKET for style in named),
        price_atr_ppb=to_ppb(section.price_atr),
        price_limit_ppb=to_ppb(section.price_limit),
    )


def _style(settings: Settings, name: str) -> Style | None:
    if name == "whole":
        return None
    section = settings.execution
    interval = section.interval_seconds
    usual = style_of(name, parts=section.parts)
    return usual if interval is None else Style(usual.method, usual.parts, round(interval * SECOND_NS))


def check_strategies(settings: Settings, instrument: Instrument) -> None:
    """Build every configured strategy once, and save its state, before anything is started for it.

    Raises UnknownName, InvalidValue or StrategyError: what was expected, what came and where.
    """
    for instance in instances_of(settings):
        registry.runner(instance.strategy, instance.parameters, instrument, settings.market.timeframe).save()
