// The Verilated chip with a memory on its bus, through a C interface: registers, memory, time.

#include <cstdint>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

#include "axi_memory.h"
#include "chip_config.inc"  // BUS_BYTES

namespace {

class Chip {
 public:
    heron::AxiMemory<BUS_BYTES> memory;

    Chip() {
        m_context.reset(new VerilatedContext);
        m_top.reset(new Vtop(m_context.get()));
        m_top->clk = 0;
        m_top->s_axi_bready = m_top->s_axi_rready = 1;
        m_top->rst = 1;
        for (int k = 0; k < 8; ++k) cycle();
        m_top->rst = 0;
        for (int k = 0; k < 2; ++k) cycle();  // the reset is late
    }

    bool irq() const { return m_top->irq; }
    uint64_t cycles() const { return m_cycles; }

    // One access of a register; the response, or -1 when there is none in time.
    int read(uint32_t address, uint32_t& value) {
        m_top->s_axi_araddr = address, m_top->s_axi_arvalid = 1;
        for (int k = 0; k < LIMIT; ++k) {
            const Seen seen = cycle();
            if (seen.ar) m_top->s_axi_arvalid = 0;
            if (seen.r) {
                value = seen.rdata;
                return seen.resp;
            }
        }
        return -1;
    }

    int write(uint32_t address, uint32_t value) {
        m_top->s_axi_awaddr = address, m_top->s_axi_awvalid = 1;
        m_top->s_axi_wdata = value, m_top->s_axi_wstrb = 15, m_top->s_axi_wvalid = 1;
        for (int k = 0; k < LIMIT; ++k) {
            const Seen seen = cycle();
            if (seen.aw) m_top->s_axi_awvalid = 0;
            if (seen.w) m_top->s_axi_wvalid = 0;
            if (seen.b) return seen.resp;
        }
        return -1;
    }

    // Until the interrupt or the end of the time; whether the interrupt came.
    bool run(uint64_t cycles, bool until_irq) {
        for (uint64_t k = 0; k < cycles; ++k) {
            if (until_irq && irq()) return true;
            cycle();
        }
        return irq();
    }

 private:
    static constexpr int LIMIT = 1000;
    struct Seen {
        bool ar, r, aw, w, b;
        uint32_t rdata;
        int resp;
    };

    Seen cycle() {
        Vtop& top = *m_top;
        memory.drive(top);
        top.clk = 0, top.eval();
        Seen seen;
        seen.ar = top.s_axi_arvalid && top.s_axi_arready;
        seen.aw = top.s_axi_awvalid && top.s_axi_awready;
        seen.w = top.s_axi_wvalid && top.s_axi_wready;
        seen.r = top.s_axi_rvalid, seen.b = top.s_axi_bvalid;
        seen.rdata = top.s_axi_rdata, seen.resp = seen.r ? top.s_axi_rresp : top.s_axi_bresp;
        if (!top.rst) memory.sample(top);
        top.clk = 1, top.eval();
        ++m_cycles;
        return seen;
    }

    std::unique_ptr<VerilatedContext> m_context;
    std::unique_ptr<Vtop> m_top;
    uint64_t m_cycles = 0;
};

Chip& of(void* chip) { return *static_cast<Chip*>(chip); }

}  // namespace

extern "C" {

void* chip_create() { return new Chip; }
void chip_destroy(void* chip) { delete &of(chip); }

int32_t chip_read(void* chip, uint32_t address, uint32_t* value) { return of(chip).read(address, *value); }
int32_t chip_write(void* chip, uint32_t address, uint32_t value) { return of(chip).write(address, value); }
int32_t chip_run(void* chip, uint64_t cycles, int32_t until_irq) { return of(chip).run(cycles, until_irq); }
uint64_t chip_cycles(void* chip) { return of(chip).cycles(); }

// A window of memory, filled with zeros; where its bytes are.
uint8_t* chip_map(void* chip, uint64_t base, uint64_t size, int32_t writable) {
    auto& windows = of(chip).memory.windows;
    windows.push_back({base, std::vector<uint8_t>(size), writable != 0});
    return windows.back().bytes.data();
}
void chip_unmap(void* chip) { of(chip).memory.windows.clear(); }
void chip_fault(void* chip, uint64_t address, uint64_t length, int32_t write, int32_t response) {
    of(chip).memory.faults.push_back({address, length, write != 0, uint8_t(response)});
}
void chip_heal(void* chip) { of(chip).memory.faults.clear(); }
void chip_timing(void* chip, uint32_t least, uint32_t most, uint32_t stalls, uint32_t depth, int32_t stuck, uint64_t seed) {
    auto& memory = of(chip).memory;
    memory.timing.latency_min = least, memory.timing.latency_max = most, memory.timing.stalls = stalls;
    memory.timing.depth = depth, memory.timing.stuck = stuck != 0;
    if (seed) memory.random = heron::Random(seed);
}
int32_t chip_memory_idle(void* chip) { return of(chip).memory.idle(); }
// read_bytes, written_bytes, violations, first_violation, bursts against the rules
void chip_counts(void* chip, uint64_t* values) { std::memcpy(values, &of(chip).memory.count, 5 * sizeof(uint64_t)); }
}
