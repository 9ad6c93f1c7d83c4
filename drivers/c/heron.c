#include "heron.h"

#include <stddef.h>
#include <string.h>

#include "heron_registers.h"

#define MAJOR 0

#define OFFSET(reg) ((uint32_t)offsetof(heron_t, reg))
/* The bits of a field for a value, and its value from a register. */
#define PUT(reg, field, value) ((uint32_t)(value) << HERON__##reg##__##field##_bp & HERON__##reg##__##field##_bm)
#define GET(reg, field, word) (((word) & HERON__##reg##__##field##_bm) >> HERON__##reg##__##field##_bp)
#define FITS(reg, field, value) ((value) >> (HERON__##reg##__##field##_bw - 1) <= 1)

static uint32_t get(const struct heron *chip, uint32_t offset) { return chip->io.read(chip->io.context, offset); }

static void put(const struct heron *chip, uint32_t offset, uint32_t value) {
    chip->io.write(chip->io.context, offset, value);
}

static uint64_t get_wide(const struct heron *chip, uint32_t low) {
    const uint64_t value = get(chip, low);
    return value | (uint64_t)get(chip, low + 4) << 32;
}

static void put_wide(const struct heron *chip, uint32_t low, uint64_t value) {
    put(chip, low, (uint32_t)value);
    put(chip, low + 4, (uint32_t)(value >> 32));
}

enum heron_status heron_open(struct heron *chip, const struct heron_io *io) {
    memset(chip, 0, sizeof *chip);
    chip->io = *io;
    if (get(chip, OFFSET(ID)) != HERON__ID__MAGIC_reset) return HERON_NO_CHIP;
    chip->version = get(chip, OFFSET(VERSION));
    if (GET(VERSION, MAJOR, chip->version) != MAJOR) return HERON_NO_CHIP;
    chip->git_hash = get(chip, OFFSET(GIT_HASH));
    chip->preset_hash = get(chip, OFFSET(PRESET_HASH));
    const uint32_t capabilities = get(chip, OFFSET(CAPABILITIES)), largest = get(chip, OFFSET(MAX_SIZE));
    chip->ctb_size = 1u << GET(CAPABILITIES, CTB_LOG2_SIZE, capabilities);
    chip->bus_bytes = GET(CAPABILITIES, BUS_BYTES, capabilities);
    chip->max_width = GET(MAX_SIZE, WIDTH, largest);
    chip->max_height = GET(MAX_SIZE, HEIGHT, largest);
    return HERON_DONE;
}

void heron_picture_init(struct heron_picture *picture) {
    memset(picture, 0, sizeof *picture);
    picture->qp = 32;
    picture->write_parameter_sets = true;
    picture->level_idc = 93;
    picture->colour_primaries = picture->transfer_characteristics = picture->matrix_coeffs = 2;
}

static bool planes_fit(const struct heron_planes *planes, bool nv12) {
    const uint64_t addresses = planes->y | planes->cb | (nv12 ? 0 : planes->cr);
    return addresses >> 40 == 0 && FITS(SOURCE_STRIDE_Y, BYTES, planes->stride_y) &&
           FITS(SOURCE_STRIDE_C, BYTES, planes->stride_c);
}

static bool fits(const struct heron_picture *p) {
    return FITS(SIZE, WIDTH, p->width) && FITS(SIZE, HEIGHT, p->height) && FITS(QP, QP, p->qp)
        && FITS(STREAM, LEVEL_IDC, p->level_idc) && FITS(COLOUR, COLOUR_PRIMARIES, p->colour_primaries)
        && FITS(COLOUR, TRANSFER_CHARACTERISTICS, p->transfer_characteristics)
        && FITS(COLOUR, MATRIX_COEFFS, p->matrix_coeffs) && p->bitstream >> 40 == 0
        && (!p->use_qp_map || p->qp_map >> 40 == 0) && planes_fit(&p->source, p->nv12)
        && (!p->write_recon || planes_fit(&p->recon, p->nv12));
}

static void put_planes(const struct heron *chip, uint32_t y, uint32_t stride_y, const struct heron_planes *planes) {
    put_wide(chip, y, planes->y);
    put_wide(chip, y + 8, planes->cb);
    put_wide(chip, y + 16, planes->cr);
    put(chip, stride_y, planes->stride_y);
    put(chip, stride_y + 4, planes->stride_c);
}

