/*
 * secret_slot: what a secret_store is made of; for secret_store.c and secret_refresh.c alone.
 *
 * Any thread takes and drops references; the main thread alone reads sources and replaces values.
 */
#pragma once

#include "auth/secrets/secret_remote.h"
#include "auth/secrets/secret_source.h"
#include "auth/secrets/secret_store.h"

#include <pthread.h>
#include <stdatomic.h>

/* A credential as it is handed out, with its counter. */
struct version {
    struct credential public; /* first, so that one pointer is the other */
    atomic_uint refs;
    char *name;                /* owned */
    struct secret *secret;     /* owned */
    struct scrubber *scrubber; /* owned */
};

enum health { HEALTH_NEVER_READ, HEALTH_GOOD, HEALTH_FAILING, HEALTH_MISSING };

struct secret_slot {
    struct secret_store *store; /* ref */
    struct secret_slot *next;   /* in the store's list; under its mutex */
    unsigned refs;              /* under the store's mutex */
    char *name;                 /* owned */
    unsigned source_limit;      /* so many sources are searched, from the first on */
    atomic_bool suspect;

    pthread_mutex_t mutex;   /* of `current` alone, and never held for long */
    struct version *current; /* ref; NULL: no value is in force */

    /* The main thread's: what it knows from its last looks. */
    enum health health;
    uint64_t stamp;
    uint64_t last_version;
    usec_t read_at;
    usec_t confirmed_at; /* when the value was last read well */
    usec_t max_stale;    /* how long it may be used from then on */
    const char *source;  /* the type of where it was found; NULL: nowhere yet */
    char source_version[SECRET_VERSION_TEXT];
    usec_t suspected_at; /* when it was last read because of a refusal */
    bool ever_suspected;
};

/* A source that the store searches; strings are its own. */
struct store_source {
    struct secret_source source;
    struct secret_source_cache cache;
    char *strings[6]; /* owned */
};

struct secret_store {
    pthread_mutex_t mutex; /* of `slots`, their counters, and `refs` */
    struct secret_slot *slots;
    unsigned refs; /* the owner and each slot */

    /* The main thread's. */
    struct store_source *sources; /* owned */
    unsigned source_count;
    uint64_t source_generation;             /* so that other sources look like a change */
    const struct secret_remote_ops *remote; /* NULL: remote sources are not asked here */
    void *remote_ctx;
};
