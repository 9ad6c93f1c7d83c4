"""Whether a picture's parameters are possible: decided before anything moves on the bus."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import ErrorCode, PictureJob
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params

MIN_SIZE = 16
MAX_QP = 51


ROW_BITS = 14


class ConfigCheck(wiring.Component):
    """The first reason, in the order of ErrorCode, why `job` cannot be coded; OK when there is none.

    `enable` is high, and `job` stays, until `done` is; it falls before the next job. `code` is valid with `done`. A
    picture of possible size has `ctus` coding-tree units; the number stays until the next job.
    Latency: 15, from the first cycle of `enable` to `done`: sizes of planes and map are rows x stride, a bit of the
    rows a cycle; then a registered verdict on each limit, and their priority.
    Arithmetic: exact; ends of buffers in 41 bits. Cost: five adders for the products, one for each end.
    """

    latency = ROW_BITS + 1

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "enable": In(1),
                "job": In(PictureJob),
                "done": Out(1),
                "code": Out(ErrorCode),
                "ctus": Out(18),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, job = self.p, self.job
        source, recon = job.source, job.recon
        low = (p.axi_data_width // 8).bit_length() - 1

        def odd(value, multiple_log2):
            return value[:multiple_log2].any()

        def bad_size(value, largest):
            return odd(value, 1) | (value < MIN_SIZE) | (value > largest)

        def unaligned(planes):
            addresses = [planes.y, planes.cb, Mux(planes.nv12, 0, planes.cr), planes.stride_y, planes.stride_c]
            joined = 0
            for value in addresses:
                joined = joined | value[:low]
            return joined != 0

        def short(planes, width):
            return (planes.stride_y < width) | (planes.stride_c < Mux(planes.nv12, width, width >> 1))

        coded_width, coded_height = Signal(15), Signal(15)
        m.d.comb += [coded_width.eq((source.width + 7) & ~7), coded_height.eq((source.height + 7) & ~7)]

        left = Signal(range(self.latency + 1), init=self.latency)  # cycles until the verdict
        m.d.comb += self.done.eq(left == 0)
        with m.If(~self.enable):
            m.d.sync += left.eq(left.init)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)

        def product(name, rows, stride):
            """rows x stride, when `left` is 1."""
            bits, total = Signal(ROW_BITS + 2, name=f"{name}_rows"), Signal(ROW_BITS + len(stride), name=f"{name}_size")
            m.d.comb += bits.eq(rows << 2)  # `left` goes from 15 to 2
            with m.If(self.enable & (left > 1)):
                before = Mux(left == left.init, 0, total << 1)
                m.d.sync += total.eq(before + Mux(bits.bit_select(left, 1), stride, 0))
            return total

        def beyond(name, address, size):
            """Whether a buffer ends above the address space."""
            end = Signal(ADDRESS_BITS + 1, name=f"{name}_end")
            m.d.comb += end.eq(address + size)
            return end > 1 << ADDRESS_BITS

        def planes_beyond(name, planes, height):
            size_y = product(f"{name}_y", height, planes.stride_y)
            size_c = product(f"{name}_c", height >> 1, planes.stride_c)
            return (
                beyond(f"{name}_y", planes.y, size_y)
                | beyond(f"{name}_cb", planes.cb, size_c)
                | (~planes.nv12 & beyond(f"{name}_cr", planes.cr, size_c))
            )

        ctb_columns, ctb_rows = (Signal(10, name=f"ctb_{name}") for name in ("columns", "rows"))  # 512 of 16 in 8192
        m.d.comb += [
            ctb_columns.eq((source.width + (p.ctb_size - 1)) >> p.ctb_log2_size),
            ctb_rows.eq((source.height + (p.ctb_size - 1)) >> p.ctb_log2_size),
            self.ctus.eq(product("ctus", ctb_rows, ctb_columns)),
        ]
        verdicts = [
            (ErrorCode.BAD_SIZE, bad_size(source.width, p.max_width) | bad_size(source.height, p.max_height)),
            (ErrorCode.BAD_QP, job.qp > MAX_QP),
            (
                ErrorCode.BAD_ALIGNMENT,
                unaligned(source) | (job.recon_enable & unaligned(recon)) | (job.qp_map & odd(job.qp_map_address, low)),
            ),
            (
                ErrorCode.BAD_STRIDE,
                short(source, source.width) | (job.recon_enable & short(recon, coded_width)),
            ),
            (
                ErrorCode.BAD_BUFFER,
                (job.bitstream_size == 0)
                | beyond("bitstream", job.bitstream_address, job.bitstream_size)
                | planes_beyond("source", source, source.height)
                | (job.recon_enable & planes_beyond("recon", recon, coded_height))
                | (job.qp_map & beyond("qp_map", job.qp_map_address, self.ctus)),
            ),
        ]
        m.d.comb += self.code.eq(ErrorCode.OK)
        for code, verdict in reversed(verdicts):
            registered = Signal(name=code.name.lower())
            m.d.sync += registered.eq(verdict)
            with m.If(registered):
                m.d.comb += self.code.eq(code)
        return m
