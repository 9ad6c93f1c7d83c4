"""Control of the chip: which picture runs, how it ends, and what the registers say of it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.chip.config_check import ConfigCheck
from hdl.chip.payloads import BusError, Counters, ErrorCode, PictureJob, Results
from hdl.params import Params
from hdl.payloads import Picture


class Control(wiring.Component):
    """One picture runs, another may wait; a picture ends well, is refused, or is stopped.

    Commands (strobes of CONTROL): `start` puts `job` into the queue, or, when it is full, the chip is in fault or
    resets, or another command comes with it, raises `start_lost_set`; `abort`; `soft_reset`. `watchdog`: WATCHDOG.
    Begin: `launch`, the strobe that starts readers and writers with `active` and its number of coding-tree units,
    `ctus`, comes 17 cycles after a `start` in an idle chip, for ConfigCheck takes 15; `o_picture` goes to the core.
    End: when the writers are not busy and the ports idle. An abort, an error of the bus, a full buffer, a bad QP map or
    the watchdog stop the picture: `stop` (to the ports) and `clear` (reset of core, readers and writers) are high until
    the ports are idle. A full buffer waits before that until all of it is written.
    Results: `results` changes with the strobe `finished_set`, and only while `finished` (IRQ_STATUS) is low. `counters`
    are taken of a picture that ended well, else 0: the blocks still tell those of the one before. `launch` of the
    picture that waits comes 18 cycles later.
    Fault: after BUS_ERROR and WATCHDOG nothing runs until `soft_reset`. Of the two that one is told which came first,
    also in a picture that was being stopped for another reason. The ports that are not idle when the watchdog
    has come stay stopped; a soft reset ends when they are, or `watchdog` cycles after the last one in fault again.
    `moving`: something moved on the bus or in the core, for the watchdog. `acknowledged`: bytes of the bitstream.
    """

    def __init__(self, p: Params):
        self.p = p
        super().__init__(
            {
                "job": In(PictureJob),
                "start": In(1),
                "abort": In(1),
                "soft_reset": In(1),
                "watchdog": In(32),
                "busy": Out(1),
                "queued": Out(1),
                "stopping": Out(1),
                "fault": Out(1),
                "resetting": Out(1),
                "finished": In(1),
                "finished_set": Out(1),
                "started_set": Out(1),
                "start_lost_set": Out(1),
                "fault_set": Out(1),
                "results": Out(Results),
                "active": Out(PictureJob),
                "ctus": Out(18),
                "launch": Out(1),
                "o_picture": Out(stream.Signature(Picture)),
                "stop": Out(1),
                "clear": Out(1),
                "writing": In(1),
                "idle": In(1),
                "writes_idle": In(1),
                "read_error": In(BusError),
                "write_error": In(BusError),
                "full": In(1),
                "bad_qp_map": In(1),
                "acknowledged": In(9),
                "coded_byte": In(1),
                "moving": In(1),
                "counters": In(Counters),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.check = check = ConfigCheck(self.p)
        queue, active, results = Signal(PictureJob), self.active, self.results
        code = Signal(ErrorCode)
        error = Signal(BusError)
        m.d.comb += [
            check.job.eq(active),
            self.ctus.eq(check.ctus),
            error.eq(Mux(self.read_error.valid, self.read_error.as_value(), self.write_error.as_value())),
            self.clear.eq(self.stopping),
            self.stop.eq(self.stopping),
        ]
        self._picture(m)

        reset = self.resetting | self.soft_reset
        with m.If(self.start):
            with m.If(self.queued | self.fault | self.fault_set | reset | self.abort):
                m.d.comb += self.start_lost_set.eq(1)
            with m.Else():
                m.d.sync += [queue.eq(self.job), self.queued.eq(1)]
        with m.If(self.abort):
            m.d.sync += self.queued.eq(0)
        with m.If(self.soft_reset):
            m.d.sync += [self.queued.eq(0), self.resetting.eq(1)]

        quiet = Signal(32)  # cycles in which nothing moved
        expired = Signal()
        m.d.comb += expired.eq((self.watchdog != 0) & (quiet >= self.watchdog))
        m.d.sync += quiet.eq(Mux(self.moving, 0, quiet + ~expired))

        cycles, position, count = Signal(32), Signal(32), Signal(32)
        running = Signal()
        m.d.sync += [
            cycles.eq(cycles + running),
            position.eq(position + self.acknowledged),
            count.eq(count + self.coded_byte),
        ]

        def end(state, why):
            m.d.sync += [code.eq(why), quiet.eq(0)]
            m.next = state

        def stop(why):
            m.d.sync += self.stopping.eq(1)
            end("STOP", why)

        # Of a picture that is stopped the bus may still tell an error: that is the worse news.
        where = Signal(BusError)
        faulty = (code == ErrorCode.BUS_ERROR) | (code == ErrorCode.WATCHDOG)
        with m.If(running & error.valid & ~faulty):
            m.d.sync += [code.eq(ErrorCode.BUS_ERROR), where.eq(error)]

        settle = Signal(2)
        with m.FSM(name="control"):
            with m.State("IDLE"):
                m.d.sync += quiet.eq(0)
                with m.If(reset):
                    m.d.sync += self.stopping.eq(1)
                    m.next = "RESET"
                with m.Elif(self.queued & ~self.abort):
                    m.d.comb += self.started_set.eq(1)
                    m.d.sync += [active.eq(queue), self.queued.eq(0), self.busy.eq(1), settle.eq(0)]
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += check.enable.eq(1)
                m.d.sync += [
                    position.eq(0),
                    count.eq(0),
                    cycles.eq(0),
                    quiet.eq(0),
                    code.eq(ErrorCode.OK),
                    where.eq(0),
                ]
                with m.If(reset | self.abort):
                    stop(ErrorCode.ABORTED)
                with m.Elif(check.done):
                    with m.If(check.code != ErrorCode.OK):
                        end("PUBLISH", check.code)
                    with m.Else():
                        m.d.comb += self.launch.eq(1)
                        m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                # A cycle for the writers to be busy.
                m.d.sync += settle.eq(Mux(settle[1], settle, settle + 1))
                with m.If(error.valid):
                    stop(ErrorCode.BUS_ERROR)
                with m.Elif(reset | self.abort):
                    stop(ErrorCode.ABORTED)
                with m.Elif(self.bad_qp_map):
                    stop(ErrorCode.BAD_QP_MAP)
                with m.Elif(expired):
                    stop(ErrorCode.WATCHDOG)
                with m.Elif(self.full):
                    with m.If(self.writes_idle):
                        stop(ErrorCode.BITSTREAM_FULL)
                with m.Elif(settle[1] & ~self.writing & self.idle):
                    end("PUBLISH", ErrorCode.OK)
            with m.State("STOP"):
                m.d.comb += running.eq(1)
                with m.If(self.idle):
                    m.next = "PUBLISH"
                with m.Elif(expired):
                    with m.If(~faulty & ~error.valid):
                        m.d.sync += code.eq(ErrorCode.WATCHDOG)
                    m.next = "PUBLISH"
            with m.State("PUBLISH"):
                with m.If(reset):
                    m.d.sync += [self.busy.eq(0), self.stopping.eq(1), quiet.eq(0)]
                    m.next = "RESET"
                with m.Elif(~self.finished):
                    m.d.comb += [self.finished_set.eq(1), self.fault_set.eq(faulty)]
                    m.d.sync += self._results(code, where, position, cycles, count)
                    m.d.sync += self.busy.eq(0)
                    with m.If(faulty):
                        m.d.sync += [self.fault.eq(1), self.queued.eq(0)]
                        m.next = "FAULT"
                    with m.Else():
                        m.d.sync += self.stopping.eq(0)
                        m.next = "IDLE"
            with m.State("FAULT"):
                with m.If(reset):
                    m.d.sync += [self.stopping.eq(1), quiet.eq(0)]
                    m.next = "RESET"
            with m.State("RESET"):
                with m.If(self.idle):
                    m.d.sync += [
                        self.resetting.eq(0),
                        self.fault.eq(0),
                        self.stopping.eq(0),
                        results.eq(0),
                    ]
                    m.next = "IDLE"
                with m.Elif(self.soft_reset):
                    m.d.sync += quiet.eq(0)
                with m.Elif(expired):
                    m.d.comb += self.fault_set.eq(1)
                    m.d.sync += [self.resetting.eq(0), self.fault.eq(1)]
                    m.next = "FAULT"
        return m

    def _picture(self, m):
        """The active picture's parameters, offered to the core from `launch` until it takes them."""
        active, picture = self.active, self.o_picture.payload
        m.d.comb += [
            picture.width.eq(active.source.width),
            picture.height.eq(active.source.height),
            picture.cu_qp_delta_enabled.eq(active.qp_map),
            *(
                getattr(picture, name).eq(getattr(active, name))
                for name, _ in Picture.as_shape()
                if name not in ("width", "height", "cu_qp_delta_enabled")
            ),
        ]
        with m.If(self.launch):
            m.d.sync += self.o_picture.valid.eq(1)
        with m.Elif(self.o_picture.ready | self.clear):
            m.d.sync += self.o_picture.valid.eq(0)

    def _results(self, code, where, position, cycles, count):
        return [
            self.results.code.eq(code),
            self.results.master.eq(where.master),
            self.results.resp.eq(where.resp),
            self.results.address.eq(where.address),
            self.results.tag.eq(self.active.tag),
            self.results.position.eq(position),
            self.results.cycles.eq(cycles),
            self.results.bits.eq(count << 3),
            self.results.counters.eq(Mux(code == ErrorCode.OK, self.counters.as_value(), 0)),
        ]
