"""The registers of hdl/chip/registers.rdl, with their AXI4-Lite slave."""

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.register_map import REGISTER_BITS, Kind, registers
from hdl.common.axi import DECERR, LITE_ADDRESS_BITS, OKAY, SLVERR, Axi4Lite

BYTE = 8
BANK = 16  # registers of a bank, of which the first stage of the read multiplexer takes one


class RegisterFile(wiring.Component):
    """The register map as ports, and their slave on a bus of 32 bits.

    Ports of the fields, each called REGISTER_field in lower case, by their `Kind`:
    a setting is an output of its width; a command an output, 1 for one cycle; a status an input of its width; an event
    an output, and an input REGISTER_field_set, a strobe. Constants have no port. `clear_events` (strobe) clears all
    events. A set wins over a clear of the same cycle, whoever clears: no event is lost.
    Bus: `bus`, AXI4-Lite. AW and W come in any order. Byte strobes are honoured: a byte without its strobe keeps its
    setting, gives no command and clears no event. The lowest two bits of the address and `prot` are not looked at.
    Answers: OKAY; SLVERR to a write to a register without a writable field; DECERR where there is no register. What is
    refused changes nothing, and reads 0. Bits that are in no field read 0 and are written without effect.
    Reads and writes do not wait for each other; of each one may be under way.
    Latency: `write_latency` cycles from the later of AW and W to B, in whose first cycle what was written shows on the
    ports, commands last for that cycle; `read_latency` cycles from AR to R, with the status of the cycle after AR.
    Throughput: a write in 2 cycles, a read in 3. Stalls: AW and W while a write waits for B to be free, AR while a
    read waits for R to be free. All handshakes are registered: no path from an input of the bus to its outputs.
    Reset: settings take the reset values of the RDL, events and commands 0; nothing is under way.
    """

    write_latency = 2
    read_latency = 3

    def __init__(self):
        ports = {"bus": In(Axi4Lite()), "clear_events": In(1)}
        for register in registers():
            for field in register.fields:
                if field.kind == Kind.STATUS:
                    ports[field.port] = In(field.width)
                elif field.writable:
                    ports[field.port] = Out(field.width, init=field.reset)
                if field.kind == Kind.EVENT:
                    ports[f"{field.port}_set"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m):
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        word, write = Signal(LITE_ADDRESS_BITS - 2), Signal(w.payload.shape())
        has_address, has_data, go = Signal(), Signal(), Signal()
        m.d.comb += [aw.ready.eq(~has_address), w.ready.eq(~has_data), go.eq(has_address & has_data & ~b.valid)]
        with m.If(aw.valid & aw.ready):
            m.d.sync += [word.eq(aw.payload.addr[2:]), has_address.eq(1)]
        with m.If(w.valid & w.ready):
            m.d.sync += [write.eq(w.payload), has_data.eq(1)]

        selected = {each.name: Signal(name=f"write_{each.name.lower()}") for each in registers() if each.writable}
        response = Signal.like(b.payload.resp)
        with m.Switch(word):
            for register in registers():
                with m.Case(register.offset // 4):
                    m.d.comb += response.eq(OKAY if register.writable else SLVERR)
                    if register.writable:
                        m.d.comb += selected[register.name].eq(go)
            with m.Default():
                m.d.comb += response.eq(DECERR)

        with m.If(go):
            m.d.sync += [has_address.eq(0), has_data.eq(0), b.valid.eq(1), b.payload.resp.eq(response)]
        with m.Elif(b.ready):
            m.d.sync += b.valid.eq(0)

        mask = Cat(strobe.replicate(BYTE) for strobe in write.strb)
        for register in registers():
            for field in register.fields:
                if field.writable:
                    bits = slice(field.low, field.low + field.width)
                    self._write_field(m, field, selected[register.name], write.data[bits], mask[bits])

    def _write_field(self, m, field, selected, written, mask):
        value = getattr(self, field.port)
        if field.kind == Kind.SETTING:
            with m.If(selected):
                m.d.sync += value.eq((written & mask) | (value & ~mask))
        elif field.kind == Kind.COMMAND:
            m.d.sync += value.eq(selected & written & mask)
        else:
            clear = (selected & written & mask) | self.clear_events
            m.d.sync += value.eq((value & ~clear) | getattr(self, f"{field.port}_set"))

    def _read(self, m):
        ar, r = self.bus.ar, self.bus.r
        wanted, busy, fetched = Signal(LITE_ADDRESS_BITS - 2), Signal(), Signal()
        m.d.comb += ar.ready.eq(~busy)
        with m.If(ar.valid & ar.ready):
            m.d.sync += [wanted.eq(ar.payload.addr[2:]), busy.eq(1), fetched.eq(0)]

        # One register of each bank, then one bank.
        result = data.StructLayout({"data": REGISTER_BITS, "known": 1})
        chosen = Signal(result)
        banks: dict[int, Signal] = {}
        for number in sorted({register.offset // 4 // BANK for register in registers()}):
            banks[number] = Signal(result, name=f"bank_{number}")
        with m.If(busy & ~fetched):
            m.d.sync += [fetched.eq(1), *(bank.eq(0) for bank in banks.values())]
            for number, bank in banks.items():
                with m.Switch(wanted % BANK):
                    for register in registers():
                        if register.offset // 4 // BANK == number:
                            with m.Case(register.offset // 4 % BANK):
                                m.d.sync += [bank.data.eq(self._value(register)), bank.known.eq(1)]
        with m.Switch(wanted // BANK):
            for number, bank in banks.items():
                with m.Case(number):
                    m.d.comb += chosen.eq(bank)

        with m.If(busy & fetched & ~r.valid):
            m.d.sync += [busy.eq(0), r.valid.eq(1), r.payload.data.eq(chosen.data)]
            m.d.sync += r.payload.resp.eq(OKAY)
            with m.If(~chosen.known):
                m.d.sync += r.payload.resp.eq(DECERR)
        with m.Elif(r.ready):
            m.d.sync += r.valid.eq(0)

    def _value(self, register) -> Value:
        """What `register` reads."""
        parts, end = [], 0
        for field in register.fields:
            known = {Kind.CONSTANT: Const(field.reset, field.width), Kind.COMMAND: Const(0, field.width)}
            value = known[field.kind] if field.kind in known else getattr(self, field.port)
            parts += [Const(0, field.low - end), value]
            end = field.low + field.width
        return Cat(*parts)
