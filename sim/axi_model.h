// A memory on AXI4 for simulation: one call a cycle, everything else is set and read by whoever holds its AxiControl.
// axi_memory.sv gives it pins, sim/axi_memory.py is its Python side, and a C++ harness may call it directly.
//
// What an interconnect may do it does, as far as AxiControl says: late and uneven answers, order between IDs, errors,
// channels that stop. What a master must not do it notes as a violation: bytes outside the windows, bursts that are
// too long, cross 4 KB or are unaligned, payloads that change before ready, W that does not fit its address, R that
// waits. Memory is what the windows say; they belong to the caller.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

enum AxiDirection : uint32_t { AXI_READ, AXI_WRITE };
enum AxiChannel : uint32_t { AXI_AR, AXI_R, AXI_AW, AXI_W, AXI_B };
enum AxiResp : uint32_t { AXI_OKAY = 0, AXI_SLVERR = 2, AXI_DECERR = 3 };
enum AxiOrder : uint32_t { AXI_IN_ORDER, AXI_BURSTS_OVERTAKE, AXI_BEATS_INTERLEAVE };
enum AxiViolation : uint32_t {
    AXI_OUTSIDE_READ, AXI_OUTSIDE_WRITE, AXI_CROSSES_4K, AXI_TOO_LONG, AXI_NOT_WHOLE_BEATS, AXI_UNSTABLE, AXI_WRONG_LAST,
    AXI_R_WAITS
};

constexpr uint32_t AXI_IDS = 2, AXI_BEAT_BYTES = 16, AXI_EVERY_BEAT = ~0u, AXI_NOTED = 16;

// resp != 0: an error for the burst-th burst of its direction and ID from now on (0: the next), at one beat of a read
// or AXI_EVERY_BEAT. The memory counts burst down, clears resp when it strikes, and then tells the address.
struct AxiFault {
    uint64_t address;
    uint32_t resp, burst, beat, hits;
};

struct AxiNote {
    uint64_t address, cycle;
    uint32_t kind, id;
};

struct AxiControl {
    uint64_t seed;
    uint32_t latency_min, latency_max;  // cycles from an address (of a write: its last beat) to the answer, from 1
    uint32_t pace;                      // chance in 256 that ready, or a valid that is due, is given in a cycle
    uint32_t order;                     // AxiOrder
    uint32_t capacity;                  // bursts that wait in each direction, before their address must
    uint32_t max_beats;                 // longer bursts are a violation
    uint32_t aligned;                   // addresses that are no multiple of a beat are a violation
    int32_t freeze[5];                  // by AxiChannel: so many more handshakes, then none; negative: no end
    uint32_t outstanding[2];            // by AxiDirection: bursts without their last answer
    AxiFault fault[2][AXI_IDS];         // by AxiDirection and ID
    uint64_t cycles;
    uint64_t bursts[2][AXI_IDS];
    uint64_t bytes[2];                  // of all beats read; of all strobes written
    uint64_t violations;                // how many; the first ones in `noted`
    AxiNote noted[AXI_NOTED];
};

// A finished burst, for monitors.
struct AxiBurst {
    uint64_t address, taken, answered;  // taken: the cycle of its address; answered: of its last answer
    uint32_t direction, id, beats, resp;
};

struct AxiAddress {
    uint64_t address;
    uint32_t id, len, size, burst;
    bool operator==(const AxiAddress& other) const {
        return address == other.address && id == other.id && len == other.len && size == other.size
               && burst == other.burst;
    }
};

struct AxiReadPins {
    uint32_t arvalid, rready;
    AxiAddress ar;
    uint32_t arready, rvalid, rid, rresp, rlast;  // these are the memory's
    uint8_t rdata[AXI_BEAT_BYTES];
};

struct AxiWritePins {
    uint32_t awvalid, wvalid, wlast, wstrb, bready;
    AxiAddress aw;
    uint8_t wdata[AXI_BEAT_BYTES];
    uint32_t awready, wready, bvalid, bid, bresp;  // these are the memory's
};

