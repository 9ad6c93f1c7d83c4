// The Verilated board with its serial line at a file descriptor (a pseudo-terminal's), bit by bit at the pins. The line
// can be told to flip bits, to lose bytes and to bring some that nobody sent.

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"

extern "C" {
struct Faults {
    double flip;   // chance of a bit
    double lose;   // of a byte
    double extra;  // of a byte more, before one that was sent
    uint64_t seed;
};

struct Counts {
    uint64_t cycles;
    uint64_t to_board, from_board;  // bytes that were sent
    uint64_t faults;
};
}

namespace {

class Board {
 public:
    Board(int fd, double cycles_per_bit) : m_fd(fd), m_bit(cycles_per_bit) {
        m_context.reset(new VerilatedContext);
        m_top.reset(new Vtop(m_context.get()));
        m_top->i_rx = 1, m_top->i_button = 0, m_top->rst = 1;
        for (int k = 0; k < 4; ++k) cycle();
        m_top->rst = 0;
    }

    void run(uint64_t cycles) {
        const uint64_t end = m_counts.cycles + cycles;
        for (; m_counts.cycles < end; ++m_counts.cycles) to_board(), cycle(), from_board();
        drain();
    }

    void faults(const Faults& faults) { m_faults = faults, m_random.seed(faults.seed); }
    void buttons(int pressed) { m_top->i_button = pressed; }
    int leds() const { return m_top->o_led; }
    const Counts& counts() const { return m_counts; }

 private:
    static constexpr int POLL_CYCLES = 256;

    void cycle() {
        m_top->clk = 0, m_top->eval();
        m_top->clk = 1, m_top->eval();
    }

    bool happens(double chance) {
        if (chance <= 0 || std::uniform_real_distribution<>()(m_random) >= chance) return false;
        ++m_counts.faults;
        return true;
    }

    // The next bit of the start bit, eight data bits and stop bit, when it is time for it.
    void to_board() {
        if (m_counts.cycles < m_edge) return;
        if (m_bits_left == 0) {
            if (!next_byte()) return;
            m_edge = m_counts.cycles;
        }
        m_top->i_rx = (m_sending & 1) ^ happens(m_faults.flip);
        m_sending >>= 1, --m_bits_left, m_edge += m_bit;
    }

    bool next_byte() {
        m_top->i_rx = 1;
        if (m_queue.empty() && m_counts.cycles % POLL_CYCLES == 0) {
            uint8_t bytes[64];
            const ssize_t count = read(m_fd, bytes, sizeof bytes);
            if (count > 0) m_queue.insert(m_queue.end(), bytes, bytes + count);
        }
        if (m_queue.empty()) return false;
        uint8_t byte = m_random();
        if (!happens(m_faults.extra)) {
            byte = m_queue.front(), m_queue.pop_front();
            ++m_counts.to_board;
            if (happens(m_faults.lose)) return false;
        }
        m_sending = byte << 1 | 1 << 9, m_bits_left = 10;
        return true;
    }

    // Each bit in its middle, the stop bit too, whatever it is.
    void from_board() {
        if (m_bits_seen < 0) {
            if (m_top->o_tx) return;
            m_bits_seen = 0, m_sample = m_counts.cycles + 1.5 * m_bit;
        }
        if (m_counts.cycles < m_sample) return;
        m_sample += m_bit;
        if (m_bits_seen < 8) {
            m_receiving = m_receiving >> 1 | (m_top->o_tx ^ happens(m_faults.flip)) << 7;
            ++m_bits_seen;
            return;
        }
        m_bits_seen = -1;
        ++m_counts.from_board;
        if (happens(m_faults.extra)) m_out.push_back(m_random());
        if (!happens(m_faults.lose)) m_out.push_back(m_receiving);
        if (m_out.size() >= 64) drain();
    }

    // What the other side does not take is lost, as on a line.
    void drain() {
        if (m_out.size() && write(m_fd, m_out.data(), m_out.size()) < 0) m_counts.faults += m_out.size();
        m_out.clear();
    }

    int m_fd;
    double m_bit;
    Faults m_faults{};
    Counts m_counts{};
    std::mt19937_64 m_random;
    std::deque<uint8_t> m_queue;
    std::vector<uint8_t> m_out;
    unsigned m_sending = 0, m_bits_left = 0;
    double m_edge = 0, m_sample = 0;
    int m_bits_seen = -1;
    uint8_t m_receiving = 0;
    std::unique_ptr<VerilatedContext> m_context;
    std::unique_ptr<Vtop> m_top;
};

Board& of(void* board) { return *static_cast<Board*>(board); }

}  // namespace

extern "C" {
void* board_create(int fd, double cycles_per_bit) { return new Board(fd, cycles_per_bit); }
void board_destroy(void* board) { delete &of(board); }
void board_run(void* board, uint64_t cycles) { of(board).run(cycles); }
void board_faults(void* board, const Faults* faults) { of(board).faults(*faults); }
void board_buttons(void* board, int pressed) { of(board).buttons(pressed); }
int board_leds(void* board) { return of(board).leds(); }
void board_counts(void* board, Counts* counts) { *counts = of(board).counts(); }
}
