"""What a worker gives up before it loads a strategy, which is other people's code in our process.

Landlock (Linux 5.13 and later, no rights needed) takes away the file system but for Python, the strategies and the
datasets, running programs, connections to anything but the bus, and signals to other processes; what cannot be taken
back cannot be given back by the strategy either. Older kernels know a part of it; what they do not know is said.
https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from n1v1.strategies.registry import GROUP
from n1v1_common.instruments import file_of
from n1v1_common.settings.model import Settings

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ABI_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE
"""Rights that a rule for a single file may have."""
_CONNECT_TCP = 1 << 1

# Access that each version of the interface knows: files, TCP, and what is kept to processes as confined as this one.
_FILES_OF = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_OF = {4: 0b11}
_SCOPES_OF = {6: 0b11}

SYSTEM_FILES = (
    *("/usr", "/lib", "/lib64", "/etc/ssl", "/etc/localtime", "/etc/ld.so.cache", "/etc/hosts", "/etc/host.conf"),
    *("/etc/resolv.conf", "/etc/nsswitch.conf", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system"),
    *("/dev/urandom", "/dev/null", "/dev/zero"),
)
OUR_PACKAGES = ("n1v1", "n1v1_common", "n1v1_messages", "n1v1_research", "n1v1_signals")


@dataclass(frozen=True, slots=True)
class Allowed:
    """reads, writes: folders with all that is below them, and files. connects: TCP ports."""

    reads: tuple[Path, ...]
    writes: tuple[Path, ...] = ()
    connects: tuple[int, ...] = field(default=())


def allowed_by(settings: Settings, *, writes: Iterable[Path] = ()) -> Allowed:
    """What a worker needs with these settings. The folder with the settings and passwords is not in it."""
    strategies = (Path(str(file).partition(":")[0]) for file in settings.strategies.files)
    reads = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, SYSTEM_FILES), *_places_of_code()]
    reads += [*strategies, settings.datasets_dir]
    if settings.market.dataset is not None:
        reads.append(Path(settings.market.dataset))
    if not settings.is_simulated:
        reads.append(file_of(settings))  # the venue's grids
    urls = [settings.bus.url, settings.telemetry.otlp_endpoint or ""]
    ports = [port for url in urls for part in url.split(",") if (port := _port_of(part))]
    return Allowed(tuple(reads), (settings.spans_dir, *writes), tuple(ports))


def limit_memory(limit_mb: int) -> None:
    """What Python allocates beyond it fails with MemoryError. 0: no limit. No core dumps: they hold passwords."""
    if limit_mb:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20, limit_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def confine(allowed: Allowed) -> list[str]:
    """Confine this thread, and whatever it starts, for good. Says what this kernel cannot keep it from."""
    version = _landlock(_CREATE_RULESET, None, 0, _ABI_VERSION) if sys.platform == "linux" else -1
    if version < 1:
        return ["files", "programs", "connections", "signals"]
    files, net, scopes = (_newest(known, version) for known in (_FILES_OF, _NET_OF, _SCOPES_OF))
    attributes = (ctypes.c_uint64 * 3)(files, net, scopes)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _checked(_landlock(_CREATE_RULESET, ctypes.byref(attributes), size, 0))
    try:
        for paths, access in ((allowed.reads, _READ), (allowed.writes, _WRITE)):
            for path in paths:
                _allow_path(rules, path, access & files)
        for port in allowed.connects if net else ():
            rule = (ctypes.c_uint64 * 2)(_CONNECT_TCP, port)
            _checked(_landlock(_ADD_RULE, rules, _NET_PORT, ctypes.byref(rule), 0))
        _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_landlock(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)
    return [what for what, known in (("connections", net), ("signals", scopes)) if not known]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def _landlock(number: int, *arguments: object) -> int:
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *wide)
    return result


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result


def _newest(known: dict[int, int], version: int) -> int:
    return max((access for since, access in known.items() if since <= version), default=0)


def _allow_path(rules: int, path: Path, access: int) -> None:
    """What is not there needs no permission."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathBeneath(access if path.is_dir() else access & _OF_FILES, descriptor)
        _checked(_landlock(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _places_of_code() -> list[Path]:
    """Where Python looks for packages, but for the folder in which somebody happened to type `n1v1 up`; and where our
    own and those of installed strategies are, wherever they were installed from. Nothing of it is imported."""
    here = Path.cwd()
    places = [path for text in sys.path if text and (path := Path(text)) != here]
    packages = {*OUR_PACKAGES, *(entry.module.partition(".")[0] for entry in entry_points(group=GROUP))}
    for spec in filter(None, map(find_spec, packages)):
        places += [Path(place) for place in spec.submodule_search_locations or ([spec.origin] if spec.origin else [])]
    return places


def _port_of(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or {"nats": 4222, "tls": 4222, "http": 80, "https": 443}.get(parts.scheme)
