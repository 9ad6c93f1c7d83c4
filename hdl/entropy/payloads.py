"""Payloads inside the entropy stage: bins on their way to the arithmetic coder, and what precedes them."""

from enum import IntEnum

from amaranth.lib import data

CONTEXT_BITS = 7


class BinKind(IntEnum):
    """How the bins of one payload are coded (H.265 9.3.4.3)."""

    REGULAR = 0  # EncodeDecision, one context each
    BYPASS = 1  # EncodeBypass
    TERMINATE = 2  # EncodeTerminate


class Bins(data.Struct):
    """Bins that are coded together: 1 or 2 REGULAR, 1 to 16 BYPASS, or 1 TERMINATE.

    The first bin is bit 15 of `value`, the next bit 14, and so on; bits below the last bin are zero.
    """

    kind: 2  # BinKind
    count: 5
    ctx: data.ArrayLayout(CONTEXT_BITS, 2)  # ctxIdx of each REGULAR bin
    value: 16


class TransformBlock(data.Struct):
    """What residual_coding() has to know of a transform block (H.265 7.3.8.11)."""

    log2_size: 3  # log2TrafoSize of its own component, 2..5
    chroma: 1  # cIdx > 0
    scan: 2  # scanIdx: 0 up-right diagonal, 1 horizontal, 2 vertical


class SyntaxStep(data.Struct):
    """One step of the slice data: ready-made bins, or the residual of one transform block at this place."""

    residual: 1  # `block` counts, not `bins`
    block: TransformBlock
    bins: Bins


class ByteToken(data.Struct):
    """Up to two finished bytes of the arithmetic code; `carry` adds one to what was sent before them."""

    carry: 1
    count: 2
    byte: data.ArrayLayout(8, 2)
    last: 1
