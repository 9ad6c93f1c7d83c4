// A memory on AXI4 with windows, latency, stalls and faults, for a C++ harness: what the bus of a real chip may do.
//
// Call `drive` before the design settles, `sample` after it and before the clock. Bursts of one ID are answered in order,
// those of different IDs in any; beats of two IDs may alternate. Each access is checked: an address outside the windows
// is answered with DECERR and counted.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

namespace heron {

enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };

class Random {
 public:
    explicit Random(uint64_t seed = 1) : m_state(seed * 0x9E3779B97F4A7C15u | 1) {}
    uint32_t below(uint32_t bound) {
        m_state ^= m_state << 13, m_state ^= m_state >> 7, m_state ^= m_state << 17;
        return uint32_t((m_state >> 16) % bound);
    }

 private:
    uint64_t m_state;
};

struct Window {
    uint64_t base;
    std::vector<uint8_t> bytes;
    bool writable;
};

struct Fault {  // each access of the kind that touches the address is answered so
    uint64_t address;
    uint64_t length;
    bool write;
    uint8_t response;
};

template <unsigned BYTES>
class AxiMemory {
 public:
    static constexpr unsigned IDS = 2;
    // How the bus behaves. latency: cycles from the address (of a write: from its last beat) to the answer. stalls: of a
    // hundred cycles, those in which a channel pauses. depth: bursts that it takes before the first is answered.
    struct Timing {
        uint32_t latency_min = 0, latency_max = 0, stalls = 0, depth = 64;
        bool stuck = false;  // nothing moves any more
    };
    struct Count {
        uint64_t read_bytes = 0, written_bytes = 0, violations = 0, first_violation = 0, boundary = 0;
    };

    Timing timing;
    Count count;
    std::vector<Window> windows;
    std::vector<Fault> faults;
    Random random{1};

    uint8_t* find(uint64_t address, uint64_t length, bool write) {
        for (Window& window : windows)
            if (address >= window.base && address + length <= window.base + window.bytes.size()
                && (!write || window.writable))
                return window.bytes.data() + (address - window.base);
        return nullptr;
    }

    template <class Top>
    void drive(Top& top) {
        ++m_now;
        top.m_axi_arready = open() && m_reads[0].size() + m_reads[1].size() < timing.depth;
        top.m_axi_awready = open() && m_writes.size() + m_answers[0].size() + m_answers[1].size() < timing.depth;
        top.m_axi_wready = open() && m_beats.size() < 64;
        if (!m_r_held) choose_read();
        top.m_axi_rvalid = m_r_held;
        if (m_r_held) {
            const Burst& burst = m_reads[m_r_id].front();
            const uint64_t address = burst.address + uint64_t(burst.done) * BYTES;
            uint8_t data[BYTES] = {};
            uint8_t response = respond(address, BYTES, false);
            if (const uint8_t* source = find(address, BYTES, false)) std::memcpy(data, source, BYTES);
            else response = DECERR;
            std::memcpy(&top.m_axi_rdata, data, BYTES);
            top.m_axi_rid = m_r_id;
            top.m_axi_rresp = response;
            top.m_axi_rlast = burst.done + 1 == burst.beats;
        }
        if (!m_b_held) choose_answer();
        top.m_axi_bvalid = m_b_held;
        if (m_b_held) {
            top.m_axi_bid = m_b_id;
            top.m_axi_bresp = m_answers[m_b_id].front().response;
        }
    }

    template <class Top>
    void sample(Top& top) {
        if (top.m_axi_arvalid && top.m_axi_arready) {
            const Burst burst = {top.m_axi_araddr, top.m_axi_arlen + 1u, m_now + wait(), 0, OKAY};
            check(burst, false);
            m_reads[top.m_axi_arid].push_back(burst);
        }
        if (top.m_axi_rvalid && top.m_axi_rready) {
            count.read_bytes += BYTES;
            m_r_held = false;
            Burst& burst = m_reads[m_r_id].front();
            if (++burst.done == burst.beats) m_reads[m_r_id].pop_front();
        }
        if (top.m_axi_awvalid && top.m_axi_awready) {
            const Burst burst = {top.m_axi_awaddr, top.m_axi_awlen + 1u, 0, 0, OKAY};
            check(burst, true);
            m_writes.push_back({burst, uint8_t(top.m_axi_awid)});
        }
        if (top.m_axi_wvalid && top.m_axi_wready) {
            Beat beat;
            std::memcpy(beat.data, &top.m_axi_wdata, BYTES);
            beat.strobes = top.m_axi_wstrb;
            beat.last = top.m_axi_wlast;
            m_beats.push_back(beat);
        }
        if (top.m_axi_bvalid && top.m_axi_bready) {
            m_b_held = false;
            m_answers[m_b_id].pop_front();
        }
        store();
    }

