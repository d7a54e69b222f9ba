"""A script: a file of faults, each at its venue time. TOML ([[faults]]), YAML or JSON (a list, or {faults, seed})."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from n1v1_exchange_simulator.faults.descriptions import AnyFault, FaultError, fault_of

FORMATS = (".toml", ".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Script:
    """seed: of the run, when the file names one."""

    faults: tuple[AnyFault, ...]
    seed: int | None = None


def read_script(path: Path) -> Script:
    """Raises FaultError, which names the file and the fault."""
    if path.suffix.lower() not in FORMATS:
        raise FaultError(f"{path}: a script of faults ends in {', '.join(FORMATS)}")
    try:
        content = _parsed(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FaultError(f"{path} cannot be read: {error}") from error
    described, seed = _parts(path, content)
    return Script(tuple(_fault(path, number, one) for number, one in enumerate(described, start=1)), seed)


def _parsed(path: Path) -> Any:  # Any: whatever the file holds
    text = path.read_text(encoding="utf-8")
    match path.suffix.lower():
        case ".toml":
            return tomllib.loads(text)
        case ".json":
            return json.loads(text)
        case _:
            return yaml.safe_load(text)


def _parts(path: Path, content: Any) -> tuple[list[Any], int | None]:
    if isinstance(content, list):
        return content, None
    if not isinstance(content, dict) or not isinstance(content.get("faults"), list):
        raise FaultError(f"{path}: expected a list of faults, below `faults` where there is more in the file")
    if unknown := sorted(content.keys() - {"faults", "seed"}):
        raise FaultError(f"{path}: expected faults and seed, found {', '.join(map(str, unknown))} too")
    seed = content.get("seed")
    if seed is not None and not isinstance(seed, int):
        raise FaultError(f"{path}: seed must be a whole number, found {seed!r}")
    return content["faults"], seed


def _fault(path: Path, number: int, described: object) -> AnyFault:
    try:
        return fault_of(described)
    except FaultError as error:
        raise FaultError(f"{path}, fault {number}: {error}") from None
