"""Writes the sections of `headers` bit by bit from their microcode."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pack.headers import FIELDS, Kind, Section, compile_headers
from hdl.pack.payloads import Checksum, RbspByte
from hdl.params import Params
from hdl.payloads import Picture

_STEP = data.StructLayout({"kind": 2, "count": 5, "value": 16, "raw": 1, "qp_delta": 1, "stop": 1})


class HeaderWriter(wiring.Component):
    """One section of the stream at a time: parameter sets, slice header or picture hash (H.265 7.3.1 to 7.3.6).

    start: strobe while not busy; `section`, `picture` and `checksum` must stay until busy falls.
    o: the bytes, `raw` in start codes; `last` on the last byte of a section, `busy` until that was taken.
    Throughput: 1 bit per cycle, plus 1 cycle a step and up to 18 for an ue(v) field: 668 cycles for the parameter
    sets of 1080p, 86 for a slice header, 189 for the hash. Backpressure on `o` stalls it.
    Arithmetic: ue(v) of values up to 65534.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "section": In(2),
                "picture": In(Picture),
                "checksum": In(Checksum),
                "o": Out(stream.Signature(RbspByte)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        steps, entry = compile_headers(self.p.ctb_log2_size)
        words: list[Any] = [
            {name: getattr(step, name) for name in ("kind", "count", "value", "raw", "qp_delta", "stop")}
            for step in steps
        ]
        m.submodules.microcode = microcode = memory.Memory(shape=_STEP, depth=len(words), init=words)
        read = microcode.read_port()
        pc, step = Signal(range(len(words) + 1)), read.data
        m.d.comb += [read.addr.eq(pc), read.en.eq(1)]

        field = Signal(16)
        with m.Switch(step.value[:5]):
            for number, value in enumerate(self._fields(m)):
                with m.Case(number):
                    m.d.sync += field.eq(value)

        bits, left = Signal(17), Signal(5)  # next bit on top
        zeros = Signal(5)
        place, byte = Signal(3), Signal(7)
        raw, stop = Signal(), Signal()

        bit, put, last_bit = Signal(), Signal(), Signal()
        m.d.comb += [
            self.o.payload.data.eq(Cat(bit, byte)),
            self.o.payload.raw.eq(raw),
            self.o.payload.last.eq(stop & last_bit),
            self.o.valid.eq(put & (place == 7)),
        ]
        moved = put & ((place != 7) | self.o.ready)
        with m.If(moved):
            m.d.sync += [place.eq(place + 1), byte.eq(Cat(bit, byte))]

        with m.FSM(name="writer") as fsm:
            with m.State("IDLE"):
                with m.Switch(self.section):
                    for section in Section:
                        with m.Case(section):
                            m.d.sync += pc.eq(entry[section])
                with m.If(self.start):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "FIELD"
            with m.State("FIELD"):
                m.next = "STEP"
            with m.State("STEP"):
                m.d.sync += [raw.eq(step.raw), stop.eq(step.stop), pc.eq(pc + 1)]
                with m.Switch(step.kind):
                    with m.Case(Kind.UE_FIELD):
                        m.d.sync += [bits.eq(field + 1), left.eq(17)]
                        m.next = "NORMALIZE"
                    with m.Case(Kind.TRAILING):
                        m.d.sync += [bits.eq(1 << 16), left.eq(8 - place)]
                        m.next = "BITS"
                    with m.Default():
                        value = Mux(step.kind == Kind.FIELD, field, step.value)
                        m.d.sync += [
                            bits.eq((Cat(Const(0, 17), value) >> step.count)[:17]),
                            left.eq(step.count),
                        ]
                        m.next = "BITS"
                with m.If(step.qp_delta & ~self.picture.cu_qp_delta_enabled):
                    m.next = "FETCH"
            with m.State("NORMALIZE"):
                with m.If(bits[16]):
                    m.d.sync += zeros.eq(left - 1)
                    m.next = "ZEROS"
                with m.Else():
                    m.d.sync += [bits.eq(bits << 1), left.eq(left - 1)]
            with m.State("ZEROS"):
                with m.If(zeros == 0):
                    m.next = "BITS"
                with m.Else():
                    m.d.comb += put.eq(1)
                    m.d.sync += zeros.eq(zeros - moved)
            with m.State("BITS"):
                m.d.comb += [put.eq(1), bit.eq(bits[16]), last_bit.eq(left == 1)]
                with m.If(moved):
                    m.d.sync += [bits.eq(bits << 1), left.eq(left - 1)]
                    with m.If(last_bit):
                        with m.If(stop):
                            m.next = "IDLE"
                        with m.Else():
                            m.next = "FIELD"
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
        return m

    def _fields(self, m):
        """Values of `FIELDS`, in their order."""
        picture = self.picture
        coded = [Signal(14, name=f"coded_{name}") for name in ("width", "height")]
        delta = Signal(signed(7))
        m.d.comb += [
            coded[0].eq((picture.width + 7) & ~7),
            coded[1].eq((picture.height + 7) & ~7),
            delta.eq(picture.qp - 26),
        ]
        values = {
            "high_tier": picture.high_tier,
            "level_idc": picture.level_idc,
            "coded_width": coded[0],
            "coded_height": coded[1],
            "conf_win_right_offset": (coded[0] - picture.width)[1:3],
            "conf_win_bottom_offset": (coded[1] - picture.height)[1:3],
            "full_range": picture.full_range,
            "cu_qp_delta_enabled": picture.cu_qp_delta_enabled,
            "colour_primaries": picture.colour_primaries,
            "transfer_characteristics": picture.transfer_characteristics,
            "matrix_coeffs": picture.matrix_coeffs,
            "slice_qp_delta": Mux(delta > 0, 2 * delta - 1, -2 * delta)[:6],
        }
        for k, name in enumerate(("y", "cb", "cr")):
            values[f"checksum_{name}_high"] = self.checksum.component[k][16:]
            values[f"checksum_{name}_low"] = self.checksum.component[k][:16]
        return [values[name] for name in FIELDS]
