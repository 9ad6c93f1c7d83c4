"""Pictures as sequence items: what to code, where it lies, what the registers are told, what must come out."""

import random
from dataclasses import asdict
from functools import cached_property

import numpy as np
from pyuvm import uvm_sequence_item

from hdl.params import Params
from verif.cases import QP_MAPS
from verif.content import CONTENT, Planes
from verif.reference.config import PictureConfig
from verif.reference.encoder import PictureResult, encode_picture
from verif.reference.tables import INTRA_PRED_ANGLE
from verif.uvm.memory_agent import ADDRESS_END, MemoryAgent, Window

STREAM_SLACK = 4096


def stripes(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Waves that are constant along the direction of one angular mode, or along any: each mode in each block size."""
    horizontal, slope = rng.random() < 0.5, rng.choice(MODE_SLOPES) if rng.random() < 0.8 else rng.uniform(-1, 1)
    length, height_of_wave = np.exp(rng.uniform(1, 4.5)), rng.uniform(10, 110)
    planes = []
    for shift in (0, 1, 1):
        y, x = np.mgrid[0 : height >> shift, 0 : width >> shift] << shift
        across = y + slope * x if horizontal else x + slope * y
        wave = np.sin(2 * np.pi / length * across + rng.uniform(0, 2 * np.pi))
        planes.append(np.clip(128 + height_of_wave * wave, 0, 255).astype(np.uint8))
    return planes[0], planes[1], planes[2]


def grained(planes: Planes, rng: np.random.Generator) -> Planes:
    """With noise of some strength on it: small levels beside the large ones of the picture."""
    strength = np.exp(rng.uniform(-1, 2.5))
    y, u, v = (np.clip(p + rng.normal(0, strength, p.shape), 0, 255).astype(np.uint8) for p in planes)
    return y, u, v


CONTENTS = CONTENT | {"stripes": stripes}
MODE_SLOPES = np.unique(INTRA_PRED_ANGLE[2:]) / 32


class Plane:
    """Rows of bytes in memory, at the tightest window that the chip may touch: the last row ends with its last beat."""

    def __init__(self, rows: int, columns: int, stride: int, align: int, fill: np.random.Generator):
        self.rows, self.columns, self.stride = rows, columns, stride
        self._whole = fill.integers(0, 256, rows * stride, np.uint8)
        self.data = self._whole[: (rows - 1) * stride + -(-columns // align) * align]
        self.before = self.data.copy()
        self.address = 0

    @property
    def size(self) -> int:
        """What the chip takes for its size: it must end within the address space."""
        return self._whole.size

    def view(self) -> np.ndarray:
        """The rows as an array, to fill or to look at."""
        return self._whole.reshape(self.rows, self.stride)[:, : self.columns]

    def view_before(self) -> np.ndarray:
        """The rows as they were at first."""
        return np.resize(self.before, self._whole.size).reshape(self.rows, self.stride)[:, : self.columns]

    def outside_untouched(self) -> bool:
        """Whether the bytes that are no part of a row are as they were."""
        old, new = np.zeros(self._whole.size, np.uint8), self._whole.copy()
        old[: self.before.size] = self.before
        new[self.data.size :] = 0
        old, new = (each.reshape(self.rows, self.stride)[:, self.columns :] for each in (old, new))
        return bool(np.array_equal(old, new))


class Picture(uvm_sequence_item):
    """One picture, random within what is allowed; every attribute may be changed before it is placed.

    config, planes, qp_map: as the reference codec takes them. nv12, wants_recon: the modes of the chip. room: bytes of
    the bitstream buffer. tag: comes back. expected: the reference codec's result, with its trace.
    """

    def __init__(self, p: Params, rng: random.Random, tag: int = 0, *, largest: int = 96, name: str = "picture"):
        super().__init__(name)
        self.p, self.rng, self.tag = p, rng, tag
        fill = self.fill = np.random.default_rng(rng.getrandbits(64))
        self.align = p.axi_data_width // 8

        def side() -> int:
            return rng.choice((16, 18, p.ctb_size, largest)) if rng.random() < 0.2 else 2 * rng.randint(8, largest // 2)

        width, height = side(), side()
        if width * height > 4096 and rng.random() < 0.6:
            height = max(16, 4096 // width & ~1)
        self.content = rng.choice([*CONTENTS, *["stripes"] * 4])
        has_map = rng.random() < 0.5
        self.config = PictureConfig(
            width=width,
            height=height,
            qp=rng.choice((0, 1, 51)) if rng.random() < 0.15 else rng.randrange(52),
            cu_qp_delta_enabled=int(has_map),
            ctb_log2_size=p.ctb_log2_size,
            level_idc=rng.choice((30, 63, 93, 123, 153, 183)),
            high_tier=rng.randrange(2),
            write_parameter_sets=int(rng.random() < 0.7),
            write_hash=rng.randrange(2),
            full_range=rng.randrange(2),
            colour_primaries=rng.choice((1, 2, 5, 9)),
            transfer_characteristics=rng.choice((1, 2, 16)),
            matrix_coeffs=rng.choice((1, 2, 6, 9)),
        )
        self.planes = CONTENTS[self.content](width, height, fill)
        if rng.random() < 0.25:
            self.planes = grained(self.planes, fill)
        self.qp_map = QP_MAPS[rng.choice(list(QP_MAPS))](self.config.ctus, fill) if has_map else None
        self.nv12, self.wants_recon = rng.random() < 0.5, rng.random() < 0.7
        self.room: int | None = None  # None: enough
        self.windows: list[Window] = []

    def __str__(self) -> str:
        c = self.config
        extras = [("NV12" if self.nv12 else "I420"), *(["QP map"] if self.qp_map is not None else [])]
        return f"picture {self.tag} ({c.width}x{c.height} {self.content} QP {c.qp} {' '.join(extras)})"

    @cached_property
    def expected(self) -> PictureResult:
        return encode_picture(self.config, *self.planes, trace=True, qp_map=self.qp_map)

    @property
    def phase(self) -> int:
        """Address of the stream's first byte modulo 16."""
        return self.bitstream_address % 16

    def place(self, memory: MemoryAgent) -> None:
        """Find room for all of it beside what is there, and fill the source; the chip may reach it at once."""
        c, rng = self.config, self.rng
        self.source = self._plane_set(c.width, c.height)
        self.recon = self._plane_set(c.coded_width, c.coded_height) if self.wants_recon else []
        views = [plane.view() for plane in self.source]
        for plane, view in zip(self.planes, self._components(views)):
            view[:] = plane
        room = len(self.expected.data) + rng.randrange(STREAM_SLACK) if self.room is None else self.room
        self.bitstream = self.fill.integers(0, 256, max(room, 1), np.uint8)
        self.bitstream_before = self.bitstream.copy()
        self.bitstream_size = room
        pieces = [(plane.data, plane.size, "SOURCE") for plane in self.source]
        pieces += [(plane.data, plane.size, "RECON") for plane in self.recon]
        pieces.append((self.bitstream, self.bitstream.size, "BITSTREAM"))
        if self.qp_map is not None:
            self.map_bytes = np.full(-(-self.qp_map.size // self.align) * self.align, 0xFF, np.uint8)
            self.map_bytes[: self.qp_map.size] = self.qp_map.reshape(-1)
            pieces.append((self.map_bytes, self.map_bytes.size, "QP_MAP"))
        self.windows, kept = [], list(memory.windows)
        for data, size, master in pieces:
            near = tuple(window.end for window in memory.windows)
            align = 1 if master == "BITSTREAM" else self.align
            window = Window(memory.place(size, align, rng, near), data, master)
            memory.windows.append(window)
            self.windows.append(window)
        memory.show([*kept, *self.windows])
        for plane, window in zip([*self.source, *self.recon], self.windows):
            plane.address = window.address
        self.bitstream_address = next(w.address for w in self.windows if w.master == "BITSTREAM")
        self.map_address = next((w.address for w in self.windows if w.master == "QP_MAP"), 0)

    def remove(self, memory: MemoryAgent) -> None:
        """Take its windows away."""
        mine = {id(window) for window in self.windows}
        memory.show([window for window in memory.windows if id(window) not in mine])

    def owns(self, master: str, address: int) -> bool:
        """Whether the beat at this address has a byte of the picture that this master may touch."""
        return any(w.master == master and w.address - w.address % self.align <= address < w.end for w in self.windows)

    def registers(self) -> dict[str, dict[str, int]]:
        """What the picture registers are told: register, field, value."""
        c = self.config
        values = {
            "SIZE": {"width": c.width, "height": c.height},
            "MODE": {
                "pixel_format": int(self.nv12),
                "qp_map": c.cu_qp_delta_enabled,
                "recon": int(self.wants_recon),
                "write_parameter_sets": c.write_parameter_sets,
                "write_hash": c.write_hash,
            },
            "QP": {"qp": c.qp},
            "STREAM": {
                name: value for name, value in asdict(c).items() if name in ("level_idc", "high_tier", "full_range")
            },
            "COLOUR": {
                name: getattr(c, name) for name in ("colour_primaries", "transfer_characteristics", "matrix_coeffs")
            },
            "TAG": {"tag": self.tag},
            "BITSTREAM_SIZE": {"bytes": self.bitstream_size},
        }
        places = {"BITSTREAM": self.bitstream_address, "QP_MAP": self.map_address}
        for name, planes in (("SOURCE", self.source), ("RECON", self.recon)):
            if planes:
                addresses = [plane.address for plane in planes]
                if self.nv12:  # Cr is not looked at
                    addresses.append(self.rng.randrange(ADDRESS_END))
                places |= dict(zip((f"{name}_Y", f"{name}_CB", f"{name}_CR"), addresses))
                values[f"{name}_STRIDE_Y"] = {"bytes": planes[0].stride}
                values[f"{name}_STRIDE_C"] = {"bytes": planes[1].stride}
        for name, address in places.items():
            values[f"{name}_LOW"] = {"address": address & 0xFFFF_FFFF}
            values[f"{name}_HIGH"] = {"address": address >> 32}
        return values

    def recon_planes(self) -> list[np.ndarray]:
        """Y, Cb, Cr of the reconstruction as they lie in memory."""
        return self._components([plane.view() for plane in self.recon])

    def recon_before(self) -> list[np.ndarray]:
        """The same places before the picture was coded."""
        return self._components([plane.view_before() for plane in self.recon])

    def _components(self, views: list[np.ndarray]) -> list[np.ndarray]:
        return [views[0], views[1][:, 0::2], views[1][:, 1::2]] if self.nv12 else views

    def _plane_set(self, width: int, height: int) -> list[Plane]:
        shapes = [(height, width)] + ([(height // 2, width)] if self.nv12 else [(height // 2, width // 2)] * 2)
        strides = [
            (-(-columns // self.align) + self.rng.choice((0, 0, 1, 3))) * self.align for _, columns in shapes[:2]
        ]
        return [
            Plane(rows, columns, strides[min(k, 1)], self.align, self.fill) for k, (rows, columns) in enumerate(shapes)
        ]
