"""What the chip did against what it has to do: monitors of the bitstream and the reconstruction, and the scoreboard."""

from dataclasses import dataclass, field

import numpy as np
from pyuvm import uvm_analysis_port, uvm_scoreboard, uvm_subscriber

from hdl.chip.payloads import ErrorCode, Master
from verif.uvm.localize import explain
from verif.uvm.pictures import Picture


@dataclass
class Ended:
    """A picture that has ended: what the result registers say, and what may have been said.

    allowed: the codes with which it may end, from what was done to it. error: (master, resp, address) of the error
    that struck, for BUS_ERROR. alone: nothing else ran since its start, so the counters of the bus are its own.
    """

    picture: Picture
    registers: dict[str, int]
    allowed: set[ErrorCode]
    error: tuple[int, int, int] | None = None
    bus_bytes: tuple[int, int] | None = None

    @property
    def code(self) -> ErrorCode:
        return ErrorCode(self.registers["ERROR.code"])


@dataclass
class Seen:
    """What a monitor found in memory: content, and whether what is beside it is as it was."""

    ended: Ended
    content: list[np.ndarray] = field(repr=False)
    beside_untouched: bool = True


class BitstreamMonitor(uvm_subscriber):
    """Of each picture that ended: its bitstream buffer, whole."""

    def build_phase(self):
        self.ap = uvm_analysis_port("ap", self)

    def write(self, ended: Ended) -> None:
        self.ap.write(Seen(ended, [ended.picture.bitstream]))


class ReconMonitor(uvm_subscriber):
    """Of each picture that ended and had one: the planes of its reconstruction."""

    def build_phase(self):
        self.ap = uvm_analysis_port("ap", self)

    def write(self, ended: Ended) -> None:
        picture = ended.picture
        if picture.recon:
            untouched = all(plane.outside_untouched() for plane in picture.recon)
            self.ap.write(Seen(ended, picture.recon_planes(), untouched))


class _Export(uvm_subscriber):
    """Hands what it gets to a method of its parent."""

    def __init__(self, name, parent, receive):
        self.receive = receive
        super().__init__(name, parent)

    def write(self, item) -> None:
        self.receive(item)


