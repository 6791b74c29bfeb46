/*
 * otlp_post: one request to a collector, and what its answer means. Blocking: for the exporter's
 * thread alone.
 *
 * The collector's host comes from the config and is allowed for this use. Its answer is not
 * believed much: TLS is verified, nothing is redirected, no proxy is used, little is read.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct otlp_post;
struct otlp_settings;

/* Asked about once a second: is the request to be given up now? */
typedef bool otlp_post_over(void *ctx);

struct otlp_post *otlp_post_new(otlp_post_over *over, void *ctx);
void otlp_post_free(struct otlp_post *post);

enum otlp_end {
    OTLP_TAKEN,
    OTLP_AGAIN,   /* it may be taken later: 429, 502, 503, 504, or no answer at all */
    OTLP_REFUSED, /* it will never be */
};

struct otlp_answer {
    enum otlp_end end;
    usec_t retry_after; /* OTLP_AGAIN: no earlier than this; 0: it did not say */
    uint64_t rejected;  /* OTLP_TAKEN: items that were not */
    char why[240];      /* for the operator; "": all is well */
};

/* Sends `body` to the settings' URL with `path` behind it, and waits for at most `most`. */
void otlp_post_send(struct otlp_post *post, const struct otlp_settings *settings, const char *path,
                    struct slice body, usec_t most, struct otlp_answer *ret);
