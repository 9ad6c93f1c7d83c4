"""What the blocks of the chip tell each other: jobs of the readers and writers, requests to the ports of the bus."""

from amaranth.lib import data, enum

from hdl.common.axi import ADDRESS_BITS


class ErrorCode(enum.IntEnum, shape=8):
    """ERROR.code, as hdl/chip/registers.rdl has it."""

    OK = 0
    BAD_SIZE = 1
    BAD_QP = 2
    BAD_ALIGNMENT = 3
    BAD_STRIDE = 4
    BAD_BUFFER = 5
    BITSTREAM_FULL = 16
    ABORTED = 17
    BUS_ERROR = 18
    WATCHDOG = 19
    BAD_QP_MAP = 20


class Master(enum.IntEnum, shape=2):
    """ERROR.master: who spoke to the memory."""

    SOURCE = 0
    QP_MAP = 1
    RECON = 2
    BITSTREAM = 3


class Planes(data.Struct):
    """A picture in memory, 4:2:0 8-bit. Addresses and strides are multiples of the bus width in bytes."""

    width: 14  # luma samples, even
    height: 14
    nv12: 1  # Cb and Cr interleaved in one plane, at `cb`; else three planes
    y: ADDRESS_BITS
    cb: ADDRESS_BITS
    cr: ADDRESS_BITS
    stride_y: 16  # bytes
    stride_c: 16


class Buffer(data.Struct):
    """Where a picture's bitstream goes. Any bytes; ends within the address space."""

    address: ADDRESS_BITS
    size: 32  # bytes, at least 1


class ReadRequest(data.Struct):
    """Beats to read, one after the other; may cross a 4 KB boundary, which the port splits."""

    address: ADDRESS_BITS  # a multiple of the bus width
    beats: 5  # 1..16


class WriteRequest(data.Struct):
    """Beats to write, one after the other; may cross a 4 KB boundary, which the port splits."""

    address: ADDRESS_BITS  # a multiple of the bus width
    beats: 5  # 1..16
    bytes: 9  # how many of their bytes have their strobe set; told back when the bus has acknowledged them


def write_beat(data_width: int):
    """One beat of a WriteRequest."""
    return data.StructLayout({"data": data_width, "strb": data_width // 8})


class BusError(data.Struct):
    """The first bad answer of the bus."""

    valid: 1
    master: Master
    resp: 2
    address: ADDRESS_BITS


class PictureJob(data.Struct):
    """All that the picture registers say of a picture."""

    source: Planes
    recon: Planes  # width, height and nv12 as in source
    recon_enable: 1
    bitstream_address: ADDRESS_BITS
    bitstream_size: 32  # bytes
    qp_map_address: ADDRESS_BITS
    qp_map: 1
    qp: 8
    level_idc: 8
    high_tier: 1
    write_parameter_sets: 1
    write_hash: 1
    full_range: 1
    colour_primaries: 8
    transfer_characteristics: 8
    matrix_coeffs: 8
    tag: 32


class Counters(data.Struct):
    """What the blocks counted in a picture."""

    bins: 32
    bytes_read: 32
    bytes_written: 32
    stall_fetch: 32
    stall_analysis: 32
    stall_reconstruction: 32
    stall_entropy: 32
    stall_pack: 32
    stall_source: 32
    stall_recon: 32
    stall_bitstream: 32
    sse_y: 64
    sse_cb: 64
    sse_cr: 64


class Results(data.Struct):
    """What the result registers say of the picture that ended last."""

    code: ErrorCode
    master: Master
    resp: 2
    address: ADDRESS_BITS
    tag: 32
    position: 32  # bytes
    cycles: 32
    bits: 32
    counters: Counters
