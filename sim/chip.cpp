// The Verilated chip with a memory (axi_model.h) on its bus, through a C interface: registers, memory, time.

#include <cstdint>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

#include "axi_interface.h"
#include "chip_config.inc"  // BUS_BYTES

namespace {

class Chip {
 public:
    AxiMemory memory{BUS_BYTES};

    Chip() {
        m_context.reset(new VerilatedContext);
        m_top.reset(new Vtop(m_context.get()));
        m_top->s_axi_bready = m_top->s_axi_rready = 1;
        m_top->rst = 1;
        for (int k = 0; k < 4; ++k) clock();
        m_top->rst = 0;
        cycle();  // the reset of the core is late
    }

    VerilatedContext& context() { return *m_context; }
    bool irq() const { return m_top->irq; }

    // One access of a register; its response, or -1 when there is none in time.
    int read(uint32_t address, uint32_t& value) {
        Vtop& top = *m_top;
        top.s_axi_araddr = address, top.s_axi_arvalid = 1;
        for (int k = 0; k < LIMIT; ++k) {
            settle();
            const bool taken = top.s_axi_arready, answered = top.s_axi_rvalid;
            const int response = top.s_axi_rresp;
            value = top.s_axi_rdata;
            cycle();
            if (taken) top.s_axi_arvalid = 0;
            if (answered) return response;
        }
        return -1;
    }

    int write(uint32_t address, uint32_t value) {
        Vtop& top = *m_top;
        top.s_axi_awaddr = address, top.s_axi_awvalid = 1;
        top.s_axi_wdata = value, top.s_axi_wstrb = 15, top.s_axi_wvalid = 1;
        for (int k = 0; k < LIMIT; ++k) {
            settle();
            const bool aw_taken = top.s_axi_awready, w_taken = top.s_axi_wready, answered = top.s_axi_bvalid;
            const int response = top.s_axi_bresp;
            cycle();
            if (aw_taken) top.s_axi_awvalid = 0;
            if (w_taken) top.s_axi_wvalid = 0;
            if (answered) return response;
        }
        return -1;
    }

    // Until the interrupt, if that is asked for, or the end of the time; whether the interrupt is there.
    bool run(uint64_t cycles, bool until_irq) {
        for (uint64_t k = 0; k < cycles && !(until_irq && irq()); ++k) cycle();
        return irq();
    }

 private:
    static constexpr int LIMIT = 1000;

    // Outputs follow the inputs.
    void settle() { m_top->clk = 0, m_top->eval(); }
    // State follows the rising edge.
    void clock() { settle(), m_top->clk = 1, m_top->eval(); }

    // The memory sees the pins before the edge and drives them after it.
    void cycle() {
        Vtop& top = *m_top;
        settle();
        m_reads.arvalid = top.m_axi_arvalid, m_reads.rready = top.m_axi_rready;
        m_reads.ar = {top.m_axi_araddr, top.m_axi_arid, top.m_axi_arlen, top.m_axi_arsize, top.m_axi_arburst};
        m_writes.awvalid = top.m_axi_awvalid, m_writes.wvalid = top.m_axi_wvalid, m_writes.bready = top.m_axi_bready;
        m_writes.aw = {top.m_axi_awaddr, top.m_axi_awid, top.m_axi_awlen, top.m_axi_awsize, top.m_axi_awburst};
        m_writes.wlast = top.m_axi_wlast, m_writes.wstrb = top.m_axi_wstrb;
        std::memcpy(m_writes.wdata, &top.m_axi_wdata, BUS_BYTES);
        memory.read(m_reads), memory.write(m_writes);
        top.clk = 1, top.eval();
        top.m_axi_arready = m_reads.arready, top.m_axi_rvalid = m_reads.rvalid, top.m_axi_rid = m_reads.rid;
        top.m_axi_rresp = m_reads.rresp, top.m_axi_rlast = m_reads.rlast;
        std::memcpy(&top.m_axi_rdata, m_reads.rdata, BUS_BYTES);
        top.m_axi_awready = m_writes.awready, top.m_axi_wready = m_writes.wready;
        top.m_axi_bvalid = m_writes.bvalid, top.m_axi_bid = m_writes.bid, top.m_axi_bresp = m_writes.bresp;
    }

    std::unique_ptr<VerilatedContext> m_context;
    std::unique_ptr<Vtop> m_top;
    AxiReadPins m_reads{};
    AxiWritePins m_writes{};
};

Chip& of(void* chip) { return *static_cast<Chip*>(chip); }

}  // namespace

extern "C" {
void* chip_create() { return new Chip; }
void chip_destroy(void* chip) { delete &of(chip); }
AxiMemory* chip_memory(void* chip) { return &of(chip).memory; }
int32_t chip_read(void* chip, uint32_t address, uint32_t* value) { return of(chip).read(address, *value); }
int32_t chip_write(void* chip, uint32_t address, uint32_t value) { return of(chip).write(address, value); }
int32_t chip_run(void* chip, uint64_t cycles, int32_t until_irq) { return of(chip).run(cycles, until_irq); }
#if VM_COVERAGE
void chip_coverage(void* chip, const char* path) { of(chip).context().coveragep()->write(path); }
#endif
}
