"""The risk stage behind the bus: commits its verdicts, and shows the breaker to the other services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from n1v1.events import (
    BarClosed,
    BreakerChanged,
    BreakerCommand,
    CommandCarriedOut,
    DecisionsComplete,
    EquityMarked,
    Event,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    RiskModeChanged,
    SignalsComplete,
)
from n1v1.risk.halts import MARKET, Operation
from n1v1.risk.invariants import Broken, Invariants
from n1v1.risk.stage import Risk
from n1v1_common.stage.loop import StageLoop
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.storage.journal import Effect
from n1v1_common.telemetry.metrics import Metrics
from n1v1_risk.staleness import MarketWatch

log = structlog.get_logger()

BOOKKEEPING = "bookkeeping"
"""The actor of halts for an invariant that is broken."""
SHOW_EVERY_S = 1.0
NOBODY_SPOKE = 20
"""So many times longer than for a single silent worker risk waits while none has said a word about a bar time: they may
all be slow. Then it decides alone, because time exits, the breaker and emergencies must not depend on them."""


class RiskHandler:
    """account: whose risk this is. The breaker's state is in the journal; the flag is a copy that others read.

    invariants: what is held against one another of what risk hears; what is broken halts its scope.
    watch: outside lockstep, which symbols have no bars in time.
    """

    def __init__(
        self,
        *,
        account: str,
        stage: Risk,
        invariants: Invariants,
        flags: BreakerFlags,
        metrics: Metrics,
        watch: MarketWatch | None = None,
    ) -> None:
        self._account = account
        self._stage = stage
        self._invariants = invariants
        self._flags = flags
        self._watch = watch
        self._metrics = metrics
        self._breaker_gauge = metrics.gauge("risk_breaker_open", account=account)
        self._must_show = True
        self.undecided: dict[int, float] = {}
        """Bar times that are waited for, and since when by the loop's clock. After a restart the wait begins anew."""
        self._marked: dict[int, float] = {}
        """The same for bar times of which the equity is known, whether or not a worker has said a word."""

    async def handle(self, event: Event) -> Sequence[Event]:
        said = self._halted(self._broken_before(event), event)
        answers = self._stage.handle(event)
        said += [*answers, *self._halted(self._broken_after(event, answers), event)]
        if isinstance(event, BarClosed) and self._watch is not None:
            said += self._judge_age(event, self._watch)
        self._begin_to_wait(event)
        for answer in said:
            self._note(answer)
        return said

    def _broken_before(self, event: Event) -> Sequence[Broken]:
        """What is found in what others say, before anything is decided on it."""
        match event:
            case EquityMarked() if event.account == self._account:
                return self._invariants.check_mark(event)
            case OrderFilled() if event.account == self._account:
                return self._invariants.check_fill(event)
            case _:
                return ()

    def _broken_after(self, event: Event, answers: Sequence[Event]) -> Sequence[Broken]:
        """What is found in our own books after a step."""
        match event:
            case OperatorCommand() if event.operation is Operation.RESUME and event.account == self._account:
                self._invariants.forgive(event.scope)
            case BreakerCommand() if not event.open and event.account == self._account:
                self._invariants.forgive(event.scope)
            case OrderFilled() | OrderRejected() | OrderCancelled() | OrderExpired() if event.account == self._account:
                return [*self._checked(answers), *self._invariants.check_reserved()]
            case _:
                pass
        return self._checked(answers)

    def _checked(self, answers: Sequence[Event]) -> list[Broken]:
        orders = (answer for answer in answers if isinstance(answer, OrderApproved))
        return [broken for order in orders for broken in self._invariants.check_order(order)]

    def _halted(self, found: Sequence[Broken], cause: Event) -> list[Event]:
        """Nothing new in its scope before somebody has looked; exits go on."""
        said: list[Event] = []
        for number, broken in enumerate(found):
            words = {"invariant": broken.invariant, "scope": str(broken.scope), "what": broken.what}
            log.error("the books are wrong", cause=cause.id, **words)
            self._metrics.counter("risk_invariants_broken_total", invariant=broken.invariant).inc()
            said += self._stage.handle(
                OperatorCommand(
                    id=f"invariant:{self._account}:{cause.id}:{number}:{broken.invariant}",
                    ts_ns=cause.ts_ns,
                    cause_id=cause.id,
                    correlation_id=cause.correlation_id,
                    account=self._account,
                    operation=Operation.HALT,
                    scope=broken.scope,
                    reason=f"the books are wrong: {broken.what}",
                    actor=BOOKKEEPING,
                )
            )
        return said

    def _begin_to_wait(self, event: Event) -> None:
        if isinstance(event, SignalsComplete | EquityMarked) and self._stage.waits_for(event.ts_ns):
            waiting = self.undecided if isinstance(event, SignalsComplete) else self._marked
            waiting.setdefault(event.ts_ns, asyncio.get_running_loop().time())

    def overdue(self, wait_s: float) -> list[int]:
        """Bar times that were waited for long enough and can be decided, the oldest first."""
        now = asyncio.get_running_loop().time()
        late = {ts_ns for ts_ns, since in self.undecided.items() if now - since >= wait_s}
        late |= {ts_ns for ts_ns, since in self._marked.items() if now - since >= wait_s * NOBODY_SPOKE}
        return sorted(ts_ns for ts_ns in late if "equity" not in self._stage.waits_for(ts_ns))

    def _wait_no_more(self, decided_ns: int) -> None:
        self.undecided = {ts_ns: since for ts_ns, since in self.undecided.items() if ts_ns > decided_ns}
        self._marked = {ts_ns: since for ts_ns, since in self._marked.items() if ts_ns > decided_ns}

    def _judge_age(self, bar: BarClosed, watch: MarketWatch) -> Sequence[Event]:
        """A bar that comes in time ends the pause of its symbol; one that is old begins it."""
        if watch.hear(bar):
            return self._stage.mark_fresh(bar.symbol, bar.ts_ns)
        return self._stage.mark_stale(bar.symbol, bar.ts_ns)

    def pause_silent(self, silent: Sequence[tuple[str, int]]) -> Sequence[Event]:
        said = [event for symbol, last_ns in silent for event in self._stage.mark_stale(symbol, last_ns)]
        for event in said:
            self._note(event)
        return said

    def is_paused(self, symbol: str) -> bool:
        return any(halt.actor == MARKET and halt.scope.symbol == symbol for halt in self._stage.halts)

    def _note(self, event: Event) -> None:
        match event:
            case OrderApproved():
                self._metrics.counter("risk_decisions_total", outcome="approved", reason="").inc()
            case OrderRefused():
                self._metrics.counter("risk_decisions_total", outcome="refused", reason=event.reason).inc()
                log.info("order refused", signal=event.signal_id, reason=event.reason, detail=event.detail)
            case DecisionsComplete():
                self._wait_no_more(event.ts_ns)
            case BreakerChanged():
                self._must_show = True
                log.warning("breaker changed", is_open=event.is_open, reason=event.reason, actor=event.actor)
            case RiskModeChanged():
                log.warning("risk mode changed", before=event.before, after=event.after, reason=event.reason)
            case HaltsChanged():
                self._must_show = True
                log.warning("halts changed", halts=[str(halt) for halt in event.halts])
            case CommandCarriedOut():
                words = {"operation": event.operation, "scope": str(event.scope), "actor": event.actor}
                log.warning("command carried out", has_changed=event.has_changed, detail=event.detail, **words)
            case _:
                pass

    async def after_step(self) -> None:
        """Show a change at once. Without Redis risk goes on: readers halt, and `keep_showing` tries again."""
        if self._must_show:
            self._must_show = False
            await self.try_to_show()

    async def try_to_show(self) -> None:
        try:
            await self.show_breaker()
        except StateUnavailable as error:
            log.warning("the breaker flag cannot be written; readers halt", reason=str(error))

    async def show_breaker(self) -> None:
        """Write the flag unless it is there already. Repeated, it comes back after Redis lost it."""
        reason, version = self._stage.breaker_reason, self._stage.breaker_version
        if reason is None:
            await self._flags.close(self._account, version=version, halts=self._stage.halts)
        else:
            await self._flags.open(self._account, reason=reason, version=version)
        self._breaker_gauge.set(reason is not None)

    def decide_without_waiting(self, ts_ns: int) -> Sequence[Event]:
        """Decide a bar time whose wait is over, and record what it did not wait for."""
        missing = self._stage.waits_for(ts_ns)
        said = self._stage.decide_without_waiting(ts_ns)
        said += [event for answer in list(said) for event in self._halted(self._checked([answer]), answer)]
        for event in said:
            self._note(event)
        if said and missing:
            log.warning("decided without waiting longer", bar_close_ns=ts_ns, missing=missing)
        return said

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        return ()

    def open_causes(self) -> Collection[str]:
        return self._stage.undecided_signal_ids()

    def snapshot(self) -> dict[str, Any]:
        return self._stage.snapshot() | {"invariants": self._invariants.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._stage.restore(saved)
        self._invariants.restore(saved.get("invariants"))
        self._must_show = True
        now = asyncio.get_running_loop().time()
        batches = {int(ts_ns): batch for ts_ns, batch in saved["batches"]}
        self.undecided = {ts: self.undecided.get(ts, now) for ts, batch in batches.items() if batch["partitions"]}
        self._marked = {ts: self._marked.get(ts, now) for ts, batch in batches.items() if batch["equity"]}


async def keep_showing(handler: RiskHandler) -> None:
    """Readers take a missing flag for an open breaker, so a flag that got lost must come back by itself."""
    while True:
        await asyncio.sleep(SHOW_EVERY_S)
        await handler.try_to_show()


async def pause_silent_symbols(handler: RiskHandler, loop: StageLoop, watch: MarketWatch) -> None:
    """A strategy decides on bars; while they do not come, what it said last is no reason to enter."""
    while True:
        await asyncio.sleep(watch.look_every_s)
        silent = [found for found in watch.silent() if not handler.is_paused(found[0])]
        if silent:
            await loop.act(partial(handler.pause_silent, silent))


async def decide_late_batches(
    handler: RiskHandler, loop: StageLoop, *, wait_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Live and paper only: a worker that died must not hold up the others for longer than `wait_s`, and all of them
    together not hold up exits and the breaker."""
    while True:
        await sleep(wait_s / 4)
        for ts_ns in handler.overdue(wait_s):
            await loop.act(partial(handler.decide_without_waiting, ts_ns))
