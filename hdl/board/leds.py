"""What the board's lights say."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Leds(wiring.Component):
    """Eight lights, from 0: alive (blinks once a second), session open, encoding, frame received, bad frame since the
    session began, self test running, passed, failed.

    Encoding and frame received stay for a 16th of a second. All from registers. `opened` (strobe): a session began.
    """

    def __init__(self, clock_hz: int):
        self.clock_hz = clock_hz
        names = "session", "opened", "encoding", "frame", "bad_frame", "testing", "passed", "failed"
        super().__init__({**{name: In(1) for name in names}, "o_led": Out(8)})

    def elaborate(self, platform):
        m = Module()
        sixteenth = max(2, self.clock_hz // 16)
        divider, beat = Signal(range(sixteenth)), Signal()
        sixteenths = Signal(4)
        m.d.sync += [divider.eq(divider + 1), beat.eq(divider == sixteenth - 2)]
        with m.If(beat):
            m.d.sync += [divider.eq(0), sixteenths.eq(sixteenths + 1)]
        bad = Signal()
        with m.If(self.opened):
            m.d.sync += bad.eq(0)
        with m.If(self.bad_frame):
            m.d.sync += bad.eq(1)
        m.d.sync += self.o_led.eq(
            Cat(
                sixteenths[3],
                self.session,
                self._held(m, beat, self.encoding, "encoding"),
                self._held(m, beat, self.frame, "frame"),
                bad,
                self.testing,
                self.passed,
                self.failed,
            )
        )
        return m

    def _held(self, m, beat, cause, name):
        """`cause`, and after it for one to two beats."""
        left = Signal(2, name=f"{name}_left")
        with m.If(cause):
            m.d.sync += left.eq(2)
        with m.Elif(beat & (left != 0)):
            m.d.sync += left.eq(left - 1)
        return left != 0
