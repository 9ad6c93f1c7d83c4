"""A core that codes nothing, with all that a board asks of one: it builds in seconds."""

from amaranth import Signal

from hdl.core import Core
from hdl.params import Params
from verif.bench.sim.echo_core import EchoCore


class BoardEchoCore(EchoCore):
    """EchoCore, and the statistics that the real core has and it has not: they are 0."""

    def __init__(self, p: Params):
        super().__init__(p)
        for name in (*Core.SSE, *(f"stat_stall_{stage}" for stage in Core.STAGES)):
            setattr(self, name, Signal(32, name=name))