class AxiMemory {
 public:
    AxiControl control{};

    explicit AxiMemory(uint32_t beat_bytes) : m_beat_bytes(beat_bytes) {
        control.latency_min = control.latency_max = 1, control.pace = 256, control.capacity = 16, control.max_beats = 16;
        control.aligned = 1;
        std::fill_n(control.freeze, 5, -1);
    }

    void set_beat_bytes(uint32_t beat_bytes) { m_beat_bytes = beat_bytes; }

    // `size` bytes at `data` appear at `base` for the IDs whose bit is set; resp != 0: every access gets that answer.
    void map(uint64_t base, uint64_t size, uint8_t* data, uint32_t readers, uint32_t writers, uint32_t resp) {
        m_windows.push_back({base, size, data, {readers, writers}, resp});
    }
    void unmap() { m_windows.clear(); }

    // Moves up to `room` bursts that finished since the last call to `out`; returns how many.
    uint64_t take_bursts(AxiBurst* out, uint64_t room) {
        const uint64_t count = std::min<uint64_t>(room, m_finished.size());
        std::copy_n(m_finished.begin(), count, out);
        m_finished.erase(m_finished.begin(), m_finished.begin() + count);
        return count;
    }

    // Forget what is under way; windows and control stay.
    void reset() {
        m_reads.clear(), m_writes.clear(), m_beats.clear();
        m_ar = m_r = m_aw = m_w = m_b = Output{};
        m_ar_waits = m_aw_waits = m_w_waits = false;
        control.outstanding[AXI_READ] = control.outstanding[AXI_WRITE] = 0;
    }

    // One rising edge: what the pins were before it, and what the memory drives after it. read() first, then write().
    void read(AxiReadPins& pins) {
        ++control.cycles;
        if (m_ar_waits && !(pins.arvalid && pins.ar == m_ar_was)) note(AXI_UNSTABLE, m_ar_was.id, m_ar_was.address);
        if (pins.arvalid && m_ar.on) take_address(AXI_READ, pins.ar, m_reads), used(AXI_AR);
        m_ar_waits = pins.arvalid && !m_ar.on, m_ar_was = pins.ar;
        if (m_r.on && !pins.rready) note(AXI_R_WAITS, pins.rid, 0);
        if (m_r.on && pins.rready) {
            m_r.on = false, used(AXI_R);
            control.bytes[AXI_READ] += m_beat_bytes;
            Burst& burst = m_reads[m_r.index];
            if (++burst.done == burst.beats) finish(AXI_READ, m_reads, m_r.index);
        }
        m_ar.on = control.outstanding[AXI_READ] < control.capacity && given(AXI_AR);
        if (!m_r.on && given(AXI_R) && choose(m_reads, m_r.index, m_r_middle)) {
            const Burst& burst = m_reads[m_r.index];
            m_r.on = true, m_r_middle = burst.done + 1 != burst.beats;
            const uint64_t address = burst.address + uint64_t(burst.done) * m_beat_bytes;
            const bool hit = burst.beat == AXI_EVERY_BEAT || burst.beat == burst.done;
            const Window* window = find(address, m_beat_bytes, AXI_READ, burst.id);
            pins.rid = burst.id, pins.rlast = !m_r_middle;
            pins.rresp = hit ? burst.resp : window ? window->resp : uint32_t(AXI_DECERR);
            if (window) std::memcpy(pins.rdata, window->data + (address - window->base), m_beat_bytes);
            else note(AXI_OUTSIDE_READ, burst.id, address), std::memset(pins.rdata, 0xEE, AXI_BEAT_BYTES);
            if (pins.rresp) m_reads[m_r.index].worst = pins.rresp;
        }
        pins.arready = m_ar.on, pins.rvalid = m_r.on;
    }

