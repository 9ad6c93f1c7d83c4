"""One picture through a core, driven from cocotb as fast as Python can: the other side of sim/benchmark.py."""

import json
import time
from pathlib import Path

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from hdl.payloads import Byte, Picture, Samples
from sim.runner import bench_params
from sim.sample_order import from_groups, group_count, to_groups
from verif.bench.streams import CLOCK_NS, StreamSink, StreamSource, start


@cocotb.test()
async def codes_a_picture(dut):
    """params: picture, ctb_size, planes (an .npz) and answer (a path without suffix), where the results go."""
    params = bench_params()
    picture, ctb_size = params["picture"], params["ctb_size"]
    with np.load(params["planes"]) as arrays:
        planes = [arrays[name] for name in ("y", "u", "v")]
    width, height = (-(-picture[name] // 8) * 8 for name in ("width", "height"))
    await start(dut, upset=0)
    pictures = StreamSource(dut, "i_picture", Picture)
    source = StreamSource(dut, "i_source", Samples)
    recon = StreamSink(dut, "o_recon", Samples, timeout=500_000)
    coded = StreamSink(dut, "o_byte", Byte, timeout=500_000)
    groups = to_groups(planes, ctb_size).tolist()
    begin, begin_time = time.perf_counter(), get_sim_time("step")
    pictures.send([picture])
    source.send({"sample": group} for group in groups)
    out = await recon.receive(group_count(width, height, ctb_size))
    data = bytearray()
    while True:
        [byte] = await coded.receive(1)
        data.append(byte["data"])
        if byte["last"]:
            break
    seconds = time.perf_counter() - begin
    cycles = (get_sim_time("step") - begin_time) // (CLOCK_NS * 1000)
    answer = Path(params["answer"])
    rebuilt = from_groups(np.array([each["sample"] for each in out], np.uint8), width, height, ctb_size)
    y, u, v = rebuilt
    np.savez(answer.with_suffix(".npz"), y=y, u=u, v=v)
    answer.with_suffix(".hevc").write_bytes(data)
    answer.with_suffix(".json").write_text(json.dumps({"seconds": seconds, "cycles": int(cycles)}))
