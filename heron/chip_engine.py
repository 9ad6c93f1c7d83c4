"""The engine 'chip': the Verilated chip, with memory on its bus, run by the driver that runs a board."""

from dataclasses import asdict, dataclass

import numpy as np

from hdl.params import Params
from heron.driver import Driver, Picture, Planes
from sim.chip import BusFault, SimChip
from verif.reference.config import PictureConfig

BITSTREAM_PER_SAMPLE = 4  # bytes for each luma sample: more than any picture takes
PAGE = 4096
USERS = ({"readers": [0]}, {"writers": [0]}, {"writers": [1]}, {"readers": [1]})
"""IDs that may touch the source, the reconstruction, the bitstream and the QP map."""


@dataclass(frozen=True)
class Layout:
    """Where the planes of a picture lie in its buffer: offsets and strides in bytes, and the buffer's size."""

    nv12: bool
    shapes: tuple[tuple[int, int], ...]  # rows and bytes of each plane of the buffer
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


class ChipEngine:
    """Codes one picture at a time with the chip; a stall seed gives the memory random latency and strides."""

    name = "chip"

    def __init__(self, params: Params, stall_seed: int | None = None, *, nv12: bool = False):
        self._chip = SimChip(params)
        self._driver = Driver(self._chip)
        self._align = params.axi_data_width // 8
        self._ctb_size = params.ctb_size
        self._random = None if stall_seed is None else np.random.default_rng(stall_seed)
        self._nv12 = nv12
        if stall_seed is not None:
            self._chip.memory.timing((1, 200), pace=0.8, seed=stall_seed)

    def encode_picture(self, config: PictureConfig, planes, progress=None, qp_map: np.ndarray | None = None):
        """See heron.engines.Engine. Statistics are those of the chip's result registers; `bytes_read` and
        `bytes_written` are of the bus."""
        align, samples = self._align, config.width * config.height
        memory = self._chip.memory
        if progress is not None:
            begin = memory.cycles
            self._chip.progress = lambda cycles: progress(min(0.99, (cycles - begin) / (2 * samples)), cycles - begin)
        extra = 0 if self._random is None else int(self._random.integers(0, 5))
        source = Layout.of(config.width, config.height, self._nv12, align, extra)
        recon = Layout.of(config.coded_width, config.coded_height, self._nv12, align, extra)
        sizes = [source.size, recon.size, BITSTREAM_PER_SAMPLE * samples + PAGE, 0]
        if qp_map is not None:
            sizes[-1] = -(-qp_map.size // align) * align
        bases = self._places(sizes)
        buffers = [np.zeros(size, np.uint8) for size in sizes]
        memory.unmap()
        for base, buffer, ids in zip(bases, buffers, USERS):
            memory.map(base, buffer, **ids)
        for view, plane in zip(source.views(buffers[0]), planes):
            view[:] = plane
        if qp_map is not None:
            buffers[3][: qp_map.size] = qp_map.reshape(-1)
        fields = asdict(config)
        for name in ("ctb_log2_size", "cu_qp_delta_enabled"):
            del fields[name]
        self._driver.submit(
            Picture(
                **fields,
                source=source.planes(bases[0]),
                recon=recon.planes(bases[1]),
                bitstream=(bases[2], sizes[2]),
                qp_map=bases[3] if qp_map is not None else None,
                nv12=self._nv12,
            )
        )
        result = self._driver.finish()
        if violations := memory.violations():
            raise BusFault(f"the chip broke a rule of the bus: {'; '.join(violations)}")
        data = buffers[2][: result.position].tobytes()
        y, u, v = (view.copy() for view in recon.views(buffers[1]))
        stats = {
            "cycles": result.cycles,
            "bins": result.bins,
            "stall_cycles": result.stall_cycles,
            "sse": result.sse,
            "bytes_read": result.bytes_read,
            "bytes_written": result.bytes_written,
        }
        return data, (y, u, v), stats

    def _places(self, sizes: list[int]) -> list[int]:
        """Addresses for the buffers, far apart and somewhere in 40 bits; with a stall seed at odd places."""
        bases, address = [], 1 << 32
        for size in sizes:
            odd = 0 if self._random is None else int(self._random.integers(0, PAGE // self._align)) * self._align
            bases.append(address + odd)
            address += -(-(size + 2 * PAGE) // PAGE) * PAGE
        return bases
