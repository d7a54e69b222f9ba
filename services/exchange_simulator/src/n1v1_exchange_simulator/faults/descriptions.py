"""Every fault there is, as people and scripts write it. Unknown fields and values out of range are refused."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from math import exp
from random import Random
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from n1v1.errors import InvalidData, nearest

CALL = "CALL"
"""Stands for the HTTP method where the request is one of the WebSocket API; the path is its method's name."""

Seconds = Annotated[float, Field(ge=0, le=7 * 86_400)]
Milliseconds = Annotated[float, Field(ge=0, le=86_400_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class FaultError(InvalidData):
    """A fault that cannot be had as it is described."""


class Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)


class Delay(Described):
    """Lognormal around its median (sigma 0: always the median), and now and then a spike on top."""

    median_ms: Milliseconds
    sigma: Annotated[float, Field(ge=0, le=3)] = 0.0
    spike_probability: Share = 0.0
    spike_ms: Milliseconds = 0.0

    def draw_s(self, rng: Random) -> float:
        usual = self.median_ms * exp(rng.gauss(0.0, self.sigma)) if self.sigma else self.median_ms
        is_spike = rng.random() < self.spike_probability
        return (usual + (self.spike_ms if is_spike else 0.0)) / 1_000


class Subject(BaseModel):
    """What a fault may fire on: a request, a connection or a message."""

    model_config = ConfigDict(frozen=True)

    method: str = ""
    path: str = ""
    account: str = ""
    symbol: str = ""
    event: str = ""


class Fault(Described):
    """name: given by the venue where it is empty. starts, ends: of the venue's time; without them always.

    seed: of its own; without one that of the run. Each fault draws by itself, from the seed and its name.
    """

    kind: str
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    seed: int | None = None

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Fault:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError(f"starts ({self.starts.isoformat()}) must be before ends ({self.ends.isoformat()})")
        return self

    def concerns(self, subject: Subject) -> bool:
        del subject
        return True

    def is_due(self, venue_ns: int) -> bool:
        """Whether the venue's time is within starts (inclusive) and ends (exclusive)."""
        is_early = self.starts is not None and venue_ns < nanoseconds(self.starts)
        return not is_early and (self.ends is None or venue_ns < nanoseconds(self.ends))


class Counted(Fault):
    """Fires on what it concerns: not on the first `skip`, then with `probability`, and `count` times at most."""

    probability: Share = 1.0
    skip: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)] | None = None


# --- requests: REST, and calls of the WebSocket API --------------------------------------------------------------


class RequestMatch(Counted):
    """method: of HTTP, or CALL. path: as in /api/v3/order or order.place; * stands for anything."""

    method: Literal["GET", "POST", "PUT", "DELETE", "CALL"] | None = None
    path: str = "*"
    account: str | None = None
    symbol: str | None = None

    def concerns(self, subject: Subject) -> bool:
        return (
            self.method in (None, subject.method)
            and fnmatchcase(subject.path, self.path)
            and self.account in (None, subject.account)
            and (self.symbol is None or _same_symbol(self.symbol, subject.symbol))
        )


class RequestFault(RequestMatch):
    """Fires when the request arrives."""


class QueryFault(RequestMatch):
    """Fires when it has something to change in the answer to a query."""


class Latency(RequestFault):
    """On the way to the engine, and on the way back."""

    kind: Literal["latency"]
    before: Delay | None = None
    after: Delay | None = None


class HangBefore(RequestFault):
    """The request never reaches the engine, and nothing comes back. for_s: then the connection is cut; None: never."""

    kind: Literal["hang_before"]
    for_s: Seconds | None = None


class HangAfter(RequestFault):
    """The engine does what was asked, and nothing comes back: an order may be open and nobody was told."""

    kind: Literal["hang_after"]
    for_s: Seconds | None = None


class DropBefore(RequestFault):
    """The connection is reset before the engine has seen the request."""

    kind: Literal["drop_before"]


class DropAfter(RequestFault):
    """The connection is reset after the engine has done what was asked."""

    kind: Literal["drop_after"]


class HttpError(RequestFault):
    """What a load balancer says instead of the venue. 403 and 5xx are pages of HTML, 418 and 429 the venue's JSON; a
    call of the WebSocket API gets an error with that status, and -1000 for all but 418 and 429."""

    kind: Literal["http_error"]
    status: Literal[403, 418, 429, 500, 502, 503, 504]
    when: Literal["before", "after"] = "before"
    retry_after_s: Annotated[int, Field(ge=0)] | None = None


class ApiRefusal(RequestFault):
    """Any of the venue's own error bodies."""

    kind: Literal["api_error"]
    code: Annotated[int, Field(lt=0)]
    msg: str
    status: Annotated[int, Field(ge=400, le=599)] = 400
    when: Literal["before", "after"] = "before"


class TimeoutAfter(RequestFault):
    """-1007 although the engine did what was asked."""

    kind: Literal["timeout_after"]