    void write(AxiWritePins& pins) {
        if (m_aw_waits && !(pins.awvalid && pins.aw == m_aw_was)) note(AXI_UNSTABLE, m_aw_was.id, m_aw_was.address);
        if (pins.awvalid && m_aw.on) take_address(AXI_WRITE, pins.aw, m_writes), used(AXI_AW);
        m_aw_waits = pins.awvalid && !m_aw.on, m_aw_was = pins.aw;
        Beat beat{pins.wstrb, pins.wlast != 0, {}};
        std::memcpy(beat.data, pins.wdata, m_beat_bytes);
        if (m_w_waits && !(pins.wvalid && beat == m_w_was)) note(AXI_UNSTABLE, 0, 0);
        if (pins.wvalid && m_w.on) m_beats.push_back(beat), used(AXI_W);
        m_w_waits = pins.wvalid && !m_w.on, m_w_was = beat;
        store();
        if (m_b.on && pins.bready) m_b.on = false, used(AXI_B), finish(AXI_WRITE, m_writes, m_b.index);
        m_aw.on = control.outstanding[AXI_WRITE] < control.capacity && given(AXI_AW);
        m_w.on = m_beats.size() < 4 * control.max_beats && given(AXI_W);
        if (!m_b.on && given(AXI_B) && choose(m_writes, m_b.index, false)) {
            const Burst& burst = m_writes[m_b.index];
            m_b.on = true, pins.bid = burst.id, pins.bresp = burst.worst;
        }
        pins.awready = m_aw.on, pins.wready = m_w.on, pins.bvalid = m_b.on;
    }

 private:
    struct Window {
        uint64_t base, size;
        uint8_t* data;
        uint32_t ids[2];
        uint32_t resp;
    };
    struct Burst {
        uint64_t address, taken, due;
        uint32_t id, beats, done;
        uint32_t resp, beat;  // of an injected error; beat: which one, or AXI_EVERY_BEAT
        uint32_t worst;       // what was answered
    };
    struct Beat {
        uint32_t strb;
        bool last;
        uint8_t data[AXI_BEAT_BYTES];
        bool operator==(const Beat& other) const {
            return strb == other.strb && last == other.last && !std::memcmp(data, other.data, AXI_BEAT_BYTES);
        }
    };
    struct Output {
        bool on = false;
        size_t index = 0;  // the burst that is being answered
    };
    static constexpr uint64_t NEVER = ~uint64_t(0);

    void note(uint32_t kind, uint32_t id, uint64_t address) {
        if (control.violations < AXI_NOTED) control.noted[control.violations] = {address, control.cycles, kind, id};
        ++control.violations;
    }

    uint32_t draw() {
        control.seed = control.seed * 6364136223846793005u + 1442695040888963407u;
        return control.seed >> 33;
    }
    bool given(AxiChannel channel) {
        return control.freeze[channel] && (control.pace >= 256 || (draw() & 255) < control.pace);
    }
    void used(AxiChannel channel) {
        if (control.freeze[channel] > 0) --control.freeze[channel];
    }
    uint64_t due() {
        const uint32_t spread = control.latency_max - control.latency_min + 1;
        return control.cycles + control.latency_min - 1 + (spread > 1 ? draw() % spread : 0);
    }

    const Window* find(uint64_t address, uint64_t size, AxiDirection direction, uint32_t id) const {
        for (const Window& window : m_windows)
            if (address >= window.base && address - window.base + size <= window.size
                && (window.ids[direction] >> id & 1))
                return &window;
        return nullptr;
    }

