#include "gateway/meter/zstd_frames.h"

#include <assert.h>

enum {
    MAGIC_BYTES = 4,
    BLOCK_HEADER_BYTES = 3,
    CHECKSUM_BYTES = 4,
    BLOCK_MAX_BYTES = 128 * 1024,
    BLOCK_RLE = 1,
    BLOCK_RESERVED = 3,
};

static uint64_t little_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = count; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

static void enter(struct zstd_walk *walk, enum zstd_part part)
{
    walk->part = part;
    walk->field_len = 0;
}

/* ---- a frame's header (RFC 8878, section 3.1.1.1) ---- */

struct descriptor {
    bool single_segment;
    size_t content_size_bytes;
    size_t dictionary_bytes;
};

static struct descriptor read_descriptor(unsigned char byte)
{
    static const size_t size_bytes[] = {0, 2, 4, 8};
    static const size_t dictionary_bytes[] = {0, 1, 2, 4};
    struct descriptor it = {.single_segment = (byte & 0x20) != 0,
                            .content_size_bytes = size_bytes[byte >> 6],
                            .dictionary_bytes = dictionary_bytes[byte & 3]};
    if (it.single_segment && it.content_size_bytes == 0) {
        it.content_size_bytes = 1;
    }
    return it;
}

static size_t header_bytes(const struct descriptor *it)
{
    size_t window_bytes = it->single_segment ? 0 : 1;
    return 1 + window_bytes + it->dictionary_bytes + it->content_size_bytes;
}

static uint64_t window_of(const struct descriptor *it, const unsigned char *header)
{
    if (!it->single_segment) {
        uint64_t base = UINT64_C(1) << (10 + (header[1] >> 3));
        return base + base / 8 * (header[1] & 7);
    }
    uint64_t size = little_endian(header + 1 + it->dictionary_bytes, it->content_size_bytes);
    return it->content_size_bytes == 2 ? size + 256 : size;
}

static bool read_header(struct zstd_walk *walk)
{
    struct descriptor it = read_descriptor(walk->field[0]);
    if (walk->field_len < header_bytes(&it)) {
        return false;
    }
    if (it.dictionary_bytes > 0) {
        walk->fault = "it wants a dictionary";
        return true;
    }
    walk->has_checksum = (walk->field[0] & 4) != 0;
    walk->window = window_of(&it, walk->field);
    enter(walk, ZSTD_PART_BLOCK_HEADER);
    return true;
}

static void read_magic(struct zstd_walk *walk)
{
    if (walk->field_len < MAGIC_BYTES) {
        return;
    }
    if (little_endian(walk->field, MAGIC_BYTES) != UINT64_C(0xfd2fb528)) {
        walk->fault = "it is no zstd, or has bytes behind its end";
        return;
    }
    enter(walk, ZSTD_PART_HEADER);
}

/* ---- blocks ---- */

static void end_frame(struct zstd_walk *walk)
{
    enter(walk, ZSTD_PART_MAGIC);
    walk->whole = true;
    walk->since = 0;
    walk->window = 0;
}

static void end_block(struct zstd_walk *walk)
{
    walk->since = 0;
    if (!walk->last_block) {
        enter(walk, ZSTD_PART_BLOCK_HEADER);
    } else if (walk->has_checksum) {
        enter(walk, ZSTD_PART_CHECKSUM);
        walk->left = CHECKSUM_BYTES;
    } else {
        end_frame(walk);
    }
}

static void read_block_header(struct zstd_walk *walk)
{
    if (walk->field_len < BLOCK_HEADER_BYTES) {
        return;
    }
    uint64_t header = little_endian(walk->field, BLOCK_HEADER_BYTES);
    uint64_t size = header >> 3;
    unsigned type = header >> 1 & 3;
    walk->last_block = (header & 1) != 0;
    if (type == BLOCK_RESERVED || size > BLOCK_MAX_BYTES) {
        walk->fault = "it is broken";
        return;
    }
    enter(walk, ZSTD_PART_BLOCK);
    walk->left = type == BLOCK_RLE ? 1 : size;
    if (walk->left == 0) {
        end_block(walk);
    }
}

/* ---- the walk ---- */

/* One byte of a magic number or a header. True: a frame's header is complete. */
static bool take_byte(struct zstd_walk *walk, char byte)
{
    assert(walk->field_len < sizeof(walk->field));
    walk->field[walk->field_len++] = (unsigned char)byte;
    walk->since++;
    walk->whole = false;
    switch (walk->part) {
    case ZSTD_PART_MAGIC:
        read_magic(walk);
        break;
    case ZSTD_PART_HEADER:
        return read_header(walk);
    case ZSTD_PART_BLOCK_HEADER:
        read_block_header(walk);
        break;
    case ZSTD_PART_BLOCK:
    case ZSTD_PART_CHECKSUM:
        break;
    }
    return false;
}

static size_t take_body(struct zstd_walk *walk, size_t len)
{
    size_t count = walk->left < len ? (size_t)walk->left : len;
    walk->left -= count;
    walk->since += count;
    if (walk->left == 0 && walk->part == ZSTD_PART_BLOCK) {
        end_block(walk);
    } else if (walk->left == 0) {
        end_frame(walk);
    }
    return count;
}

size_t zstd_walk(struct zstd_walk *walk, struct slice bytes)
{
    size_t at = 0;
    bool header = false;
    while (at < bytes.len && !header && walk->fault == NULL) {
        if (walk->part == ZSTD_PART_BLOCK || walk->part == ZSTD_PART_CHECKSUM) {
            at += take_body(walk, bytes.len - at);
        } else {
            header = take_byte(walk, bytes.ptr[at]);
            at++;
        }
    }
    return at;
}
