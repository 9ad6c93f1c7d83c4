/* The driver of the Heron chip in C: user space, no allocation, no threads. The same calls as heron/driver.py.
 *
 * The integrator supplies three functions (struct heron_io): read and write a 32 bit register at an offset of the register
 * map (heron_registers.h), and wait for the interrupt. Buffers are addresses as the chip sees them; who owns the memory
 * fills and reads them, and keeps caches coherent.
 *
 *     struct heron chip;
 *     if (heron_open(&chip, &io)) ...                      no chip that this driver knows
 *     heron_submit(&chip, &picture);                       runs at once, or when the one before it is done
 *     heron_finish(&chip, &result);                        waits; the stream is in the buffer: result.position bytes
 */
#ifndef HERON_H
#define HERON_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns. */
enum heron_status {
    HERON_DONE = 0,
    HERON_NO_CHIP = -1,      /* ID or the major version is another */
    HERON_QUEUE_FULL = -2,   /* a picture waits already */
    HERON_NOT_FINISHED = -3, /* wait gave up */
    HERON_BAD_PICTURE = -4,  /* how it ended is in heron_result.code */
    HERON_STUCK = -5,        /* the bus owes answers: no soft reset */
    HERON_TOO_WIDE = -6,     /* a value does not fit its register */
    HERON_FAULT = -7,        /* after a bus error or the watchdog: heron_reset first */
    HERON_NO_PICTURE = -8,   /* none runs or waits: it was dropped, or never submitted */
};

/* How a picture ended (ERROR.code of the register map). */
enum heron_error_code {
    HERON_OK = 0,
    HERON_BAD_SIZE = 1,
    HERON_BAD_QP = 2,
    HERON_BAD_ALIGNMENT = 3,
    HERON_BAD_STRIDE = 4,
    HERON_BAD_BUFFER = 5,
    HERON_BITSTREAM_FULL = 16,
    HERON_ABORTED = 17,
    HERON_BUS_ERROR = 18,
    HERON_WATCHDOG = 19,
    HERON_BAD_QP_MAP = 20,
};

/* Who spoke to the memory (ERROR.master). */
enum heron_master { HERON_SOURCE = 0, HERON_QP_MAP = 1, HERON_RECON = 2, HERON_BITSTREAM = 3 };

struct heron_io {
    uint32_t (*read)(void *context, uint32_t offset);
    void (*write)(void *context, uint32_t offset, uint32_t value);
    bool (*wait)(void *context); /* until the interrupt, or a while; false: time to give up */
    void *context;
};

struct heron {
    struct heron_io io;
    uint32_t version, git_hash, preset_hash;
    uint32_t ctb_size, bus_bytes, max_width, max_height;
};

/* A 4:2:0 picture in memory, 8 bit: addresses and strides in bytes. NV12: Cb and Cr are both in cb. */
struct heron_planes {
    uint64_t y, cb, cr;
    uint32_t stride_y, stride_c;
};

struct heron_picture {
    uint32_t width, height;
    struct heron_planes source;
    struct heron_planes recon; /* looked at with write_recon */
    uint64_t bitstream;
    uint32_t bitstream_size;
    uint64_t qp_map; /* looked at with use_qp_map */
    uint32_t qp;
    bool nv12, write_recon, use_qp_map, write_parameter_sets, write_hash, high_tier, full_range;
    uint32_t level_idc, colour_primaries, transfer_characteristics, matrix_coeffs;
    uint32_t tag;
};

struct heron_result {
    enum heron_error_code code;
    enum heron_master master; /* of HERON_BUS_ERROR, as resp (2 SLVERR, 3 DECERR) and address */
    uint32_t resp;
    uint64_t address;
    uint32_t tag;
    uint32_t position; /* bytes of the stream in the buffer */
    uint32_t cycles, bins, bits, bytes_read, bytes_written;
    uint64_t sse[3];   /* Y, Cb, Cr */
    uint32_t stalls[8]; /* fetch, analysis, reconstruction, entropy, pack; source, recon, bitstream */
};

enum heron_status heron_open(struct heron *chip, const struct heron_io *io);
enum heron_status heron_submit(struct heron *chip, const struct heron_picture *picture);
enum heron_status heron_finish(struct heron *chip, struct heron_result *result);
void heron_abort(struct heron *chip);
enum heron_status heron_reset(struct heron *chip);

/* Sensible values for what a picture need not say; addresses and size stay 0. */
void heron_picture_init(struct heron_picture *picture);
/* The name of a code, as in the register map. */
const char *heron_error_name(enum heron_error_code code);

#ifdef __cplusplus
}
#endif
#endif
