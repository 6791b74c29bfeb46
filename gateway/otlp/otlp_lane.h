/*
 * otlp_lane: one of the two things that are sent, spans or metrics: the body under way, and when it
 * may be sent next. The exporter's thread's own.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct otlp_post;
struct otlp_settings;

enum {
    LANE_BODY_MAX_BYTES = 64 * 1024 * 1024,
    LANE_KEEP_BYTES = 1024 * 1024, /* memory of larger things is given back */
};

struct lane {
    const char *path;   /* behind the collector's URL */
    const char *what;   /* for log lines: "spans" */
    struct buffer body; /* empty: nothing is under way */
    unsigned spans;     /* in it; 0: of metrics */
    unsigned failures;  /* in a row */
    usec_t due;
    usec_t complained;
};

void lane_init(struct lane *lane, const char *path, const char *what);
void lane_fini(struct lane *lane);

static inline bool lane_busy(const struct lane *lane)
{
    return buffer_len(&lane->body) > 0;
}

/* Nothing is under way any more. */
void lane_empty(struct lane *lane);

/* Sends the body, within `most`. Behind that it is empty, or due again later. Returns how many
 * spans are lost. */
uint64_t lane_send(struct lane *lane, struct otlp_post *post, const struct otlp_settings *settings,
                   usec_t most);
