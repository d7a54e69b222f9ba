"""What a service's /readyz says, in one line."""

from __future__ import annotations

import json


def explain(body: str) -> str:
    """`bus ok, postgres: connection refused` from the checks in the body; other text as it is, on one line."""
    try:
        checks = json.loads(body)["checks"]
        return ", ".join(f"{name} ok" if said == "ok" else f"{name}: {said}" for name, said in checks.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(body.split())
