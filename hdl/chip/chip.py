"""The chip: the core between an AXI4-Lite register file and an AXI4 master."""

from amaranth import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hdl.chip.bitstream_writer import BitstreamWriter
from hdl.chip.control import Control
from hdl.chip.qp_reader import QpReader
from hdl.chip.read_port import ReadPort
from hdl.chip.recon_writer import ReconWriter
from hdl.chip.register_file import RegisterFile
from hdl.chip.source_reader import SourceReader
from hdl.chip.write_port import WritePort
from hdl.common.axi import Axi4Lite, Axi4Read, Axi4Write, connect_pins, pins
from hdl.common.streams import connect
from hdl.core import Core
from hdl.params import Params

EVENTS = ("finished", "started", "start_lost", "fault")


class Chip(wiring.Component):
    """Pictures in memory to an Annex B stream in memory, under the registers of hdl/chip/registers.rdl.

    Pins: `s_axi_*` (AXI4-Lite, 32 bit), `m_axi_*` (AXI4 master: bursts of up to 16 whole beats that cross no 4 KB
    boundary, IDs 0 and 1), `irq` (level). One clock, one synchronous reset.
    Pictures run one after the other: the next begins 18 cycles after the end of the one before, if it waits in the
    queue and IRQ_STATUS.finished is clear. Throughput: the core's. Errors and stopping: docs/chip.md.
    git_hash: 32 bits of the commit, for GIT_HASH.
    """

    def __init__(self, p: Params, git_hash: int = 0):
        if not 0 <= git_hash < 1 << 32:
            raise ValueError(f"git_hash is {git_hash:#x}; it must have at most 32 bits")
        self.p = p
        self.git_hash = git_hash
        width = p.axi_data_width
        super().__init__(
            {
                **pins("s_axi", Axi4Lite(), slave=True),
                **pins("m_axi", Axi4Read(width), data_width=width),
                **pins("m_axi", Axi4Write(width), data_width=width),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.registers = registers = RegisterFile()
        m.submodules.control = control = Control(p)
        m.submodules.read_port = read_port = ReadPort(p)
        m.submodules.write_port = write_port = WritePort(p)

        # What is reset when a picture is stopped.
        m.domains.picture = picture = ClockDomain()
        clearing = Signal(init=1, reset_less=True)
        m.d.sync += clearing.eq(ResetSignal() | control.clear)
        m.d.comb += [ClockSignal("picture").eq(ClockSignal()), picture.rst.eq(clearing)]
        blocks = {
            "core": Core(p),
            "source_reader": SourceReader(p),
            "qp_reader": QpReader(p),
            "recon_writer": ReconWriter(p),
            "bitstream_writer": BitstreamWriter(p),
        }
        for name, block in blocks.items():
            m.submodules[name] = DomainRenamer("picture")(block)
        core, source_reader, qp_reader, recon_writer, bitstream_writer = blocks.values()

        connect_pins(m, self, "s_axi", Axi4Lite(), registers.bus)
        connect_pins(m, self, "m_axi", Axi4Read(p.axi_data_width), read_port.bus, data_width=p.axi_data_width)
        connect_pins(m, self, "m_axi", Axi4Write(p.axi_data_width), write_port.bus, data_width=p.axi_data_width)

        connect(m, control.o_picture, core.i_picture)
        connect(m, source_reader.o_source, core.i_source)
        connect(m, qp_reader.o_qp, core.i_qp)
        connect(m, core.o_recon, recon_writer.i_recon)
        connect(m, core.o_byte, bitstream_writer.i_byte)
        for k, reader in enumerate((source_reader, qp_reader)):
            connect(m, reader.o_request, read_port.i_request[k])
            connect(m, read_port.o_data[k], reader.i_data)
        for k, writer in enumerate((recon_writer, bitstream_writer)):
            connect(m, writer.o_request, write_port.i_request[k])
            connect(m, writer.o_data, write_port.i_data[k])

        self._start(m, control, blocks)
        self._control(m, registers, control, read_port, write_port, blocks)
        self._picture_registers(m, registers, control.job)
        self._result_registers(m, registers, control.results)
        self._counters(m, control, core, read_port, write_port)
        return m

    def _start(self, m, control, blocks):
        """Jobs of the readers and writers."""
        active = control.active
        m.d.comb += [
            blocks["source_reader"].job.eq(active.source),
            blocks["recon_writer"].job.eq(active.recon),
            blocks["recon_writer"].enable.eq(active.recon_enable),
            blocks["bitstream_writer"].job.address.eq(active.bitstream_address),
            blocks["bitstream_writer"].job.size.eq(active.bitstream_size),
            blocks["qp_reader"].job.address.eq(active.qp_map_address),
            blocks["qp_reader"].job.count.eq(control.ctus),
        ]
        for name, block in blocks.items():
            if name != "core":
                m.d.comb += block.start.eq(control.launch & (active.qp_map if name == "qp_reader" else 1))

    def _control(self, m, registers, control, read_port, write_port, blocks):
        writers = blocks["recon_writer"], blocks["bitstream_writer"]
        core = blocks["core"]
        channels = [read_port.bus.ar, read_port.bus.r, write_port.bus.aw, write_port.bus.w, write_port.bus.b]
        moves = [port.valid & port.ready for port in (*channels, core.i_source, core.o_recon, core.o_byte)]
        m.d.comb += [
            control.start.eq(registers.control_start),
            control.abort.eq(registers.control_abort),
            control.soft_reset.eq(registers.control_soft_reset),
            registers.clear_events.eq(registers.control_soft_reset),
            control.watchdog.eq(registers.watchdog_cycles),
            *(
                getattr(registers, f"status_{name}").eq(getattr(control, name))
                for name in ("busy", "queued", "stopping", "fault", "resetting")
            ),
            registers.status_outstanding.eq(~control.idle),
            control.finished.eq(registers.irq_status_finished),
            *(getattr(registers, f"irq_status_{name}_set").eq(getattr(control, f"{name}_set")) for name in EVENTS),
            *(port.stop.eq(control.stop) for port in (read_port, write_port)),
            *(port.clear_stat.eq(control.launch) for port in (read_port, write_port)),
            control.read_error.eq(read_port.error),
            control.write_error.eq(write_port.error),
            control.writing.eq(Cat(writer.busy for writer in writers).any()),
            control.idle.eq(read_port.idle & write_port.idle),
            control.writes_idle.eq(write_port.idle),
            control.full.eq(blocks["bitstream_writer"].full),
            control.bad_qp_map.eq(blocks["qp_reader"].bad),
            control.acknowledged.eq(write_port.o_acknowledged[1]),
            control.coded_byte.eq(moves[-1]),
        ]
        m.d.sync += control.moving.eq(Cat(moves).any())
        enabled = [
            getattr(registers, f"irq_status_{name}") & getattr(registers, f"irq_enable_{name}") for name in EVENTS
        ]
        m.d.sync += self.irq.eq(Cat(enabled).any())
        size = self.p
        m.d.comb += [
            registers.git_hash_hash.eq(self.git_hash),
            registers.preset_hash_hash.eq(size.hash),
            registers.capabilities_ctb_log2_size.eq(size.ctb_log2_size),
            registers.capabilities_bus_bytes.eq(size.axi_data_width // 8),
            registers.max_size_width.eq(size.max_width),
            registers.max_size_height.eq(size.max_height),
        ]

    def _picture_registers(self, m, registers, job):
        """The picture registers as one job."""

        def address(name):
            return Cat(getattr(registers, f"{name}_low_address"), getattr(registers, f"{name}_high_address"))

        for name, planes in (("source", job.source), ("recon", job.recon)):
            m.d.comb += [
                planes.width.eq(registers.size_width),
                planes.height.eq(registers.size_height),
                planes.nv12.eq(registers.mode_pixel_format),
                *(getattr(planes, plane).eq(address(f"{name}_{plane}")) for plane in ("y", "cb", "cr")),
                planes.stride_y.eq(getattr(registers, f"{name}_stride_y_bytes")),
                planes.stride_c.eq(getattr(registers, f"{name}_stride_c_bytes")),
            ]
        m.d.comb += [
            job.recon_enable.eq(registers.mode_recon),
            job.bitstream_address.eq(address("bitstream")),
            job.bitstream_size.eq(registers.bitstream_size_bytes),
            job.qp_map_address.eq(address("qp_map")),
            job.qp_map.eq(registers.mode_qp_map),
            job.qp.eq(registers.qp_qp),
            job.level_idc.eq(registers.stream_level_idc),
            job.high_tier.eq(registers.stream_high_tier),
            job.full_range.eq(registers.stream_full_range),
            job.write_parameter_sets.eq(registers.mode_write_parameter_sets),
            job.write_hash.eq(registers.mode_write_hash),
            *(
                getattr(job, name).eq(getattr(registers, f"colour_{name}"))
                for name in ("colour_primaries", "transfer_characteristics", "matrix_coeffs")
            ),
            job.tag.eq(registers.tag_tag),
        ]

    def _result_registers(self, m, registers, results):
        counters = results.counters
        m.d.comb += [
            registers.error_code.eq(results.code),
            registers.error_master.eq(results.master),
            registers.error_resp.eq(results.resp),
            registers.error_address_low_address.eq(results.address[:32]),
            registers.error_address_high_address.eq(results.address[32:]),
            registers.result_tag_tag.eq(results.tag),
            registers.bitstream_position_bytes.eq(results.position),
            registers.cycles_count.eq(results.cycles),
            registers.bits_count.eq(results.bits),
            registers.bins_count.eq(counters.bins),
            registers.bytes_read_count.eq(counters.bytes_read),
            registers.bytes_written_count.eq(counters.bytes_written),
        ]
        for stage in (*Core.STAGES, "source", "recon", "bitstream"):
            m.d.comb += getattr(registers, f"stall_{stage}_count").eq(getattr(counters, f"stall_{stage}"))
        for plane in ("y", "cb", "cr"):
            total = getattr(counters, f"sse_{plane}")
            m.d.comb += [
                getattr(registers, f"sse_{plane}_low_sum").eq(total[:32]),
                getattr(registers, f"sse_{plane}_high_sum").eq(total[32:]),
            ]

    def _counters(self, m, control, core, read_port, write_port):
        counters = control.counters
        m.d.comb += [
            counters.bins.eq(core.stat_bins),
            counters.bytes_read.eq(read_port.stat_bytes),
            counters.bytes_written.eq(write_port.stat_bytes),
            *(getattr(counters, f"stall_{s}").eq(getattr(core, f"stat_stall_{s}")) for s in Core.STAGES),
            *(getattr(counters, f"sse_{plane}").eq(getattr(core, f"stat_sse_{plane}")) for plane in ("y", "cb", "cr")),
        ]
        waits = {
            "source": core.i_source.ready & ~core.i_source.valid,
            "recon": core.o_recon.valid & ~core.o_recon.ready,
            "bitstream": core.o_byte.valid & ~core.o_byte.ready,
        }
        for name, wait in waits.items():
            count = getattr(counters, f"stall_{name}")
            stalls = Signal(32, name=f"stalls_{name}")
            m.d.comb += count.eq(stalls)
            m.d.sync += stalls.eq(stalls + wait)
            with m.If(control.launch):
                m.d.sync += stalls.eq(0)
