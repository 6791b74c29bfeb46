/*
 * http1_scan: the two inner loops of the codec, over the bytes of names and of values, eight at a
 * time. Inline, for nothing else is done as often. Not for anyone but the codec.
 */
#pragma once

#include "base/http1_internal.h"

#include <endian.h>

/* A byte in each of the eight. */
#define HTTP1_EACH(byte) (0x0101010101010101U * (byte))

/* The bit that tells an ASCII letter's cases apart. */
#define HTTP1_CASE_BITS HTTP1_EACH(0x20)

static inline uint64_t http1_load(const char *ptr)
{
    uint64_t word;
    memcpy(&word, ptr, sizeof(word));
    return le64toh(word);
}

/* How many of the eight bytes, from the first on, are those of a token? Letters and '-', which is
 * what names consist of, are told all at once: adding to the low seven bits carries into the top
 * one where a byte is in range, and never further. */
static inline unsigned http1_count_token_bytes(uint64_t word)
{
    uint64_t bytes = word & HTTP1_EACH(0x7f);
    uint64_t lower = bytes | HTTP1_CASE_BITS;
    uint64_t not_letters = ~(lower + HTTP1_EACH(0x80 - 'a')) | (lower + HTTP1_EACH(0x7f - 'z'));
    uint64_t not_dashes = (bytes ^ HTTP1_EACH('-')) + HTTP1_EACH(0x7f);
    uint64_t others = ((not_letters & not_dashes) | word) & HTTP1_EACH(0x80);
    if (others == 0) {
        return 8;
    }
    unsigned count = (unsigned)__builtin_ctzll(others) / 8;
    while (count < 8 && http1_is((char)(word >> (8 * count)), HTTP1_TOKEN_BYTE)) {
        count++;
    }
    return count;
}

/* FNV-1a, but eight bytes at a time. */
static inline uint64_t http1_mix(uint64_t hash, uint64_t lower)
{
    return (hash ^ lower) * 0x9e3779b97f4a7c15U;
}

static inline uint32_t http1_finish(uint64_t hash, uint64_t word, unsigned count)
{
    if (count > 0) {
        hash = http1_mix(hash, (word | HTTP1_CASE_BITS) & (~(uint64_t)0 >> (64 - 8 * count)));
    }
    return (uint32_t)(hash >> 32);
}

/* The first byte from `at` on that may not be in a token, or `end`; the hash of those before it. */
static inline const char *http1_hash_token(const char *at, const char *end, uint32_t *ret_hash)
{
    uint64_t hash = 0xcbf29ce484222325U;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        word = http1_load(at);
        unsigned count = http1_count_token_bytes(word);
        if (count < 8) {
            *ret_hash = http1_finish(hash, word, count);
            return at + count;
        }
        hash = http1_mix(hash, word | HTTP1_CASE_BITS);
    }
    word = 0;
    unsigned count = 0;
    for (; at < end && http1_is(*at, HTTP1_TOKEN_BYTE); at++) {
        word |= (uint64_t)(unsigned char)*at << (8 * count++);
    }
    *ret_hash = http1_finish(hash, word, count);
    return at;
}

/* The first byte from `at` on that may not be in a field value, or `end`. */
static inline const char *http1_skip_value(const char *at, const char *end)
{
    while (end - at >= 8) {
        /* The top bit of each byte that is below 0x20 or 0x7f; bytes above 0x7f have it cleared.
         * A borrow only spoils bytes behind one that is marked already. */
        uint64_t word = http1_load(at);
        uint64_t deleted = word ^ HTTP1_EACH(0x7f);
        uint64_t marks =
            (((word - HTTP1_EACH(0x20)) & ~word) | ((deleted - HTTP1_EACH(1)) & ~deleted)) &
            HTTP1_EACH(0x80);
        if (marks == 0) {
            at += 8;
            continue;
        }
        at += __builtin_ctzll(marks) / 8;
        if (*at != '\t') {
            return at;
        }
        at++;
    }
    while (at < end && http1_is(*at, HTTP1_VALUE_BYTE)) {
        at++;
    }
    return at;
}

/* `known` consists of lower-case letters and '-', `token` of token bytes in any case: then setting
 * the bit that tells cases apart makes equal only what is equal. */
static inline bool http1_same_token(struct slice token, struct slice known)
{
    if (token.len != known.len) {
        return false;
    }
    size_t i = 0;
    if (token.len >= 8) {
        for (; i < token.len - 8; i += 8) {
            if ((http1_load(token.ptr + i) | HTTP1_CASE_BITS) != http1_load(known.ptr + i)) {
                return false;
            }
        }
        i = token.len - 8; /* the last eight, some of them once more */
        return (http1_load(token.ptr + i) | HTTP1_CASE_BITS) == http1_load(known.ptr + i);
    }
    while (i < token.len && (token.ptr[i] | 0x20) == known.ptr[i]) {
        i++;
    }
    return i == token.len;
}
