"""Whether a picture's parameters are possible: decided before anything moves on the bus."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.payloads import ErrorCode, PictureJob
from hdl.common.axi import ADDRESS_BITS
from hdl.params import Params

MIN_SIZE = 16
MAX_QP = 51


class ConfigCheck(wiring.Component):
    """The first reason, in the order of ErrorCode, why `job` cannot be coded; OK when there is none.

    `code` is of the `job` a cycle before: a registered verdict on each limit, then their priority.
    Latency: 1. Arithmetic: exact; the end of the bitstream buffer in 41 bits.
    """

    latency = 1

    def __init__(self, p: Params):
        self.p = p
        super().__init__({"job": In(PictureJob), "code": Out(ErrorCode)})

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

        coded_width, end = Signal(15), Signal(ADDRESS_BITS + 1)
        m.d.comb += [
            coded_width.eq((source.width + 7) & ~7),
            end.eq(job.bitstream_address + job.bitstream_size),
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
            (ErrorCode.BAD_BUFFER, (job.bitstream_size == 0) | (end > 1 << ADDRESS_BITS)),
        ]
        m.d.comb += self.code.eq(ErrorCode.OK)
        for code, verdict in reversed(verdicts):
            registered = Signal(name=code.name.lower())
            m.d.sync += registered.eq(verdict)
            with m.If(registered):
                m.d.comb += self.code.eq(code)
        return m
