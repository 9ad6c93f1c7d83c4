"""The working memory of the transforms: a block by 4x4 sub-blocks or by vectors of eight, without conflicts."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.reconstruction.transform_engine import COEFFICIENT_OF_LANE, LANES, lane_index

SUBBLOCK = data.ArrayLayout(signed(16), 16)

# Element (r, c) of a block is in this bank (one bit of r or c each, XORed); its address there is (r >> 2, c >> 2).
# The sixteen elements of a sub-block, eight in a row or column in order, and eight folded ones are in different banks.
ROW_BITS = (0b0100, 0b1000, 0b0001, 0b0010, 0b0100)
COLUMN_BITS = (0b0001, 0b0010, 0b0100, 0b1000, 0b0001)
IN_ORDER = 2  # the order of lanes that is not folded


def bank_part(bits: tuple, index: int) -> int:
    """What a constant row (or column) index adds to the bank number."""
    total = 0
    for position, mask in enumerate(bits):
        total ^= mask if index >> position & 1 else 0
    return total


def bank_part_of(bits: tuple, index):
    """The same for a signal of 5 bits."""
    parity = [[index[p] for p, mask in enumerate(bits) if mask >> bit & 1] for bit in range(4)]
    return Cat(Cat(part).xor() for part in parity)


class Place(data.Struct):
    """A sub-block or eight elements of a vector."""

    region: 1
    c_idx: 2
    vector: 1
    row: 5  # sub-block: of its first row; written vector: its row
    column: 5  # sub-block: of its first column; read vector: its column
    folded: 1  # vector: elements in the order of `lane_index`, else 8 * step + COEFFICIENT_OF_LANE
    log2_size: 3
    step: 2


class TransformBuffer(wiring.Component):
    """Two regions of one luma and two chroma blocks, 16 bits an element, in sixteen banks.

    Write: a sub-block (`w_block`, raster order), or eight elements of a row (`w_lanes`), at the clock edge.
    Read: a sub-block, or eight elements of a column; `r_block` and `r_lanes` are valid `latency` cycles after
    `r_place`. A read in the cycle after a write sees it. Throughput: one of each a cycle.
    """

    latency = 2

    w_valid: In(1)
    w_place: In(Place)
    w_block: In(SUBBLOCK)
    w_lanes: In(LANES)
    r_place: In(Place)
    r_block: Out(SUBBLOCK)
    r_lanes: Out(LANES)

    def elaborate(self, platform):
        m = Module()
        w_mode, w_base = self._decode(m, "w", self.w_place, COLUMN_BITS)
        r_mode, r_base = self._decode(m, "r", self.r_place, ROW_BITS)

        # Slot s is bank s ^ base: where elements are when the base is 0.
        w_slots = Signal(SUBBLOCK)
        with m.If(self.w_place.vector):
            for mode in range(4):
                with m.If(w_mode == mode):
                    for lane in range(8):
                        m.d.comb += w_slots[slot_of(COLUMN_BITS, mode, lane)].eq(self.w_lanes[lane])
        with m.Else():
            m.d.comb += w_slots.eq(self.w_block)
        w_banks = exchange(m, "w", w_slots, w_base)

        r_banks = Signal(SUBBLOCK)
        for number in range(16):
            memory = Memory(shape=unsigned(16), depth=512, init=[])
            m.submodules[f"bank_{number}"] = memory
            write, read = memory.write_port(), memory.read_port()
            used, along = self._element(m, f"w_{number}", COLUMN_BITS, w_mode, w_base ^ number, self.w_place.step)
            column = Mux(self.w_place.vector, along, self.w_place.column[2:])
            m.d.comb += [
                write.addr.eq(Cat(column, self.w_place.row[2:], self.w_place.c_idx, self.w_place.region)),
                write.en.eq(self.w_valid & (used | ~self.w_place.vector)),
                write.data.eq(w_banks[number]),
            ]
            _, along = self._element(m, f"r_{number}", ROW_BITS, r_mode, r_base ^ number, self.r_place.step)
            row = Mux(self.r_place.vector, along, self.r_place.row[2:])
            m.d.comb += read.addr.eq(Cat(self.r_place.column[2:], row, self.r_place.c_idx, self.r_place.region))
            m.d.comb += r_banks[number].eq(read.data)

        base, mode = Signal(4, name="base_1", reset_less=True), Signal(2, name="mode_1", reset_less=True)
        m.d.sync += [base.eq(r_base), mode.eq(r_mode)]
        r_slots = exchange(m, "r", r_banks, base)
        m.d.sync += self.r_block.eq(r_slots)
        with m.Switch(mode):
            for value in range(4):
                with m.Case(value):
                    for lane in range(8):
                        m.d.sync += self.r_lanes[lane].eq(r_slots[slot_of(ROW_BITS, value, lane)])
        return m

    def _decode(self, m, name, place, along_bits):
        """The order of the lanes (see `element`) and the bank of slot 0."""
        mode, base, along = (
            Signal(width, name=f"{name}_{what}") for what, width in (("mode", 2), ("base", 4), ("along", 5))
        )
        across_bits = ROW_BITS if along_bits is COLUMN_BITS else COLUMN_BITS
        start, across = (place.column, place.row) if along_bits is COLUMN_BITS else (place.row, place.column)
        m.d.comb += [
            mode.eq(Mux(place.folded, place.log2_size[:2], IN_ORDER)),
            along.eq(Mux(place.vector, Mux(place.folded, place.step, place.step << 3), start)),
            base.eq(bank_part_of(across_bits, across) ^ bank_part_of(along_bits, along)),
        ]
        return mode, base

    def _element(self, m, name, bits, mode, slot, step):
        """Does a slot hold an element of the vector, and which one (its index >> 2)."""
        used, along = Signal(name=f"{name}_used"), Signal(3, name=f"{name}_along")
        with m.Switch(Cat(slot[:4], mode)):
            for order in range(4):
                for lane in range(8):
                    with m.Case(slot_of(bits, order, lane) | order << 4):
                        part = element(order, lane) >> 2
                        m.d.comb += [used.eq(1), along.eq(Cat(Const(part, 1), step) if order == IN_ORDER else part)]
        return used, along


def element(mode: int, lane: int) -> int:
    """Index of a lane in step 0 for an order of the lanes: IN_ORDER, or folded, by the low bits of log2 N."""
    return COEFFICIENT_OF_LANE[lane] if mode == IN_ORDER else lane_index(lane, 0, {3: 8, 0: 16, 1: 32}[mode])


def slot_of(bits: tuple, mode: int, lane: int) -> int:
    """Slot of a lane: its bank when element 0 is in bank 0."""
    return bank_part(bits, element(mode, lane))


def exchange(m, name: str, slots, base):
    """Element i of the result is element i ^ base: four layers of two-way selects."""
    for bit in range(4):
        layer = Signal(SUBBLOCK, name=f"{name}_exchange_{bit}")
        m.d.comb += [layer[i].eq(Mux(base[bit], slots[i ^ (1 << bit)], slots[i])) for i in range(16)]
        slots = layer
    return slots
