"""Random inputs for a block beside its netlist (verif/gate_level/lockstep.py), which must not differ in any cycle."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from sim.runner import bench_params
from verif.bench.streams import start


def value(width: int) -> int:
    """All bits random, or a few of them, or all the same, or a small number, positive or negative."""
    kind = random.randrange(6)
    if kind == 0:
        return 0
    if kind == 1:
        return (1 << width) - 1
    if kind == 2:
        return 1 << random.randrange(width)
    if kind == 3:
        return random.randint(-8, 8) % (1 << width)
    return random.getrandbits(width)


@cocotb.test()
async def never_differs(dut):
    """Each input is often kept; ready and valid are mostly 1 for a while, then at random, so that queues fill up."""
    params, edge, settled = bench_params(), RisingEdge(dut.clk), ReadOnly()
    inputs = {port: width for port, width in params["inputs"].items() if port not in ("clk", "rst")}
    for port in inputs:
        getattr(dut, port).value = 0
    await start(dut, upset=0)
    for cycle in range(params["cycles"]):
        await edge
        for port, width in inputs.items():
            if port.endswith(("__valid", "__ready")):
                getattr(dut, port).value = random.random() < (0.9 if cycle // 64 % 2 else 0.4)
            elif random.random() < 0.7:
                getattr(dut, port).value = value(width)
        await settled
        assert not dut.differs.value.to_unsigned(), f"cycle {cycle}: outputs differ: {dut.differs.value}"
    moved = dut.moved.value
    cocotb.log.info("%d of %d bits of the outputs have been 0 and 1", str(moved).count("1"), len(moved))
    assert "1" in str(moved), "no output has ever moved"
