/*
 * usage: what a call used, as the provider's answer says it, in one form for all providers. Kinds
 * do not overlap: their sum is what a token quota counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct usage {
    uint64_t input;       /* tokens read, without those below */
    uint64_t cache_read;  /* of the prompt, from the provider's cache */
    uint64_t cache_write; /* of the prompt, written to it */
    uint64_t output;      /* generated, reasoning included */
    uint64_t reasoning;   /* of the output; for information */
};

/* No answer that makes sense says more; larger figures are held to be broken. */
#define USAGE_TOKENS_MAX UINT64_C(1000000000)

static inline uint64_t usage_tokens(const struct usage *usage)
{
    return usage->input + usage->cache_read + usage->cache_write + usage->output;
}
