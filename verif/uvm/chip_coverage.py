"""Coverage of what happened around the code: formats, places, bus, registers, faults and the states they met."""

from hdl.chip.payloads import ErrorCode
from sim.axi_memory import Burst
from verif.uvm import code_coverage
from verif.uvm.coverage import Coverage, Goal
from verif.uvm.memory_agent import MASTERS
from verif.uvm.register_agent import DECERR, OKAY, SLVERR, RegisterItem
from verif.uvm.register_model import REGISTERS
from verif.uvm.scoreboard import Ended

MASTER_OF = {place: master for master, place in MASTERS.items()}
RESPONSES = {OKAY: "OKAY", SLVERR: "SLVERR", DECERR: "DECERR"}
STALLS = ("fetch", "analysis", "reconstruction", "entropy", "pack", "source", "recon", "bitstream")
STAGE_INPUTS = {
    "fetch": (("fetch", "i_source__valid"), ("fetch", "i_source__ready")),
    "analysis": (("analysis", "i_source__valid"), ("analysis", "i_source__ready")),
    "reconstruction": (("reconstruction", "i_cu__valid"), ("reconstruction", "i_cu__ready")),
    "entropy": (("coded_units", "o__valid"), ("entropy", "i_cu__ready")),
    "pack": (("pack", "i_slice_data__valid"), ("pack", "i_slice_data__ready")),
}
"""Valid and ready of the stream at each stage's input, by the parts of the core that name them."""
COMMANDS = ("abort", "soft_reset", "rst")
STATUS = ("resetting", "fault", "clear", "queued", "busy")
"""Signals of control that tell its state; the first one that is high counts."""
STATES = {"resetting": "resetting", "fault": "fault", "clear": "stopping", "queued": "next queued", "busy": "running"}
QUEUE = ("alone", "next queued")
CHANNELS = ("AR", "R", "AW", "W", "B")
REFUSALS = ("BAD_SIZE", "BAD_QP", "BAD_ALIGNMENT", "BAD_STRIDE", "BAD_BUFFER")
FAULTS = (
    *(f"{code}, {state}" for code in REFUSALS for state in ("idle", "while one runs")),
    *(f"{code}, {state}" for code in ("BITSTREAM_FULL", "BAD_QP_MAP") for state in QUEUE),
    *(f"bus error of {master}, {state}" for master in MASTERS for state in (*QUEUE, "stopping")),
    *(f"WATCHDOG, {channel} stuck" for channel in CHANNELS),
    "bus error, then stuck bus",
    "soft reset, stuck bus",
    *(f"start lost, {state}" for state in ("next queued", "fault")),
    *(f"results unread, {then}" for then in ("then read", "then abort", "then soft reset")),
)
ANSWERS = ("read OKAY", "read DECERR", "write OKAY", "write SLVERR", "write DECERR", "write of some bytes")
LATENCIES = {4: "below 4", 20: "below 20", 100: "below 100", 200: "below 200", 1 << 62: "200 and more"}
CROSSINGS = (("SOURCE", "QP_MAP"), ("QP_MAP", "SOURCE"), ("RECON", "BITSTREAM"), ("BITSTREAM", "RECON"))

MAP_FIRST = (
    "a map of 64 coding-tree units or fewer is asked for first, all of it; the bench of the read port mixes them"
)


def _formats():
    return (f"{f}, {r}, {m}" for f in ("I420", "NV12") for r in ("recon", "no recon") for m in ("map", "no map"))


def _registers():
    for name, _, rights in REGISTERS:
        yield f"{name} read"
        if rights == "RW":
            yield f"{name} written"


