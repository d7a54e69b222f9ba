"""The life of a service: start, ready, live, drain, stop.

async def main(context: ServiceContext) -> None: ...

sys.exit(run_service(Service(name="risk", main=main)))
"""

from n1v1_common.lifecycle.context import ServiceContext
from n1v1_common.lifecycle.errors import CannotStart, PortTaken
from n1v1_common.lifecycle.run import Service, run, run_service

__all__ = ["CannotStart", "PortTaken", "Service", "ServiceContext", "run", "run_service"]
