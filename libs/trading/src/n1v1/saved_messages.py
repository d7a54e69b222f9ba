"""Messages that a stage keeps in its state until their bar time is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from n1v1.events import Event


def known_fields(kind: type[Event], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Of a saved message what this release knows. A later one may have saved more before it was taken back; that is
    left out, as it is from a message on the bus."""
    return {field.name: saved[field.name] for field in fields(kind) if field.name in saved}
