"""What the proofs of both AXI4 masters share: their requests, and the rules of AR and AW."""

from dataclasses import replace

from hdl.common.axi import BOUNDARY, BURST_BEATS
from hdl.params import DEFAULT_PRESET, PRESETS
from verif.formal.properties import Properties


def port_of(block, width: int):
    """The port for a bus of `width` bits."""
    return block(replace(PRESETS[DEFAULT_PRESET], axi_data_width=width))


def possible(request, size: int):
    """The request is as ReadRequest and WriteRequest have it, on a bus of `size` bytes."""
    return (request.beats != 0) & (request.beats <= BURST_BEATS) & (request.address % size == 0)


def crosses(burst, size: int):
    """The burst crosses 4 KB."""
    return burst.addr % BOUNDARY + (burst.len + 1) * size > BOUNDARY


def bursts_are_legal(p: Properties, channel, size: int) -> None:
    """Properties of AR or AW, with the size and the type that the pins always have (hdl/common/axi.py)."""
    burst = channel.payload
    p.always("a burst has at most 16 beats", ~channel.valid | (burst.len < BURST_BEATS))
    p.always("addresses are multiples of the bus width", ~channel.valid | (burst.addr % size == 0))
    p.always("no burst crosses 4 KB", ~(channel.valid & crosses(burst, size)))
