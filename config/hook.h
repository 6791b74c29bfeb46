/*
 * hook: one webhook of a provider as the config describes it: how it is verified, what is wanted of
 * it, and whom it is delivered to. Immutable, part of a snapshot.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "routes/breaker.h"
#include "routes/egress.h"
#include "routes/origin.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct route_table;
struct secret_slot;
struct webhook_scheme;

enum {
    HOOK_SECRETS_MAX = 8,        /* of one hook, for rotation */
    HOOK_TOPICS_MAX = 64,        /* pinned */
    HOOK_TARGETS_MAX = 16,       /* of one hook */
    HOOK_TARGET_SECRETS_MAX = 2, /* two while it is rolled */
    HOOK_SCHEDULE_MAX = 20,      /* attempts */
    HOOK_EDITS_MAX = 64,         /* of one transformation */
    HOOK_SETTLES_MAX = 16,       /* rules of one hook */
};

struct hook_secret {
    const char *name;
    struct secret_slot *slot; /* ref; NULL: of no name, or of no store */
};

/* Names of event types: "invoice.*", "*"; '*' stands for any text. */
struct hook_patterns {
    const struct slice *pattern;
    unsigned count; /* 0: all */
};

enum hook_edit_kind { HOOK_DROP, HOOK_RENAME };

/* What is done to a JSON body before it is delivered, in this order. */
struct hook_edit {
    enum hook_edit_kind kind;
    struct slice from; /* an RFC 6901 pointer; what is not there is not an error */
    struct slice to;   /* of HOOK_RENAME: the new member's pointer; its parent must be there */
};

enum hook_order {
    HOOK_ORDER_NONE,
    HOOK_ORDER_OBJECT, /* the next of one object waits until the one before is over */
};

struct hook_rate {
    unsigned count; /* 0: no bound */
    usec_t period;
};

enum hook_money { HOOK_USD, HOOK_CENT };

/* What an event says, later, of the request that made its object (ADR 0013). A place is an RFC 6901
 * pointer into a JSON body, or the name of a form's field; empty: none. */
struct hook_settle {
    struct hook_patterns types; /* of events that it is for */
    struct slice inside;        /* the JSON text that all places are in; empty: the body itself */
    bool is_array;              /* what `each` points to: each element says something */
    struct slice each;          /* where the array is; empty: it is all */
    struct slice object;        /* the id that the request's answer named */
    struct slice up_to;         /* in the event that goes on behind this text; empty: it does not */
    struct slice cost, currency;
    enum hook_money unit;      /* of the cost */
    struct slice status;       /* of the object */
    struct hook_patterns free; /* what its status is, where it cost nothing; count 0: none */
    const char *provider;      /* of the request: the name of its profile; "": any */
};

/* Where events go. Named, so that what waits in the queue finds it again after a reload. */
struct hook_target {
    const char *name; /* unique in the hook */
    unsigned index;   /* in the hook */
    struct origin origin;
    struct slice path;                  /* with the query; at least "/" */
    usec_t timeout;                     /* of an attempt, connecting included */
    usec_t schedule[HOOK_SCHEDULE_MAX]; /* before each attempt; ±20 % are added, but to 0 */
    unsigned schedule_count;            /* at least 1 */
    enum hook_order order;
    struct slice order_key;      /* JSON pointer into the event's body */
    struct hook_patterns events; /* of this target, besides the hook's */
    struct hook_secret secrets[HOOK_TARGET_SECRETS_MAX];
    unsigned secret_count; /* 0: what is delivered is not signed */
    unsigned concurrency;  /* attempts at once */
    struct hook_rate rate; /* of attempts */
    struct breaker_policy breaker;
    struct hook_edit *edits;
    unsigned edit_count;
};

enum hook_dedupe {
    HOOK_DEDUPE_NORMAL, /* a signed body under another id is delivered, and said */
    HOOK_DEDUPE_STRICT, /* it counts as a repeat */
};

enum hook_counting {
    HOOK_COUNT_UNVERIFIED,
    HOOK_COUNT_ALL,
};

struct hook {
    const char *name;
    unsigned index;                      /* position in the snapshot */
    struct slice path;                   /* exact */
    struct slice host;                   /* lower case, no port; empty: any */
    struct slice shown_path, shown_host; /* as they were written: ${...} stays */
    const struct webhook_scheme *scheme; /* borrowed: of the snapshot */
    struct slice public_url; /* without query, the request's is put behind it; empty: made of the
                                request's scheme, Host and target */
    struct hook_secret secrets[HOOK_SECRETS_MAX];
    unsigned secret_count;
    struct hook_secret verify_token; /* of handshakes that send one; name NULL: none */
    struct slice topics[HOOK_TOPICS_MAX];
    unsigned topic_count;
    struct slice audience;
    struct slice service_account;
    struct hook_patterns events; /* others are acknowledged and dropped */
    bool drop_untyped;           /* so are those without a type */
    uint64_t body_bytes;         /* more is 413 */
    struct hook_rate rate;       /* of each source address; count 0: none */
    enum hook_counting counting;
    enum hook_dedupe dedupe;
    const struct egress_network *sources; /* addresses that may send; none: any */
    unsigned source_count;
    struct hook_target *targets;
    unsigned target_count; /* at least 1 */
    const struct hook_settle *settles;
    unsigned settle_count;
};

/* By path and host. Zero-initialized has none. */
struct hook_table {
    struct hook *const *hooks; /* sorted by name; hook->index is the position */
    unsigned count;
    const struct hook *const *by_path; /* sorted by path, then by host, those without one last */
    const struct route_table *routes;  /* borrowed */
};

/* The table of hooks that are sorted by name, of which no two have the same path and host. What it
 * points to is in the arena. */
void hook_table_make(struct hook_table *table, struct hook *const *hooks, unsigned count,
                     const struct route_table *routes, struct arena *arena);
/* The hook of exactly that path (without query, as sent) and host (with or without port); NULL:
 * there is none. One with a host goes before one without; so does a route with a host. */
const struct hook *hook_table_find(const struct hook_table *table, struct slice host,
                                   struct slice path);
/* By name; NULL: there is none. */
const struct hook *hook_table_named(const struct hook_table *table, struct slice name);
const struct hook_target *hook_target_named(const struct hook *hook, struct slice name);
/* An event without a type is matched by "*" alone. */
bool hook_patterns_match(const struct hook_patterns *patterns, struct slice type);

/* What may wait. */
struct queue_config {
    const char *path; /* of the SQLite file; NULL: there is no hook, and none is to come */
    usec_t keep;      /* after the delivery, for replays */
    usec_t max_age;   /* what waits longer is dead */
    uint64_t max_events;
    uint64_t max_bytes;
};
