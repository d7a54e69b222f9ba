"""What a strategy may wish of an order, and what cannot go together in one."""

from __future__ import annotations

from n1v1.events import Action, Wish
from n1v1.styles import StyleRules
from n1v1.values import TimeInForce


def why_impossible(wish: Wish, action: Action, mark_ticks: int, styles: StyleRules) -> str:
    """What is wrong with the order that is wished for; empty when nothing is. mark_ticks: 0 while there is none."""
    if wish.is_plain:
        return ""
    side = 1 if action is Action.BUY else -1
    if wish.trigger_ticks is not None and wish.style is not None:
        return "an order with a trigger is sent whole, without a way of execution"
    if wish.is_post_only and (wish.limit_ticks is None or wish.trigger_ticks is not None):
        return "a post-only order needs a limit, and no trigger"
    is_at_once = wish.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if is_at_once and (wish.is_post_only or wish.trigger_ticks is not None):
        return f"{wish.time_in_force} is for orders that take at once: not with a trigger, nor post-only"
    if wish.trigger_ticks is not None and mark_ticks and (wish.trigger_ticks - mark_ticks) * side <= 0:
        return "the price has passed the trigger: it has to be above the price to buy, below it to sell"
    return styles.why_impossible(wish.style)
