"""The built-in self test: pictures that the board makes itself, and the CRC-32 of what becomes of them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.crc32 import INIT, crc32_step
from hdl.common.rom import rom
from hdl.params import Params
from hdl.payloads import Byte, Picture

SIZE = 64  # width and height
SOURCE_BYTES = SIZE * SIZE * 3 // 2
QPS = 4, 16, 28, 40  # a picture of each
MASKS = 255, 63, 31, 7, 31, 15, 7, 0, 31, 15, 7, 3, 3, 0, 1, 0  # of the noise: quarters of 2048 bytes in each
SEED = 0xACE1
CRC = {4: 0xBB730622, 5: 0xDA0FB2FF}
"""Of all the bytes, by ctb_log2_size: what the reference codec makes of `source_bytes`."""
SETTLE_CYCLES = 8
TIMEOUT_CYCLES = 1 << 20  # for each picture


class Phase(enum.Enum, shape=3):
    IDLE = 0
    CLEAR = 1
    PICTURE = 2
    RUN = 3
    COMPARE = 4


def picture_fields(index: int) -> dict[str, int]:
    """The picture's parameters; its hash carries the reconstruction into the CRC."""
    return {
        "width": SIZE,
        "height": SIZE,
        "qp": QPS[index],
        "cu_qp_delta_enabled": 0,
        "level_idc": 30,
        "high_tier": 0,
        "write_parameter_sets": 1,
        "write_hash": 1,
        "full_range": 0,
        "colour_primaries": 2,
        "transfer_characteristics": 2,
        "matrix_coeffs": 2,
    }


def source_bytes() -> list[bytes]:
    """The source of each picture, in the order of `Samples`: what the logic below makes."""
    noise, pictures = SEED, []
    for index in range(len(QPS)):
        source = bytearray()
        for place in range(SOURCE_BYTES):
            x, y = place & 31, place >> 5 & 31
            edge = 64 if place >> 4 & 1 and place >> 8 & 1 and index < 3 else 0
            slope = 3 * x + 2 * y >> index
            source.append((noise & MASKS[4 * index + (place >> 9 & 3)]) + slope + edge + 32 * index & 255)
            noise = noise >> 1 ^ (0xB400 if noise & 1 else 0)
        pictures.append(bytes(source))
    return pictures


class SelfTest(wiring.Component):
    """Codes four generated pictures of 64x64 and compares the CRC-32 of all their bytes with the stored one.

    `start` (strobe): begin, or begin again; `abort` (strobe): end without a result. `busy`: from then on.
    `clear`: resets core and buffers at the begin. `o_picture`, `o_source` (bytes, a group is eight) go to the core,
    `i_byte` comes from it. `crc`: so far. `passed` or `failed` stay after the end until the next begin; it fails too
    when a picture takes `timeout` cycles.
    Throughput: a byte of source a cycle. Reset: no result.
    """

    def __init__(self, p: Params, timeout: int = TIMEOUT_CYCLES):
        if p.ctb_log2_size not in CRC:
            raise ValueError(f"ctb_log2_size is {p.ctb_log2_size}; the self test has results for {sorted(CRC)}")
        self.expected = CRC[p.ctb_log2_size]
        self.timeout = timeout
        super().__init__(
            {
                "start": In(1),
                "abort": In(1),
                "busy": Out(1),
                "clear": Out(1),
                "o_picture": Out(stream.Signature(Picture)),
                "o_source": Out(stream.Signature(8)),
                "i_byte": In(stream.Signature(Byte)),
                "crc": Out(32),
                "passed": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        register, index = Signal(32, init=INIT), Signal(range(len(QPS)))
        place, noise = Signal(range(SOURCE_BYTES + 1)), Signal(16, init=SEED)
        wait, elapsed = Signal(range(SETTLE_CYCLES)), Signal(range(self.timeout))
        m.d.comb += self.crc.eq(~register)
        for name, value in picture_fields(0).items():
            m.d.comb += getattr(self.o_picture.payload, name).eq(value)
        m.d.comb += self.o_picture.payload.qp.eq(rom(QPS, index, 6))
        state = Signal(Phase)
        m.d.comb += self.busy.eq(state != Phase.IDLE)

        with m.Switch(state):
            with m.Case(Phase.CLEAR):
                m.d.comb += self.clear.eq(wait < SETTLE_CYCLES // 2)
                m.d.sync += [register.eq(INIT), index.eq(0), noise.eq(SEED), wait.eq(wait + 1), elapsed.eq(0)]
                m.d.sync += self.o_source.valid.eq(0)
                with m.If(wait == SETTLE_CYCLES - 1):
                    m.d.sync += state.eq(Phase.PICTURE)
            with m.Case(Phase.PICTURE):
                m.d.comb += self.o_picture.valid.eq(1)
                m.d.sync += [place.eq(0), elapsed.eq(elapsed + 1)]
                with m.If(self.o_picture.ready):
                    m.d.sync += state.eq(Phase.RUN)
                with m.Elif(elapsed == self.timeout - 1):
                    m.d.sync += [self.failed.eq(1), state.eq(Phase.IDLE)]
            with m.Case(Phase.RUN):
                self._source(m, place, noise, index)
                m.d.comb += self.i_byte.ready.eq(1)
                m.d.sync += elapsed.eq(elapsed + 1)
                with m.If(self.i_byte.valid):
                    m.d.sync += register.eq(crc32_step(register, self.i_byte.payload.data))
                with m.If(self.i_byte.valid & self.i_byte.payload.last):
                    m.d.sync += [index.eq(index + 1), elapsed.eq(0)]
                    m.d.sync += state.eq(Mux(index == len(QPS) - 1, Phase.COMPARE, Phase.PICTURE))
                with m.Elif(elapsed == self.timeout - 1):
                    m.d.sync += [self.failed.eq(1), state.eq(Phase.IDLE)]
            with m.Case(Phase.COMPARE):
                right = self.crc == self.expected
                m.d.sync += [self.passed.eq(right), self.failed.eq(~right), state.eq(Phase.IDLE)]
        with m.If(self.abort):
            m.d.sync += state.eq(Phase.IDLE)
        with m.If(self.start):
            m.d.sync += [self.passed.eq(0), self.failed.eq(0), wait.eq(0), state.eq(Phase.CLEAR)]
        return m

    def _source(self, m, place, noise, index):
        """`source_bytes`, a byte ahead in a register."""
        edge = Mux(place[4] & place[8] & (index != 3), 64, 0)
        # sums, so that no multiplier is taken: the core needs them all
        x, y = place[:5], place[5:10]
        slope = (x + (x << 1) + (y << 1)) >> index
        value = (noise[:8] & rom(MASKS, Cat(place[9:11], index), 8)) + slope + edge + (index << 5)
        left = place != SOURCE_BYTES
        with m.If(self.o_source.ready | ~self.o_source.valid):
            m.d.sync += [self.o_source.payload.eq(value), self.o_source.valid.eq(left)]
            with m.If(left):
                m.d.sync += [place.eq(place + 1), noise.eq((noise >> 1) ^ Mux(noise[0], Const(0xB400, 16), 0))]
