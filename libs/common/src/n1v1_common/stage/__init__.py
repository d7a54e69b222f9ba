"""A stage of the core at work behind the bus: hears messages, changes its state, says messages, each exactly once."""

from n1v1_common.stage.contexts import TraceContexts
from n1v1_common.stage.loop import Handler, StageLoop

__all__ = ["Handler", "StageLoop", "TraceContexts"]
