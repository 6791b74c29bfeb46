/*
 * sample_event_body: what the body of a sample event is like, by provider. Internal to
 * sample_event.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* Of made ids: "evt_". Any name has one. */
struct slice sample_event_id_prefix(struct slice provider);
/* What an event is usually, where nothing else is wanted. */
struct slice sample_event_type(struct slice provider);

/* What has to be in the body, besides what the table has. */
struct sample_event_member {
    struct slice name; /* a JSON pointer, or a parameter of a form */
    struct slice text; /* empty: it is a number */
    uint64_t number;
};

struct sample_event_content {
    struct slice provider;
    bool form; /* else JSON */
    const struct sample_event_member *members;
    unsigned member_count;
};

MUST_USE enum status sample_event_body(const struct sample_event_content *content,
                                       struct arena *arena, struct slice *ret, struct error *err);
