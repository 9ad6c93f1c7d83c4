"""AXI4 and AXI4-Lite: channels as streams inside the chip, pins with the names of the specification at its edge.

Inside, a channel is an `amaranth.lib.stream` whose payload is one of the layouts below. At the edge `pins` gives a
port for each signal (`m_axi_araddr`, ...), and `connect_pins` joins them to the channels. Signals that never change
(size, burst, cache, prot, lock, qos) are constants there: whole beats, INCR, normal bufferable memory.
"""

from amaranth import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 40
LITE_ADDRESS_BITS = 12
ID_BITS = 1
BURST_BEATS = 16  # the longest burst of a master
BOUNDARY = 4096  # bytes; no burst crosses a multiple
OKAY, SLVERR, DECERR = 0, 2, 3


def address_layout():
    """Payload of AR and AW: `len` is the number of beats less one."""
    return data.StructLayout({"id": ID_BITS, "addr": ADDRESS_BITS, "len": 8})


def read_layout(data_width: int):
    """Payload of R."""
    return data.StructLayout({"id": ID_BITS, "data": data_width, "resp": 2, "last": 1})


def write_layout(data_width: int):
    """Payload of W."""
    return data.StructLayout({"data": data_width, "strb": data_width // 8, "last": 1})


def response_layout():
    """Payload of B."""
    return data.StructLayout({"id": ID_BITS, "resp": 2})


class Axi4Read(wiring.Signature):
    """The read channels of a master: `ar` out, `r` in."""

    def __init__(self, data_width: int):
        super().__init__(
            {"ar": Out(stream.Signature(address_layout())), "r": In(stream.Signature(read_layout(data_width)))}
        )


class Axi4Write(wiring.Signature):
    """The write channels of a master: `aw` and `w` out, `b` in."""

    def __init__(self, data_width: int):
        super().__init__(
            {
                "aw": Out(stream.Signature(address_layout())),
                "w": Out(stream.Signature(write_layout(data_width))),
                "b": In(stream.Signature(response_layout())),
            }
        )


class Axi4Lite(wiring.Signature):
    """All channels of an AXI4-Lite master of 32 bits; a slave has it flipped: `In(Axi4Lite())`."""

    def __init__(self):
        address = data.StructLayout({"addr": LITE_ADDRESS_BITS, "prot": 3})
        super().__init__(
            {
                "aw": Out(stream.Signature(address)),
                "w": Out(stream.Signature(data.StructLayout({"data": 32, "strb": 4}))),
                "b": In(stream.Signature(data.StructLayout({"resp": 2}))),
                "ar": Out(stream.Signature(address)),
                "r": In(stream.Signature(data.StructLayout({"data": 32, "resp": 2}))),
            }
        )


def constants(data_width: int) -> dict[str, tuple[int, int]]:
    """(width, value) of what AR and AW always say."""
    size = (data_width // 8).bit_length() - 1
    return {"size": (3, size), "burst": (2, 1), "lock": (1, 0), "cache": (4, 3), "prot": (3, 0), "qos": (4, 0)}


def pins(prefix: str, signature: wiring.Signature, *, slave: bool = False, data_width: int = 0) -> dict:
    """Members of a component: one for each signal of `signature` (seen from the master), named PREFIX_CHANNELsignal.

    slave: the ports are those of a slave. data_width: of an AXI4 master, which then has the constant signals too.
    """
    members = {}

    def add(name, width, flow):
        members[name] = (In if (flow == Out) == slave else Out)(width)

    for channel, member in signature.members.items():
        flow = member.flow
        for field, layout in member.signature.members["payload"].shape:
            add(f"{prefix}_{channel}{field}", layout.width, flow)
        add(f"{prefix}_{channel}valid", 1, flow)
        add(f"{prefix}_{channel}ready", 1, In if flow == Out else Out)
        if data_width and channel in ("ar", "aw"):
            for name, (width, _) in constants(data_width).items():
                add(f"{prefix}_{channel}{name}", width, flow)
    return members


def connect_pins(m, component, prefix: str, signature: wiring.Signature, bundle, *, data_width: int = 0) -> None:
    """Joins the pins of `component` to `bundle`, which has the channels as streams (of a master, or of a slave whose
    member is flipped)."""
    for channel, member in signature.members.items():
        port, ours = getattr(bundle, channel), f"{prefix}_{channel}"
        outwards = (member.flow == Out) == bool(data_width)  # the pins carry the payload out of the chip
        for field, _ in member.signature.members["payload"].shape:
            pin, inner = getattr(component, f"{ours}{field}"), Value.cast(getattr(port.payload, str(field)))
            m.d.comb += pin.eq(inner) if outwards else inner.eq(pin)
        valid, ready = getattr(component, f"{ours}valid"), getattr(component, f"{ours}ready")
        if outwards:
            m.d.comb += [valid.eq(port.valid), port.ready.eq(ready)]
        else:
            m.d.comb += [port.valid.eq(valid), ready.eq(port.ready)]
        if data_width and channel in ("ar", "aw"):
            m.d.comb += [getattr(component, f"{ours}{name}").eq(v) for name, (_, v) in constants(data_width).items()]
