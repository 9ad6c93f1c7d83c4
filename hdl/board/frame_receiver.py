"""Frames from the bytes of a line: whole, checked ones and no others."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.crc32 import INIT, RESIDUE, crc32_step
from hdl.board.payloads import FrameByte, LineByte
from hdl.board.protocol import ESCAPE, ESCAPED, FLAG

HELD = 5  # the CRC and the byte before it


class FrameReceiver(wiring.Component):
    """Finds frames between flags, takes out escapes, and gives the content of those whose CRC-32 is right.

    `i`: bytes of the line, always taken. `o`: the content without its CRC, from the moment its last byte has been
    checked. `o_bad`: strobe, a frame was dropped: wrong CRC, no content, a byte with `error`, an escape before a flag,
    or no room in the `depth` bytes (a power of two) of the buffer. Two flags in a row are no frame.
    Throughput: a byte in, a byte out in 2 cycles. Latency: 5 cycles from the closing flag. Reset: before a flag,
    buffer empty: what comes before the first flag is dropped without a word.
    """

    def __init__(self, depth: int):
        if depth < 16 or depth & (depth - 1):
            raise ValueError(f"depth is {depth}; it must be a power of two from 16 on")
        self.depth = depth
        super().__init__({"i": In(stream.Signature(LineByte)), "o": Out(stream.Signature(FrameByte)), "o_bad": Out(1)})

    def elaborate(self, platform):
        m = Module()
        # A byte of content, or the end of a frame.
        byte, escaped = Signal(8), Signal()
        content, end, error = Signal(), Signal(), Signal()
        m.d.comb += self.i.ready.eq(1)
        arrived = self.i.payload
        m.d.sync += [content.eq(0), end.eq(0), error.eq(0)]
        with m.If(self.i.valid):
            m.d.sync += escaped.eq(0)
            with m.If(arrived.error):
                m.d.sync += error.eq(1)
            with m.Elif(arrived.data == FLAG):
                m.d.sync += [end.eq(1), error.eq(escaped)]
            with m.Elif(arrived.data == ESCAPE):
                m.d.sync += [escaped.eq(1), error.eq(escaped)]
            with m.Else():
                m.d.sync += [content.eq(1), byte.eq(arrived.data ^ Mux(escaped, ESCAPED, 0))]

        held = [Signal(8, name=f"held_{k}") for k in range(HELD)]  # oldest first
        count, crc = Signal(range(HELD + 1)), Signal(32, init=INIT)
        started, damaged = Signal(), Signal()  # a flag came; this frame is lost
        pointer = Signal(range(2 * self.depth))
        begin, read = Signal.like(pointer), Signal.like(pointer)
        full, right = Signal(), Signal()
        m.d.sync += full.eq((pointer - read)[: len(pointer)] >= self.depth - 2)

        m.submodules.buffer = buffer = memory.Memory(shape=FrameByte, depth=self.depth, init=[])
        # a byte is read only a cycle after it was committed, later than it was written
        buffer.attrs["no_rw_check"] = 1
        write, port = buffer.write_port(), buffer.read_port()
        store = Signal()
        m.d.comb += [
            right.eq(crc == RESIDUE),
            write.en.eq(store),
            write.addr.eq(pointer),
            write.data.data.eq(held[0]),
            write.data.last.eq(end),
        ]
        with m.If(store):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(error):
            m.d.sync += damaged.eq(1)
        with m.If(content):
            m.d.sync += [new.eq(old) for new, old in zip(held, [*held[1:], byte])]
            m.d.sync += crc.eq(crc32_step(crc, byte))
            with m.If(count != HELD):
                m.d.sync += count.eq(count + 1)
            with m.Elif(full):
                m.d.sync += damaged.eq(1)
            with m.Else():
                m.d.comb += store.eq(1)

        m.d.sync += self.o_bad.eq(0)
        with m.If(end):
            good = right & (count == HELD) & started & ~damaged & ~error & ~full
            m.d.sync += [count.eq(0), crc.eq(INIT), damaged.eq(0), started.eq(1)]
            with m.If(good):
                m.d.comb += store.eq(1)
                m.d.sync += begin.eq(pointer + 1)
            with m.Else():
                m.d.sync += [pointer.eq(begin), self.o_bad.eq(started & ((count != 0) | damaged | error))]

        m.d.comb += [port.addr.eq(read), self.o.payload.eq(port.data), port.en.eq(~self.o.valid)]
        with m.If(self.o.valid):
            with m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
        with m.Elif(read != begin):
            m.d.sync += [self.o.valid.eq(1), read.eq(read + 1)]
        return m