    bool idle() const {
        return m_reads[0].empty() && m_reads[1].empty() && m_writes.empty() && m_beats.empty() && m_answers[0].empty()
            && m_answers[1].empty();
    }

 private:
    struct Burst {
        uint64_t address;
        unsigned beats;
        uint64_t due;
        unsigned done;
        uint8_t response;
    };
    struct Write {
        Burst burst;
        uint8_t id;
    };
    struct Beat {
        uint8_t data[BYTES];
        uint32_t strobes;
        bool last;
    };

    bool open() { return !timing.stuck && (!timing.stalls || random.below(100) >= timing.stalls); }
    uint64_t wait() { return timing.latency_min + random.below(timing.latency_max - timing.latency_min + 1); }

    void violate(uint64_t address) {
        if (!count.violations++) count.first_violation = address;
    }

    uint8_t respond(uint64_t address, uint64_t length, bool write) const {
        for (const Fault& fault : faults)
            if (fault.write == write && address < fault.address + fault.length && fault.address < address + length)
                return fault.response;
        return OKAY;
    }

    // Each beat of a burst inside a window, the burst inside 4 KB.
    void check(const Burst& burst, bool write) {
        const uint64_t bytes = uint64_t(burst.beats) * BYTES;
        if (burst.address / 4096 != (burst.address + bytes - 1) / 4096 || burst.address % BYTES) ++count.boundary;
        if (!write && !find(burst.address, bytes, false)) violate(burst.address);
    }

    void choose_read() {
        const unsigned first = random.below(IDS);
        for (unsigned k = 0; k < IDS; ++k) {
            const unsigned id = (first + k) % IDS;
            if (!m_reads[id].empty() && m_reads[id].front().due <= m_now && open()) {
                m_r_id = id, m_r_held = true;
                return;
            }
        }
    }

    void choose_answer() {
        const unsigned first = random.below(IDS);
        for (unsigned k = 0; k < IDS; ++k) {
            const unsigned id = (first + k) % IDS;
            if (!m_answers[id].empty() && m_answers[id].front().due <= m_now && open()) {
                m_b_id = id, m_b_held = true;
                return;
            }
        }
    }

    // Beats that have come, into the burst that they belong to: W has the order of AW.
    void store() {
        while (!m_writes.empty() && !m_beats.empty()) {
            auto& [burst, id] = m_writes.front();
            const Beat& beat = m_beats.front();
            const uint64_t address = burst.address + uint64_t(burst.done) * BYTES;
            uint8_t response = respond(address, BYTES, true);
            for (unsigned k = 0; k < BYTES; ++k) {
                if (!(beat.strobes >> k & 1)) continue;
                ++count.written_bytes;
                uint8_t* place = find(address + k, 1, true);
                if (!place) violate(address + k), response = DECERR;
                else if (response == OKAY) *place = beat.data[k];
            }
            burst.response = std::max(burst.response, response);
            const bool last = ++burst.done == burst.beats;
            if (last != beat.last) ++count.boundary;
            m_beats.pop_front();
            if (last) {
                burst.due = m_now + 1 + wait();
                m_answers[id].push_back(burst);
                m_writes.pop_front();
            }
        }
    }

    uint64_t m_now = 0;
    std::deque<Burst> m_reads[IDS];
    std::deque<Write> m_writes;
    std::deque<Beat> m_beats;
    std::deque<Burst> m_answers[IDS];
    bool m_r_held = false, m_b_held = false;
    unsigned m_r_id = 0, m_b_id = 0;
};

}  // namespace heron
