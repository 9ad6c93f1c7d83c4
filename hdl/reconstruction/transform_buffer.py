"""The working memory of the transforms: a block by 4x4 sub-blocks or by vectors of eight, without conflicts."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.common.rom import rom
from hdl.reconstruction.transform_engine import COEFFICIENT_OF_LANE, LANES, lane_index

SUBBLOCK = data.ArrayLayout(signed(16), 16)

# Element (r, c) of a block is in this bank (one number for each bit of r or c, XORed); its address there is
# (r >> 2, c >> 2). The sixteen elements of a sub-block, eight in a row or column in order, and eight folded ones are in
# different banks. Where a sub-block starts adds only 0b0101 and 0b1010.
ROW_BITS = (0b0100, 0b1000, 0b0101, 0b1010, 0b0101)
COLUMN_BITS = (0b0001, 0b0010, 0b0101, 0b1010, 0b0101)
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
    """Two regions of four blocks (Y, Cb, Cr, Y again), 16 bits an element, in sixteen banks.

    Write: a sub-block (`w_block`, raster order), or eight elements of a row (`w_lanes`), at the clock edge.
    Read: a sub-block, or eight elements of a column; `r_block` and `r_lanes` are valid `latency` cycles after
    `r_place`. A read in the cycle after a write sees it, one in the same cycle gets anything.
    Throughput: one of each a cycle.
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

        # Slot s is bank s ^ base: where elements are when the base is 0. Of slots s and s ^ 8 a written vector has one,
        # and the other bank does not write: so both get the same.
        lanes = Signal(LANES, name="w_lanes_in_order")
        with m.Switch(w_mode):
            for mode in range(4):
                with m.Case(mode):
                    m.d.comb += [lanes[slot_of(COLUMN_BITS, mode, i) & 7].eq(self.w_lanes[i]) for i in range(8)]
        lanes = exchange(m, "w_1", lanes, 1, w_base[0] ^ w_base[2])
        w_banks = Signal(SUBBLOCK)
        m.d.comb += [w_banks[i].eq(Mux(self.w_place.vector, lanes[i & 7], self.w_block[i])) for i in range(16)]
        w_banks = exchange(m, "w_5", w_banks, 5, w_base[2])
        w_banks = exchange(m, "w_10", w_banks, 10, w_base[1])

        r_banks = Signal(SUBBLOCK)
        w_along, w_unused = self._elements(m, "w", COLUMN_BITS, w_mode, w_base, self.w_place.step)
        r_along, _ = self._elements(m, "r", ROW_BITS, r_mode, r_base, self.r_place.step)
        # No element is written in the cycle in which it is read: a pass and the quantisation read one region and write
        # the other, and a block is written when nobody reads any more what was there, or has not begun to read it.
        # Other reads are not looked at.
        for number in range(16):
            memory = Memory(shape=unsigned(16), depth=512, init=[], attrs={"no_rw_check": 1})
            m.submodules[f"bank_{number}"] = memory
            write, read = memory.write_port(), memory.read_port()
            column = Mux(self.w_place.vector, w_along[number], self.w_place.column[2:])
            row = Mux(self.r_place.vector, r_along[number], self.r_place.row[2:])
            m.d.comb += [
                write.addr.eq(Cat(column, self.w_place.row[2:], self.w_place.c_idx, self.w_place.region)),
                write.en.eq(self.w_valid & ~(self.w_place.vector & w_unused[number])),
                write.data.eq(w_banks[number]),
                read.addr.eq(Cat(self.r_place.column[2:], row, self.r_place.c_idx, self.r_place.region)),
                r_banks[number].eq(read.data),
            ]

        base, mode = Signal(4, name="base_1", reset_less=True), Signal(2, name="mode_1", reset_less=True)
        m.d.sync += [base.eq(r_base), mode.eq(r_mode)]
        r_slots = exchange(m, "r_5", r_banks, 5, base[0])
        r_slots = exchange(m, "r_10", r_slots, 10, base[3])
        m.d.sync += self.r_block.eq(r_slots)
        # What is left of the base are bits 1 and 2. Of slots s and s ^ 2 a vector has one.
        rest = Cat(0, base[1] ^ base[3], base[2] ^ base[0], 0)
        _, unused = self._elements(m, "r_1", ROW_BITS, mode, rest, 0)
        lanes = Signal(LANES, name="r_lanes_in_order")
        for i in range(8):
            slot = (i & 1) | (i & 6) << 1
            m.d.comb += lanes[i].eq(Mux(unused[slot], r_slots[slot ^ 2], r_slots[slot]))
        lanes = exchange(m, "r_2", lanes, 2, rest[2])
        with m.Switch(mode):
            for value in range(4):
                with m.Case(value):
                    for lane in range(8):
                        slot = slot_of(ROW_BITS, value, lane)
                        m.d.sync += self.r_lanes[lane].eq(lanes[(slot & 1) | (slot >> 1 & 6)])
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

    def _elements(self, m, name, bits, mode, base, step):
        """For each bank: the element of the vector that it holds (its index >> 2), and whether it holds none.

        Each bit is a parity of bits of the slot, by the mode: that of the base, flipped for some banks.
        """
        masks = [[slot_mask(bits, value, bit) for value in range(4)] for bit in range(4)]
        of_base = Signal(4, name=f"{name}_of_base")
        with m.Switch(mode):
            for value in range(4):
                with m.Case(value):
                    m.d.comb += of_base.eq(Cat((base & masks[bit][value]).xor() for bit in range(4)))
                    if value == IN_ORDER:
                        m.d.comb += of_base[1:3].eq(step)
        flips = [
            Cat(rom([(masks[bit][value] & number).bit_count() & 1 for value in range(4)], mode, 1) for bit in range(4))
            for number in range(16)
        ]
        return [(of_base ^ flip)[:3] for flip in flips], [(of_base ^ flip)[3] for flip in flips]


def element(mode: int, lane: int) -> int:
    """Index of a lane in step 0 for an order of the lanes: IN_ORDER, or folded, by the low bits of log2 N."""
    return COEFFICIENT_OF_LANE[lane] if mode == IN_ORDER else lane_index(lane, 0, {3: 8, 0: 16, 1: 32}[mode])


def slot_of(bits: tuple, mode: int, lane: int) -> int:
    """Slot of a lane: its bank when element 0 is in bank 0."""
    return bank_part(bits, element(mode, lane))


def slot_mask(bits: tuple, mode: int, bit: int) -> int:
    """Slot bits whose parity is that bit of index >> 2 of the element there; bit 3: 1 in slots without an element."""
    slots = {slot_of(bits, mode, lane): element(mode, lane) for lane in range(8)}
    if bit == 3:
        return next(mask for mask in range(1, 16) if not any((mask & s).bit_count() & 1 for s in slots))
    masks = range(16) if mode != IN_ORDER or bit == 0 else (0,)  # the rest is the step
    return next(mask for mask in masks if all((mask & s).bit_count() & 1 == e >> 2 + bit & 1 for s, e in slots.items()))


def exchange(m, name: str, slots, by: int, condition):
    """Element i of the result is element i ^ `by` on this condition."""
    layer = Signal.like(slots, name=f"{name}_exchange")
    m.d.comb += [layer[i].eq(Mux(condition, slots[i ^ by], slots[i])) for i in range(slots.shape().length)]
    return layer
