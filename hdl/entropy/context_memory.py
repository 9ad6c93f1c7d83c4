"""The context variables: two read and two written per cycle."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.entropy.payloads import CONTEXT_BITS

STATE_BITS = 7  # valMps in bit 0, pStateIdx above


class ContextMemory(wiring.Component):
    """128 context variables with two asynchronous read ports and two write ports.

    Each write port owns a bank in distributed memory; a flag a context tells which bank is the newer.
    A read in the cycle of a write gives the old value. When both ports write one context, port 1 wins.
    """

    read_ctx: In(data.ArrayLayout(CONTEXT_BITS, 2))
    read_state: Out(data.ArrayLayout(STATE_BITS, 2))
    write_en: In(2)
    write_ctx: In(data.ArrayLayout(CONTEXT_BITS, 2))
    write_state: In(data.ArrayLayout(STATE_BITS, 2))

    def elaborate(self, platform):
        m = Module()
        depth = 1 << CONTEXT_BITS
        newer = Signal(depth)  # 1: bank 1
        banks = []
        for w in range(2):
            bank = memory.Memory(shape=STATE_BITS, depth=depth, init=[])
            m.submodules[f"bank{w}"] = bank
            write = bank.write_port()
            reads = [bank.read_port(domain="comb") for _ in range(2)]
            m.d.comb += [
                write.en.eq(self.write_en[w]),
                write.addr.eq(self.write_ctx[w]),
                write.data.eq(self.write_state[w]),
            ]
            m.d.comb += [reads[r].addr.eq(self.read_ctx[r]) for r in range(2)]
            banks.append(reads)
        for r in range(2):
            choice = newer.bit_select(self.read_ctx[r], 1)
            m.d.comb += self.read_state[r].eq(Mux(choice, banks[1][r].data, banks[0][r].data))
        hit = [Cat(self.write_en[w] & (self.write_ctx[w] == ctx) for ctx in range(depth)) for w in range(2)]
        m.d.sync += newer.eq((newer & ~hit[0]) | hit[1])
        return m