    void take_address(AxiDirection direction, const AxiAddress& from, std::deque<Burst>& bursts) {
        const uint32_t id = from.id % AXI_IDS, beats = from.len + 1;
        const uint64_t first = from.address - from.address % m_beat_bytes;
        if ((first ^ (first + uint64_t(beats) * m_beat_bytes - 1)) >> 12) note(AXI_CROSSES_4K, id, from.address);
        if (beats > control.max_beats) note(AXI_TOO_LONG, id, from.address);
        if ((first != from.address && control.aligned) || 1u << from.size != m_beat_bytes || from.burst != 1)
            note(AXI_NOT_WHOLE_BEATS, id, from.address);
        Burst burst{first, control.cycles, direction == AXI_READ ? due() : NEVER, id, beats, 0, 0, beats, 0};
        AxiFault& fault = control.fault[direction][id];
        if (fault.resp && fault.burst-- == 0) {
            burst.resp = fault.resp, fault.resp = 0, fault.burst = 0, ++fault.hits;
            burst.beat = fault.beat == AXI_EVERY_BEAT ? fault.beat : std::min(fault.beat, beats - 1);
            fault.address = first;
            if (direction == AXI_READ && fault.beat != AXI_EVERY_BEAT)
                fault.address += uint64_t(burst.beat) * m_beat_bytes;
        }
        ++control.bursts[direction][id], ++control.outstanding[direction];
        bursts.push_back(burst);
    }

    // Beats that came to the bursts they belong to, which are those of the addresses in their order.
    void store() {
        for (Burst& burst : m_writes) {
            while (burst.done != burst.beats) {
                if (m_beats.empty()) return;
                store_beat(burst, m_beats.front());
                m_beats.pop_front();
                if (++burst.done == burst.beats) burst.due = due();
            }
        }
    }

    void store_beat(Burst& burst, const Beat& beat) {
        const uint64_t address = burst.address + uint64_t(burst.done) * m_beat_bytes;
        if (beat.last != (burst.done + 1 == burst.beats)) note(AXI_WRONG_LAST, burst.id, address);
        if (burst.resp) burst.worst = burst.resp;
        for (uint32_t lane = 0; lane < m_beat_bytes; ++lane) {
            if (!(beat.strb >> lane & 1)) continue;
            ++control.bytes[AXI_WRITE];
            const Window* window = find(address + lane, 1, AXI_WRITE, burst.id);
            if (!window) note(AXI_OUTSIDE_WRITE, burst.id, address + lane), burst.worst = AXI_DECERR;
            else if (window->resp) burst.worst = window->resp;
            else if (!burst.resp) window->data[address + lane - window->base] = beat.data[lane];
        }
    }

    // The burst to answer next: of each ID the oldest, if it is due; which ID, `order` says.
    bool choose(const std::deque<Burst>& bursts, size_t& index, bool middle) {
        size_t due[AXI_IDS], count = 0;
        uint32_t seen = 0;
        for (size_t k = 0; k < bursts.size() && seen != (1u << AXI_IDS) - 1; ++k) {
            if (seen >> bursts[k].id & 1) continue;
            seen |= 1u << bursts[k].id;
            if (middle && control.order != AXI_BEATS_INTERLEAVE && bursts[k].done) return index = k, true;
            if (bursts[k].due <= control.cycles) due[count++] = k;
            else if (control.order == AXI_IN_ORDER && count == 0) return false;
        }
        if (!count) return false;
        index = due[control.order == AXI_IN_ORDER ? 0 : draw() % count];
        return true;
    }

    void finish(AxiDirection direction, std::deque<Burst>& bursts, size_t index) {
        const Burst& burst = bursts[index];
        m_finished.push_back(
            {burst.address, burst.taken, control.cycles, direction, burst.id, burst.beats, burst.worst});
        if (m_finished.size() > KEPT) m_finished.pop_front();
        bursts.erase(bursts.begin() + index);
        --control.outstanding[direction];
    }

    static constexpr size_t KEPT = 1 << 16;
    uint32_t m_beat_bytes;
    std::vector<Window> m_windows;
    std::deque<Burst> m_reads, m_writes;  // in the order of their addresses
    std::deque<Beat> m_beats;             // that came before their address
    std::deque<AxiBurst> m_finished;
    Output m_ar, m_r, m_aw, m_w, m_b;
    bool m_r_middle = false, m_ar_waits = false, m_aw_waits = false, m_w_waits = false;
    AxiAddress m_ar_was{}, m_aw_was{};
    Beat m_w_was{};
};
