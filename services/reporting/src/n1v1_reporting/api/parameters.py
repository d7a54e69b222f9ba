"""What may be asked. An unknown parameter is an error: a misspelt filter must not answer with everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NANOSECONDS = 1_000_000_000


def _written_as_iso(value: object) -> object:
    """Pydantic would also read a bare number as seconds; a time in a URL is one that people can read."""
    if not isinstance(value, str):
        raise ValueError("expected a time such as 2021-03-04T08:00")  # noqa: TRY004  # pydantic asks for it
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("expected a time such as 2021-03-04T08:00") from None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_written_as_iso), AfterValidator(_utc)]
"""ISO 8601; UTC without an offset."""


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * NANOSECONDS


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Nothing(Parameters):
    """For routes that take no parameter."""


class ListParameters(Parameters):
    symbol: str | None = None
    limit: int = Field(default=10, ge=1, le=10_000)


class EquityParameters(Parameters):
    start: Moment | None = None
    end: Moment | None = None
    points: int = Field(default=1_000, ge=2, le=100_000)
    """At most so many marks, evenly thinned; the last one is always there."""


class WhyParameters(Parameters):
    symbol: str
    time: Moment


class RunParameters(Parameters):
    full: bool = False
