"""What the chip is shown besides verif/test_chip.py: random pictures anywhere in memory, and the ends of its registers.

`python -m verif.rtl_coverage.stimulus FIRST LAST` runs seeds; HERON_COVERAGE names the folder for what they covered.
"""

import sys
from dataclasses import replace
from functools import cache

import numpy as np

from hdl.chip.payloads import Master
from hdl.chip.register_map import registers
from hdl.common.axi import ADDRESS_BITS, LITE_ADDRESS_BITS
from hdl.params import DEFAULT_PRESET, PRESETS
from heron.chip_engine import PAGE, Buffers, ChipEngine
from heron.driver import Picture, Planes
from sim.axi_memory import READ, WRITE
from sim.chip import BusFault, SimChip
from verif.cases import QP_MAPS, Case, random_case
from verif.content import CONTENT
from verif.reference.encoder import encode_picture
from verif.rtl import check_chip_picture
from verif.test_chip import failing

PARAMS = PRESETS[DEFAULT_PRESET]
LARGEST = 72
"""Samples of a side: CTUs with each kind of neighbour."""
ENDS = (PARAMS.max_width, 16), (16, PARAMS.max_height), (PARAMS.max_width - 2, 18), (18, PARAMS.max_height - 2)
"""Sizes that need every bit of what counts columns and rows."""
BYTE = "level_idc", "colour_primaries", "transfer_characteristics", "matrix_coeffs"
BUS = {Master.SOURCE: (READ, 0), Master.QP_MAP: (READ, 1), Master.RECON: (WRITE, 0), Master.BITSTREAM: (WRITE, 1)}
"""Direction and ID of each reader and writer."""
BIT = "high_tier", "full_range", "write_parameter_sets", "write_hash"


class Anywhere(ChipEngine):
    """Pictures are placed anywhere in the address space, in bitstream buffers of any size that is enough."""

    def place(self, config, planes, qp_map=None, base: int | None = None) -> Buffers:
        rng = self._random
        assert rng is not None  # `engine` gives a seed
        buffers = super().place(
            config, planes, qp_map, PAGE * int(rng.integers(1, (1 << ADDRESS_BITS) // PAGE - (1 << 20)))
        )
        address, size = buffers.picture.bitstream
        size = int(rng.integers(size, 1 << 32)) if address + (1 << 32) < 1 << ADDRESS_BITS else size
        tag = int(rng.integers(0, 1 << 32))
        buffers.picture = replace(buffers.picture, bitstream=(address, size), tag=tag)
        return buffers


@cache
def engine(nv12: bool) -> Anywhere:
    """One chip for each format."""
    return Anywhere(PARAMS, stall_seed=1, nv12=nv12)


def case_of(seed: int) -> Case:
    """A random case with any header; every sixteenth is of an extreme size."""
    rng = np.random.default_rng([seed, 0x52544C])
    case = random_case(seed, (PARAMS.ctb_log2_size,), LARGEST)
    header = {name: int(rng.integers(0, 256)) for name in BYTE} | {name: int(rng.integers(0, 2)) for name in BIT}
    config = replace(case.config, **header)
    if seed % 16 != 8:
        return replace(case, config=config)
    width, height = ENDS[seed // 16 % len(ENDS)]
    config = replace(config, width=width, height=height, cu_qp_delta_enabled=1)
    planes = CONTENT["gradient"](width, height, rng)
    return replace(case, config=config, planes=planes, qp_map=QP_MAPS["random"](config.ctus, rng))


def run(seed: int) -> None:
    """A case in slow or uneven memory, now and then with no reconstruction wanted; then an impossible picture."""
    rng = np.random.default_rng([seed, 0x49524F4E])
    case = case_of(seed)
    running = engine(bool(seed // 2 % 2))
    running.memory.timing((1, 1 + 40 * (seed % 5)), pace=0.6 + 0.1 * (seed % 5), seed=seed)
    running.driver.write("WATCHDOG", cycles=int(rng.integers(1 << 20, 1 << 32)))
    if seed % 8 == 5:
        buffers = running.place(case.config, case.planes, case.qp_map)
        buffers.picture = replace(buffers.picture, recon=None)
        ((data, _, _),) = running.run([buffers])
        assert data == encode_picture(case.config, *case.planes, qp_map=case.qp_map).data
    else:
        check_chip_picture(running, case.config, case.planes, case.qp_map)
    refuse(running, case, rng)
    break_off(running, case, rng)
    if seed % 32 == 0:
        registers_answer(running.sim)


def break_off(running: Anywhere, case: Case, rng: np.random.Generator) -> None:
    """An error on the first burst of a reader or writer, wherever it is; or a QP map of any bytes."""
    config = replace(case.config, cu_qp_delta_enabled=1)
    qp_map = rng.integers(0, 256, config.ctus, np.uint8)
    qp_map[-1, -1] = 255
    master = Master(int(rng.integers(0, len(Master))))
    direction, id_ = BUS[master]
    broken = master != Master.QP_MAP or bool(rng.integers(0, 2))
    buffers = running.place(config, case.planes, qp_map & 31 if broken else qp_map)
    if broken:
        running.memory.inject(direction, id_, int(rng.choice([2, 3])))
    result = failing(running, buffers).result
    if broken:
        assert (result.code, result.master) == ("BUS_ERROR", master.name), result
        assert result.address == running.memory.injected(direction, id_)
        running.driver.reset()
    else:
        assert result.code == "BAD_QP_MAP", result


def registers_answer(chip: SimChip) -> None:
    """Each word of the register file's space is read, and written with zeros: what is none, or only read, says so."""
    readable = {register.offset for register in registers()}
    writable = {register.offset for register in registers() if register.writable}

    def answers(access, *arguments) -> bool:
        try:
            access(*arguments)
        except BusFault:
            return False
        return True

    for offset in range(0, 1 << LITE_ADDRESS_BITS, 4):
        assert answers(chip.read, offset) == (offset in readable), hex(offset)
        assert answers(chip.write, offset, 0) == (offset in writable), hex(offset)


def refuse(running: Anywhere, case: Case, rng: np.random.Generator) -> None:
    """Any bits in all registers of a picture, but a QP that does not exist: it is refused."""

    def bits(count: int) -> int:
        return int(rng.integers(0, 1 << count))

    def planes() -> Planes:
        y, cb, cr = (bits(ADDRESS_BITS) for _ in range(3))
        return Planes(y, cb, cr, bits(16), bits(16))

    changes = {name: bits(8) for name in BYTE} | {name: bits(1) for name in BIT}
    changes |= {"width": bits(14), "height": bits(14), "nv12": bool(bits(1)), "qp": int(rng.integers(52, 256))}
    changes |= {"source": planes(), "recon": planes(), "bitstream": (bits(ADDRESS_BITS), bits(32))}
    changes |= {"qp_map": bits(ADDRESS_BITS), "tag": bits(32)}
    assert changes.keys() == Picture.__dataclass_fields__.keys()
    result = failing(running, running.place(case.config, case.planes, case.qp_map), changes).result
    assert result.code in ("BAD_SIZE", "BAD_QP"), result


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        run(number)
