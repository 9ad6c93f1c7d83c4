"""CRC-32 (IEEE 802.3, as zlib's crc32), a byte at a time."""

from amaranth import Cat, Const

POLYNOMIAL = 0xEDB88320  # reflected
INIT = 0xFFFFFFFF
RESIDUE = 0xDEBB20E3
"""The register after data and its own CRC, low byte first."""


def crc32_step(register, byte):
    """The register after one more byte; the CRC is its inverse. Combinational: each bit an XOR of at most 12."""
    bits = [register[k] ^ (byte[k] if k < 8 else 0) for k in range(32)]
    for _ in range(8):
        low, shifted = bits[0], [*bits[1:], Const(0, 1)]
        bits = [bit ^ low if POLYNOMIAL >> k & 1 else bit for k, bit in enumerate(shifted)]
    return Cat(bits)
