"""Pictures in memory, as the readers and writers of the chip see them: jobs, and which bytes belong to what."""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from sim.axi_memory import AxiMemory

ADDRESS_SPACE = 1 << 40


def stored_size(job: dict, coded: bool) -> tuple[int, int]:
    """Width and height in memory: those of the picture, or the coded size, the next multiples of 8."""
    return tuple(-(-job[name] // 8) * 8 if coded else job[name] for name in ("width", "height"))


def make_job(width: int, height: int, *, nv12: bool, coded: bool, bus_bytes: int, rng: random.Random) -> dict:
    """A `Planes` of this size, its planes at random places that do not overlap and its strides a little too long.

    Some planes end at the last byte of the address space, some straddle 4 GB.
    """
    job = {"width": width, "height": height, "nv12": int(nv12)}
    width, height = stored_size(job, coded)

    def stride(row: int) -> int:
        return (-(-row // bus_bytes) + rng.choice((0, 0, 1, 5, 40))) * bus_bytes

    stride_y, stride_c = stride(width), stride(width if nv12 else width // 2)
    sizes = [stride_y * height] + [stride_c * height // 2] * (1 if nv12 else 2)
    gap = [rng.randrange(0, 8192, bus_bytes) for _ in sizes]
    places = list(range(len(sizes)))
    rng.shuffle(places)
    whole = sum(sizes) + sum(gap)
    first = rng.choice((0, (1 << 32) - whole // 2, ADDRESS_SPACE - whole, rng.randrange(ADDRESS_SPACE - whole)))
    address = first // bus_bytes * bus_bytes
    planes = [0, 0, rng.randrange(0, ADDRESS_SPACE, bus_bytes)]  # the last is not looked at for NV12
    for place in places:
        address += gap[place]
        planes[place] = address
        address += sizes[place]
    names = dict(zip(("y", "cb", "cr"), planes))
    return {**job, "stride_y": stride_y, "stride_c": stride_c, **names}


def row_parts(job: dict, ctb_size: int, *, coded: bool) -> Iterator[tuple[int, int, int]]:
    """(component, address, samples) of each row of each coding-tree block, in the order of `Samples`."""
    width, height = stored_size(job, coded)
    for y in range(0, height, ctb_size):
        for x in range(0, width, ctb_size):
            for component in range(3):
                shift = int(component > 0)
                plane = job["y"] if not component else job["cb"] if job["nv12"] or component == 1 else job["cr"]
                stride = job["stride_c"] if component else job["stride_y"]
                left = x if job["nv12"] or not component else x >> 1
                for row in range(y >> shift, min(y + ctb_size, height) >> shift):
                    samples = (min(x + ctb_size, width) - x) >> shift
                    yield component, plane + row * stride + left, samples


def random_planes(width: int, height: int, rng: random.Random) -> list[np.ndarray]:
    """Y, Cb and Cr of a picture."""
    shapes = [(height, width)] + [(height // 2, width // 2)] * 2
    return [np.frombuffer(rng.randbytes(rows * columns), np.uint8).reshape(rows, columns) for rows, columns in shapes]


def map_source(memory: AxiMemory, job: dict, planes: Sequence[np.ndarray], bus_bytes: int, rng: random.Random) -> None:
    """Let ID 0 read the picture: of each row its whole beats, and nothing else; random where there is no sample."""
    luma, cb, cr = planes
    stored = [(job["y"], job["stride_y"], luma)]
    if job["nv12"]:
        stored += [(job["cb"], job["stride_c"], np.stack((cb, cr), axis=2).reshape(cb.shape[0], -1))]
    else:
        stored += [(job["cb"], job["stride_c"], cb), (job["cr"], job["stride_c"], cr)]
    for base, stride, plane in stored:
        columns = plane.shape[1]
        for y, row in enumerate(plane):
            data = np.frombuffer(bytearray(rng.randbytes(-(-columns // bus_bytes) * bus_bytes)), np.uint8)
            data[:columns] = row
            memory.map(base + y * stride, data, readers=(0,))
