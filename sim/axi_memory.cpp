// The process's AxiMemory behind axi_memory.sv, found by sim/axi_memory.py.

#include "axi_interface.h"

#include "svdpi.h"

namespace {
// There from the start: Python may look for it before the first `initial` runs.
AxiMemory g_memory{AXI_BEAT_BYTES};
}  // namespace

extern "C" {

// axi_memory.sv
void axi_memory_open(int beat_bytes) { g_memory.set_beat_bytes(beat_bytes); }

void axi_memory_reset() { g_memory.reset(); }

void axi_memory_read(
    svBit arvalid, long long araddr, int arid, int arlen, int arsize, int arburst, svBit rready,
    svBit* arready, svBit* rvalid, int* rid, int* rresp, svBit* rlast, svBitVecVal* rdata) {
    static AxiReadPins pins;
    pins.arvalid = arvalid, pins.rready = rready;
    pins.ar = {uint64_t(araddr), uint32_t(arid), uint32_t(arlen), uint32_t(arsize), uint32_t(arburst)};
    g_memory.read(pins);
    *arready = pins.arready, *rvalid = pins.rvalid, *rid = pins.rid, *rresp = pins.rresp, *rlast = pins.rlast;
    std::memcpy(rdata, pins.rdata, AXI_BEAT_BYTES);
}

void axi_memory_write(
    svBit awvalid, long long awaddr, int awid, int awlen, int awsize, int awburst,
    svBit wvalid, svBit wlast, int wstrb, const svBitVecVal* wdata, svBit bready,
    svBit* awready, svBit* wready, svBit* bvalid, int* bid, int* bresp) {
    static AxiWritePins pins;
    pins.awvalid = awvalid, pins.wvalid = wvalid, pins.wlast = wlast, pins.wstrb = wstrb, pins.bready = bready;
    pins.aw = {uint64_t(awaddr), uint32_t(awid), uint32_t(awlen), uint32_t(awsize), uint32_t(awburst)};
    std::memcpy(pins.wdata, wdata, AXI_BEAT_BYTES);
    g_memory.write(pins);
    *awready = pins.awready, *wready = pins.wready, *bvalid = pins.bvalid, *bid = pins.bid, *bresp = pins.bresp;
}

// sim/axi_memory.py
AxiMemory* axi_memory_of_simulation() { return &g_memory; }
}
