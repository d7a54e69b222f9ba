"""Which processes a stack consists of, and what each is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from pydantic import SecretStr

from n1v1_cli.stack.service import ServiceSpec
from n1v1_common.access import ACCESS, ADMIN, OPERATOR, Access
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

WITHHELD = SecretStr("withheld")

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
    """The processes, each with a settings file of its own, and what the commands are told.

    settings, admin_file: of the administrator, who may do everything. settings_file: of the operator.
    """

    services: tuple[ServiceSpec, ...]
    settings_file: Path
    admin_file: Path
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
    server_settings: Callable[[str], Mapping[str, str]],
    route: Route = straight,
) -> Plan:
    """Choose ports, write a settings file for each process, and say what to run.

    server_settings: what a user of access.table is told of the servers that were started for it.
    Ports are chosen here, so that a service that is started again is found where it was.

    Raises:
        PortTaken: a port given in the settings is in use.
        ConfigError: the changes do not fit the settings.
    """
    changes: dict[str, object] = {
        "paths.state_dir": state_dir,
        "paths.datasets_dir": loaded.settings.datasets_dir.absolute(),  # also for a stack in a folder of its own
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
    admin_file = folder / "settings-admin.json"
    settings = dump_for_service(loaded, admin_file, {**changes, **server_settings(ADMIN)})
    operator_file = folder / "settings.json"
    operators = {**changes, **withheld_from(ACCESS[OPERATOR], settings), **server_settings(OPERATOR)}
    dump_for_service(loaded, operator_file, operators)
    specs: list[ServiceSpec] = []
    for service in services:
        told = {**changes, **withheld_from(ACCESS[service], settings), **server_settings(service)}
        told |= _detours(service, told, route)
        for name, own in _processes(service, settings, told):
            path = folder / f"settings-{name}.json"
            dump_for_service(loaded, path, {**told, **own})
            specs.append(ServiceSpec(name=name, module=f"n1v1_{service}", env={SETTINGS_VARIABLE: str(path)}))
    return Plan(_with_order(specs), operator_file, admin_file, settings)


def _detours(service: str, told: Mapping[str, object], route: Route) -> dict[str, str]:
    """The addresses by which this service reaches others."""
    return {key: route(service, key, url) for key in ADDRESSES if isinstance(url := told.get(key), str)}


def withheld_from(access: Access, settings: Settings) -> dict[str, object]:
    """Secrets that a process is not told because it has no use for them, as settings that say nothing."""
    nothing = Settings()
    withheld: dict[str, object] = {"postgres.owner_dsn": None}
    if not access.holds_venue_keys:
        withheld |= {f"exchange.{name}": None for name in ("api_key", "api_secret", "api_password")}
    if access is not ACCESS[SIMULATOR]:
        blank = {"api_key": WITHHELD, "api_secret": WITHHELD}
        withheld["simulator.accounts"] = {
            name: account.model_copy(update=blank).model_dump() for name, account in settings.simulator.accounts.items()
        }
    if not access.has_schema:
        withheld["postgres.dsn"] = nothing.postgres.dsn
    if not (access.reads_keys or access.writes_keys):
        withheld["redis.url"] = nothing.redis.url
    if not access.speaks:
        withheld["bus.password"] = None
    return withheld


def _processes(service: str, settings: Settings, told: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    """The names of a service's processes, and what each is told beside the others."""
    workers = settings.signals.worker_count
    if service != "signals" or workers == 1:
        return [(service, {})]
    ports = [told["services.signals.port"], *(claim_port(f"signals-{n}", 0) for n in range(1, workers))]
    return [
        (f"signals-{index}", {"signals.worker_index": index, "services.signals.port": port})
        for index, port in enumerate(ports)
    ]


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
