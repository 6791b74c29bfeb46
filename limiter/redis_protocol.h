/*
 * redis_protocol: commands in Redis' protocol (RESP2), written in place: one reservation of space a
 * word, no printf. Internal to redis_commands and redis_scripts.
 */
#pragma once

#include "base/buffer.h"
#include "base/digest.h"
#include "limiter/redis_commands.h"

#include <stdbool.h>

struct redis_scripts {
    char *texts[SCRIPTS]; /* owned */
    char hashes[SCRIPTS][2 * SHA1_BYTES + 1];
};

/* One command being written; after resp_end() it is there, or nothing of it. */
struct resp {
    struct buffer *out;
    size_t start; /* bytes that were there before */
    bool full;
};

enum { RESP_NUMBER_MAX = 24 };

/* Digits of a number; returns how many. */
static inline size_t resp_digits(uint64_t number, char out[RESP_NUMBER_MAX])
{
    char digits[RESP_NUMBER_MAX];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

/* "*words\r\n" */
void resp_begin(struct resp *resp, struct buffer *out, unsigned words);
void resp_text(struct resp *resp, struct slice text);
void resp_number(struct resp *resp, int64_t number);
/* The name of a key: two parts, such as "{store:tenant}:v1:" and "open". */
void resp_key(struct resp *resp, const char *store, const char *tenant, struct slice name,
              struct slice rest);
MUST_USE enum status resp_end(struct resp *resp);
