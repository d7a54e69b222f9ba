"""A release after this one, made on the spot: signals and approvals have one field more, and it is filled in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import n1v1
from chaos.replay import RunningReplay
from n1v1.events import OrderApproved, SignalRaised
from n1v1_cli.stack.service import Service
from n1v1_common.codec.generate import PROTO, generate

FIELD, NUMBER = "release", 30
SAYS = "next"
_MESSAGES = {SignalRaised: "signals/v1/signals.proto", OrderApproved: "risk/v1/risk.proto"}


def build(folder: Path) -> Path:
    """Its packages, in a folder that has to come first on PYTHONPATH: the core, and the classes of the messages."""
    proto = folder / "proto"
    shutil.copytree(PROTO, proto)
    for event, file in _MESSAGES.items():
        added = f"message {event.__name__} {{\n  string {FIELD} = {NUMBER};"
        change(proto / "n1v1_messages" / file, f"message {event.__name__} {{", added)
    packages = folder / "packages"
    core = packages / "n1v1"
    shutil.copytree(Path(n1v1.__file__).parent, core, ignore=shutil.ignore_patterns("__pycache__"))
    for event in _MESSAGES:
        header = f"class {event.__name__}(Event):\n"
        change(core / "events.py", header, f'{header}    {FIELD}: str = "{SAYS}"\n')
    generate(packages, proto=proto)
    return packages


def change(file: Path, old: str, new: str) -> None:
    """Raises ValueError when the file has not exactly one such place."""
    text = file.read_text()
    if text.count(old) != 1:
        raise ValueError(f"{file.name}: expected {old!r} once, found it {text.count(old)} times")
    file.write_text(text.replace(old, new))


def release(replay: RunningReplay, name: str, packages: Path | None) -> None:
    """What `name` runs from its next start on. packages: of the next release; None: this one."""
    service = replay.stack.process(name)
    assert isinstance(service, Service), f"{name} is a service"
    env = {key: value for key, value in service.spec.env.items() if key != "PYTHONPATH"}
    service.spec = replace(service.spec, env=env if packages is None else {**env, "PYTHONPATH": str(packages)})
