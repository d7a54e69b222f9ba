"""What the sections of the settings are made of."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _split_commas(value: object) -> object:
    """Environment and --set give text: "BTC-USD,ETH-USD" means two symbols."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
Paths = Annotated[tuple[Annotated[Path, AfterValidator(Path.expanduser)], ...], BeforeValidator(_split_commas)]
Fraction = Annotated[Decimal, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
