"""What the board does when the host asks."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.board.payloads import FrameByte
from hdl.board.protocol import (
    ANSWER_WORDS,
    ANSWERED,
    DATA_BYTES,
    REQUEST_BYTES,
    WORDS,
    Command,
    State,
)
from hdl.payloads import Picture

PICTURE_BYTES = -(-Picture.as_shape().size // 8)
FIRST_WORD = 8  # of WORDS in the table, behind those of every answer
SETTLE_CYCLES = 8


class Server(wiring.Component):
    """Takes one request after the other, does what it says, and gives one answer to each (docs/board.md).

    `i`: the content of frames that were received well. `o`: the content of answers. `bad_frame` (strobe): answers that
    too, with BAD_FRAME, before the next request.
    `words`: what READ gives. `o_source`: the bytes of the source; `source_room`: how many have room.
    `clear` (4 cycles): resets core and buffers; 4 cycles later comes `o_picture`.
    `i_output`: the coded bytes to send, from `position` to `end`; `rewind`, `release`, `keep_from`: see OutputBuffer;
    `ended`: the last one came.
    `test` (strobe): begin the self test, by request, or for `i_test` (strobe) between two requests; `testing`: it runs,
    and no session is open afterwards; a session that is opened ends it; `passed`, `failed`: how the last one ended.
    `session`, `state`: as in the answers; `opened` (strobe): a session begins.
    Throughput: a byte in 1 or 2 cycles. Latency: 12 cycles from a request's last byte to its answer's first.
    Stalls: `i` while an answer is not taken. Reset: no session, no picture.
    """

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(FrameByte)),
                "o": Out(stream.Signature(FrameByte)),
                "bad_frame": In(1),
                "words": In(data.ArrayLayout(32, len(WORDS))),
                "o_picture": Out(stream.Signature(Picture)),
                "o_source": Out(stream.Signature(8)),
                "source_room": In(16),
                "i_output": In(stream.Signature(8)),
                "rewind": Out(1),
                "release": Out(1),
                "keep_from": Out(32),
                "position": In(32),
                "end": In(32),
                "ended": In(1),
                "clear": Out(1),
                "i_test": In(1),
                "test": Out(1),
                "testing": In(1),
                "passed": In(1),
                "failed": In(1),
                "session": Out(16),
                "opened": Out(1),
                "state": Out(State),
            }
        )

    def elaborate(self, platform):
        m = Module()
        header = Signal(8 * REQUEST_BYTES)
        self._command, self._tag = header[:8], header[8:16]
        self._session, self._first, self._second = header[16:32], header[32:64], header[64:96]
        self._answered = Signal(8)  # the command of the answer
        self._refused = Signal()
        self._number = Signal(8)  # of the picture
        self._taken = Signal(32)  # bytes of its source
        self._taking, self._starting = Signal(), Signal()  # what the data of this request is
        self._clearing, self._rewinding = Signal(), Signal()
        self._with_output, self._output = Signal(), Signal(range(DATA_BYTES + 1))  # bytes of it in the answer
        self._words, self._index = Signal(7), Signal(range(FIRST_WORD + len(WORDS)))  # left in the answer; the next
        bad, alone = Signal(), Signal()  # a damaged frame is to be answered; the request has no data
        wanted = Signal()  # a self test, which would take the output from under an answer
        count, wait = Signal(range(REQUEST_BYTES)), Signal(range(SETTLE_CYCLES))

        self._follow(m)
        with m.FSM(name="server"):
            with m.State("HEADER"):
                m.d.sync += [self._taking.eq(0), self._starting.eq(0), self._refused.eq(0), self._with_output.eq(0)]
                m.d.sync += [self._clearing.eq(0), self._rewinding.eq(0), self._output.eq(0)]
                m.d.sync += [self._words.eq(ANSWER_WORDS), self._index.eq(0), wait.eq(0)]
                with m.If(count == 0):
                    m.d.comb += self.test.eq(wanted)
                    m.d.sync += wanted.eq(0)
                with m.If(bad & (count == 0)):
                    m.d.sync += [self._answered.eq(Command.BAD_FRAME), bad.eq(0)]
                    m.next = "WORD"
                with m.Else():
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(self.i.valid):
                        m.d.sync += [header.eq(Cat(header[8:], self.i.payload.data)), count.eq(count + 1)]
                        m.d.sync += alone.eq(self.i.payload.last)
                        with m.If(count == REQUEST_BYTES - 1):
                            m.d.sync += count.eq(0)
                            m.next = "COMPARE"
                        with m.Elif(self.i.payload.last):  # too short to be ours
                            m.d.sync += [count.eq(0), bad.eq(1)]
            with m.State("COMPARE"):
                m.d.sync += self._answered.eq(self._command)
                m.next = "DECIDE"
            with m.State("DECIDE"):
                self._decide(m)
                with m.If(alone):
                    m.next = "SETTLE"
                with m.Else():
                    m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += [
                    self.o_source.valid.eq(self.i.valid & self._taking),
                    self.i.ready.eq(self.o_source.ready | ~self._taking),
                ]
                with m.If(self.i.valid & self.i.ready):
                    with m.If(self._taking):
                        m.d.sync += self._taken.eq(self._taken + 1)
                    with m.If(self._starting):
                        m.d.sync += self._picture.eq(Cat(self._picture[8:], self.i.payload.data))
                    with m.If(self.i.payload.last):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += [
                    self.clear.eq(self._clearing & (wait < SETTLE_CYCLES // 2)),
                    self.rewind.eq(self._rewinding & (wait == 0)),
                ]
                m.d.sync += wait.eq(wait + 1)
                with m.If(wait == SETTLE_CYCLES - 1):
                    with m.If(self._with_output):
                        m.d.sync += self._output.eq(self._available)
                    with m.If(self._starting):
                        m.d.sync += [self.state.eq(State.ENCODING), self._number.eq(self._first), self._taken.eq(0)]
                        m.d.sync += self.o_picture.valid.eq(1)
                    with m.Elif(self._clearing):
                        m.d.sync += self.session.eq(self._session)
                    m.next = "WORD"
            self._answer(m)
        with m.If(self.bad_frame):
            m.d.sync += bad.eq(1)
        with m.If(self.i_test):
            m.d.sync += wanted.eq(1)
        with m.If(self.testing):  # whatever was going on
            m.d.sync += [self.state.eq(State.TESTING), self.session.eq(0), self.o_picture.valid.eq(0)]
        return m

    def _follow(self, m):
        """What does not wait for requests, and comparisons of the last cycle."""
        self._picture = Signal(8 * PICTURE_BYTES)
        self._available = Signal.like(self._output)
        self._in_session, self._in_order, self._has_room = Signal(), Signal(), Signal()
        self._encoding, self._is_next, self._is_same = Signal(), Signal(), Signal()
        m.d.sync += [
            self._in_session.eq((self._session == self.session) & (self._session != 0)),
            self._in_order.eq(self._first == self._taken),
            self._has_room.eq(self.source_room >= DATA_BYTES),
            self._encoding.eq((self.state == State.ENCODING) | (self.state == State.DONE)),
            self._is_next.eq((self._first[:8] == (self._number + 1)[:8]) & (self.state != State.ENCODING)),
            self._is_same.eq((self._first[:8] == self._number) & (self.state != State.IDLE)),
        ]
        waiting = Signal(16)
        m.d.sync += [
            waiting.eq(self.end - self.position),
            self._available.eq(Mux(waiting > DATA_BYTES, DATA_BYTES, waiting)),
        ]
        m.d.comb += [
            self.o_picture.payload.as_value().eq(self._picture),
            self.o_source.payload.eq(self.i.payload.data),
            self.keep_from.eq(self._second),
        ]
        with m.If(self.o_picture.ready):
            m.d.sync += self.o_picture.valid.eq(0)
        with m.If((self.state == State.ENCODING) & self.ended):
            m.d.sync += self.state.eq(State.DONE)
        with m.If(self.state == State.TESTING):
            m.d.sync += self.state.eq(State.IDLE)

    def _decide(self, m):
        """In DECIDE: what the request is."""
        with m.Switch(self._command):
            with m.Case(Command.READ):
                m.d.sync += self._words.eq(ANSWER_WORDS + self._first[8:14])
            with m.Case(Command.OPEN):
                m.d.sync += [self.state.eq(State.IDLE), self._number.eq(0)]
                m.d.sync += [self._clearing.eq(1), self.o_picture.valid.eq(0), self._taken.eq(0)]
                m.d.comb += self.opened.eq(1)
            with m.Case(Command.START):
                with m.If(self._in_session & self._is_next):
                    m.d.sync += [self._starting.eq(1), self._clearing.eq(1)]
                with m.Else():
                    m.d.sync += self._refused.eq(~(self._in_session & self._is_same))
            with m.Case(Command.EXCHANGE, Command.RESUME):
                with m.If(self._in_session & self._encoding):
                    m.d.comb += self.release.eq(1)
                    m.d.sync += [self._with_output.eq(1), self._taking.eq(self._in_order & self._has_room)]
                    m.d.sync += self._rewinding.eq(self._command == Command.RESUME)
                with m.Else():
                    m.d.sync += self._refused.eq(1)
            with m.Case(Command.SELF_TEST):
                m.d.comb += self.test.eq(1)
            with m.Default():
                m.d.sync += self._refused.eq(1)

    def _answer(self, m):
        """The states that send: words, each a cycle after `index` names it, then output."""
        state = Cat(self.state, self.passed, self.failed, Const(0, 3), self._refused)
        table = [
            Cat(self._answered | ANSWERED, self._tag, self.session),
            Cat(state, self._number, self.source_room),
            self._taken,
            self.position,
            self.end,
            *(Const(0, 32) for _ in range(ANSWER_WORDS, FIRST_WORD)),
            *(self.words[k] for k in range(len(WORDS))),
        ]
        word, part = Signal(32), Signal(2)
        with m.State("WORD"):
            m.d.sync += [word.eq(Cat(table).word_select(self._index, 32)), part.eq(0)]
            m.next = "BYTE"
        with m.State("BYTE"):
            ends = (part == 3) & (self._words == 1)
            m.d.comb += [self.o.valid.eq(1), self.o.payload.data.eq(word[:8])]
            m.d.comb += self.o.payload.last.eq(ends & (self._output == 0))
            with m.If(self.o.ready):
                m.d.sync += [word.eq(word >> 8), part.eq(part + 1)]
                with m.If(part == 3):
                    m.d.sync += self._words.eq(self._words - 1)
                    m.d.sync += self._index.eq(
                        Mux(self._index == ANSWER_WORDS - 1, FIRST_WORD + self._first[:8], self._index + 1)
                    )
                    m.next = "WORD"
                with m.If(ends):
                    with m.If(self._output == 0):
                        m.next = "HEADER"
                    with m.Else():
                        m.next = "OUTPUT"
        with m.State("OUTPUT"):
            m.d.comb += [
                self.o.valid.eq(self.i_output.valid),
                self.o.payload.data.eq(self.i_output.payload),
                self.o.payload.last.eq(self._output == 1),
                self.i_output.ready.eq(self.o.ready),
            ]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += self._output.eq(self._output - 1)
                with m.If(self._output == 1):
                    m.next = "HEADER"