class Scoreboard(uvm_scoreboard):
    """Every picture that ended: its bytes, samples and counters are the reference codec's as far as its code says.

    OK: all bytes, all samples, nothing beside them. BITSTREAM_FULL: the buffer's bytes are the first of the stream.
    Any other end: the bytes up to the position are the stream's, and whatever else was written is what belongs there;
    so it is for a picture that was dropped. An error of the bitstream: the position is where it struck.
    Fails at the end when nothing was compared. `checked` publishes each picture that passed.
    """

    def build_phase(self):
        self.bitstream_export = _Export("bitstream", self, self.check_bitstream).analysis_export
        self.recon_export = _Export("recon", self, self.check_recon).analysis_export
        self.ended_export = _Export("ended", self, self.check_registers).analysis_export
        self.dropped_export = _Export("dropped", self, self.check_dropped).analysis_export
        self.checked = uvm_analysis_port("checked", self)
        self.compared = 0

    def check_registers(self, ended: Ended) -> None:
        picture, code, registers = ended.picture, ended.code, ended.registers
        what = f"{picture} ended with {code.name}"
        assert code in ended.allowed, f"unexpected {code.name}: {what}, not {sorted(c.name for c in ended.allowed)}"
        assert registers["RESULT_TAG.tag"] == picture.tag, f"wrong tag: {what}, and tag {registers['RESULT_TAG.tag']}"
        told = registers["ERROR.master"], registers["ERROR.resp"], registers["ERROR_ADDRESS"]
        assert told == (ended.error if code == ErrorCode.BUS_ERROR else (0, 0, 0)), f"wrong error: {what}, told {told}"
        if code == ErrorCode.OK:
            self._check_counters(ended, what)

    def _check_counters(self, ended: Ended, what: str) -> None:
        expected, registers = ended.picture.expected, ended.registers
        config = ended.picture.config
        wanted = {
            "BITSTREAM_POSITION.bytes": len(expected.data),
            "BITS.count": 8 * len(expected.data),
            "BINS.count": expected.bins,
        }
        for name, source, recon, shift in zip(("Y", "CB", "CR"), ended.picture.planes, expected.recon, (0, 1, 1)):
            inside = recon[: config.height >> shift, : config.width >> shift].astype(np.int64)
            wanted[f"SSE_{name}"] = int(((inside - source) ** 2).sum())
        if ended.bus_bytes is not None:
            wanted["BYTES_READ.count"], wanted["BYTES_WRITTEN.count"] = ended.bus_bytes
        wrong = {name: (registers[name], value) for name, value in wanted.items() if registers[name] != value}
        assert not wrong, f"wrong counters: {what}; told, right: {wrong}"

    def check_bitstream(self, seen: Seen) -> None:
        ended, picture = seen.ended, seen.ended.picture
        (buffer,), before, right = seen.content, picture.bitstream_before, picture.expected.data
        position, code = ended.registers["BITSTREAM_POSITION.bytes"], ended.code
        assert position <= min(picture.bitstream_size, len(right)), f"position {position} too far: {picture}"
        if code == ErrorCode.BITSTREAM_FULL:
            assert position == picture.bitstream_size < len(right), f"full at {position} of {len(right)}: {picture}"
        if code == ErrorCode.BUS_ERROR and Master(ended.registers["ERROR.master"]) == Master.BITSTREAM:
            before_error = max(0, ended.registers["ERROR_ADDRESS"] - picture.bitstream_address)
            assert position == before_error, f"{before_error} bytes before the error, position {position}: {picture}"
        if code == ErrorCode.OK:
            self.compared += 1
            data = buffer[:position].tobytes()
            assert data == right, f"wrong bytes: {picture}\n{self._explain(picture, data)}"
            assert np.array_equal(buffer[position:], before[position:]), f"bytes behind the stream written: {picture}"
        else:
            whole = np.frombuffer(right, np.uint8)[:position] == buffer[:position]
            assert whole.all(), f"wrong byte {np.argmin(whole)} of {position} counted: {picture} {code.name}"
            self._check_partial(picture)
        self.checked.write(ended)

    def check_dropped(self, picture: Picture) -> None:
        """A picture that never ended: whatever was written is what belongs there."""
        assert all(plane.outside_untouched() for plane in picture.recon), f"bytes beside the samples written: {picture}"
        self._check_partial(picture)

    def _check_partial(self, picture: Picture) -> None:
        """Bytes and samples are those of the picture, or as they were before."""
        right = np.frombuffer(picture.expected.data, np.uint8)[: picture.bitstream.size]
        now, old = picture.bitstream, picture.bitstream_before
        strange = np.flatnonzero((now[: right.size] != right) & (now[: right.size] != old[: right.size]))
        assert not strange.size, f"byte {strange[:1]} is neither old nor the stream's: {picture}"
        assert np.array_equal(now[right.size :], old[right.size :]), f"bytes behind the stream written: {picture}"
        if picture.recon:
            planes = zip(("Y", "Cb", "Cr"), picture.recon_planes(), picture.recon_before(), picture.expected.recon)
            for name, now, old, right in planes:
                odd = np.argwhere((now != old) & (now != right))
                assert not len(odd), f"sample {odd[:1]} of {name} is neither old nor right: {picture}"

    def check_recon(self, seen: Seen) -> None:
        ended, picture = seen.ended, seen.ended.picture
        assert seen.beside_untouched, f"bytes beside the reconstruction written: {picture} {ended.code.name}"
        if ended.code == ErrorCode.OK:
            right = all(map(np.array_equal, seen.content, picture.expected.recon))
            assert right, f"wrong samples: {picture}\n{self._explain(picture, picture.expected.data, seen.content)}"

    def _explain(self, picture: Picture, data: bytes, recon=None) -> str:
        return explain(picture.config, picture.planes, data, recon, picture.qp_map)

    def check_phase(self):
        assert self.compared, "no picture was compared"
