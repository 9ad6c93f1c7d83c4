"""Properties of a block, in Amaranth beside it: what is assumed of its inputs, what must hold, what must be possible"""

import re
import sys

from amaranth import Module, Mux, Signal, Value
from amaranth.asserts import AnySeq
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cover, Elaboratable
from amaranth.hdl._xfrm import TransformedElaboratable
from amaranth.lib import wiring

TOP = "top"


class _Opened:
    """A component elaborated ahead of its parent, and the local variables of its methods on the way."""

    def __init__(self, component):
        while isinstance(component, TransformedElaboratable):  # as a ResetInserter makes of it
            component = component._elaboratable_
        self.component = component
        self.names: dict[str, list] = {}

        def look(frame, event, _):
            if event == "return" and frame.f_locals.get("self") is component:
                for name, value in frame.f_locals.items():
                    self.names.setdefault(name, []).append(value)

        previous = sys.getprofile()
        sys.setprofile(look)
        try:
            self.module = component.elaborate(None)
        finally:
            sys.setprofile(previous)
        component.elaborate = lambda platform: self.module


class Properties(Elaboratable):
    """`dut` whose inputs do anything at any time, the reset too, except what `assume` rules out.

    A subclass writes `check` with the methods below. Names are short phrases, each used once.
    only: the one property that is there, and no `invariant` either (these are what induction needs to know of the
    inside of the block, and are proven with the rest): for a broken block, which is to break it.
    """

    def __init__(self, dut, *, only: str | None = None):
        self.dut, self.only = dut, only
        self.proven: list[str] = []
        self.assumed: list[str] = []
        self.covered: list[str] = []
        self._names: dict[str, str] = {}
        self._opened: dict[str, _Opened] = {}

    def check(self) -> None:
        raise NotImplementedError

    def elaborate(self, platform):
        self.m = m = Module()
        for _, member, port in self.dut.signature.flatten(self.dut):
            if member.flow == wiring.In:
                m.d.comb += Value.cast(port).eq(AnySeq(len(Value.cast(port))))
        self.check()
        m.submodules.dut = self.dut
        return m

    def always(self, name: str, condition) -> None:
        """A property: `condition` holds in each cycle."""
        self.proven.append(name)
        if self.only in (None, name):
            self.m.d.comb += Assert(condition, self._label(name))

    def invariant(self, name: str, condition) -> None:
        """What holds of the inside."""
        if self.only is None:
            self.m.d.comb += Assert(condition, self._label(name))

    def assume(self, sentence: str, condition) -> None:
        """A rule that the block's surroundings keep."""
        self.assumed.append(sentence)
        self.m.d.comb += Assume(condition, self._label(sentence))

    def cover(self, name: str, condition) -> None:
        """Something that must be possible: what is assumed does not exclude it, what is proven is not empty."""
        self.covered.append(name)
        self.m.d.comb += Cover(condition, self._label(name))

    def any(self, name: str) -> Signal:
        """A bit that is 0 or 1 in any cycle."""
        bit = Signal(name=name)
        self.m.d.comb += bit.eq(AnySeq(1))
        return bit

    def before(self, value, init: int = 0) -> Signal:
        """`value` in the last cycle; `init` after a reset."""
        value = Value.cast(value)
        last = Signal(value.shape(), init=init, name="before")
        self.m.d.sync += last.eq(value)
        return last

    def inside(self, path: str):
        """What the block's source calls `path`: a variable of `elaborate` or of a method that it calls, after the
        names of submodules: "fifo.consume"."""
        *submodules, name = path.split(".")
        values = {id(value): value for value in self._open(submodules).names.get(name, [])}
        if len(values) != 1:
            raise ValueError(f"{len(values)} values are called {path}, not one")
        return next(iter(values.values()))

    def submodule(self, path: str):
        """The component at `path`, names of submodules: "fifo.storage"; the block itself at ""."""
        return self._open(path.split(".") if path else []).component

    def free(self, path: str) -> None:
        """The submodule at `path` does anything at any time: what holds with it holds with any."""
        *parents, name = path.split(".")
        component, m = getattr(self._open(parents).module.submodules, name), Module()
        for _, member, port in component.signature.flatten(component):
            if member.flow == wiring.Out:
                m.d.comb += Value.cast(port).eq(AnySeq(len(Value.cast(port))))
        component.elaborate = lambda platform: m

    def row(self, path: str, index) -> Value:
        """What the memory at `path` holds at `index`, read through a port of its own."""
        store = self.inside(path)
        port = store.read_port(domain="comb")
        self.m.d.comb += port.addr.eq(index)
        return Value.cast(port.data)

    def _open(self, submodules: list[str]) -> "_Opened":
        path = ".".join(submodules)
        if path not in self._opened:
            below = self._open(submodules[:-1]).module.submodules if submodules else None
            self._opened[path] = _Opened(getattr(below, submodules[-1]) if submodules else self.dut)
        return self._opened[path]

    def _label(self, name: str) -> str:
        label = "check_" + re.sub(r"\W+", "_", name)
        if label in self._names:
            raise ValueError(f"two properties are called {name}")
        self._names[label] = name
        return label

    def name_of(self, label: str) -> str:
        """The name behind a label in a log."""
        return self._names.get(label, label)

    def rtlil(self) -> str:
        """Block and properties as RTLIL, each property a cell of its label: the same text for the same input."""
        text = rtlil.convert(self, name=TOP, ports=[], emit_src=False)
        return re.sub(r'cell \$check \S+\n(\s+parameter \\FORMAT "(\w+)"\n)', r"cell $check \\\2\n\1", text)


def keeps_rules(p: Properties, stream):
    """Valid stays until ready, and the payload with it."""
    payload = Value.cast(stream.payload)
    waiting = p.before(stream.valid & ~stream.ready)
    return ~waiting | (stream.valid & (payload == p.before(payload)))


def first(p: Properties, stream):
    """A payload is on the stream that was not there in the last cycle."""
    return stream.valid & ~p.before(stream.valid & ~stream.ready)


class Tracker:
    """Follows one thing, any one, through a queue of at most `capacity`: in with `put`, out with `take`, both strobes.

    `held` counts what is in the queue. `tracking`, `ahead`, `value`: whether one is followed, how many are in front of
    it, what `value` was when it went in.
    """

    def __init__(self, p: Properties, put, take, value, capacity: int):
        m = p.m
        self.put, self.take = Signal(name="put"), Signal(name="take")
        self.held = Signal(range(capacity + 2), name="held")
        self.tracking = Signal(name="tracking")
        self.ahead = Signal(range(capacity + 2), name="ahead")
        self.value = Signal(len(Value.cast(value)), name="value")
        mark = p.any("mark")
        m.d.comb += [self.put.eq(put), self.take.eq(take)]
        m.d.sync += self.held.eq(self.held + self.put - self.take)
        with m.If(self.tracking):
            m.d.sync += [
                self.tracking.eq(~(self.take & (self.ahead == 0))),
                self.ahead.eq(self.ahead - self.take),
            ]
        with m.Elif(self.put & mark):
            m.d.sync += [
                self.tracking.eq(1),
                self.ahead.eq(self.held - self.take),
                self.value.eq(Value.cast(value)),
            ]
        self.at_front = self.tracking & (self.ahead == 0)


def wrap(index, size: int):
    """`index` modulo `size`, for an index below twice the size."""
    return Mux(index >= size, index - size, index)
