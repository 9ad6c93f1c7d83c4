// Drives the Verilated core through a C interface: one picture in, bytes and reconstruction out.
// The five streams are those of the core; see hdl/payloads.py for what is in their payloads.

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Waves = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Waves = VerilatedVcdC;
#endif

#include "stats.inc"  // HERON_STATS(S): S(stat_...) for each statistics output of the core

// Verilator's name of a stream's port: it spells the two underscores out.
#define PORT(stream, part) m_top->stream##___05F##part

namespace {

// Draws how long a stream pauses before its next payload: often not at all, at times a little, rarely long.
class Stalls {
 public:
    void seed(uint64_t seed, uint64_t stream) { m_state = seed * 0x9E3779B97F4A7C15u + stream * 2 + 1; }
    void enable(bool enabled) { m_enabled = enabled, m_gap = 0; }
    bool open() const { return m_gap == 0; }
    void cycle(bool transferred) {
        if (transferred && m_enabled) {
            m_state ^= m_state << 13, m_state ^= m_state >> 7, m_state ^= m_state << 17;
            const uint64_t draw = m_state >> 20;
            if ((draw & 3) == 0) m_gap = draw >> 2 & 7;
            if ((draw >> 8 & 255) == 0) m_gap = draw >> 16 & 511;
        } else if (m_gap) {
            --m_gap;
        }
    }

 private:
    uint64_t m_state = 1;
    uint32_t m_gap = 0;
    bool m_enabled = false;
};

// Valid stays and payload stays until ready.
class Rule {
 public:
    bool holds(bool valid, bool ready, uint64_t payload) {
        const bool good = !m_pending || (valid && payload == m_payload);
        m_pending = valid && !ready, m_payload = payload;
        return good;
    }

 private:
    bool m_pending = false;
    uint64_t m_payload = 0;
};

}  // namespace

