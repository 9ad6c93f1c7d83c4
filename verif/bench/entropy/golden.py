"""A bit-serial CABAC encoder, written from H.265 9.3.4 as it stands there: slow, obvious, independent of the RTL."""

from hdl.entropy import contexts
from hdl.entropy.payloads import BinKind


class Encoder:
    """PutBit with outstanding bits, one bin at a time."""

    def __init__(self, qp: int):
        self.state = [list(contexts.state_after_init(v, qp)) for v in contexts.INIT_VALUES]
        self.low, self.range, self.first, self.outstanding = 0, 510, True, 0
        self.bits: list[int] = []
        self.bins = 0

    def _put(self, bit):
        if self.first:
            self.first = False
        else:
            self.bits.append(bit)
        self.bits += [1 - bit] * self.outstanding
        self.outstanding = 0

    def _renorm(self):
        while self.range < 256:
            self._shift()
            self.range <<= 1

    def _shift(self):
        if self.low < 256:
            self._put(0)
        elif self.low >= 512:
            self.low -= 512
            self._put(1)
        else:
            self.low -= 256
            self.outstanding += 1
        self.low <<= 1

    def regular(self, ctx, value):
        index, mps = self.state[ctx]
        lps_range = contexts.RANGE_TAB_LPS[index][(self.range >> 6) & 3]
        self.range -= lps_range
        if value == mps:
            self.state[ctx][0] = min(index + 1, 62)
        else:
            self.low += self.range
            self.range = lps_range
            if index == 0:
                self.state[ctx][1] = 1 - mps
            self.state[ctx][0] = contexts.TRANS_IDX_LPS[index]
        self._renorm()

    def bypass(self, value):
        self.low <<= 1
        if value:
            self.low += self.range
        if self.low >= 1024:
            self._put(1)
            self.low -= 1024
        elif self.low < 512:
            self._put(0)
        else:
            self.low -= 512
            self.outstanding += 1

    def terminate(self, value):
        self.range -= 2
        if value:
            self.low += self.range
            self.range = 2
            self._renorm()
            self._put((self.low >> 9) & 1)
            self.bits += [(self.low >> 8) & 1, 1]
        else:
            self._renorm()

    def code(self, kind, ctx, value):
        self.bins += 1
        if kind == BinKind.REGULAR:
            self.regular(ctx, value)
        elif kind == BinKind.BYPASS:
            self.bypass(value)
        else:
            self.terminate(value)

    def data(self) -> bytes:
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits), 8))
