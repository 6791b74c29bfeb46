/*
 * secret_remote: how a secret_store learns what sources say that are asked over the network: it
 * never waits, but is told what is known by now. Called from the main thread.
 */
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { SECRET_VERSION_TEXT = 64 };

enum secret_known {
    SECRET_KNOWN,     /* it has the name */
    SECRET_ABSENT,    /* it has not: the next source is asked */
    SECRET_FAILS,     /* it cannot tell; the error says why */
    SECRET_NOT_KNOWN, /* it is being asked for the first time */
};

struct secret_known_value {
    struct secret *secret;             /* the caller's to free */
    char version[SECRET_VERSION_TEXT]; /* the source's own; "": it has none */
    usec_t at;                         /* when the source said so */
    usec_t max_stale;                  /* how long it may be used from then on */
};

struct secret_remote_ops {
    /* What the source `id` says of the name; from now on it is kept up to date. `anew`: it is to be
     * asked again now. */
    enum secret_known (*ask)(void *ctx, const char *id, const char *name, bool anew,
                             struct secret_known_value *ret, struct error *err);
    /* Differs whenever ask() may say something else. */
    uint64_t (*stamp)(void *ctx, const char *id, const char *name);
};
