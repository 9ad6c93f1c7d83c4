"""Where the coefficient groups of a transform block lie, and which scan it has."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.reconstruction.scans import scan


def scan_index(mode, log2_size, is_luma):
    """scanIdx of H.265 7.4.9.11, with the size of the block in its own samples."""
    small = (log2_size == 2) | ((log2_size == 3) & is_luma)
    vertical, horizontal = (mode >= 6) & (mode <= 14), (mode >= 22) & (mode <= 30)
    return Mux(small & vertical, 2, Mux(small & horizontal, 1, 0))


class GroupOrder(wiring.Component):
    """Place of group `index` of a block, in groups of four samples (ScanOrder of sub-blocks, 6.5.3). Combinational."""

    log2_size: In(3)  # 2..5
    scan_idx: In(2)
    index: In(6)
    x: Out(3)
    y: Out(3)

    def elaborate(self, platform):
        m = Module()
        place = Signal(6)
        with m.Switch(Cat(self.index, self.scan_idx, self.log2_size[:2])):
            for log2, scans in ((3, 3), (4, 1), (5, 1)):
                for scan_idx in range(scans):
                    for index, (x, y) in enumerate(scan(scan_idx, 1 << (log2 - 2))):
                        with m.Case(index | scan_idx << 6 | (log2 & 3) << 8):
                            m.d.comb += place.eq(x | y << 3)
        m.d.comb += [self.x.eq(place[:3]), self.y.eq(place[3:])]
        return m
