"""The driver of the chip: the same calls as drivers/c/heron.h, in Python.

It needs a `Bus`: the chip's registers, and a way to wait for its interrupt. Buffers are addresses as the chip sees
them; who owns the memory fills and reads them. `sim.chip.SimChip` is a Bus in simulation.

    chip = Driver(bus)
    chip.submit(Picture(width=64, height=64, qp=30, source=planes, bitstream=(0x1000, 65536)))
    result = chip.finish()
"""

from dataclasses import dataclass
from typing import Protocol

from hdl.chip.register_map import by_name
from heron.errors import HeronError

MAGIC = 0x4E524548
MAJOR = 0


class Bus(Protocol):
    """What the integrator supplies: 32 bit accesses at offsets of the register map, and waiting."""

    def read(self, offset: int) -> int: ...
    def write(self, offset: int, value: int) -> None: ...

    def wait(self) -> bool:
        """Until the interrupt, or a while; False when it is time to give up."""
        ...


class ChipError(HeronError):
    """The chip is none of ours, has no room for another picture, or does not answer."""


@dataclass(frozen=True)
class Planes:
    """A 4:2:0 picture in the chip's memory: addresses and strides in bytes. NV12: Cb and Cr are both in `cb`."""

    y: int
    cb: int
    cr: int
    stride_y: int
    stride_c: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What to code, and where. bitstream: address and size of the buffer; recon, qp_map: where wanted."""

    width: int
    height: int
    source: Planes
    bitstream: tuple[int, int]
    nv12: bool = False
    recon: Planes | None = None
    qp: int = 32
    qp_map: int | None = None
    level_idc: int = 93
    high_tier: int = 0
    write_parameter_sets: int = 1
    write_hash: int = 0
    full_range: int = 0
    colour_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coeffs: int = 2
    tag: int = 0


@dataclass(frozen=True)
class Result:
    """How a picture ended. code, master: names of the register map's enumerations; position: bytes of the stream in the
    buffer; sse: of Y, Cb, Cr; stall_cycles: by stage."""

    code: str
    master: str
    resp: int
    address: int
    tag: int
    position: int
    cycles: int
    bins: int
    bits: int
    bytes_read: int
    bytes_written: int
    sse: tuple[int, int, int]
    stall_cycles: dict[str, int]

    def explain(self) -> str:
        """One line for people."""
        if self.code == "BUS_ERROR":
            answer = {2: "SLVERR", 3: "DECERR"}.get(self.resp, str(self.resp))
            return f"BUS_ERROR: {answer} for {self.master} at {self.address:#x}"
        return self.code


class PictureError(ChipError):
    """A picture did not end well; `result` says how."""

    def __init__(self, result: Result):
        super().__init__(f"picture {result.tag}: {result.explain()}")
        self.result = result


class Driver:
    """The chip behind a bus. ChipError where it is not one that this driver knows."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self._registers = by_name()
        magic = self.read("ID")["magic"]
        if magic != MAGIC:
            raise ChipError(f"no Heron at this address: ID reads {magic:#010x}, not {MAGIC:#010x}")
        version = self.read("VERSION")
        if version["major"] != MAJOR:
            raise ChipError(
                f"the chip has register map {version['major']}.{version['minor']}; this driver knows {MAJOR}"
            )
        self.version = version["major"], version["minor"], version["patch"]
        self.git_hash = self.read("GIT_HASH")["hash"]
        self.preset_hash = self.read("PRESET_HASH")["hash"]
        self.capabilities = self.read("CAPABILITIES")
        self.max_size = tuple(self.read("MAX_SIZE").values())

    def read(self, name: str) -> dict[str, int]:
        """A register's fields."""
        register = self._registers[name]
        value = self._bus.read(register.offset)
        return {f.name: value >> f.low & (1 << f.width) - 1 for f in register.fields}

    def write(self, name: str, **values: int) -> None:
        """Writes a register: fields that are not named get 0. ValueError where a value does not fit."""
        register = self._registers[name]
        word = 0
        for key, value in values.items():
            field = register.field(key)
            if not 0 <= value < 1 << field.width:
                raise ValueError(f"{name}.{key} is {value}; it has {field.width} bits")
            word |= int(value) << field.low
        self._bus.write(register.offset, word)

    def submit(self, picture: Picture) -> None:
        """Queues a picture: it runs when those before it are done. ChipError when the queue is full, and after a
        BUS_ERROR or WATCHDOG until `reset`."""
        status = self.read("STATUS")
        if status["fault"] or status["resetting"]:
            raise ChipError("the chip takes no picture before a reset()")
        if status["queued"]:
            raise ChipError("a picture waits already; finish() one first")
        self.write("SIZE", width=picture.width, height=picture.height)
        self.write(
            "MODE",
            pixel_format=int(picture.nv12),
            qp_map=int(picture.qp_map is not None),
            recon=int(picture.recon is not None),
            write_parameter_sets=picture.write_parameter_sets,
            write_hash=picture.write_hash,
        )
        self.write("QP", qp=picture.qp)
        self.write("STREAM", level_idc=picture.level_idc, high_tier=picture.high_tier, full_range=picture.full_range)
        self.write(
            "COLOUR",
            colour_primaries=picture.colour_primaries,
            transfer_characteristics=picture.transfer_characteristics,
            matrix_coeffs=picture.matrix_coeffs,
        )
        self.write("TAG", tag=picture.tag)
        for name, planes in (("SOURCE", picture.source), ("RECON", picture.recon)):
            if planes is not None:
                for plane in ("y", "cb", "cr"):
                    self._address(f"{name}_{plane.upper()}", getattr(planes, plane))
                self.write(f"{name}_STRIDE_Y", bytes=planes.stride_y)
                self.write(f"{name}_STRIDE_C", bytes=planes.stride_c)
        address, size = picture.bitstream
        self._address("BITSTREAM", address)
        self.write("BITSTREAM_SIZE", bytes=size)
        if picture.qp_map is not None:
            self._address("QP_MAP", picture.qp_map)
        self.write("CONTROL", start=1)

    def finish(self) -> Result:
        """Waits for the next picture to end; PictureError when it did not end well, ChipError when the bus gives up."""
        self.write("IRQ_ENABLE", **self.read("IRQ_ENABLE") | {"finished": 1})
        while True:
            status = self.read("STATUS")
            if self.read("IRQ_STATUS")["finished"]:
                break
            if not status["busy"] and not status["queued"]:
                raise ChipError("no picture runs or waits: it was dropped, or never submitted")
            if not self._bus.wait():
                raise ChipError(f"the chip does not finish; STATUS is {status}")
        result = self._result()
        self.write("IRQ_STATUS", finished=1)
        if result.code != "OK":
            raise PictureError(result)
        return result

    def abort(self) -> None:
        """Ends the running picture, which `finish` then reports as ABORTED, and drops the waiting one."""
        self.write("CONTROL", abort=1)

    def reset(self) -> None:
        """Soft reset; afterwards nothing runs, waits or is left to report. ChipError when the bus is stuck."""
        self.write("CONTROL", soft_reset=1)
        while self.read("STATUS")["resetting"]:
            if not self._bus.wait():
                raise ChipError("the chip does not come out of reset: the bus owes it answers")
        if self.read("STATUS")["fault"]:
            raise ChipError("the chip could not be reset: the bus owes it answers")

    def _address(self, name: str, address: int) -> None:
        self.write(f"{name}_LOW", address=address & 0xFFFF_FFFF)
        self.write(f"{name}_HIGH", address=address >> 32)

    def _result(self) -> Result:
        error = self.read("ERROR")
        count = {name: self.read(name)["count"] for name in ("CYCLES", "BINS", "BITS", "BYTES_READ", "BYTES_WRITTEN")}
        stalls = {
            name.removeprefix("STALL_").lower(): self.read(name)["count"]
            for name in self._registers
            if name.startswith("STALL_")
        }
        y, cb, cr = (self._wide(f"SSE_{plane}", "sum") for plane in ("Y", "CB", "CR"))
        return Result(
            code=self._name("ERROR", "code", error["code"]),
            master=self._name("ERROR", "master", error["master"]),
            resp=error["resp"],
            address=self._wide("ERROR_ADDRESS", "address"),
            tag=self.read("RESULT_TAG")["tag"],
            position=self.read("BITSTREAM_POSITION")["bytes"],
            sse=(y, cb, cr),
            stall_cycles=stalls,
            **{name.lower(): value for name, value in count.items()},
        )

    def _wide(self, name: str, key: str) -> int:
        return self.read(f"{name}_LOW")[key] | self.read(f"{name}_HIGH")[key] << 32

    def _name(self, register: str, key: str, value: int) -> str:
        names = {each.value: each.name for each in self._registers[register].field(key).values}
        return names.get(value, str(value))