class Overloaded(RequestFault):
    """-1008: the engine has not seen the request."""

    kind: Literal["overloaded"]


class InvalidKey(RequestFault):
    """-2015, of a key that worked a moment ago."""

    kind: Literal["invalid_key"]


class Maintenance(RequestFault):
    """-1001 for everything that it concerns."""

    kind: Literal["maintenance"]


class Ban(RequestFault):
    """418 from its first firing on, for so long; then it lets everything pass."""

    kind: Literal["ban"]
    for_s: Annotated[int, Field(ge=1, le=3 * 86_400)] = 120


class OrderNotVisible(QueryFault):
    """Queries come from a replica that lags: -2013, and missing from lists, for so long after an order was accepted."""

    kind: Literal["order_not_visible"]
    delay_ms: Milliseconds


class StaleAccount(QueryFault):
    """The answer of /api/v3/account, or account.status, comes from a cache that is renewed so often."""

    kind: Literal["stale_account"]
    age_ms: Milliseconds


class DuplicateDelivery(RequestFault):
    """The engine gets the request twice; the client gets one of the answers."""

    kind: Literal["duplicate_delivery"]
    answer: Literal["first", "second"] = "first"


class RefuseConnection(Counted):
    """A WebSocket handshake is answered with an error. path: /ws*, /stream* or /ws-api/v3."""

    kind: Literal["refuse_connection"]
    path: str = "*"
    status: Literal[429, 503] = 503
    retry_after_s: Annotated[int, Field(ge=0)] | None = None

    def concerns(self, subject: Subject) -> bool:
        return fnmatchcase(subject.path, self.path)


# --- the venue's clock -------------------------------------------------------------------------------------------


class Clock(Fault):
    """What the venue takes for the time, in /time and in the check of timestamps. drift: from its start on."""

    kind: Literal["clock"]
    offset_ms: Annotated[float, Field(ge=-86_400_000, le=86_400_000)] = 0.0
    drift_ppm: Annotated[float, Field(ge=-500_000, le=500_000)] = 0.0


# --- WebSocket connections ---------------------------------------------------------------------------------------


class ConnectionFault(Counted):
    """Concerns each connection once. after_s: of its life, and of the fault's.

    path: /ws*, /stream* or /ws-api/v3. account: whose user data it carries.
    """

    path: str = "*"
    account: str | None = None
    after_s: Seconds = 0.0

    def concerns(self, subject: Subject) -> bool:
        return fnmatchcase(subject.path, self.path) and self.account in (None, subject.account)


class CloseConnection(ConnectionFault):
    """In order, with a code. With after_s it is the cut after 24 hours, scaled."""

    kind: Literal["close_connection"]
    code: Annotated[int, Field(ge=1000, le=4999)] = 1001
    reason: Annotated[str, Field(max_length=100)] = ""

    @model_validator(mode="after")
    def _a_code_that_can_be_sent(self) -> CloseConnection:
        if self.code in (1005, 1006, 1015):
            raise ValueError(f"{self.code} is never sent, it says that nothing was: use abort_connection")
        return self


class AbortConnection(ConnectionFault):
    """TCP reset; clients report it as 1006."""

    kind: Literal["abort_connection"]


class HalfOpen(ConnectionFault):
    """The connection stands, but nothing is read or written any more, and pings are not answered."""

    kind: Literal["half_open"]


class Stall(ConnectionFault):
    """Nothing is written for so long, then everything at once."""

    kind: Literal["stall"]
    for_s: Seconds


class ServerShutdown(ConnectionFault):
    """The serverShutdown event, and the end after `notice_s`."""

    kind: Literal["server_shutdown"]
    notice_s: Seconds = 10.0


class SlowConsumer(ConnectionFault):
    """The connection is reset as soon as more than so much waits to be read by the client."""

    kind: Literal["slow_consumer"]
    bytes_max: Annotated[int, Field(ge=0)]


class IncomingLimit(ConnectionFault):
    """The connection is closed when the client says more than this in a second."""

    kind: Literal["incoming_limit"]
    messages_per_s: Annotated[int, Field(ge=1)] = 5


class StreamTerminated(ConnectionFault):
    """eventStreamTerminated: the user data stream ends, the connection stays. Of connections that carry one."""

    kind: Literal["event_stream_terminated"]

    def concerns(self, subject: Subject) -> bool:
        return bool(subject.account) and super().concerns(subject)


# --- messages that the venue sends on a connection -----------------------------------------------------------------


class MessageFault(Counted):
    """event: its "e" (depthUpdate, trade, executionReport, ...), bookTicker, or * for all."""

    event: str = "*"
    symbol: str | None = None
    path: str = "*"

    def concerns(self, subject: Subject) -> bool:
        return (
            fnmatchcase(subject.event, self.event)
            and fnmatchcase(subject.path, self.path)
            and (self.symbol is None or _same_symbol(self.symbol, subject.symbol))
        )


