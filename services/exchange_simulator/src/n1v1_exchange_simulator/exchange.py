"""The venue with its market and its journal: the one place that changes state.

Every command is applied, journalled and only then answered and told, without an await in between. When the journal
fails the venue's memory is ahead of its history: JournalError goes up and the process must end.

History is the commands and how far the market had moved before each: the market itself is recorded, and is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

from n1v1.errors import N1v1Error
from n1v1.simulation.rules import VenueRules
from n1v1.values import Instrument
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_exchange_simulator.command_records import (
    Amend,
    Cancel,
    CancelList,
    Command,
    Deposit,
    OpenAccount,
    Place,
    PlaceList,
    SetFees,
    SetTrading,
    command_of,
    record_of,
)
from n1v1_exchange_simulator.journal import Journal, JournalError, Record
from n1v1_exchange_simulator.market import MarketMemory
from n1v1_exchange_simulator.market_events import MarketEvent
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Source, Step, Tape
from n1v1_exchange_simulator.venue import NewOrder, NewOrderList, OrderReport, Refused, ReplayedVenue, Report

ReportListener = Callable[[Report], None]
MarketListener = Callable[[Sequence[MarketEvent]], None]
Balances = Mapping[str, int]
"""Units by asset."""
Rules = VenueRules | MatchingRules
"""Of a venue over bars, and of one over trades or depth."""


class WrongStep(Exception):
    """The market was asked to go where it cannot: back, or past the end of the data."""


class Exchange:
    def __init__(
        self,
        venue: ReplayedVenue,
        market: MarketMemory,
        source: Source,
        journal: Journal,
        accounts: Mapping[str, Balances],
    ) -> None:
        """Brings back what `journal` knows, then opens those of `accounts` that it does not.

        Raises:
            JournalError: the journal does not lead where it once led: the code has changed since, or the file.
        """
        self.venue = venue
        self.market = market
        self.source = source
        self.usual_fees = {symbol: venue.fee_rates_ppb(symbol) for symbol in venue.instruments}
        """By symbol, as the rules have them: (maker, taker) in parts per billion."""
        self.last_step: Step = ()
        """What happened at the current step; nothing before the first."""
        self.on_report: list[ReportListener] = []
        self.on_market: list[MarketListener] = []
        self.on_time: list[Callable[[], None]] = []
        """Told when the market's time has moved, after everybody has heard what happened."""
        self.alarms: list[Callable[[int], int | None]] = []
        """Each answers the next moment after one that must not be passed without being told on_time; None: none."""
        self._tape = Tape(source)
        self._journal = journal
        self._last_report = 0
        for line, record in enumerate(journal.records, start=2):
            self._repeat(line, record)
        for account, balances in accounts.items():
            if account not in venue.accounts():
                self._do(OpenAccount(account=account, balances=dict(balances)))

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.source.instruments

    # --- the market --------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """How many steps of the recording have happened."""
        return self._tape.position

    @property
    def clock_ns(self) -> int:
        """The market's time: of the last step, and before it the beginning of the recording."""
        return max(self.venue.clock_ns, self.source.first_ns)

    @property
    def next_ns(self) -> int | None:
        """When the next step happens; None at the end of the data."""
        return self._tape.next_ns

    @property
    def is_done(self) -> bool:
        return self._tape.is_done

    def advance(self, step: int) -> Step:
        """Let the market move on up to `step`, and answer what happened there; the current one is answered again.

        Raises WrongStep for one that is behind, and, after what there is, for one past the end of the data.
        """
        if step < self.step:
            raise WrongStep(f"the venue is at step {self.step}, and time does not go back to {step}")
        if step > self.step and not self.is_done:
            self._move(lambda: self.step < step)
        if step > self.step:
            raise WrongStep(f"the data ends at step {self.step}; there is no step {step}")
        return self.last_step

    def advance_until(self, ts_ns: int, *, steps: int | None = None) -> None:
        """Let everything happen that is due at `ts_ns` or before, but at most so many steps."""
        last = None if steps is None else self.step + steps
        self._move(lambda: self._is_due(ts_ns) and self.step != last, until_ns=ts_ns)

    def advance_before(self, ts_ns: int) -> None:
        """Let everything happen that is due before `ts_ns`, and let it be that time: what ends with it has ended."""
        self._move(lambda: self._is_due(ts_ns - 1), until_ns=ts_ns)

    def advance_by(self, steps: int) -> None:
        """So many steps further, or to the end of the data."""
        last = self.step + steps
        if steps and not self.is_done:
            self._move(lambda: self.step < last)

    def _is_due(self, ts_ns: int) -> bool:
        return self.next_ns is not None and self.next_ns <= ts_ns

    def _move(self, goes_on: Callable[[], bool], *, until_ns: int = 0) -> None:
        """until_ns: time passes up to there once no step is due before it. An alarm on the way is rung."""
        while True:
            alarm_ns = self._next_alarm_ns()
            self._move_to(alarm_ns, goes_on, until_ns)
            if alarm_ns is None or self.clock_ns < alarm_ns:
                return

    def _next_alarm_ns(self) -> int | None:
        moments = (alarm(self.clock_ns) for alarm in self.alarms)
        return min((moment for moment in moments if moment is not None), default=None)

    def _is_before(self, alarm_ns: int | None) -> bool:
        """Whether the next step is. Of bars, the one that closes at a moment belongs to what was before it."""
        if alarm_ns is None:
            return True
        if self.source.quality is Quality.BARS:
            return self.clock_ns < alarm_ns
        return self.next_ns is not None and self.next_ns < alarm_ns

    def _move_to(self, alarm_ns: int | None, goes_on: Callable[[], bool], until_ns: int) -> None:
        """One line of the journal for everything that happens up to an alarm, written before anybody hears of it."""
        step, clock_ns = self.step, self.venue.clock_ns
        reports: list[Report] = []
        public: list[MarketEvent] = []
        while not self.is_done and goes_on() and self._is_before(alarm_ns):
            reports += self._take_step()
            public += self._public()
        if alarm_ns is not None and (until_ns >= alarm_ns or (not self.is_done and goes_on())):
            until_ns = alarm_ns
        if not self._is_due(until_ns - 1):
            reports += self._counted(self.venue.pass_time(until_ns))
            public += self._public()
        if (self.step, self.venue.clock_ns) != (step, clock_ns):
            self._write({"do": "advance", "step": self.step, "clock_ns": self.venue.clock_ns})
            self._tell(reports, public)
            for told in self.on_time:
                told()

    def _take_step(self) -> Sequence[Report]:
        self.last_step = self._tape.take()
        return self._counted(self.venue.apply_step(self.last_step))

    # --- commands ----------------------------------------------------------------------------------------------

    def place(self, account: str, order: NewOrder) -> Sequence[Report] | Refused:
        return self._do(Place(account=account, order=order))

    def test(self, account: str, order: NewOrder) -> Refused | None:
        return self.venue.test(account, order)

    def place_list(self, account: str, orders: NewOrderList) -> Sequence[Report] | Refused:
        return self._do(PlaceList(account=account, orders=orders))

    def cancel(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        return self._do(Cancel(account=account, symbol=symbol, number=number, name=name))

    def cancel_list(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        return self._do(CancelList(account=account, symbol=symbol, number=number, name=name))

    def amend(
        self, account: str, symbol: str, number: int, *, lots: int, client_order_id: str
    ) -> Sequence[Report] | Refused:
        return self._do(
            Amend(account=account, symbol=symbol, number=number, lots=lots, client_order_id=client_order_id)
        )

    def deposit(self, account: str, asset: str, change: int) -> Sequence[Report] | Refused:
        return self._do(Deposit(account=account, asset=asset, change=change))

    def set_trading(self, symbol: str, *, is_open: bool) -> None:
        self._do(SetTrading(symbol=symbol, is_open=is_open))

    def set_fees(self, symbol: str, *, maker_ppb: int, taker_ppb: int) -> None:
        self._do(SetFees(symbol=symbol, maker_ppb=maker_ppb, taker_ppb=taker_ppb))

    def _do(self, command: Command) -> Sequence[Report] | Refused:
        answer = command.apply(self.venue)
        if isinstance(answer, Refused):
            return answer
        reports = self._counted(answer)
        public = self._public()
        self._write(record_of(command) | {"step": self.step})
        self._tell(reports, public)
        return reports

    def _write(self, record: Record) -> None:
        """What has just been applied, as a line of the journal."""
        reached(CrashPoint.BEFORE_JOURNAL)
        self._journal.append(record | {"reports": self._last_report})
        reached(CrashPoint.COMMITTED_NOT_PUBLISHED)

    def _counted(self, reports: Sequence[Report]) -> Sequence[Report]:
        for report in reports:
            if isinstance(report, OrderReport):
                self._last_report = report.number
        return reports

    def _public(self) -> list[MarketEvent]:
        return self.market.remember(self.venue.take_public(), self.venue.clock_ns)

    def _tell(self, reports: Sequence[Report], public: Sequence[MarketEvent]) -> None:
        """Accounts hear of their orders before everybody hears of the market."""
        for report in reports:
            for hear in self.on_report:
                hear(report)
        if public:
            for listen in self.on_market:
                listen(public)

    # --- recovery ----------------------------------------------------------------------------------------------

    def _repeat(self, line: int, record: Record) -> None:
        """Apply one journalled command again; nobody listens yet."""
        try:
            self._apply(record)
        except (N1v1Error, KeyError, ValueError, TypeError, _Contradiction) as error:
            raise JournalError(f"line {line} of the journal cannot be repeated: {error}") from error

    def _apply(self, record: Record) -> None:
        while self.step < record["step"] and not self.is_done:
            self._take_step()
            self._public()
        if self.step != record["step"]:
            raise _Contradiction(f"it was written at step {record['step']}, and the market is at {self.step}")
        if record["do"] == "advance":
            self._counted(self.venue.pass_time(record["clock_ns"]))
            self._public()
        else:
            answer = command_of(record).apply(self.venue)
            if isinstance(answer, Refused):
                raise _Contradiction(f"it was accepted once, now the venue says {answer.code} {answer.reason}")
            self._counted(answer)
            self._public()
        if self._last_report != record["reports"]:
            raise _Contradiction(f"it led to report {record['reports']} once, now to {self._last_report}")


class _Contradiction(Exception):
    """The journal says one thing and the venue another."""


def history_identity(
    source: Source,
    rules: Rules,
    accounts: Mapping[str, Balances],
    by_symbol: Mapping[str, MatchingRules] | None = None,
) -> dict[str, str]:
    """What a journal is only valid for. A change of any of it would give the same commands another outcome."""
    opening = sorted((account, sorted(balances.items())) for account, balances in accounts.items())
    own = [(symbol, _in_order(each)) for symbol, each in sorted((by_symbol or {}).items())]
    config = repr((source.quality.value, source.instruments, _in_order(rules), opening, own))
    return {"dataset": source.identity, "configuration": hashlib.sha256(config.encode()).hexdigest()}


def _in_order(rules: Rules) -> list[tuple[str, object]]:
    """Its fields; sets are sorted, because each process writes them in an order of its own."""
    values = [(field.name, getattr(rules, field.name)) for field in fields(rules)]
    return [(name, sorted(value) if isinstance(value, frozenset) else value) for name, value in values]
