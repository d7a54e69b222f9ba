"""Which processes a stack consists of, and what each is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from n1v1_cli.stack.service import ServiceSpec
from n1v1_common.servers.folders import prepare_folder
from n1v1_common.servers.ports import LOOPBACK, claim_port
from n1v1_common.settings.load import BUILT_IN, Loaded
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service

SIMULATOR = "exchange_simulator"

# Those that talk to the venue when they start wait for it. Nobody waits for a neighbour in the flow: what is said
# before somebody listens is kept in the streams, and starting side by side halves the time.
START_AFTER: Mapping[str, Sequence[str]] = {
    SIMULATOR: (),
    "signals": (),
    "risk": (),
    "execution": (SIMULATOR,),
    "portfolio": (),
    "reporting": (),
    "market_data": (SIMULATOR,),
}

SERVICES = tuple(START_AFTER)

# Which settings point at a server. One that somebody has set means a server of their own.
SERVER_SETTINGS = {"nats": "bus.url", "valkey": "redis.url", "postgres": "postgres.dsn"}


ADDRESSES = (*SERVER_SETTINGS.values(), "exchange.rest_url", "exchange.ws_url")
"""Settings by which a service reaches another process."""

Route = Callable[[str, str, str], str]
"""(service, setting, URL) -> the URL that this service is told."""


def straight(service: str, setting: str, url: str) -> str:
    """Everybody reaches everybody without a detour."""
    return url


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes, and the settings file that those have which are not one of many."""

    services: tuple[ServiceSpec, ...]
    settings_file: Path
    settings: Settings


def servers_of_their_own(loaded: Loaded) -> set[str]:
    """Names of the servers that the settings point elsewhere for, so that none is to be started here."""
    return {name for name, setting in SERVER_SETTINGS.items() if loaded.origin_of(setting).source != BUILT_IN}


def default_services(settings: Settings) -> tuple[str, ...]:
    """All of them; without the simulator when a venue of its own is named, or in live mode."""
    simulates = settings.is_simulated and settings.exchange.rest_url is None
    return tuple(name for name in SERVICES if name != SIMULATOR or simulates)


def make_plan(
    loaded: Loaded,
    state_dir: Path,
    *,
    services: Collection[str],
    server_settings: Mapping[str, str],
    route: Route = straight,
) -> Plan:
    """Choose ports, write a settings file for each process, and say what to run.

    Ports are chosen here, so that a service that is started again is found where it was.

    Raises:
        PortTaken: a port given in the settings is in use.
        ConfigError: the changes do not fit the settings.
    """
    changes: dict[str, object] = {
        "paths.state_dir": state_dir,
        "paths.datasets_dir": loaded.settings.datasets_dir.absolute(),  # also for a stack in a folder of its own
        **server_settings,
    }
    for service in services:
        listen = loaded.settings.listen_of(service)
        changes[f"services.{service}.port"] = claim_port(f"services.{service}.port", listen.port)
    if SIMULATOR in services:
        url = f"http://{LOOPBACK}:{changes[f'services.{SIMULATOR}.port']}"
        changes |= {"exchange.rest_url": url, "exchange.ws_url": url.replace("http", "ws", 1)}
        if loaded.settings.exchange.api_key is None:
            changes |= {"exchange.api_key": token_hex(16), "exchange.api_secret": token_hex(32)}
    folder = prepare_folder(state_dir / "run")
    everybody = folder / "settings.json"
    settings = dump_for_service(loaded, everybody, changes)
    specs: list[ServiceSpec] = []
    for service in services:
        if service == "signals" and settings.signals.worker_count > 1:
            specs += _workers(loaded, folder, changes, settings.signals.worker_count)
        elif detours := _detours(service, changes, route):
            path = folder / f"settings-{service}.json"
            dump_for_service(loaded, path, changes | detours)
            specs.append(_spec(service, service, path))
        else:
            specs.append(_spec(service, service, everybody))
    return Plan(_with_order(specs), everybody, settings)


def _detours(service: str, changes: Mapping[str, object], route: Route) -> dict[str, str]:
    """The addresses by which this service reaches others, where they are not everybody's."""
    ways = {key: (str(changes[key]), route(service, key, str(changes[key]))) for key in ADDRESSES if key in changes}
    return {key: way for key, (straight_way, way) in ways.items() if way != straight_way}


def _spec(name: str, service: str, settings_file: Path) -> ServiceSpec:
    return ServiceSpec(name=name, module=f"n1v1_{service}", env={SETTINGS_VARIABLE: str(settings_file)})


def _workers(loaded: Loaded, folder: Path, changes: Mapping[str, object], count: int) -> list[ServiceSpec]:
    specs = []
    for index in range(count):
        name = f"signals-{index}"
        port = changes["services.signals.port"] if index == 0 else claim_port(name, 0)
        own = {"signals.worker_index": index, "services.signals.port": port}
        path = folder / f"settings-{name}.json"
        dump_for_service(loaded, path, {**changes, **own})
        specs.append(_spec(name, "signals", path))
    return specs


def _with_order(specs: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    names_of: dict[str, list[str]] = {}
    for spec in specs:
        names_of.setdefault(spec.module, []).append(spec.name)
    return tuple(
        ServiceSpec(
            name=spec.name,
            module=spec.module,
            env=spec.env,
            after=[
                name
                for service in START_AFTER[spec.module.removeprefix("n1v1_")]
                for name in names_of.get(f"n1v1_{service}", ())
            ],
        )
        for spec in specs
    )