class DropMessage(MessageFault):
    """Of depthUpdate: a gap. Of executionReport: an event that the client never hears."""

    kind: Literal["drop_message"]


class DuplicateMessage(MessageFault):
    kind: Literal["duplicate_message"]


class DelayMessage(MessageFault):
    """Later messages may overtake it."""

    kind: Literal["delay_message"]
    delay: Delay


class ReorderMessages(MessageFault):
    """The message comes after the next one of its event and symbol."""

    kind: Literal["reorder_messages"]


# --- the market ----------------------------------------------------------------------------------------------------


class MarketFault(Fault):
    """symbol: as in BTCUSDT or BTC-USD; without one all."""

    symbol: str | None = None

    def concerns(self, subject: Subject) -> bool:
        return self.symbol is None or _same_symbol(self.symbol, subject.symbol)


class RuleFault(MarketFault):
    """Changes what the venue accepts, at any time."""


class RecordingFault(MarketFault):
    """Changes what was recorded. Another recording needs another journal, so it belongs in the script of the start."""


class SymbolHalt(RuleFault):
    """New orders are refused: Market is closed. Nothing trades; orders that rest can be cancelled."""

    kind: Literal["symbol_halt"]
    status: Literal["HALT", "BREAK", "CANCEL_ONLY"] = "HALT"


class FeeChange(RuleFault):
    """What executions cost from then on, in hundredths of a percent. Stands in the journal: a restart keeps it."""

    kind: Literal["fee_change"]
    maker_bps: Annotated[Decimal, Field(ge=0, lt=10_000, max_digits=9, decimal_places=5)]
    taker_bps: Annotated[Decimal, Field(ge=0, lt=10_000, max_digits=9, decimal_places=5)]


class DataGap(RecordingFault):
    """What was recorded in this time does not happen: no bars, no trades; the book stands still, and then jumps."""

    kind: Literal["data_gap"]


class FlashCrash(RecordingFault):
    """Prices fall by `depth` (0.2: a fifth) until the middle of starts and ends, and come back until its end.

    A negative depth is a spike upwards.
    """

    kind: Literal["flash_crash"]
    starts: AwareDatetime
    ends: AwareDatetime
    depth: Annotated[float, Field(gt=-5, lt=1)]


class WideSpread(RecordingFault):
    """Bids are lower and asks higher by so many hundredths of a percent of their price, and so are trades at them."""

    kind: Literal["wide_spread"]
    bps: Annotated[float, Field(gt=0, lt=10_000)]


class ThinBook(RecordingFault):
    """Of what rests in the recorded book, and of the volume of bars and trades, only this share is there."""

    kind: Literal["thin_book"]
    keep: Share


class TickSize(RuleFault):
    """Orders must be multiples of so many of the instrument's ticks, and exchangeInfo says so."""

    kind: Literal["tick_size"]
    ticks: Annotated[int, Field(ge=1)]


AnyFault = Annotated[
    Latency
    | HangBefore
    | HangAfter
    | DropBefore
    | DropAfter
    | HttpError
    | ApiRefusal
    | TimeoutAfter
    | Overloaded
    | InvalidKey
    | Maintenance
    | Ban
    | OrderNotVisible
    | StaleAccount
    | DuplicateDelivery
    | RefuseConnection
    | Clock
    | CloseConnection
    | AbortConnection
    | HalfOpen
    | Stall
    | ServerShutdown
    | SlowConsumer
    | IncomingLimit
    | StreamTerminated
    | DropMessage
    | DuplicateMessage
    | DelayMessage
    | ReorderMessages
    | SymbolHalt
    | FeeChange
    | DataGap
    | FlashCrash
    | WideSpread
    | ThinBook
    | TickSize,
    Field(discriminator="kind"),
]

_FAULT: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(described: object) -> AnyFault:
    """Raises FaultError with one line for each thing that is wrong: where, what was expected, what was found."""
    try:
        return _FAULT.validate_python(described)
    except ValidationError as error:
        raise FaultError("; ".join(_complaint(problem) for problem in error.errors(include_url=False))) from None


def schema() -> dict[str, Any]:
    """JSON Schema of a fault."""
    return _FAULT.json_schema()


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000


def _complaint(problem: Any) -> str:  # Any: pydantic's ErrorDetails, which it does not export with its keys
    if problem["type"] == "union_tag_invalid":
        kinds = re.findall(r"\w+", problem["ctx"]["expected_tags"])
        return f"kind: there is no {problem['ctx']['tag']!r}{nearest(problem['ctx']['tag'], kinds)}"
    where = ".".join(str(part) for part in problem["loc"]) or "fault"
    found = problem["input"]
    shown = "" if isinstance(found, dict) else f" (found {found!r})"
    return f"{where}: {problem['msg']}{shown}"


def _same_symbol(one: str, other: str) -> bool:
    return _bare(one) == _bare(other)


def _bare(symbol: str) -> str:
    return symbol.replace("-", "").replace("/", "").upper()
