/* The built-in usage tables. */
#pragma once

#include "base/memory.h"
#include "routes/usage_table.h"

#include <criterion/criterion.h>

/* The built-in table of that name; all of them are read once. */
static inline const struct usage_table *table_named(const char *name)
{
    static struct arena arena;
    static const struct usage_table *known[32];
    static unsigned count;
    for (unsigned i = 0; i < count; i++) {
        if (slice_equal(known[i]->name, slice_from(name))) {
            return known[i];
        }
    }
    struct error err = {0};
    cr_assert_eq(usage_table_load(&arena, slice_from(name), &known[count], &err), STATUS_OK, "%s",
                 err.message);
    return known[count++];
}

static inline const struct usage_table *table_of(enum usage_dialect dialect)
{
    static const char *const names[USAGE_DIALECTS] = {
        [USAGE_OPENAI_CHAT] = "openai-chat",     [USAGE_OPENAI_RESPONSES] = "openai-responses",
        [USAGE_ANTHROPIC] = "anthropic",         [USAGE_GEMINI] = "gemini",
        [USAGE_COHERE] = "cohere-chat",          [USAGE_BEDROCK] = "bedrock-converse",
        [USAGE_PLAIN] = "openai-transcriptions",
    };
    return table_named(names[dialect]);
}
