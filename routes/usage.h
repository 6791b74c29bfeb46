/*
 * usage: what a call used, as the provider's answer says it, in one form for all providers. Kinds
 * do not overlap (but for `reasoning`): the sum of the tokens is what a token quota counts.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct usage {
    /* Tokens read. */
    uint64_t input;       /* without those below */
    uint64_t cache_read;  /* of the prompt, from the provider's cache, whatever they stand for */
    uint64_t cache_write; /* of the prompt, written to it */
    uint64_t audio_input; /* that stand for sound */
    uint64_t image_input; /* and for images, where they have a price of their own */
    /* Tokens generated. */
    uint64_t output; /* reasoning included, without those below */
    uint64_t audio_output;
    uint64_t image_output;
    uint64_t reasoning; /* of the output */
    /* What else providers count. */
    uint64_t images; /* made or read */
    uint64_t characters;
    uint64_t milliseconds; /* of sound */
    uint64_t messages;     /* mails, SMS */
    uint64_t segments;     /* of SMS: what carriers count */
    uint64_t searches;
};

/* The members of struct usage, in their order. */
enum usage_kind {
    USAGE_INPUT,
    USAGE_CACHE_READ,
    USAGE_CACHE_WRITE,
    USAGE_AUDIO_INPUT,
    USAGE_IMAGE_INPUT,
    USAGE_OUTPUT,
    USAGE_AUDIO_OUTPUT,
    USAGE_IMAGE_OUTPUT,
    USAGE_REASONING,
    USAGE_IMAGES,
    USAGE_CHARACTERS,
    USAGE_MILLISECONDS,
    USAGE_MESSAGES,
    USAGE_SEGMENTS,
    USAGE_SEARCHES,
    USAGE_KINDS
};

/* No answer that makes sense says more, of any kind; larger figures are held to be broken. */
#define USAGE_TOKENS_MAX UINT64_C(1000000000)

/* "input", "cache_read", ... as the members are called. */
struct slice usage_kind_name(enum usage_kind kind);
uint64_t usage_get(const struct usage *usage, enum usage_kind kind);
void usage_set(struct usage *usage, enum usage_kind kind, uint64_t value);
void usage_add(struct usage *sum, const struct usage *more);
/* Takes so many tokens off that there are `most` left, of the output first. */
void usage_cut_tokens(struct usage *usage, uint64_t most);

static inline uint64_t usage_input(const struct usage *usage)
{
    return usage->input + usage->cache_read + usage->cache_write + usage->audio_input +
           usage->image_input;
}

static inline uint64_t usage_output(const struct usage *usage)
{
    return usage->output + usage->audio_output + usage->image_output;
}

static inline uint64_t usage_tokens(const struct usage *usage)
{
    return usage_input(usage) + usage_output(usage);
}
