"""The pack stage: slice data to an Annex B byte stream."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.common.streams import Fifo, connect
from hdl.pack.emulation_prevention import EmulationPrevention
from hdl.pack.header_writer import HeaderWriter
from hdl.pack.headers import Section
from hdl.pack.payloads import Checksum, RbspByte
from hdl.params import Params
from hdl.payloads import Byte, Picture


class Pack(wiring.Component):
    """NAL units of a picture with start codes and emulation prevention (H.265 7.3.1, Annex B).

    i_picture: one before each picture. i_slice_data: bytes of the slice data with its trailing bits, `last` on the
    last. i_checksum: one for each picture with write_hash, none for others.
    o: VPS, SPS and PPS if write_parameter_sets; the slice; the decoded picture hash SEI if write_hash. `last` on
    the picture's last byte.

    Throughput: one byte per cycle in the slice data; headers one bit per cycle, see HeaderWriter. Latency: 2 cycles.
    Backpressure on `o` stalls all inputs; i_slice_data also waits for the headers.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "i_picture": In(stream.Signature(Picture)),
                "i_slice_data": In(stream.Signature(Byte)),
                "i_checksum": In(stream.Signature(Checksum)),
                "o": Out(stream.Signature(Byte)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.headers = headers = HeaderWriter(self.p)
        m.submodules.prevention = prevention = EmulationPrevention()
        m.submodules.before = before = Fifo(RbspByte, 2)
        m.submodules.after = after = Fifo(Byte, 2)
        connect(m, before.o, prevention.i)
        connect(m, prevention.o, after.i)
        connect(m, after.o, self.o)

        picture, checksum = Signal(Picture), Signal(Checksum)
        m.d.comb += [headers.picture.eq(picture), headers.checksum.eq(checksum)]

        def section(name, ends_picture, next_state):
            """States that write one section of the headers."""
            with m.State(name):
                m.d.comb += [headers.section.eq(Section[name]), headers.start.eq(1)]
                m.next = f"{name}_BYTES"
            with m.State(f"{name}_BYTES"):
                m.d.comb += [
                    before.i.valid.eq(headers.o.valid),
                    before.i.payload.eq(headers.o.payload),
                    before.i.payload.last.eq(headers.o.payload.last & ends_picture),
                    headers.o.ready.eq(before.i.ready),
                ]
                with m.If(~headers.busy):
                    m.next = next_state

        with m.FSM(name="part"):
            with m.State("PICTURE"):
                m.d.comb += self.i_picture.ready.eq(1)
                m.d.sync += picture.eq(self.i_picture.payload)
                with m.If(self.i_picture.valid):
                    with m.If(self.i_picture.payload.write_parameter_sets):
                        m.next = "PARAMETER_SETS"
                    with m.Else():
                        m.next = "SLICE_HEADER"
            section("PARAMETER_SETS", 0, "SLICE_HEADER")
            section("SLICE_HEADER", 0, "SLICE_DATA")
            with m.State("SLICE_DATA"):
                byte = self.i_slice_data.payload
                m.d.comb += [
                    before.i.valid.eq(self.i_slice_data.valid),
                    before.i.payload.data.eq(byte.data),
                    before.i.payload.last.eq(byte.last & ~picture.write_hash),
                    self.i_slice_data.ready.eq(before.i.ready),
                ]
                with m.If(self.i_slice_data.valid & before.i.ready & byte.last):
                    with m.If(picture.write_hash):
                        m.next = "CHECKSUM"
                    with m.Else():
                        m.next = "PICTURE"
            with m.State("CHECKSUM"):
                m.d.comb += self.i_checksum.ready.eq(1)
                m.d.sync += checksum.eq(self.i_checksum.payload)
                with m.If(self.i_checksum.valid):
                    m.next = "PICTURE_HASH"
            section("PICTURE_HASH", 1, "PICTURE")
        return m
