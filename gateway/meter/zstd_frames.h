/*
 * zstd_frames: walks over the frames and blocks of zstd (RFC 8878) without decoding them: says how
 * large a window they want, and where a block ends, for only there is all decoded that was read.
 * Pure.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zstd_part {
    ZSTD_PART_MAGIC,
    ZSTD_PART_HEADER,
    ZSTD_PART_BLOCK_HEADER,
    ZSTD_PART_BLOCK,
    ZSTD_PART_CHECKSUM,
};

/* Zero-initialized is the beginning. */
struct zstd_walk {
    enum zstd_part part;
    unsigned char field[20]; /* what is there of a magic number or a header */
    size_t field_len;
    uint64_t left; /* of the block or the checksum */
    bool last_block;
    bool has_checksum;
    size_t since;      /* bytes behind the end of the last block or frame */
    uint64_t window;   /* bytes that the frame wants; 0 before its header was read */
    bool whole;        /* at the end of a frame */
    const char *fault; /* static; NULL: none */
};

/* Takes bytes from the front, until the end or until a frame's header is complete (`window` is new
 * then). Returns how many. `fault` is set where they are nothing that is taken: a skippable frame,
 * one of an old version, one with a dictionary, or a block that is none. */
size_t zstd_walk(struct zstd_walk *walk, struct slice bytes);
