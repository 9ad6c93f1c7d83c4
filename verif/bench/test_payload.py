"""Packer against Amaranth's own constants."""

import random

import pytest

from hdl.payloads import Byte, CodedUnit, CoefficientGroup, Picture, Samples
from verif.bench.payload import Packer


@pytest.mark.parametrize("shape", [Byte, CodedUnit, CoefficientGroup, Picture, Samples])
def test_packer_agrees_with_amaranth(shape):
    packer, rng = Packer(shape), random.Random(1)
    for bits in [0, packer.mask, *(rng.getrandbits(packer.width) for _ in range(20))]:
        value = packer.unpack(bits)
        assert packer.pack(value) == bits
        assert shape.const(value).as_value().value == bits


def test_packer_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="256 does not fit"):
        Packer(Byte).pack({"data": 256, "last": 0})
    with pytest.raises(ValueError, match="fields"):
        Packer(Byte).pack({"data": 0})
