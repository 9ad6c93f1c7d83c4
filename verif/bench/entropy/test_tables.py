"""Tables and leaf arithmetic of the entropy stage against the reference."""

import numpy as np
from amaranth.sim import Simulator

from hdl.entropy import contexts
from hdl.entropy.context_init import ContextInit
from hdl.entropy.context_memory import ContextMemory
from hdl.entropy.intra_mode import ModeCoder
from verif.reference import tables
from verif.reference.prediction import most_probable_modes


def simulate(dut, bench):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_contexts():
    assert contexts.INIT_VALUES == tuple(tables.CTX_INIT.tolist())
    for name, offset in tables.CTX_OFFSET.items():
        assert getattr(contexts, name) == offset


def test_initial_states():
    """Every context at every QP."""
    dut = ContextInit()

    async def bench(ctx):
        for qp in range(52):
            ctx.set(dut.qp, qp)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.qp, 51 - qp)
            states = {}
            while ctx.get(dut.busy):
                if ctx.get(dut.write_en):
                    states[ctx.get(dut.write_ctx)] = ctx.get(dut.write_state)
                await ctx.tick()
            assert len(states) == 128
            for k, value in enumerate(contexts.INIT_VALUES):
                index, mps = contexts.state_after_init(value, qp)
                assert states[k] == index << 1 | mps, f"context {k} at QP {qp}"

    simulate(dut, bench)


def test_most_probable_modes():
    """Every pair of neighbours, with the modes at and next to the candidates and at the ends."""
    dut = ModeCoder()
    cand = np.zeros(3, np.int32)

    async def bench(ctx):
        for left in range(35):
            for above in range(35):
                most_probable_modes(left, above, cand)
                near = {int(c) + d for c in cand for d in (-1, 0, 1)} | {0, 34}
                ctx.set(dut.left, left)
                ctx.set(dut.above, above)
                for mode in sorted(near & set(range(35))):
                    ctx.set(dut.mode, mode)
                    await ctx.tick()
                    got = ctx.get(dut.prev), ctx.get(dut.value)
                    if mode in cand:
                        wanted = 1, cand.tolist().index(mode)
                    else:
                        wanted = 0, mode - int((cand < mode).sum())
                    assert got == wanted, f"mode {mode} with {left} left and {above} above"

    simulate(dut, bench)


def test_context_memory():
    """Both write ports in all orders, against a list."""
    rng = np.random.default_rng(1)
    dut = ContextMemory()

    async def bench(ctx):
        kept = [0] * 128
        for _ in range(1500):
            en = int(rng.integers(4))
            where = rng.integers(0, 8, 2).tolist() if rng.random() < 0.5 else rng.integers(0, 128, 2).tolist()
            states = rng.integers(0, 128, 2).tolist()
            look = [where[0], int(rng.integers(128))]
            ctx.set(dut.write_en, en)
            ctx.set(dut.write_ctx, where)
            ctx.set(dut.write_state, states)
            ctx.set(dut.read_ctx, look)
            assert [ctx.get(dut.read_state[k]) for k in range(2)] == [kept[c] for c in look]
            await ctx.tick()
            for w in range(2):
                if en >> w & 1:
                    kept[where[w]] = states[w]

    simulate(dut, bench)
