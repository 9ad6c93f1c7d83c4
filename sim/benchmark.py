"""How fast the core simulates: the C++ harness against the same encode driven from cocotb.

`python -m sim.benchmark [--preset NAME] [--size WxH] [--qp N] [--echo]`; --echo runs the core of the harness's own
test. cocotb drives two builds: of cocotb's own runner, and of the benches here, where only the ports are visible. All
must give the same bytes and the same reconstruction. Writes build/benchmark/harness.json.
"""

import argparse
import json
import sys
import time

import numpy as np

from hdl.params import DEFAULT_PRESET, PRESETS, Params
from hdl.payloads import Picture
from sim.harness import Core, Planes
from sim.runner import run_bench
from sim.toolchain import BUILD

FOLDER = BUILD / "benchmark"
DRIVERS = {"cocotb, its own runner": True, "cocotb, only ports visible": False}


def picture_content(width: int, height: int) -> Planes:
    """Waves, an edge and a little noise: something to code in every block."""
    rng = np.random.default_rng(1)
    planes = []
    for shift in (0, 1, 1):
        y, x = np.mgrid[0 : height >> shift, 0 : width >> shift] << shift
        waves = 50 * np.sin(x / 17 + (y / 40) ** 2) + 40 * np.cos(y / 23 - x / 60) + 50 * (x > y)
        planes.append(np.clip(100 + waves + rng.normal(0, 4, waves.shape), 0, 255).astype(np.uint8))
    return tuple(planes)


def picture_fields(width: int, height: int, qp: int) -> dict:
    fields = {str(name): 0 for name, _ in Picture.as_shape()}
    return fields | {"width": width, "height": height, "qp": qp, "level_idc": 93, "write_parameter_sets": 1}


def measure(params: Params, component, name: str, width: int, height: int, qp: int) -> dict:
    """Seconds and cycles of one picture under both drivers; ValueError when their results differ."""
    planes, picture = picture_content(width, height), picture_fields(width, height, qp)
    core = Core(params) if name == "core" else Core(params, component=component(params), name=name)
    core.encode_picture(picture, planes)
    begin = time.perf_counter()
    data, recon, stats = core.encode_picture(picture, planes)
    seconds = time.perf_counter() - begin

    FOLDER.mkdir(parents=True, exist_ok=True)
    source, answer = FOLDER / "source.npz", FOLDER / "cocotb"
    y, u, v = planes
    np.savez(source, y=y, u=u, v=v)
    drivers = {"harness": {"seconds": seconds, "cycles": stats["cycles"]}}
    for driver, all_public in DRIVERS.items():
        run_bench(
            component(params),
            "verif.bench.sim.core_bench",
            f"{name}_benchmark",
            tests=1,
            params={"picture": picture, "ctb_size": params.ctb_size, "planes": str(source), "answer": str(answer)},
            timeout=3600,
            all_public=all_public,
        )
        drivers[driver] = json.loads(answer.with_suffix(".json").read_text())
        with np.load(answer.with_suffix(".npz")) as arrays:
            same = all(np.array_equal(arrays[key], plane) for key, plane in zip("yuv", recon))
        if not same or answer.with_suffix(".hevc").read_bytes() != data:
            raise ValueError("the harness and cocotb disagree about the bytes or the reconstruction")
    return {"size": f"{width}x{height}", "qp": qp, "drivers": drivers}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET)
    parser.add_argument("--size", default="176x144")
    parser.add_argument("--qp", type=int, default=27)
    parser.add_argument("--echo", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    if options.echo:
        from verif.bench.sim.echo_core import EchoCore as component
    else:
        from hdl.core import Core as component
    name = "echo" if options.echo else "core"
    result = measure(PRESETS[options.preset], component, name, width, height, options.qp)
    (FOLDER / "harness.json").write_text(json.dumps(result, indent=1) + "\n")
    drivers = result["drivers"]
    for driver, took in drivers.items():
        rate, times = took["cycles"] / took["seconds"], took["seconds"] / drivers["harness"]["seconds"]
        print(f"{driver:26s} {60 / took['seconds']:8.1f} frames/min {rate:12,.0f} cycles/s {times:6.1f} times the time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
