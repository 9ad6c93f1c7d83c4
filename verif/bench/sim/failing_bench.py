"""A cocotb test that fails, with a stream that never moves: the runner and the source have to notice."""

import cocotb

from verif.bench.streams import StreamSource, start


@cocotb.test()
async def nobody_reads(dut):
    await start(dut)
    dut.o__ready.value = 0
    source = StreamSource(dut, "i", 8, timeout=100)
    source.send(range(10))
    await source.drained()