GOALS = (
    Goal("format", "pixel format x reconstruction x QP map", tuple(_formats())),
    Goal("alignment", "first byte of the stream modulo 16", tuple(map(str, range(16)))),
    Goal("end", "how a picture ends", tuple(code.name for code in ErrorCode)),
    Goal("fault", "fault x state in which it comes", FAULTS),
    Goal(
        "command",
        "abort, soft reset and reset pin x state in which they come",
        tuple(f"{command}, {state}" for command in COMMANDS for state in (*STATES.values(), "idle")),
    ),
    Goal("bus_error", "master x answer", tuple(f"{m} {r}" for m in MASTERS for r in ("SLVERR", "DECERR"))),
    Goal("stall", "stage kept the one before it waiting", STALLS),
    Goal("starve", "stage waited for the one before it", tuple(STAGE_INPUTS)),
    Goal("latency", "answers of the memory", tuple(f"{d} {n}" for d in ("read", "write") for n in LATENCIES.values())),
    Goal(
        "overtake",
        "a burst ends before an earlier one",
        tuple(f"{a} before {b}" for a, b in CROSSINGS),
        {"QP_MAP before SOURCE": MAP_FIRST},
    ),
    Goal("page", "bursts at a boundary of 4 KB", tuple(f"{m} {e}" for m in MASTERS for e in ("begins", "ends"))),
    Goal("register", "every register read, and written where it can be", tuple(_registers())),
    Goal("answer", "answers of the register file", ANSWERS),
)


class Sampler:
    """Turns what the environment publishes into hits."""

    def __init__(self, coverage: Coverage, beat_bytes: int):
        self.coverage, self.beat_bytes = coverage, beat_bytes
        self.last: dict[int, Burst] = {}

    def checked(self, ended: Ended) -> None:
        """A picture that the scoreboard found right."""
        hit, picture, config = self.coverage.hit, ended.picture, ended.picture.config
        hit("end", ended.code.name)
        if ended.code == ErrorCode.BUS_ERROR:
            hit(
                "bus_error",
                f"{list(MASTERS)[ended.registers['ERROR.master']]} {RESPONSES[ended.registers['ERROR.resp']]}",
            )
        if ended.code != ErrorCode.OK:
            return
        code_coverage.sample(self.coverage, config, picture.expected, picture.phase)
        modes = ("I420", "NV12")[picture.nv12], ("no recon", "recon")[picture.wants_recon]
        hit("format", f"{', '.join(modes)}, {('no map', 'map')[config.cu_qp_delta_enabled]}")
        hit("alignment", str(picture.phase))
        for stage in STALLS:
            if times := ended.registers[f"STALL_{stage.upper()}.count"]:
                hit("stall", stage, times)

    def fault(self, fault_and_state: tuple[str, str]) -> None:
        self.coverage.hit("fault", ", ".join(fault_and_state))

    def access(self, item: RegisterItem) -> None:
        name = next((name for name, offset, _ in REGISTERS if offset == item.address), None)
        how = "write" if item.write else "read"
        self.coverage.hit("answer", f"{how} {RESPONSES[item.resp]}")
        if item.write and item.strobes not in (0, 15):
            self.coverage.hit("answer", "write of some bytes")
        if name and item.resp == OKAY:
            self.coverage.hit("register", f"{name} {'written' if item.write else 'read'}")

    def burst(self, burst: Burst) -> None:
        """A finished burst, in the order of their ends."""
        master = MASTER_OF[burst.direction, burst.id]
        took = burst.answered - burst.taken
        limit = next(limit for limit in LATENCIES if took < limit)
        self.coverage.hit("latency", f"{('read', 'write')[burst.direction]} {LATENCIES[limit]}")
        last = self.last.get(burst.direction)
        if last is not None and last.id != burst.id and last.taken > burst.taken:
            self.coverage.hit("overtake", f"{MASTER_OF[last.direction, last.id]} before {master}")
        self.last[burst.direction] = burst
        if burst.address % 4096 == 0:
            self.coverage.hit("page", f"{master} begins")
        if (burst.address + burst.beats * self.beat_bytes) % 4096 == 0:
            self.coverage.hit("page", f"{master} ends")

    def command(self, command: str, status: dict[str, bool]) -> None:
        """A command, and the signals of STATUS in the cycle of its strobe."""
        state = next((STATES[name] for name in STATUS if status[name]), "idle")
        self.coverage.hit("command", f"{command}, {state}")

    def starved(self, stage: str) -> None:
        self.coverage.hit("starve", stage)
