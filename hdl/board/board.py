"""The board: the core behind a serial line."""

from amaranth import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module, Mux, ResetSignal, Signal, Value
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
from hdl.common.streams import connect
from hdl.core import Core
from hdl.params import Params
from hdl.payloads import Samples

RESET, TEST = 0, 1
"""Bits of `i_button`."""
RECEIVE_BYTES = 8192
SOURCE_GROUPS = 1024
OUTPUT_BYTES = 4096


class Board(wiring.Component):
    """Requests on a serial line to pictures for the core, and its bytes back (docs/board.md).

    Pins: `i_rx`, `o_tx`: the line (8N1, `baud`), high at rest; `o_led`: see Leds; `i_button`, high when pressed: bit 0
    resets, bit 1 begins the self test. One clock of `clock_hz`, at least eight times `baud`; one synchronous reset.
    git_hash: 32 bits of the commit, for the host; 0 where it is not known. core: what to run instead of Core(p), with
    the same ports.
    Throughput: the line's. The reconstruction is not sent: its hash and its squared error are.
    """

    def __init__(self, p: Params, clock_hz: int, baud: int = 3_000_000, git_hash: int = 0, core=None):
        if not 0 <= git_hash < 1 << 32:
            raise ValueError(f"git_hash is {git_hash:#x}; it must have at most 32 bits")
        self.p, self.clock_hz, self.baud, self.git_hash = p, clock_hz, baud, git_hash
        self.core = core or Core(p)
        super().__init__({"i_rx": In(1), "o_tx": Out(1, init=1), "o_led": Out(8), "i_button": In(2)})

    def elaborate(self, platform):
        m = Module()
        self._domains(m)
        m.submodules.reset_button = self.reset_button
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
        cleared = {
            "core": self.core,
            "grouper": Grouper(),
            "source": fifo.SyncFIFOBuffered(width=Samples.as_shape().size, depth=SOURCE_GROUPS),
            "output": OutputBuffer(OUTPUT_BYTES),
        }
        for domain, of_domain in (("board", blocks), ("picture", cleared)):
            for name, block in of_domain.items():
                m.submodules[name] = DomainRenamer(domain)(block)
                setattr(self, name, block)
        self._line(m)
        self._picture(m)
        self._words(m)
        self._lights(m)
        return m

    def _domains(self, m):
        """`board` is reset by the button too, `picture` also by `clear`."""
        m.domains.board, m.domains.picture = board, picture = ClockDomain("board"), ClockDomain("picture")
        m.d.comb += [ClockSignal("board").eq(ClockSignal()), ClockSignal("picture").eq(ClockSignal())]
        self.reset_button = Button(self.clock_hz // 100)
        self.clear = Signal()
        reset, clearing = Signal(init=1, reset_less=True), Signal(init=1, reset_less=True)
        m.d.sync += [
            reset.eq(ResetSignal() | self.reset_button.pressed),
            clearing.eq(ResetSignal() | self.reset_button.pressed | self.clear),
        ]
        m.d.comb += [
            self.reset_button.i_button.eq(self.i_button[RESET]),
            board.rst.eq(reset),
            picture.rst.eq(clearing),
        ]

    def _line(self, m):
        m.d.comb += [
            self.uart_receiver.i_rx.eq(self.i_rx),
            self.o_tx.eq(self.uart_transmitter.o_tx),
            self.server.bad_frame.eq(self.frame_receiver.o_bad),
        ]
        connect(m, self.uart_receiver.o, self.frame_receiver.i)
        connect(m, self.frame_receiver.o, self.server.i)
        connect(m, self.server.o, self.frame_transmitter.i)
        connect(m, self.frame_transmitter.o, self.uart_transmitter.i)

    def _picture(self, m):
        """Source and bytes of the core: the host's, or the self test's."""
        core, server, test, output = self.core, self.server, self.self_test, self.output
        testing = Signal()
        m.d.comb += [
            testing.eq(test.busy),
            self.clear.eq(server.clear | test.clear),
            self.test_button.i_button.eq(self.i_button[TEST]),
            test.start.eq(server.test | self.test_button.pushed),
            test.abort.eq(server.clear),
            server.testing.eq(testing),
            server.passed.eq(test.passed),
            server.failed.eq(test.failed),
            core.o_recon.ready.eq(1),
        ]

        def choose(sink, tests, hosts):
            m.d.comb += [
                Value.cast(sink.payload).eq(Mux(testing, Value.cast(tests.payload), Value.cast(hosts.payload))),
                sink.valid.eq(Mux(testing, tests.valid, hosts.valid)),
                tests.ready.eq(sink.ready & testing),
                hosts.ready.eq(sink.ready & ~testing),
            ]

        choose(core.i_picture, test.o_picture, server.o_picture)
        choose(self.grouper.i, test.o_source, server.o_source)
        source = self.source
        m.d.comb += [
            source.w_data.eq(self.grouper.o.payload),
            source.w_en.eq(self.grouper.o.valid),
            self.grouper.o.ready.eq(source.w_rdy),
            Value.cast(core.i_source.payload).eq(source.r_data),
            core.i_source.valid.eq(source.r_rdy),
            source.r_en.eq(core.i_source.ready),
        ]
        # late, which only makes it less: nothing else fills it while a request is decided
        m.d.board += server.source_room.eq(Cat(Const(0, 3), SOURCE_GROUPS - source.level))
        for sink, chosen in ((test.i_byte, testing), (output.i, ~testing)):
            m.d.comb += [
                Value.cast(sink.payload).eq(Value.cast(core.o_byte.payload)),
                sink.valid.eq(core.o_byte.valid & chosen),
            ]
        m.d.comb += core.o_byte.ready.eq(Mux(testing, test.i_byte.ready, output.i.ready))
        connect(m, output.o, server.i_output)
        m.d.comb += [
            output.rewind.eq(server.rewind),
            output.release.eq(server.release),
            output.keep_from.eq(server.keep_from),
            server.position.eq(output.position),
            server.end.eq(output.end),
            server.ended.eq(output.ended),
        ]

    def _words(self, m):
        """What the host can read."""
        core, test = self.core, self.self_test
        cycles, starved, bad_frames = (Signal(32, name=name) for name in ("cycles", "starved", "bad_frames"))
        with m.If(self.server.o_picture.valid):
            m.d.board += [cycles.eq(0), starved.eq(0)]
        with m.Elif(self.server.state == State.ENCODING):
            m.d.board += cycles.eq(cycles + 1)
            with m.If(core.i_source.ready & ~core.i_source.valid):
                m.d.board += starved.eq(starved + 1)
        m.d.board += bad_frames.eq(bad_frames + self.frame_receiver.o_bad)
        values = {
            "magic": MAGIC,
            "version": VERSION,
            "git_hash": self.git_hash,
            "preset_hash": self.p.hash,
            "clock_hz": self.clock_hz,
            "receive_bytes": RECEIVE_BYTES,
            "test_expected": test.expected,
            "cycles": cycles,
            "starved": starved,
            "bins": core.stat_bins,
            **{f"stall_{stage}": getattr(core, f"stat_stall_{stage}") for stage in Core.STAGES},
            "bad_frames": bad_frames,
            "test_crc": test.crc,
        }
        for name in Core.SSE:
            sse = Signal(64, name=name)
            m.d.comb += sse.eq(getattr(core, name))
            values |= {f"{name.removeprefix('stat_')}_low": sse[:32], f"{name.removeprefix('stat_')}_high": sse[32:]}
        m.d.comb += [word.eq(values[name]) for word, name in zip(self.server.words, WORDS, strict=True)]

    def _lights(self, m):
        leds, server = self.leds, self.server
        m.d.comb += [
            leds.session.eq(server.session != 0),
            leds.opened.eq(server.opened),
            leds.encoding.eq(server.state == State.ENCODING),
            leds.frame.eq(self.frame_receiver.o.valid),
            leds.bad_frame.eq(self.frame_receiver.o_bad),
            leds.testing.eq(self.self_test.busy),
            leds.passed.eq(self.self_test.passed),
            leds.failed.eq(self.self_test.failed),
            self.o_led.eq(leds.o_led),
        ]
