"""A cocotb test that looks at some bits of the payload only: what it misses, mutants have to show."""

import cocotb

from sim.runner import bench_params
from verif.bench.streams import StreamSink, StreamSource, start


@cocotb.test()
async def bits_pass(dut):
    await start(dut)
    mask, backpressure = bench_params()["mask"], bench_params()["backpressure"]
    source, sink = StreamSource(dut, "i", 8), StreamSink(dut, "o", 8, backpressure)
    sent = [0, 255, *range(0, 255, 5)]
    source.send(sent)
    assert [byte & mask for byte in await sink.receive(len(sent))] == [byte & mask for byte in sent]
    await sink.nothing_more()
