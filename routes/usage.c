#include "routes/usage.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    struct slice name;
    size_t offset;
} kinds[USAGE_KINDS] = {
#define KIND(kind, member) [kind] = {SLICE_INIT(#member), offsetof(struct usage, member)}
    KIND(USAGE_INPUT, input),
    KIND(USAGE_CACHE_READ, cache_read),
    KIND(USAGE_CACHE_WRITE, cache_write),
    KIND(USAGE_AUDIO_INPUT, audio_input),
    KIND(USAGE_IMAGE_INPUT, image_input),
    KIND(USAGE_OUTPUT, output),
    KIND(USAGE_AUDIO_OUTPUT, audio_output),
    KIND(USAGE_IMAGE_OUTPUT, image_output),
    KIND(USAGE_REASONING, reasoning),
    KIND(USAGE_IMAGES, images),
    KIND(USAGE_CHARACTERS, characters),
    KIND(USAGE_MILLISECONDS, milliseconds),
    KIND(USAGE_MESSAGES, messages),
    KIND(USAGE_SEGMENTS, segments),
    KIND(USAGE_SEARCHES, searches),
#undef KIND
};

_Static_assert(sizeof(struct usage) == USAGE_KINDS * sizeof(uint64_t), "a kind for each member");

struct slice usage_kind_name(enum usage_kind kind)
{
    assert(kind < USAGE_KINDS);
    return kinds[kind].name;
}

uint64_t usage_get(const struct usage *usage, enum usage_kind kind)
{
    assert(kind < USAGE_KINDS);
    uint64_t value;
    memcpy(&value, (const char *)usage + kinds[kind].offset, sizeof(value));
    return value;
}

void usage_set(struct usage *usage, enum usage_kind kind, uint64_t value)
{
    assert(kind < USAGE_KINDS);
    memcpy((char *)usage + kinds[kind].offset, &value, sizeof(value));
}

void usage_add(struct usage *sum, const struct usage *more)
{
    uint64_t *sums = (uint64_t *)sum; /* all of its members are such numbers */
    const uint64_t *added = (const uint64_t *)more;
    for (unsigned i = 0; i < USAGE_KINDS; i++) {
        sums[i] += added[i];
    }
}

void usage_cut_tokens(struct usage *usage, uint64_t most)
{
    uint64_t tokens = usage_tokens(usage);
    uint64_t excess = tokens > most ? tokens - most : 0;
    for (enum usage_kind kind = USAGE_REASONING; kind > USAGE_INPUT && excess > 0;) {
        kind--; /* those before it are the tokens, and do not overlap */
        uint64_t count = usage_get(usage, kind);
        uint64_t taken = count < excess ? count : excess;
        usage_set(usage, kind, count - taken);
        excess -= taken;
    }
}
