"""From the settings to faults that are on, and their admin API on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web

from n1v1_common.lifecycle import CannotStart
from n1v1_common.lifecycle.http import listening_socket
from n1v1_common.settings.model import Settings
from n1v1_exchange_simulator.faults.active import Faults, add_all
from n1v1_exchange_simulator.faults.admin import admin_application
from n1v1_exchange_simulator.faults.descriptions import FaultError, RecordingFault
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.recordings import DisturbedRecording
from n1v1_exchange_simulator.faults.script import Script, read_script
from n1v1_exchange_simulator.faults.timing import MarketTimers, WallTimers
from n1v1_exchange_simulator.replay.source import Source

LOOPBACK = "127.0.0.1"


def disturbed(source: Source, script: Path | None) -> Source:
    """The recording as the script has it. Raises FaultError."""
    faults = () if script is None else read_script(script).faults
    of_recording = [fault for fault in faults if isinstance(fault, RecordingFault)]
    return DisturbedRecording(source, of_recording) if of_recording else source


@contextmanager
def opened_faults(settings: Settings, venue_ns: Callable[[], int]) -> Iterator[Faults]:
    """Those of the script, if there is one; what fires goes to faults.jsonl beside the journal.

    Raises CannotStart.
    """
    wanted = settings.simulator
    path = settings.paths.state_dir / "exchange_simulator" / "faults.jsonl"
    try:
        script = Script(()) if wanted.faults is None else read_script(wanted.faults)
        log = FaultLog(path)
    except FaultError as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(f"{path} cannot be written: {error.strerror}") from error
    try:
        seed = wanted.fault_seed if script.seed is None else script.seed
        timers = MarketTimers(venue_ns) if settings.replay.mode == "lockstep" else WallTimers()
        faults = Faults(seed=seed, log=log, venue_ns=venue_ns, timers=timers)
        add_all(faults, script.faults)
        yield faults
    except FaultError as error:
        raise CannotStart(f"{wanted.faults}: {error}") from error
    finally:
        log.close()


@asynccontextmanager
async def serving_admin(
    faults: Faults, port: int | None, more: Sequence[web.RouteDef] = ()
) -> AsyncIterator[int | None]:
    """Gives the port that was bound; None: no admin API. more: routes beside those of faults. Raises PortTaken."""
    if port is None:
        yield None
        return
    application = admin_application(faults)
    application.add_routes(more)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        bound = listening_socket(LOOPBACK, port, service="exchange_simulator")
        await web.SockSite(runner, bound).start()
        yield bound.getsockname()[1]
    finally:
        await runner.cleanup()
