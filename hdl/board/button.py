"""A push button."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class Button(wiring.Component):
    """`pressed` follows the pin `i_button` (high when pressed, asynchronous) once it has been the same for `settle`
    cycles. `pushed` (strobe): `pressed` rises. Reset: not pressed."""

    def __init__(self, settle: int):
        if settle < 2:
            raise ValueError(f"settle is {settle}; it must be at least 2")
        self.settle = settle
        super().__init__({"i_button": In(1), "pressed": Out(1), "pushed": Out(1)})

    def elaborate(self, platform):
        m = Module()
        pin, left = Signal(), Signal(range(self.settle), init=self.settle - 1)
        m.submodules.synchronizer = FFSynchronizer(self.i_button, pin)
        m.d.sync += [left.eq(Mux(pin == self.pressed, self.settle - 1, left - 1)), self.pushed.eq(0)]
        with m.If((pin != self.pressed) & (left == 0)):
            m.d.sync += [self.pressed.eq(pin), self.pushed.eq(pin), left.eq(self.settle - 1)]
        return m
