"""The board: the core behind a serial line."""

from types import SimpleNamespace

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.button import Button
from hdl.board.frame_receiver import FrameReceiver
from hdl.board.frame_transmitter import FrameTransmitter
from hdl.board.grouper import Grouper
from hdl.board.leds import Leds
from hdl.board.output_buffer import OutputBuffer
from hdl.board.protocol import MAGIC, VERSION, WORDS, State
from hdl.board.self_test import SelfTest
from hdl.board.server import Server
from hdl.board.uart_receiver import UartReceiver
from hdl.board.uart_transmitter import UartTransmitter
from hdl.common.streams import Fifo, connect
from hdl.core import Core
from hdl.params import Params
from hdl.payloads import Byte

RESET, TEST = 0, 1
"""Bits of `i_button`."""
RECEIVE_BYTES = 8192
SOURCE_BYTES = 8192
OUTPUT_BYTES = 4096


class Board(wiring.Component):
    """Requests on a serial line to pictures for the core, and its bytes back (docs/board.md).

    Pins: `i_rx`, `o_tx`: the line (8N1, `baud`), high at rest; `o_led`: see Leds; `i_button`, high when pressed: bit 0
    resets, bit 1 begins the self test. One clock of `clock_hz`, at least eight times `baud`; one synchronous reset.
    `i_git_hash`: a constant, the first 32 bits of the commit, for the host; 0 where it is not known.
    core: what to run instead of Core(p), with the same ports.
    Throughput: the line's. The reconstruction is not sent: its hash and its squared error are.
    """

    def __init__(self, p: Params, clock_hz: int, baud: int = 3_000_000, core=None):
        self.p, self.clock_hz, self.baud = p, clock_hz, baud
        self._core = core
        super().__init__(
            {"i_rx": In(1), "o_tx": Out(1, init=1), "o_led": Out(8), "i_button": In(2), "i_git_hash": In(32)}
        )

    def elaborate(self, platform):
        m = Module()
        clear = self._domains(m)
        blocks = {
            "test_button": Button(self.clock_hz // 100),
            "uart_receiver": UartReceiver(self.clock_hz, self.baud),
            "uart_transmitter": UartTransmitter(self.clock_hz, self.baud),
            "frame_receiver": FrameReceiver(RECEIVE_BYTES),
            "frame_transmitter": FrameTransmitter(),
            "server": Server(),
            "self_test": SelfTest(self.p),
            "leds": Leds(self.clock_hz),
        }
        of_picture = {
            "source": fifo.SyncFIFOBuffered(width=8, depth=SOURCE_BYTES),
            "grouper": Grouper(),
            "core": self._core or Core(self.p),
            "coded": Fifo(Byte, 2),
            "output": OutputBuffer(OUTPUT_BYTES),
        }
        for domain, its_blocks in (("board", blocks), ("picture", of_picture)):
            for name, block in its_blocks.items():
                m.submodules[name] = DomainRenamer(domain)(block)
        b = SimpleNamespace(**blocks, **of_picture)
        self._line(m, b)
        self._source(m, b)
        self._output(m, b)
        self._test(m, b)
        m.d.comb += clear.eq(b.server.clear | b.self_test.clear)
        self._words(m, b)
        self._lights(m, b)
        return m

    def _domains(self, m):
        """`board` is reset by the button too, `picture` also by the signal that this returns."""
        m.domains.board, m.domains.picture = board, picture = ClockDomain("board"), ClockDomain("picture")
        m.d.comb += [ClockSignal("board").eq(ClockSignal()), ClockSignal("picture").eq(ClockSignal())]
        m.submodules.reset_button = reset_button = Button(self.clock_hz // 100)
        clear = Signal()
        reset, clearing = Signal(init=1, reset_less=True), Signal(init=1, reset_less=True)
        m.d.sync += [
            reset.eq(ResetSignal() | reset_button.pressed),
            clearing.eq(ResetSignal() | reset_button.pressed | clear),
        ]
        m.d.comb += [
            reset_button.i_button.eq(self.i_button[RESET]),
            board.rst.eq(reset),
            picture.rst.eq(clearing),
        ]
        return clear

    def _line(self, m, b):
        m.d.comb += [
            b.uart_receiver.i_rx.eq(self.i_rx),
            self.o_tx.eq(b.uart_transmitter.o_tx),
            b.server.bad_frame.eq(b.frame_receiver.o_bad),
        ]
        connect(m, b.uart_receiver.o, b.frame_receiver.i)
        connect(m, b.frame_receiver.o, b.server.i)
        connect(m, b.server.o, b.frame_transmitter.i)
        connect(m, b.frame_transmitter.o, b.uart_transmitter.i)

    def _source(self, m, b):
        """Pictures and their source to the core: the host's, or the self test's."""
        testing = b.self_test.busy

        def choose(payload, valid, ready, tests, hosts):
            m.d.comb += [
                payload.eq(Mux(testing, Value.cast(tests.payload), Value.cast(hosts.payload))),
                valid.eq(Mux(testing, tests.valid, hosts.valid)),
                tests.ready.eq(ready & testing),
                hosts.ready.eq(ready & ~testing),
            ]

        picture, source = b.core.i_picture, b.source
        choose(Value.cast(picture.payload), picture.valid, picture.ready, b.self_test.o_picture, b.server.o_picture)
        choose(source.w_data, source.w_en, source.w_rdy, b.self_test.o_source, b.server.o_source)
        m.d.comb += [
            b.grouper.i.payload.eq(source.r_data),
            b.grouper.i.valid.eq(source.r_rdy),
            source.r_en.eq(b.grouper.i.ready),
        ]
        connect(m, b.grouper.o, b.core.i_source)
        # late, which only makes it less: nothing fills it while a request is decided
        m.d.board += b.server.source_room.eq(SOURCE_BYTES - source.level)

    def _output(self, m, b):
        """The core's bytes to the host, or to the self test. The reconstruction has no taker."""
        testing, coded = b.self_test.busy, b.coded.o
        m.d.comb += b.core.o_recon.ready.eq(1)
        connect(m, b.core.o_byte, b.coded.i)
        for sink, chosen in ((b.self_test.i_byte, testing), (b.output.i, ~testing)):
            m.d.comb += [
                Value.cast(sink.payload).eq(Value.cast(coded.payload)),
                sink.valid.eq(coded.valid & chosen),
            ]
        m.d.comb += coded.ready.eq(Mux(testing, b.self_test.i_byte.ready, b.output.i.ready))
        connect(m, b.output.o, b.server.i_output)
        m.d.comb += [getattr(b.output, name).eq(getattr(b.server, name)) for name in ("rewind", "release", "keep_from")]
        m.d.comb += [getattr(b.server, name).eq(getattr(b.output, name)) for name in ("position", "end", "ended")]

    def _test(self, m, b):
        m.d.comb += [
            b.test_button.i_button.eq(self.i_button[TEST]),
            b.server.i_test.eq(b.test_button.pushed),
            b.self_test.start.eq(b.server.test),
            b.self_test.abort.eq(b.server.clear),
            b.server.testing.eq(b.self_test.busy),
            b.server.passed.eq(b.self_test.passed),
            b.server.failed.eq(b.self_test.failed),
        ]

    def _words(self, m, b):
        """What the host can read."""
        core, server = b.core, b.server
        cycles, starved, bad_frames = (Signal(32, name=name) for name in ("cycles", "starved", "bad_frames"))
        with m.If(server.o_picture.valid):
            m.d.board += [cycles.eq(0), starved.eq(0)]
        with m.Elif(server.state == State.ENCODING):
            m.d.board += cycles.eq(cycles + 1)
            with m.If(core.i_source.ready & ~core.i_source.valid):
                m.d.board += starved.eq(starved + 1)
        m.d.board += bad_frames.eq(bad_frames + b.frame_receiver.o_bad)
        values = {
            "magic": MAGIC,
            "version": VERSION,
            "git_hash": self.i_git_hash,
            "preset_hash": self.p.hash,
            "clock_hz": self.clock_hz,
            "receive_bytes": RECEIVE_BYTES,
            "test_expected": b.self_test.expected,
            "cycles": cycles,
            "starved": starved,
            "bins": core.stat_bins,
            **{f"stall_{stage}": getattr(core, f"stat_stall_{stage}") for stage in Core.STAGES},
            "bad_frames": bad_frames,
            "test_crc": b.self_test.crc,
        }
        for name in Core.SSE:
            sse = Signal(64, name=name)
            m.d.comb += sse.eq(getattr(core, name))
            values |= {f"{name.removeprefix('stat_')}_low": sse[:32], f"{name.removeprefix('stat_')}_high": sse[32:]}
        m.d.comb += [word.eq(values[name]) for word, name in zip(server.words, WORDS, strict=True)]

    def _lights(self, m, b):
        m.d.comb += [
            b.leds.session.eq(b.server.session != 0),
            b.leds.opened.eq(b.server.opened),
            b.leds.encoding.eq(b.server.state == State.ENCODING),
            b.leds.frame.eq(b.frame_receiver.o.valid),
            b.leds.bad_frame.eq(b.frame_receiver.o_bad),
            b.leds.testing.eq(b.self_test.busy),
            b.leds.passed.eq(b.self_test.passed),
            b.leds.failed.eq(b.self_test.failed),
            self.o_led.eq(b.leds.o_led),
        ]
