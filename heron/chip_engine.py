"""The engine 'chip': the Verilated chip, with memory on its bus, run by the driver that runs a board."""

from dataclasses import asdict, dataclass

import numpy as np

from hdl.params import Params
from heron.driver import Driver, Picture, Planes, Result
from sim.chip import BusFault, SimChip
from verif.reference.config import PictureConfig

BITSTREAM_PER_SAMPLE = 4  # bytes for each luma sample: more than any picture takes
PAGE = 4096
FIRST_ADDRESS = 1 << 32
USERS = ((0,), ()), ((), (0,)), ((), (1,)), ((1,), ())
"""IDs that may read, and write, the source, the reconstruction, the bitstream and the QP map."""


@dataclass(frozen=True)
class Layout:
    """Where the planes of a picture lie in its buffer: rows and bytes of each, offset, stride, all in bytes."""

    nv12: bool
    shapes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]
    strides: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, width: int, height: int, nv12: bool, align: int, extra: int = 0) -> "Layout":
        """For a picture of this size; strides are the least multiples of `align` plus `extra` of them."""
        chroma = (height // 2, width) if nv12 else (height // 2, width // 2)
        shapes = ((height, width), chroma) if nv12 else ((height, width), chroma, chroma)
        strides = tuple((-(-columns // align) + extra) * align for _, columns in shapes)
        sizes = [rows * stride for (rows, _), stride in zip(shapes, strides)]
        offsets = tuple(sum(sizes[:k]) for k in range(len(sizes)))
        return cls(nv12, shapes, offsets, strides, sum(sizes))

    def planes(self, base: int) -> Planes:
        """The addresses that the chip is told."""
        y, cb, cr = (base + offset for offset in (*self.offsets, self.offsets[1])[:3])
        return Planes(y, cb, cr, self.strides[0], self.strides[1])

    def views(self, buffer: np.ndarray) -> list[np.ndarray]:
        """The planes Y, Cb, Cr inside the buffer."""
        inside = [
            buffer[offset : offset + rows * stride].reshape(rows, stride)[:, :columns]
            for offset, (rows, columns), stride in zip(self.offsets, self.shapes, self.strides)
        ]
        return [inside[0], inside[1][:, 0::2], inside[1][:, 1::2]] if self.nv12 else inside


class Buffers:
    """The memory of one picture: its windows from `base` on, and what the driver is told of them."""

    def __init__(self, config: PictureConfig, planes, qp_map, nv12: bool, align: int, base: int, random):
        extra, odd = (0, 0) if random is None else (int(random.integers(0, 5)), int(random.integers(0, PAGE // align)))
        source = Layout.of(config.width, config.height, nv12, align, extra)
        self._recon = Layout.of(config.coded_width, config.coded_height, nv12, align, extra)
        sizes = [source.size, self._recon.size, BITSTREAM_PER_SAMPLE * config.width * config.height + PAGE, 0]
        if qp_map is not None:
            sizes[3] = -(-qp_map.size // align) * align
        self.bases = [base + odd * align]
        for size in sizes[:-1]:
            self.bases.append(self.bases[-1] + -(-size // PAGE) * PAGE + PAGE)
        self.end = self.bases[-1] + sizes[-1] + PAGE
        self.arrays = [np.zeros(size, np.uint8) for size in sizes]
        for view, plane in zip(source.views(self.arrays[0]), planes):
            view[:] = plane
        if qp_map is not None:
            self.arrays[3][: qp_map.size] = qp_map.reshape(-1)
        fields = asdict(config)
        for name in ("ctb_log2_size", "cu_qp_delta_enabled"):
            del fields[name]
        self.picture = Picture(
            **fields,
            source=source.planes(self.bases[0]),
            recon=self._recon.planes(self.bases[1]),
            bitstream=(self.bases[2], sizes[2]),
            qp_map=None if qp_map is None else self.bases[3],
            nv12=nv12,
        )

    def answer(self, result: Result):
        """Bytes, reconstruction and statistics, as an engine gives them."""
        y, u, v = (view.copy() for view in self._recon.views(self.arrays[1]))
        stats = {
            "cycles": result.cycles,
            "bins": result.bins,
            "stall_cycles": result.stall_cycles,
            **{f"sse_{plane}": error for plane, error in zip(("y", "cb", "cr"), result.sse)},
            "bytes_read": result.bytes_read,
            "bytes_written": result.bytes_written,
        }
        return self.arrays[2][: result.position].tobytes(), (y, u, v), stats


class ChipEngine:
    """Codes one picture at a time with the chip; a stall seed makes the memory's latency and the places random."""

    name = "chip"

    def __init__(self, params: Params, stall_seed: int | None = None, *, nv12: bool = False):
        self.sim = SimChip(params)
        self.driver = Driver(self.sim)
        self._align = params.axi_data_width // 8
        self._random = None if stall_seed is None else np.random.default_rng(stall_seed)
        self._nv12 = nv12
        self.memory = self.sim.memory
        if stall_seed is not None:
            self.memory.timing((1, 200), pace=0.8, seed=stall_seed)

    def encode_picture(self, config: PictureConfig, planes, progress=None, qp_map: np.ndarray | None = None):
        """See heron.engines.Engine. Statistics are those of the chip's result registers; `bytes_read` and
        `bytes_written` are of the bus. BusFault when the chip breaks a rule of AXI or touches what is not its own."""
        samples, begin = config.width * config.height, self.memory.cycles
        self.sim.progress = None
        if progress is not None:
            self.sim.progress = lambda now: progress(min(0.99, (now - begin) / (2 * samples)), now - begin)
        return self.run([self.place(config, planes, qp_map)])[0]

    def place(self, config: PictureConfig, planes, qp_map=None, base: int = FIRST_ADDRESS) -> Buffers:
        """Buffers for a picture, filled, from `base` on."""
        return Buffers(config, planes, qp_map, self._nv12, self._align, base, self._random)

    def map(self, pictures: list[Buffers]) -> None:
        """Makes these the chip's memory, and nothing else."""
        self.memory.unmap()
        for buffers in pictures:
            for base, array, (readers, writers) in zip(buffers.bases, buffers.arrays, USERS):
                self.memory.map(base, array, readers=readers, writers=writers)

    def submit(self, pictures: list[Buffers]) -> None:
        """Maps and queues pictures, two at most; `driver.finish` waits for each."""
        self.map(pictures)
        for buffers in pictures:
            self.driver.submit(buffers.picture)

    def run(self, pictures: list[Buffers]) -> list:
        """Codes pictures, two at most, the second from the queue; what `encode_picture` gives, of each."""
        self.submit(pictures)
        answers = [buffers.answer(self.driver.finish()) for buffers in pictures]
        if violations := self.memory.violations():
            raise BusFault(f"the chip broke a rule of the bus: {'; '.join(violations)}")
        return answers