extern "C" {

enum Result : int32_t { DONE = 0, NOTHING_MOVES = 1, RULE_BROKEN = 2, TOO_MUCH = 3, CANCELLED = 4 };

// Called now and then; a non-zero answer ends the picture with CANCELLED.
typedef int32_t (*Progress)(uint64_t cycles, uint64_t source_groups, uint64_t recon_groups, uint64_t bytes);

struct Request {
    const uint8_t* picture;  // payload of i_picture, little endian
    const uint8_t* source;   // source_groups x 8 samples
    uint64_t source_groups;
    const uint8_t* qps;  // qp_count payloads of i_qp
    uint64_t qp_count;
    uint8_t* recon;  // room for recon_groups x 8 samples
    uint64_t recon_groups;
    uint64_t watchdog;  // cycles in which nothing moves, after which to give up
    uint64_t stall_seed;
    int32_t stalls;  // 0: every stream as fast as it can
    Progress progress;
    uint64_t progress_cycles;  // between two calls of progress
};

struct Answer {
    uint64_t cycles;  // from the first offer of the picture to the last payload out
    uint64_t source_groups;
    uint64_t qp_count;
    uint64_t recon_groups;
    uint64_t bytes;
    int32_t picture_taken;
    int32_t last_byte;
};

class Harness {
 public:
    Harness() {
        m_context.reset(new VerilatedContext);
#if VM_TRACE
        m_context->traceEverOn(true);
#endif
        m_top.reset(new Vtop(m_context.get()));
        m_top->clk = 0;
        reset();
    }

    void reset() {
        PORT(i_picture, valid) = PORT(i_source, valid) = PORT(i_qp, valid) = 0;
        PORT(o_recon, ready) = PORT(o_byte, ready) = 0;
        m_top->rst = 1;
        for (int k = 0; k < 4; ++k) settle(), clock();
        m_top->rst = 0;
        settle(), clock();  // the reset is a cycle late
    }

    int32_t encode(const Request& request, Answer& answer) {
        Stalls picture, source, recon, byte, qp;
        uint64_t stream = 0;
        for (Stalls* each : {&picture, &source, &recon, &byte, &qp}) {
            each->seed(request.stall_seed, stream++);
            each->enable(request.stalls != 0);
        }
        Rule recon_rule, byte_rule;
        uint64_t quiet = 0;
        m_bytes.clear();
        answer = Answer{};
        std::memcpy(&PORT(i_picture, payload), request.picture, sizeof(PORT(i_picture, payload)));
        while (!(answer.last_byte && answer.recon_groups == request.recon_groups
                 && answer.source_groups == request.source_groups && answer.qp_count == request.qp_count)) {
            PORT(i_picture, valid) = !answer.picture_taken && picture.open();
            PORT(i_source, valid) = answer.source_groups != request.source_groups && source.open();
            if (PORT(i_source, valid))
                std::memcpy(&PORT(i_source, payload), request.source + 8 * answer.source_groups, 8);
            PORT(i_qp, valid) = answer.qp_count != request.qp_count && qp.open();
            if (PORT(i_qp, valid)) PORT(i_qp, payload) = request.qps[answer.qp_count];
            PORT(o_recon, ready) = recon.open();
            PORT(o_byte, ready) = byte.open();
            settle();

            const bool picture_moves = PORT(i_picture, valid) && PORT(i_picture, ready);
            const bool source_moves = PORT(i_source, valid) && PORT(i_source, ready);
            const bool qp_moves = PORT(i_qp, valid) && PORT(i_qp, ready);
            const bool recon_moves = PORT(o_recon, valid) && PORT(o_recon, ready);
            const bool byte_moves = PORT(o_byte, valid) && PORT(o_byte, ready);
            if (!recon_rule.holds(PORT(o_recon, valid), PORT(o_recon, ready), PORT(o_recon, payload))
                || !byte_rule.holds(PORT(o_byte, valid), PORT(o_byte, ready), PORT(o_byte, payload)))
                return RULE_BROKEN;
            if (picture_moves) answer.picture_taken = 1;
            if (source_moves) ++answer.source_groups;
            if (qp_moves) ++answer.qp_count;
            if (recon_moves) {
                if (answer.recon_groups == request.recon_groups) return TOO_MUCH;
                std::memcpy(request.recon + 8 * answer.recon_groups++, &PORT(o_recon, payload), 8);
            }
            if (byte_moves) {
                if (answer.last_byte) return TOO_MUCH;
                m_bytes.push_back(PORT(o_byte, payload) & 255);
                answer.last_byte = PORT(o_byte, payload) >> 8 & 1;
                answer.bytes = m_bytes.size();
            }
            picture.cycle(picture_moves), source.cycle(source_moves), qp.cycle(qp_moves);
            recon.cycle(recon_moves), byte.cycle(byte_moves);
            clock();
            ++answer.cycles;
            if (picture_moves || source_moves || qp_moves || recon_moves || byte_moves) quiet = 0;
            else if (++quiet == request.watchdog) return NOTHING_MOVES;
            if (answer.cycles % request.progress_cycles == 0
                && request.progress(answer.cycles, answer.source_groups, answer.recon_groups, answer.bytes))
                return CANCELLED;
        }
        PORT(i_picture, valid) = PORT(i_source, valid) = PORT(i_qp, valid) = 0;
        PORT(o_recon, ready) = PORT(o_byte, ready) = 0;
        settle();
        for (int k = 0; k < 16; ++k) {
            if (PORT(o_recon, valid) || PORT(o_byte, valid)) return TOO_MUCH;
            clock(), settle();
        }
        return DONE;
    }

    const uint8_t* bytes() const { return m_bytes.data(); }

    void stats(uint64_t* values) const {
#define S(name) *values++ = m_top->name;
        HERON_STATS(S)
#undef S
    }

 private:
    // Outputs follow the inputs.
    void settle() { m_top->clk = 0, m_top->eval(), dump(); }
    // State follows the rising edge.
    void clock() { m_top->clk = 1, m_top->eval(), dump(); }

#if VM_TRACE
 public:
    void open_waves(const char* path) {
        m_waves.reset(new Waves);
        m_top->trace(m_waves.get(), 99);
        m_waves->open(path);
    }

 private:
    void dump() {
        if (m_waves) m_waves->dump(m_time += 5);
    }

    uint64_t m_time = 0;
    std::unique_ptr<Waves> m_waves;
#else
    void dump() {}
#endif

    std::unique_ptr<VerilatedContext> m_context;
    std::unique_ptr<Vtop> m_top;
    std::vector<uint8_t> m_bytes;
};

void* heron_create() { return new Harness; }
void heron_destroy(void* harness) { delete static_cast<Harness*>(harness); }
#if VM_TRACE
void heron_waves(void* harness, const char* path) { static_cast<Harness*>(harness)->open_waves(path); }
#endif
void heron_reset(void* harness) { static_cast<Harness*>(harness)->reset(); }
int32_t heron_encode(void* harness, const Request* request, Answer* answer) {
    return static_cast<Harness*>(harness)->encode(*request, *answer);
}
const uint8_t* heron_bytes(void* harness) { return static_cast<Harness*>(harness)->bytes(); }
void heron_stats(void* harness, uint64_t* values) { static_cast<Harness*>(harness)->stats(values); }
}
