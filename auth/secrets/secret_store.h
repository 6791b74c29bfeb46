/*
 * secret_store: the current values of all secrets in use, by name; the process's, kept over
 * reloads.
 *
 * Workers take a reference to a value (a short lock, no I/O). The main thread refreshes: every
 * 60 s, on change, and when asked to after a 401. A source that fails keeps the old value for
 * SECRET_MAX_STALE (a remote one for what it says itself), then the value is gone.
 */
#pragma once

#include "auth/secrets/secret_source.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define SECRET_REFRESH   (60 * SEC)
#define SECRET_MAX_STALE (3600 * SEC)

struct scrubber;
struct secret_remote_ops;
struct secret_slot;
struct secret_store;

/* One version of a secret. Immutable, counted. */
struct credential {
    const char *name;
    const struct secret *secret;
    const struct scrubber *scrubber; /* for answers; NULL if too short to scrub */
    uint64_t version;                /* grows with each new value of the name */
};

struct secret_store *secret_store_new(void);
void secret_store_free(struct secret_store *store);

/* Finds or makes the slot of a name; a reference is taken. Slots live on while referenced. */
struct secret_slot *secret_slot_ref(struct secret_store *store, const char *name);
/* The same, of which only the first `source_count` sources are searched: for what a source needs
 * itself, which lies in those above it. */
struct secret_slot *secret_slot_ref_above(struct secret_store *store, const char *name,
                                          unsigned source_count);
void secret_slot_unref(struct secret_slot *slot);
/* Main thread: it was not found out yet what its sources say. */
bool secret_slot_pending(const struct secret_slot *slot);

/* NULL: the secret is missing or too stale (credential_unavailable). Unref it. Any thread. */
struct credential *credential_acquire(struct secret_slot *slot);
struct credential *credential_ref(struct credential *credential);
void credential_unref(struct credential *credential); /* takes NULL */
/* One of no slot: a token that was had for a secret. `take_scrubber` may be NULL; `number` is its
 * version. */
struct credential *credential_new(const char *name, struct secret *take_secret,
                                  struct scrubber *take_scrubber, uint64_t number);

/* A provider refused it (401): re-read soon, once a minute at most. Any thread, cheap. */
void secret_slot_suspect(struct secret_slot *slot);

/* What happened to one secret in a refresh, for the log. */
struct secret_news {
    const char *name;
    bool changed;       /* a new value is in force */
    bool failed;        /* could not be read; err says why; an old value may still be in force */
    bool missing;       /* no value is in force now */
    uint64_t version;   /* of the new value */
    const char *source; /* of the new value: its type */
    const char *where;  /* and what it is; NULL: a local one */
    const char *source_version; /* by its own count; "": it has none */
    struct error err;
};

/* Of remote sources. Before the sources that need it are set. Main thread, as all below. */
void secret_store_set_remote(struct secret_store *store, const struct secret_remote_ops *ops,
                             void *ctx);

/* The sources to search from now on (copied), in order. */
void secret_store_set_sources(struct secret_store *store, const struct secret_source *sources,
                              unsigned count);
/* Reads what is due at `now`: never read, 60 s old, changed on disk (looked at by stamp), or
 * suspect. Calls `report` for changes, first failures and recoveries. Main thread. */
void secret_store_refresh(struct secret_store *store, usec_t now,
                          void (*report)(void *ctx, const struct secret_news *news), void *ctx);
/* Is there a secret whose sources have not said anything yet? NULL: none; else one's name. */
const char *secret_store_pending(struct secret_store *store);

/* What is known of a secret, for people. */
struct secret_standing {
    const char *name;
    bool in_force;
    bool failing;               /* its source could not be read the last time */
    uint64_t version;           /* of the value in force, as this process counts */
    const char *source;         /* its source's type; NULL: there is none */
    const char *source_version; /* by the source's own count; "": it has none */
    usec_t confirmed_at;        /* when the source last said so */
};
/* Of each name in use, in no order. */
void secret_store_each(struct secret_store *store,
                       void (*visit)(void *ctx, const struct secret_standing *standing), void *ctx);