enum heron_status heron_submit(struct heron *chip, const struct heron_picture *p) {
    if (!fits(p)) return HERON_TOO_WIDE;
    const uint32_t status = get(chip, OFFSET(STATUS));
    if (GET(STATUS, FAULT, status) || GET(STATUS, RESETTING, status)) return HERON_FAULT;
    if (GET(STATUS, QUEUED, status)) return HERON_QUEUE_FULL;
    put(chip, OFFSET(SIZE), PUT(SIZE, WIDTH, p->width) | PUT(SIZE, HEIGHT, p->height));
    put(chip, OFFSET(MODE),
        PUT(MODE, PIXEL_FORMAT, p->nv12) | PUT(MODE, QP_MAP, p->use_qp_map) | PUT(MODE, RECON, p->write_recon)
            | PUT(MODE, WRITE_PARAMETER_SETS, p->write_parameter_sets) | PUT(MODE, WRITE_HASH, p->write_hash));
    put(chip, OFFSET(QP), PUT(QP, QP, p->qp));
    put(chip, OFFSET(STREAM),
        PUT(STREAM, LEVEL_IDC, p->level_idc) | PUT(STREAM, HIGH_TIER, p->high_tier)
            | PUT(STREAM, FULL_RANGE, p->full_range));
    put(chip, OFFSET(COLOUR),
        PUT(COLOUR, COLOUR_PRIMARIES, p->colour_primaries)
            | PUT(COLOUR, TRANSFER_CHARACTERISTICS, p->transfer_characteristics)
            | PUT(COLOUR, MATRIX_COEFFS, p->matrix_coeffs));
    put(chip, OFFSET(TAG), p->tag);
    put_planes(chip, OFFSET(SOURCE_Y_LOW), OFFSET(SOURCE_STRIDE_Y), &p->source);
    if (p->write_recon) put_planes(chip, OFFSET(RECON_Y_LOW), OFFSET(RECON_STRIDE_Y), &p->recon);
    put_wide(chip, OFFSET(BITSTREAM_LOW), p->bitstream);
    put(chip, OFFSET(BITSTREAM_SIZE), p->bitstream_size);
    if (p->use_qp_map) put_wide(chip, OFFSET(QP_MAP_LOW), p->qp_map);
    put(chip, OFFSET(CONTROL), PUT(CONTROL, START, 1));
    return HERON_DONE;
}

enum heron_status heron_finish(struct heron *chip, struct heron_result *result) {
    put(chip, OFFSET(IRQ_ENABLE), get(chip, OFFSET(IRQ_ENABLE)) | PUT(IRQ_ENABLE, FINISHED, 1));
    for (;;) {
        const uint32_t status = get(chip, OFFSET(STATUS));
        if (GET(IRQ_STATUS, FINISHED, get(chip, OFFSET(IRQ_STATUS)))) break;
        if (!GET(STATUS, BUSY, status) && !GET(STATUS, QUEUED, status)) return HERON_NO_PICTURE;
        if (!chip->io.wait(chip->io.context)) return HERON_NOT_FINISHED;
    }
    const uint32_t error = get(chip, OFFSET(ERROR));
    result->code = (enum heron_error_code)GET(ERROR, CODE, error);
    result->master = (enum heron_master)GET(ERROR, MASTER, error);
    result->resp = GET(ERROR, RESP, error);
    result->address = get_wide(chip, OFFSET(ERROR_ADDRESS_LOW));
    result->tag = get(chip, OFFSET(RESULT_TAG));
    result->position = get(chip, OFFSET(BITSTREAM_POSITION));
    result->cycles = get(chip, OFFSET(CYCLES));
    result->bins = get(chip, OFFSET(BINS));
    result->bits = get(chip, OFFSET(BITS));
    result->bytes_read = get(chip, OFFSET(BYTES_READ));
    result->bytes_written = get(chip, OFFSET(BYTES_WRITTEN));
    for (uint32_t k = 0; k < 3; ++k) result->sse[k] = get_wide(chip, OFFSET(SSE_Y_LOW) + 8 * k);
    for (uint32_t k = 0; k < 8; ++k) result->stalls[k] = get(chip, OFFSET(STALL_FETCH) + 4 * k);
    put(chip, OFFSET(IRQ_STATUS), PUT(IRQ_STATUS, FINISHED, 1));
    return result->code == HERON_OK ? HERON_DONE : HERON_BAD_PICTURE;
}

void heron_abort(struct heron *chip) { put(chip, OFFSET(CONTROL), PUT(CONTROL, ABORT, 1)); }

enum heron_status heron_reset(struct heron *chip) {
    put(chip, OFFSET(CONTROL), PUT(CONTROL, SOFT_RESET, 1));
    while (GET(STATUS, RESETTING, get(chip, OFFSET(STATUS))))
        if (!chip->io.wait(chip->io.context)) return HERON_STUCK;
    if (GET(STATUS, FAULT, get(chip, OFFSET(STATUS)))) return HERON_STUCK;
    return HERON_DONE;
}

const char *heron_error_name(enum heron_error_code code) {
    switch (code) {
        case HERON_OK: return "OK";
        case HERON_BAD_SIZE: return "BAD_SIZE";
        case HERON_BAD_QP: return "BAD_QP";
        case HERON_BAD_ALIGNMENT: return "BAD_ALIGNMENT";
        case HERON_BAD_STRIDE: return "BAD_STRIDE";
        case HERON_BAD_BUFFER: return "BAD_BUFFER";
        case HERON_BITSTREAM_FULL: return "BITSTREAM_FULL";
        case HERON_ABORTED: return "ABORTED";
        case HERON_BUS_ERROR: return "BUS_ERROR";
        case HERON_WATCHDOG: return "WATCHDOG";
        case HERON_BAD_QP_MAP: return "BAD_QP_MAP";
    }
    return "unknown";
}
