// The C interface of an AxiMemory, for sim/axi_memory.py: included by whoever owns one.

#pragma once

#include "axi_model.h"

extern "C" {

AxiControl* axi_memory_control(AxiMemory* memory) { return &memory->control; }

void axi_memory_map(
    AxiMemory* memory, uint64_t base, uint64_t size, uint8_t* data, uint32_t readers, uint32_t writers, uint32_t resp) {
    memory->map(base, size, data, readers, writers, resp);
}

void axi_memory_unmap(AxiMemory* memory) { memory->unmap(); }

uint64_t axi_memory_bursts(AxiMemory* memory, AxiBurst* out, uint64_t room) { return memory->take_bursts(out, room); }
}
